"""Change values in a YAML text and nothing around them: lines that are not concerned stay as they are, to the byte.

    patched(text, {"a": 1, "b": 2}, {"a": 1, "b": 3})

What is there is compared with what should be there, part by part, and the smallest part that differs is written anew.
The result is read again: it says what it should, or it is refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from agents.workflow import yaml_write
from agents.workflow.problems import WorkflowError
from agents.workflow.yaml_source import parse

BOM = "\ufeff"
COMMENT = re.compile(r"[ \t]+(#[^\r\n]*)|^(#[^\r\n]*)")
COLON = re.compile(r"\s*:")
LAID_OUT = "the file is laid out in a way in which this cannot be changed by itself"
Tree = Mapping[str, Any]


class CannotPatch(Exception):
    """The text has a form in which this cannot be changed. `str()` is for a person."""


class _Odd(Exception):
    """A part cannot be changed from within; what it stands in is written anew."""


@dataclass(frozen=True)
class Change:
    """A stretch of the text, and what stands there afterwards."""

    start: int
    end: int
    text: str


def patched(text: str, old: Tree, new: Tree) -> str:
    """Return the text with what differs between two trees changed.

    Args:
        text: YAML, perhaps with a byte order mark; line ends are kept.
        old: What the text says.
        new: What it should say.

    Raises: CannotPatch: it cannot be made to.
    """
    bom = BOM if text.startswith(BOM) else ""
    body = text.removeprefix(BOM)
    patch = _Patch(body)
    for coarse in (False, True):
        try:
            changes = sorted(patch.changes(old, new, coarse=coarse), key=lambda one: one.start)
        except _Odd:
            continue
        result = _applied(body, changes)
        if _says(result, new):
            return bom + result
    raise CannotPatch(LAID_OUT)


def _applied(text: str, changes: list[Change]) -> str:
    parts, position = [], 0
    for change in changes:
        if change.start < position:
            raise CannotPatch("two changes meet in one place of the file")
        parts += [text[position : change.start], change.text]
        position = change.end
    return "".join([*parts, text[position:]])


def _says(text: str, tree: Tree) -> bool:
    try:
        return parse(text, "").tree == tree
    except WorkflowError:
        return False


class _Patch:
    """A text with the places of everything in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.line_end = "\r\n" if "\r\n" in text else "\n"
        self.root = YAML(typ="safe", pure=True).compose(text)

    def changes(self, old: Tree, new: Tree, *, coarse: bool) -> list[Change]:
        """Return what is to be changed.

        Args:
            old: What the text says.
            new: What it should say.
            coarse: Write states and other parts of the second level anew as a whole.
        """
        return list(self._mapping(self.root, old, new, depth=2 if coarse else -1))

    # ---- parts --------------------------------------------------------------------------------------------------

    def _mapping(self, node: Node, old: Tree, new: Tree, depth: int) -> Iterator[Change]:
        if not isinstance(node, MappingNode) or len(node.value) != len(old):
            raise _Odd
        renamed = _renamed(old, new)
        there = dict(zip(old, node.value, strict=True))
        for name in new:
            was = renamed.get(name, name)
            if was not in there:
                continue
            if was != name:
                yield self._key(there[was][0], name)
            if old[was] != new[name]:
                yield from self._entry(node, there[was], old[was], new[name], depth - 1)
        for before, more in _added(old, new, renamed):
            yield self._insert(node, there.get(before), more)
        gone = [there[name] for name in old if name not in new and name not in renamed.values()]
        if len(gone) == len(there):
            raise _Odd
        yield from (self._remove(node, entry) for entry in gone)

    def _entry(
        self, node: MappingNode, entry: tuple[Node, Node], old: Any, new: Any, depth: int
    ) -> list[Change]:
        """Return the changes of one value: from within, or the value as a whole."""
        try:
            return list(self._within(entry[1], old, new, depth))
        except _Odd:
            if node is self.root and isinstance(new, Mapping | list) and depth != 0:
                raise CannotPatch(LAID_OUT) from None  # what no edit concerns stands in it, too
            return [self._value(node, entry, new)]

    def _within(self, node: Node, old: Any, new: Any, depth: int) -> Iterator[Change]:
        if depth == 0:
            raise _Odd
        if isinstance(old, Mapping) and isinstance(new, Mapping) and new:
            yield from self._mapping(node, old, new, depth)
        elif isinstance(old, list) and isinstance(new, list) and isinstance(node, SequenceNode):
            yield from self._sequence(node, old, new, depth)
        else:
            raise _Odd

    def _sequence(
        self, node: SequenceNode, old: list[Any], new: list[Any], depth: int
    ) -> Iterator[Change]:
        if not old or len(new) < len(old) or (node.flow_style and len(new) > len(old)):
            raise _Odd
        for child, was, wanted in zip(node.value, old, new, strict=False):
            if was == wanted:
                continue
            try:
                yield from list(self._within(child, was, wanted, depth))
            except _Odd:
                if isinstance(wanted, Mapping | list) and not node.flow_style:
                    raise
                start = child.start_mark.index
                yield Change(start, self._end(child), yaml_write.inline(wanted))
        more = [
            line for one in new[len(old) :] for line in yaml_write.item(one, node.start_mark.column)
        ]
        if more:
            yield self._lines(self._end_of_line(self._end(node)), more)

    # ---- changes ------------------------------------------------------------------------------------------------

    def _key(self, node: Node, name: str) -> Change:
        return Change(node.start_mark.index, node.end_mark.index, yaml_write.key(name))

    def _value(self, node: MappingNode, entry: tuple[Node, Node], new: Any) -> Change:
        """Write a value anew behind its key; a comment in the line stays."""
        name, value = entry
        colon = self._colon(name)
        end = self._end_of(entry)
        if node.flow_style:
            return Change(colon, end, f" {yaml_write.inline(new)}")
        first, *below = yaml_write.after_key(new, name.start_mark.column)
        rest = self._end_of_line(end)
        comment = self._comment(value, colon, end, rest)
        lines = [f" {first}" if first else "", *below]
        if comment:
            lines[0] += f"  {comment}"
        return Change(colon, rest, self.line_end.join(lines))

    def _comment(self, value: Node, colon: int, end: int, rest: int) -> str:
        """Return the comment behind a value, its key, or the sign of a text that stands below."""
        last = self.text[end:rest].strip()
        if last:
            if not last.startswith("#"):
                raise _Odd
            return last
        empty = value.start_mark.index >= value.end_mark.index
        start = end if empty else value.start_mark.index
        if isinstance(value, ScalarNode) and value.style in {"|", ">"}:
            start = self._end_of_line(start)
        between = self.text[colon:start]
        if isinstance(value, ScalarNode) and value.style not in {"|", ">"}:
            between = between.partition("\n")[0]
        found = COMMENT.search(between)
        return (found[1] or found[2]) if found else ""

    def _insert(self, node: MappingNode, before: tuple[Node, Node] | None, new: Tree) -> Change:
        """Write entries behind one that is there."""
        if before is None:
            raise _Odd
        end = self._end_of(before)
        if node.flow_style:
            if self._is_empty(before[1]):
                raise _Odd
            text = "".join(f", {yaml_write.key(k)}: {yaml_write.inline(v)}" for k, v in new.items())
            return Change(end, end, text)
        column = self._column(node.value[0][0])
        if any(self._column(name) != column for name, _ in node.value):
            raise _Odd
        gap = [""] if self._has_gaps(node) else []
        lines: list[str] = []
        for name, value in new.items():
            lines += [*gap, *yaml_write.entries({name: value}, column)]
        return self._lines(self._after_comments(self._end_of_line(end), column), lines)

    def _remove(self, node: MappingNode, entry: tuple[Node, Node]) -> Change:
        """Take an entry out, with comments right above it and inside it."""
        name, _ = entry
        if node.flow_style:
            return self._remove_inline(node, node.value.index(entry))
        start = self.text.rfind("\n", 0, name.start_mark.index) + 1
        if self.text[start : name.start_mark.index].strip() not in {"", "?"}:
            raise _Odd
        column = self._column(name)
        end = self._end_of(entry)
        end = self._after_comments(self._end_of_line(end), column)
        while start:
            above = self.text.rfind("\n", 0, start - 1) + 1
            line = self.text[above:start]
            if not line.strip().startswith("#") or len(line) - len(line.lstrip(" ")) != column:
                break
            start = above
        rest = self.text[end:]
        blank = re.match(r"(\r?\n[ \t]*)*(?=\r?\n)", rest)
        end += blank.end() if blank else 0
        end += len(self.line_end) if self.text.startswith(self.line_end, end) else 0
        return Change(start, end, "")

    def _remove_inline(self, node: MappingNode, number: int) -> Change:
        """Take an entry out of braces, with the comma before it, or after it where it is the first."""
        entries = node.value
        if number == 0:
            return Change(entries[0][0].start_mark.index, entries[1][0].start_mark.index, "")
        return Change(self._end_of(entries[number - 1]), self._end_of(entries[number]), "")

    def _lines(self, position: int, lines: list[str]) -> Change:
        """Write whole lines behind the line that ends at a position."""
        return Change(position, position, "".join(self.line_end + line for line in lines))

    # ---- places -------------------------------------------------------------------------------------------------

    def _end(self, node: Node) -> int:
        """Return where a part ends: behind its last sign that means something."""
        end = int(node.end_mark.index)
        if isinstance(node, ScalarNode):
            if node.style not in {"|", ">"}:
                return end
            header = self.text[node.start_mark.index : self._end_of_line(node.start_mark.index)]
            if "+" in header.partition("#")[0]:
                return end - len(self.line_end) if self.text[:end].endswith("\n") else end
            return len(self.text[:end].rstrip(" \t\r\n"))
        if not isinstance(node, MappingNode | SequenceNode) or node.flow_style or not node.value:
            return end
        last = node.value[-1]
        if isinstance(last, tuple):
            return self._end_of(last)
        if self._is_empty(last):
            raise _Odd
        return self._end(last)

    def _end_of(self, entry: tuple[Node, Node]) -> int:
        """Return where a key with its value ends; one without a value ends at its colon."""
        name, value = entry
        colon = self._colon(name)
        return colon if self._is_empty(value) else max(self._end(value), colon)

    def _is_empty(self, node: Node) -> bool:
        return isinstance(node, ScalarNode) and node.start_mark.index >= node.end_mark.index

    def _column(self, name: Node) -> int:
        """Return where an entry begins: at its key, or at the question mark before that."""
        line = self.text.rfind("\n", 0, name.start_mark.index) + 1
        before = self.text[line : name.start_mark.index]
        return before.index("?") if before.strip() == "?" else int(name.start_mark.column)

    def _colon(self, name: Node) -> int:
        """Return the place behind the colon of a key."""
        found = COLON.match(self.text, name.end_mark.index)
        if found is None:
            raise _Odd
        return found.end()

    def _end_of_line(self, position: int) -> int:
        found = re.compile(r"\r?\n").search(self.text, position)
        return found.start() if found else len(self.text)

    def _after_comments(self, position: int, column: int) -> int:
        """Return the end of the comments that follow a part and stand further in, so that they belong to it."""
        last = position
        while True:
            following = re.compile(r"\r?\n([ \t]*)(#[^\r\n]*)?(?=\r?\n|\Z)").match(
                self.text, position
            )
            if following is None or following.end() == position:
                return last
            position = following.end()
            if following[2] is not None:
                if len(following[1]) <= column:
                    return last
                last = position

    def _has_gaps(self, node: MappingNode) -> bool:
        """Tell whether a blank line stands between the entries."""
        ends = [self._end_of(entry) for entry in node.value]
        starts = [name.start_mark.index for name, _ in node.value]
        return any(
            re.search(r"\n[ \t]*\r?\n", self.text[end:start])
            for end, start in zip(ends, starts[1:], strict=False)
        )


def _added(old: Tree, new: Tree, renamed: Mapping[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """Return what is new, each group with the old key that it follows; "" where it follows none."""
    groups: list[tuple[str, dict[str, Any]]] = []
    before, following = "", False
    for name, value in new.items():
        was = renamed.get(name, name)
        if was in old:
            before, following = was, False
            continue
        if not following:
            groups.append((before, {}))
        groups[-1][1][name] = value
        following = True
    return groups


def _renamed(old: Tree, new: Tree) -> dict[str, str]:
    """Return the new name and the old one, where one key at one place is called otherwise."""
    gone = [name for name in old if name not in new]
    come = [name for name in new if name not in old]
    if len(gone) == len(come) == 1 and list(old).index(gone[0]) == list(new).index(come[0]):
        return {come[0]: gone[0]}
    return {}
