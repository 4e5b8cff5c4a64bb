"""A notebook as a bare git repository: a function of its entries, down to the names of the commits.

Nothing is looked up in it, so that it may be deleted, and is written anew, at any time. Several calls at once for one
folder are not for this: whoever calls takes turns.
"""

import logging
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from dulwich.objects import Blob, Commit, ObjectID, ShaFile, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo

from bot.notebook.pages import TUNEWRIGHT
from storage.models import Entry

log = logging.getLogger(__name__)

BRANCH = Ref(b"refs/heads/main")
FILE_MODE = 0o100644
_BUILDING, _BROKEN = ".building-", ".broken-"


class State(StrEnum):
    """How a repository stands against its entries."""

    WHOLE = "whole"
    """Every object of every commit is there and right."""
    BEHIND = "behind"
    """It is to be written yet, or once more."""
    DAMAGED = "damaged"
    """Something in it cannot be read, or is not what it is called."""


def path_of(folder: Path, run_id: int) -> Path:
    """Return where the notebook of a run lies."""
    return folder / f"run-{run_id}.git"


def commit_of(
    files: dict[str, str], author: str, message: str, at: datetime, parent: str | None
) -> Commit:
    """Return a commit, which names the tree of its files."""
    return list(_objects(files, author, message, at, parent))[-1]  # type: ignore[return-value]


def write(folder: Path, entries: Sequence[Entry]) -> None:
    """Bring the repository of a run up to its entries; one that is damaged is built anew.

    Killed at any point, the next call finishes the work: what is there is completed or replaced.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _remove_leftovers(folder)
    path = path_of(folder, entries[0].run_id)
    objects = _all_objects(entries)
    if path.exists():
        try:
            _complete(path, objects)
        except Exception as error:  # noqa: BLE001  # whatever is wrong with it, it can be made again
            log.warning("%s is damaged and built anew: %s", path, type(error).__name__)
        else:
            return
    building = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=folder))
    with closing(Repo.init_bare(str(building), default_branch=b"main")) as repo:
        _add(repo, objects)
    if path.exists():
        path.rename(Path(tempfile.mkdtemp(prefix=_BROKEN, dir=folder)) / path.name)
    building.rename(path)
    _remove_leftovers(folder)


def look(folder: Path, entries: Sequence[Entry]) -> State:
    """Tell how the repository of a run stands, without changing it."""
    path = path_of(folder, entries[0].run_id)
    if not path.exists():
        return State.BEHIND
    try:
        with closing(Repo(str(path))) as repo:
            objects = _all_objects(entries)
            if repo.head() != objects[-1].id:
                return State.BEHIND
            return State.DAMAGED if list(_missing(repo, objects)) else State.WHOLE
    except Exception:  # noqa: BLE001  # every way in which it cannot be read is the same to who asks
        return State.DAMAGED


def head(folder: Path, run_id: int) -> str | None:
    """Return the commit that the repository of a run is at; None where there is none that could be read."""
    try:
        with closing(Repo(str(path_of(folder, run_id)))) as repo:
            return repo.refs[BRANCH].decode()
    except Exception:  # noqa: BLE001  # as in `look`
        return None


def _complete(path: Path, objects: Sequence[ShaFile]) -> None:
    with closing(Repo(str(path))) as repo:
        _add(repo, list(_missing(repo, objects)))
        if repo.refs[BRANCH] != objects[-1].id:
            repo.refs[BRANCH] = objects[-1].id
        if repo.head() != objects[-1].id:
            raise ValueError("HEAD leads elsewhere")


def _add(repo: Repo, objects: Sequence[ShaFile]) -> None:
    """Add objects as one pack, and let the branch be at the last of them once they are all there."""
    if objects:
        repo.object_store.add_objects([(thing, None) for thing in objects])
        repo.refs[BRANCH] = objects[-1].id


def _missing(repo: Repo, objects: Iterable[ShaFile]) -> Iterator[ShaFile]:
    """Yield the objects that are not there. Raises: ValueError: one is there and is something else."""
    for thing in objects:
        if thing.id not in repo.object_store:
            yield thing
        elif repo.object_store[thing.id].as_raw_string() != thing.as_raw_string():
            raise ValueError(f"object {thing.id.decode()} is not what it is called")


def _all_objects(entries: Sequence[Entry]) -> list[ShaFile]:
    """Return every object of a notebook once, its newest commit last."""
    found: dict[bytes, ShaFile] = {}
    parent = None
    for entry in entries:
        for thing in _objects(entry.files, entry.author, entry.message, entry.at, parent):
            found[thing.id] = thing
            parent = thing.id.decode()
    return list(found.values())


def _objects(
    files: dict[str, str], author: str, message: str, at: datetime, parent: str | None
) -> Iterator[ShaFile]:
    """Yield blobs, tree and commit, in this order."""
    tree = Tree()
    for name, text in sorted(files.items()):
        blob = Blob.from_string(text.encode("utf-8", "surrogatepass"))
        tree.add(name.encode(), FILE_MODE, blob.id)
        yield blob
    yield tree
    commit = Commit()
    commit.tree = tree.id
    commit.parents = [ObjectID(parent.encode())] if parent else []
    commit.author, commit.committer = author.encode(), TUNEWRIGHT.encode()
    commit.author_time = commit.commit_time = int(at.timestamp())
    commit.author_timezone = commit.commit_timezone = 0
    commit.message = message.encode("utf-8", "surrogatepass")
    yield commit


def _remove_leftovers(folder: Path) -> None:
    for prefix in (_BUILDING, _BROKEN):
        for left in folder.glob(f"{prefix}*"):
            shutil.rmtree(left, ignore_errors=True)
