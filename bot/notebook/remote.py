"""Push a notebook to a repository elsewhere, with a token that is kept in memory only."""

import asyncio
import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Set
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from dulwich.client import (
    GitClient,
    HttpGitClient,
    HTTPUnauthorized,
    LocalGitClient,
    default_urllib3_manager,
)
from dulwich.errors import GitProtocolError, HangupException, NotGitRepository
from dulwich.objects import ObjectID
from dulwich.pack import UnpackedObject
from dulwich.refs import Ref
from dulwich.repo import Repo
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
)
from urllib3 import PoolManager, ProxyManager, Retry
from urllib3.exceptions import HTTPError, MaxRetryError, ResponseError

from bot.notebook import repository
from configs.schema import NotebookSettings

log = logging.getLogger(__name__)

T = TypeVar("T")
RUN = "{run}"
TRIES = 4
FIRST_WAIT_S = 1.0
TOKEN_VARIABLE = "TUNEWRIGHT__NOTEBOOK__TOKEN"


class PushFailed(Exception):
    """A notebook could not be pushed. The message says why, and quotes nothing that came from the server."""

    def __init__(self, why: str, fix: str, *, passes: bool = False) -> None:
        super().__init__(why)
        self.fix = fix
        """What to do about it."""
        self.passes = passes
        """It may work in a moment."""


class _Pool(PoolManager):
    """Closes its connections for good, also where an answer was not read to its end."""

    def urlopen(  # type: ignore[override]  # as urllib3's own
        self, method: str, url: str, redirect: bool = True, **kw: Any
    ) -> Any:
        """Remember each answer."""
        answer = super().urlopen(method, url, redirect, **kw)
        self.__dict__.setdefault("answers", []).append(answer)
        return answer

    def clear(self) -> None:
        """Close everything."""
        for answer in self.__dict__.pop("answers", []):
            answer.close()
        super().clear()


class _ProxyPool(_Pool, ProxyManager):
    """The same through a proxy."""


async def push(
    folder: Path, run_id: int, settings: NotebookSettings, *, first_wait_s: float = FIRST_WAIT_S
) -> None:
    """Push the notebook of a run, trying again where that may help.

    Raises: PushFailed: it is not there.
    """
    async for attempt in AsyncRetrying(
        stop=stop_after_attempt(TRIES),
        wait=wait_exponential(multiplier=first_wait_s, max=10 * first_wait_s),
        retry=retry_if_exception(lambda error: isinstance(error, PushFailed) and error.passes),
        reraise=True,
    ):
        with attempt:
            await _apart(lambda: push_now(folder, run_id, settings))


def push_now(folder: Path, run_id: int, settings: NotebookSettings) -> None:
    """Push once, and mark in the repository how far the remote is.

    Commits of somebody else are never overwritten. Raises: PushFailed.
    """
    with (
        _client(settings, run_id) as (client, where),
        closing(Repo(str(repository.path_of(folder, run_id)))) as repo,
    ):
        head, branch = repo.refs[repository.BRANCH], branch_of(settings, run_id)
        ours = {entry.commit.id for entry in repo.get_walker(include=[head])}

        def moved(theirs: dict[Ref, ObjectID]) -> dict[Ref, ObjectID]:
            at = theirs.get(branch)
            if at is not None and at not in ours:
                name = branch.decode().removeprefix("refs/heads/")
                raise PushFailed(
                    f"the branch {name} over there has commits that are not of this notebook",
                    "They are left alone. Name another repository in notebook.remote.",
                )
            return {branch: head}

        def pack(
            have: Set[ObjectID], want: Set[ObjectID], *, ofs_delta: bool = False, **_options: Any
        ) -> tuple[int, Iterator[UnpackedObject]]:
            return repo.generate_pack_data(set(have), set(want), ofs_delta=ofs_delta)

        try:
            told = client.send_pack(where, moved, pack)
        except Exception as error:
            raise _explained(error) from error
        if any((told.ref_status or {}).values()):
            raise _refused("a rule of the server")
        repo.refs[mark(settings, run_id)] = head


async def reach(run_id: int, settings: NotebookSettings) -> None:
    """See whether the repository of a run's notebook answers. Raises: PushFailed."""

    def look() -> None:
        with _client(settings, run_id) as (client, where):
            try:
                client.get_refs(where)
            except Exception as error:
                raise _explained(error) from error

    await _apart(look)


def is_pushed(folder: Path, run_id: int, settings: NotebookSettings) -> bool:
    """Tell whether the remote has all of a notebook, as far as is known here."""
    try:
        with closing(Repo(str(repository.path_of(folder, run_id)))) as repo:
            return repo.refs[repository.BRANCH] == repo.refs[mark(settings, run_id)]
    except (NotGitRepository, KeyError, OSError):
        return False


def branch_of(settings: NotebookSettings, run_id: int) -> Ref:
    """Return the branch over there: one of its own for a run where runs share a repository."""
    alone = RUN in (settings.remote or "")
    return Ref(b"refs/heads/main" if alone else f"refs/heads/run-{run_id}".encode())


def mark(settings: NotebookSettings, run_id: int) -> Ref:
    """Return the name under which a repository notes how far a remote is; another remote has another one."""
    place = f"{settings.remote}\0{run_id}".encode()
    return Ref(b"refs/remotes/" + hashlib.sha256(place).hexdigest()[:12].encode() + b"/main")


@contextmanager
def _client(settings: NotebookSettings, run_id: int) -> Iterator[tuple[GitClient, bytes]]:
    """Lend what speaks to the remote, and the path of the repository there."""
    where = (settings.remote or "").replace(RUN, str(run_id))
    if where.startswith("/"):
        yield LocalGitClient(), where.encode()
        return
    parts = urlsplit(where)
    token = settings.token.get_secret_value() if settings.token else None
    root = f"{parts.scheme}://{parts.netloc}/"
    pool = default_urllib3_manager(
        None,
        pool_manager_cls=_Pool,
        proxy_manager_cls=_ProxyPool,
        base_url=root,
        timeout=settings.timeout_s,
    )
    # rows of somebody's data go to the server that was named, and to no other one
    pool.connection_pool_kw["retries"] = Retry(0, redirect=0)
    client = HttpGitClient(
        root,
        pool_manager=pool,
        username=settings.username if token else None,
        password=token,
        timeout=settings.timeout_s,
    )
    try:
        yield client, parts.path.encode()
    finally:
        pool.clear()


def _explained(error: Exception) -> PushFailed:
    """Say what was in the way, in words of ours: a server's own may quote anything."""
    if isinstance(error, PushFailed):
        return error
    if isinstance(error, HTTPUnauthorized):
        return PushFailed(
            "the server does not accept the account",
            f"Set notebook.username, and {TOKEN_VARIABLE} to a token that may write.",
        )
    if isinstance(error, NotGitRepository):
        return PushFailed(
            "there is no such repository, or the account may not see it",
            "Make an empty one, or look at notebook.remote.",
        )
    cause = error.__cause__
    if isinstance(cause, MaxRetryError) and isinstance(cause.reason, ResponseError):
        return PushFailed(
            "the server leads to another address, and is not followed",
            "Put the address that it leads to into notebook.remote, if you trust it.",
        )
    if isinstance(error, OSError | HangupException) or isinstance(cause, HTTPError):
        fix = "Look at the network, and at notebook.remote. It is tried again by itself."
        name = type(getattr(cause, "reason", None) or cause or error).__name__
        return PushFailed(f"the server cannot be reached ({name})", fix, passes=True)
    if isinstance(error, GitProtocolError):
        return _refused(type(error).__name__)
    raise error


def _refused(why: str) -> PushFailed:
    fix = "Look whether the account may write there. It is tried again by itself."
    return PushFailed(f"the server refuses it ({why})", fix, passes=True)


async def _apart(work: Callable[[], T]) -> T:
    """Do something slow in a thread that holds no exit up: waiting for it can be cancelled."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if not done.done():
            done.set_result(result) if error is None else done.set_exception(error)

    def run() -> None:
        result, failed = None, None
        try:
            result = work()
        except Exception as error:  # noqa: BLE001  # handed on to who waits
            failed = error
        with suppress(RuntimeError):  # the loop has ended meanwhile: nobody waits
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, name="notebook", daemon=True).start()
    return await done
