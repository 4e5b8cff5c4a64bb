"""Looks at a repository of the Hub, or pushes a folder to it: a child program that ends when the bot does.

    python -m agents.hub_program < request.json

The request is one line of JSON on stdin and holds the token; the answer is one line on stdout. `agents.hub` starts it.
A process of its own, because the Hub's library reads its settings (offline, endpoint, telemetry) when it is imported,
because a push in a thread could not be ended, and so that the token reaches nothing else.
"""

import json
import os
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

CONFLICTS = frozenset({409, 412})
"""What the Hub answers when a repository is not as it was said to be."""
ALONE = frozenset({".gitattributes"})
"""What a repository holds that was only made."""
GOODBYE = 75


class Refused(Exception):
    """It cannot be done; the argument is a code of `agents.hub`."""


def main() -> None:
    """Carry out one request and print what came of it."""
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_leave_with_the_bot, daemon=True).start()
    warnings.simplefilter("ignore")  # the Hub's advice on metadata: its errors are what counts
    try:
        answer = ACTIONS[request["do"]](request)
    except Exception as error:  # noqa: BLE001  # whatever it is, the bot is told and says it
        answer = {"error": _described(error)}
    sys.stdout.write(json.dumps(answer) + "\n")


def look(request: dict[str, Any]) -> dict[str, Any]:
    """Return whose the token is, whether it may write, and a repository as it is, where there is one."""
    api = _api(request)
    me = api.whoami()
    role = me.get("auth", {}).get("accessToken", {}).get("role")
    found = _find(api, request["repo"]) if request["repo"] else None
    repository = None
    if found is not None:
        names = sorted(sibling.rfilename for sibling in found.siblings or ())
        repository = {"private": bool(found.private), "head": found.sha, "files": names}
    return {"account": me["name"], "may_write": role != "read", "repository": repository}


def push(request: dict[str, Any]) -> dict[str, Any]:
    """Let a repository hold the files of a folder, by one commit; where it holds them already, by none.

    The repository has to be as it was shown: not there, or at `head`. One that an attempt before this one has made, and
    nobody has put anything into, counts as not there.
    """
    from huggingface_hub import CommitOperationAdd
    from huggingface_hub.errors import HfHubHTTPError

    api, repo = _api(request), request["repo"]
    files = sorted(path for path in Path(request["folder"]).iterdir() if path.is_file())
    found = _found_or_made(api, request)
    if bool(found.private) is not request["private"]:
        raise Refused("visibility")
    if _holds(found, files):
        return {"commit": found.sha, "already": True, "url": f"{api.endpoint}/{repo}"}
    untouched = {sibling.rfilename for sibling in found.siblings or ()} <= ALONE
    if found.sha != request["head"] and not (request["head"] is None and untouched):
        raise Refused("changed")
    operations = [CommitOperationAdd(path.name, path) for path in files]
    try:
        done = api.create_commit(
            repo, operations, commit_message=request["message"], parent_commit=found.sha
        )
    except Exception as error:
        # the answer may be lost and the commit made; or somebody else was faster
        now = _find(api, repo)
        if now is not None and _holds(now, files):
            return {"commit": now.sha, "already": True, "url": f"{api.endpoint}/{repo}"}
        if isinstance(error, HfHubHTTPError) and error.response.status_code in CONFLICTS:
            raise Refused("changed") from error
        raise
    return {"commit": done.oid, "already": False, "url": f"{api.endpoint}/{repo}"}


ACTIONS = {"look": look, "push": push}


def _api(request: dict[str, Any]) -> Any:
    from huggingface_hub import HfApi

    return HfApi(endpoint=request["endpoint"], token=request["token"])


def _found_or_made(api: Any, request: dict[str, Any]) -> Any:
    from huggingface_hub.errors import HfHubHTTPError

    found = _find(api, request["repo"])
    if found is None:
        try:
            api.create_repo(request["repo"], private=request["private"])
        except HfHubHTTPError as error:
            if error.response.status_code not in CONFLICTS:
                raise
        found = _find(api, request["repo"])
    if found is None:
        raise Refused("changed")
    return found


def _find(api: Any, repo: str) -> Any:
    """Return a repository with the hashes of its files, or None."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return api.model_info(repo, files_metadata=True)
    except HfHubHTTPError as error:
        if error.response.status_code == 404:
            return None
        raise


def _holds(found: Any, files: list[Path]) -> bool:
    """Tell whether a repository holds these files: large ones go by SHA-256, small ones by git's own hash."""
    from huggingface_hub.utils.sha import git_hash, sha_fileobj

    there = {sibling.rfilename: sibling for sibling in found.siblings or ()}
    for path in files:
        sibling = there.get(path.name)
        if sibling is None:
            return False
        if sibling.lfs is None:
            same = sibling.blob_id == git_hash(path.read_bytes())
        else:
            with path.open("rb") as stream:
                same = sibling.lfs.sha256 == sha_fileobj(stream).hex()
        if not same:
            return False
    return True


def _described(error: BaseException) -> dict[str, Any]:
    """Return an error as a code, without any text of the Hub's."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case Refused():
                return {"code": str(cause)}
            case ValueError() if "metadata in README.md" in str(cause):
                sys.stderr.write(f"{cause}\n")
                return {"code": "metadata"}
            case HfHubHTTPError():
                wait = cause.response.headers.get("Retry-After", "")
                status = cause.response.status_code
                wait_s = int(wait) if wait.isdigit() else None
                return {"code": "http", "status": status, "retry_after_s": wait_s}
            case httpx2.TransportError():
                return {"code": "network"}
        cause = cause.__cause__
    sys.stderr.write(f"{type(error).__name__}: {error}\n")
    return {"code": "unexpected"}


def _leave_with_the_bot() -> None:
    """End at once when stdin is closed: nobody would hear what came of it, and the next start looks for itself."""
    sys.stdin.read()
    os._exit(GOODBYE)


if __name__ == "__main__":
    main()
