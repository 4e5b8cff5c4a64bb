"""What a model may use beside its words: tools, and who runs them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

MAX_TOOLS = 64
"""Offered in one prompt."""
MAX_NAME_CHARS = 64
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


class ToolError(Exception):
    """A server cannot be used: not allowed, not there, dead, hanging, or flooding. `str()` is for a person."""


@dataclass(frozen=True)
class Tool:
    """One thing that a server can do."""

    server: str
    name: str
    """As the server calls it."""
    description: str
    parameters: Mapping[str, Any]
    """A JSON schema."""
    offered_as: str = ""
    """As the model calls it: of letters, digits, _ and -, and of no two tools the same."""


@dataclass(frozen=True)
class Used:
    """What came of using a tool."""

    text: str
    failed: bool = False
    """The tool says that it failed: the model is told, and may do something else."""


class Tools(Protocol):
    """Who runs tools: servers, a recording, or nobody."""

    async def offered(self, servers: Sequence[str]) -> Sequence[Tool]:
        """Return what the named servers can do.

        Raises: ToolError: one of them cannot be used.
        """

    async def use(self, tool: Tool, arguments: Mapping[str, Any]) -> Used:
        """Use a tool.

        Raises: ToolError: its server is gone, hangs or floods.
        """


class NoTools:
    """Runs nothing: for runs that must start no program."""

    async def offered(self, servers: Sequence[str]) -> Sequence[Tool]:
        """Return no tool, where no server is named.

        Raises: ToolError: one is named.
        """
        if servers:
            raise ToolError(f"the server “{servers[0]}” is not started in this kind of run")
        return ()

    async def use(self, tool: Tool, arguments: Mapping[str, Any]) -> Used:  # noqa: ARG002  # a protocol's
        """Refuse.

        Raises: ToolError: always.
        """
        raise ToolError(f"the server “{tool.server}” is not started in this kind of run")


def named_apart(tools: Iterable[Tool]) -> tuple[Tool, ...]:
    """Return the tools under names that models can say; two of one name carry that of their server in front.

    Raises: ToolError: there are more than a prompt can hold.
    """
    found = list(tools)
    if len(found) > MAX_TOOLS:
        raise ToolError(f"{len(found)} tools are more than a prompt can hold; {MAX_TOOLS} are")
    names = [tool.name for tool in found]
    taken: set[str] = set()
    named = []
    for tool in found:
        twice = names.count(tool.name) > 1
        name = sayable(f"{tool.server}__{tool.name}" if twice else tool.name)
        number = 1
        while name in taken:
            number += 1
            name = f"{sayable(tool.name)[: MAX_NAME_CHARS - 4]}_{number}"
        taken.add(name)
        named.append(replace(tool, offered_as=name))
    return tuple(named)


def sayable(name: str) -> str:
    """Return a name as the interfaces of models allow it."""
    return _NOT_IN_NAMES.sub("_", name)[:MAX_NAME_CHARS] or "_"


def as_offer(tool: Tool) -> dict[str, Any]:
    """Return a tool in the form that chat models are offered it."""
    return {
        "type": "function",
        "function": {
            "name": tool.offered_as,
            "description": tool.description,
            "parameters": dict(tool.parameters),
        },
    }
