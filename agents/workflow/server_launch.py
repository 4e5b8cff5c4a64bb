"""What is started for a server, and with which environment: never the bot's, which holds tokens."""

import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents.workflow.model import Server, ServerKind, Workflow
from agents.workflow.reach import NotFound, Reach
from agents.workflow.tools import ToolError

PROGRAMS = Path(__file__).parent / "servers"
PASSED_ON = ("PATH", "HOME", "LANG")
"""All that a server learns of the environment of this process."""
FILES = "filesystem"
"""The server for the run's folder, which nobody has to configure."""
MIN_SECRET_CHARS = 4
SECRET = re.compile(r"key|token|secret|pass|auth|credential", re.IGNORECASE)
"""What variables that hold one are called."""


@dataclass(frozen=True)
class Launch:
    """A program to start."""

    name: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(repr=False)
    given: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the workflow gives it of this: no message may show that."""

    def masked(self, text: str) -> str:
        """Return what a server wrote for people without any value that it was given."""
        return _without(text, self.given.values())

    def without_keys(self, text: str) -> str:
        """Return a result without the keys and tokens that it was given: a folder's name has to stay."""
        return _without(text, [v for name, v in self.given.items() if SECRET.search(name)])


def launch(server: Server, reach: Reach, cwd: Path) -> Launch:
    """Return what is started for a server of a workflow.

    Raises: ToolError: a program or a folder that it needs is not there.
    """
    env = minimal_environment() | dict(server.env)
    argv: tuple[str, ...]
    if server.kind is ServerKind.CUSTOM_TOOLS:
        program_of_ours = str(PROGRAMS / "custom_tools.mjs")
        argv = (_node(server.name), program_of_ours, _tools(server, reach), *server.args)
    else:
        argv = server.argv
    program = shutil.which(argv[0], path=env.get("PATH"))
    if program is None and not (cwd / argv[0]).is_file():
        raise ToolError(
            f"the server “{server.name}” needs “{argv[0]}”, which is not installed here"
        )
    return Launch(server.name, (program or argv[0], *argv[1:]), cwd, env, dict(server.env))


def files_launch(folder: Path) -> Launch:
    """Return what is started for the files of a run."""
    program = str(PROGRAMS / "filesystem.py")
    # -I: neither the folder it runs in nor the environment decides what it imports
    argv = (sys.executable, "-I", program, str(folder))
    return Launch(FILES, argv, folder, minimal_environment())


def minimal_environment() -> dict[str, str]:
    """Return what every server is told of this machine."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def has_files_server(workflow: Workflow) -> bool:
    """Tell whether a workflow brings a server for files, so that none is added."""
    return any(
        name == FILES or any("server-filesystem" in word for word in server.argv)
        for name, server in workflow.servers.items()
    )


def _node(name: str) -> str:
    node = shutil.which("node")
    if node is None:
        raise ToolError(
            f"the server “{name}” runs JavaScript, and there is no Node.js here: install it, so that"
            " `node` can be started"
        )
    return node


def _tools(server: Server, reach: Reach) -> str:
    written = server.tools_directory or ""
    try:
        return str(reach.find(written, server.base_dir, folder=True))
    except NotFound as error:
        raise ToolError(f"the folder “{written}” of the server “{server.name}”: {error}") from None


def _without(text: str, values: Iterable[str]) -> str:
    long_first = sorted({v for v in values if len(v) >= MIN_SECRET_CHARS}, key=len, reverse=True)
    for value in long_first:
        text = text.replace(value, "***")
    return text
