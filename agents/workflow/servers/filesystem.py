"""A server for the files of one folder, by the Model Context Protocol over pipes.

    python -I filesystem.py FOLDER

It reads and writes inside the folder and nowhere else, and overwrites none of the files that the run itself keeps there.
Nothing of the project is imported, so that it starts at once.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_FILE_BYTES = 1024 * 1024
MAX_FOLDER_BYTES = 64 * 1024 * 1024
MAX_LISTED = 1000
KEPT = frozenset({"run-metadata.json", "trace.log", "journal.jsonl"})
"""Of the run: to be read, not to be written."""
PROTOCOL = "2025-06-18"
NO_METHOD, NO_PARAMETER = -32601, -32602


class Refused(Exception):
    """It cannot be done; the model is told why."""


def inside(root: Path, written: str) -> Path:
    """Return what a path means, below the folder; links are followed before it is judged.

    Raises: Refused: it leads out.
    """
    if "\0" in written:
        raise Refused("a path holds no zero byte")
    path = (root / written).resolve()
    if not path.is_relative_to(root):
        raise Refused(f"{written} lies outside of the folder")
    return path


def read_file(root: Path, arguments: dict[str, Any]) -> str:
    """Return the text of a file."""
    path = inside(root, arguments["path"])
    if not path.is_file():
        raise Refused(f"there is no file {arguments['path']}")
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise Refused(f"{arguments['path']} is larger than {MAX_FILE_BYTES} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(f"{arguments['path']} is not text in UTF-8") from None


def write_file(root: Path, arguments: dict[str, Any]) -> str:
    """Write a text; what the file held before is gone."""
    path = inside(root, arguments["path"])
    content = arguments["content"].encode("utf-8", "replace")
    if path == root or path.is_dir():
        raise Refused(f"{arguments['path']} is a folder")
    if path.parent == root and path.name in KEPT:
        raise Refused(f"{path.name} is kept by the run, and not written by tools")
    if len(content) > MAX_FILE_BYTES:
        raise Refused(f"the content is larger than {MAX_FILE_BYTES} bytes")
    if _size(root) + len(content) > MAX_FOLDER_BYTES:
        raise Refused(f"the folder would hold more than {MAX_FOLDER_BYTES} bytes")
    path.parent.mkdir(parents=True, exist_ok=True)
    # NOFOLLOW: a link that was put there meanwhile leads nowhere
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
        file.write(content)
    return f"wrote {len(content)} bytes to {path.relative_to(root)}"


def list_directory(root: Path, arguments: dict[str, Any]) -> str:
    """Return the names in a folder; folders end with a slash."""
    path = inside(root, arguments.get("path", "."))
    if not path.is_dir():
        raise Refused(f"there is no folder {arguments.get('path')}")
    names = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in path.iterdir())
    return "\n".join(names[:MAX_LISTED]) or "(nothing)"


def create_directory(root: Path, arguments: dict[str, Any]) -> str:
    """Make a folder, and those above it."""
    path = inside(root, arguments["path"])
    path.mkdir(parents=True, exist_ok=True)
    return f"{path.relative_to(root)} is there"


def _size(root: Path) -> int:
    return sum(path.lstat().st_size for path in root.rglob("*") if not path.is_symlink())


Do = Callable[[Path, dict[str, Any]], str]
TEXT = {"type": "string"}
TOOLS: dict[str, tuple[Do, str, dict[str, Any], list[str]]] = {
    "read_file": (read_file, "Read a text file.", {"path": TEXT}, ["path"]),
    "write_file": (
        write_file,
        "Write a text file. What it held before is gone.",
        {"path": TEXT, "content": TEXT},
        ["path", "content"],
    ),
    "list_directory": (list_directory, "List the names in a folder.", {"path": TEXT}, []),
    "create_directory": (create_directory, "Make a folder.", {"path": TEXT}, ["path"]),
}


def listed() -> list[dict[str, Any]]:
    """Return what the server can do."""
    return [
        {
            "name": name,
            "description": f"{about} Paths are relative to the folder of this run.",
            "inputSchema": {"type": "object", "properties": properties, "required": required},
        }
        for name, (_, about, properties, required) in TOOLS.items()
    ]


def called(root: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """Use a tool, and return what came of it.

    Raises: KeyError: there is no such tool.
    """
    do, _, properties, required = TOOLS[parameters["name"]]
    arguments = parameters.get("arguments") or {}
    try:
        for name in required:
            if name not in arguments:
                raise Refused(f"needs {name}")
        for name in properties.keys() & arguments.keys():
            if not isinstance(arguments[name], str):
                raise Refused(f"{name} has to be a text")
        text, failed = do(root, arguments), False
    except Refused as refused:
        text, failed = str(refused), True
    except OSError as error:
        text, failed = f"{error.strerror}", True
    return {"content": [{"type": "text", "text": text}], "isError": failed}


def answer(root: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a request, or its error."""
    method, parameters = request.get("method"), request.get("params") or {}
    if method == "initialize":
        return {
            "result": {
                "protocolVersion": parameters.get("protocolVersion", PROTOCOL),
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "tunewright-filesystem", "version": "1"},
            }
        }
    if method == "ping":
        return {"result": {}}
    if method == "tools/list":
        return {"result": {"tools": listed()}}
    if method == "tools/call":
        try:
            return {"result": called(root, parameters)}
        except KeyError:
            return {"error": {"code": NO_PARAMETER, "message": "there is no such tool"}}
    return {"error": {"code": NO_METHOD, "message": f"there is no method {method}"}}


def main() -> None:
    """Answer requests, a line each, until stdin ends."""
    root = Path(sys.argv[1]).resolve(strict=True)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "id" not in request or "method" not in request:
            continue  # told, not asked
        reply = {"jsonrpc": "2.0", "id": request["id"], **answer(root, request)}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
