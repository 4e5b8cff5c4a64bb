"""A YAML file as text and tree: where everything stands, and nothing in it that could grow or run.

YAML 1.2 as in the original's js-yaml: `yes` and `on` are text, `010` is ten, `1:30` is text. Anchors, aliases, tags and
merge keys are refused: a few lines of them can stand for gigabytes, and none is needed in a workflow.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent

from agents.workflow.problems import Place, Problem, WorkflowError, shown

MAX_SIZE_BYTES = 256 * 1024
"""The original's largest example has 7 KB; reading this much takes two to three seconds."""
MAX_DEPTH = 32


@dataclass(frozen=True)
class Source:
    """A file as it was read."""

    name: str
    """As the person named it; for messages."""
    text: str
    nodes: CommentedMap
    """With lines and comments; what `tree` was made from."""
    tree: dict[str, Any]
    """Plain values: keys are text, dates are text."""

    def line(self, place: Place) -> int:
        """Return the line, from 1, of a key or list item; of the nearest thing around it where it is missing."""
        line, node = 0, self.nodes
        for key in place:
            found = _line(node, key)
            if found is None:
                break
            line, node = found
        return line + 1

    def problem(self, code: str, place: Place, message: str, **more: Any) -> Problem:
        """Return a problem at a place of this file."""
        return Problem(code, self.name, self.line(place), place, message, **more)


def read(path: Path, name: str | None = None) -> Source:
    """Read a file.

    Raises: WorkflowError: it cannot be read, is too large, not YAML, or holds what is refused.
    """
    name = name or str(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SIZE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise WorkflowError([_of_file("unreadable", name, f"cannot be read: {reason}")]) from error
    return parse(content, name)


def parse(content: bytes | str, name: str) -> Source:
    """Parse a file's content.

    Raises: WorkflowError: it is too large, not UTF-8, not YAML, or holds what is refused.
    """
    content = content.encode() if isinstance(content, str) else content
    if len(content) > MAX_SIZE_BYTES:
        limit = f"{MAX_SIZE_BYTES // 1024} KiB"
        raise WorkflowError([_of_file("too-large", name, f"is larger than {limit}")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"is not UTF-8: byte {error.start + 1}"
        raise WorkflowError([_of_file("not-utf8", name, message)]) from error
    try:
        refused = list(_refused(text, name))
        if refused:
            raise WorkflowError(refused)
        nodes = _reader().load(text)
    except MarkedYAMLError as error:
        raise WorkflowError([_syntax(error, name)]) from error
    except (YAMLError, ValueError) as error:
        message = f"is not YAML: {shown(str(error))}"
        raise WorkflowError([_of_file("not-yaml", name, message)]) from error
    if not isinstance(nodes, CommentedMap):
        message = (
            "has no keys at its top: a workflow or a test file begins with `name: value` lines"
        )
        raise WorkflowError([_of_file("not-a-map", name, message)])
    return Source(name, text, nodes, plain(nodes))


def plain(node: object) -> Any:
    """Return nodes as plain values. Keys and dates become text; nothing else changes."""
    if isinstance(node, dict):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, date):
        return node.isoformat()
    for kind in (str, int, float):
        if isinstance(node, kind):
            return kind(node)
    raise TypeError(f"YAML gave a {type(node).__name__}")


def _reader() -> YAML:
    reader = YAML(typ="rt", pure=True)
    reader.allow_duplicate_keys = False
    return reader


def _refused(text: str, name: str) -> Iterator[Problem]:
    """Look at the events before anything is built from them."""
    depth = 0
    for event in _reader().parse(text):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            message = "anchors (&) and aliases (*) are not allowed; write the text out"
            yield Problem("anchor", name, line, (), message)
        elif isinstance(event, NodeEvent) and getattr(event, "tag", None):
            yield Problem("tag", name, line, (), "tags (!) are not allowed")
        elif getattr(event, "value", None) == "<<":
            yield Problem("merge-key", name, line, (), "merge keys (<<) are not allowed")
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            yield Problem("too-deep", name, line, (), f"is nested deeper than {MAX_DEPTH} levels")
            return


def _syntax(error: MarkedYAMLError, name: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    reason = (error.problem or "cannot be read").splitlines()[0]
    code = "duplicate-key" if reason.startswith("found duplicate key") else "not-yaml"
    if code == "duplicate-key":
        reason = reason.removeprefix("found ").split(" with value")[0] + " in one place"
    context = f" ({error.context})" if error.context and code == "not-yaml" else ""
    column = f", column {mark.column + 1}" if mark and code == "not-yaml" else ""
    head = "" if code == "duplicate-key" else "is not valid YAML"
    message = f"{head}{column}: {reason}{context}".removeprefix(": ")
    return Problem(code, name, mark.line + 1 if mark else 0, (), shown(message))


def _line(node: object, key: str | int) -> tuple[int, Any] | None:
    if isinstance(node, CommentedMap) and isinstance(key, str):
        for own in node:
            if str(own) == key:
                return int(node.lc.key(own)[0]), node[own]
    if isinstance(node, CommentedSeq) and isinstance(key, int) and key < len(node):
        return int(node.lc.item(key)[0]), node[key]
    return None


def _of_file(code: str, name: str, message: str) -> Problem:
    return Problem(code, name, 0, (), message)
