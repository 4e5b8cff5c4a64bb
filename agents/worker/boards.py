"""The numbers of a training for tools that draw curves: TensorBoard and trackio, in files of this machine.

Both get the lines of `progress.jsonl`, under the same names; each attempt is a run of its own, called like its job. Nothing
leaves the machine: trackio can also log to servers, which its environment variables switch on, so it never sees them.
"""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from agents.jobs import Progress
from agents.worker.errors import WorkerError
from configs.schema import Board

MODULES = {Board.TENSORBOARD: "tensorboardX", Board.TRACKIO: "trackio"}
DRAWN = (
    "loss",
    "dev_loss",
    "reward",
    "learning_rate",
    "grad_norm",
    "tokens",
    "tokens_per_s",
    "peak_memory_bytes",
)
SERVER_SETTINGS = ("TRACKIO_", "SPACE_", "SYSTEM=")
"""Beginnings of variables, with their =, that make trackio speak to a server, or think that it is one."""


class Writer(Protocol):
    """One tool's files."""

    def write(self, step: int, numbers: dict[str, float]) -> None:
        """Add the numbers of a step."""

    def close(self) -> None:
        """Write out what is still held back."""


class Boards:
    """All tools that a training reports to."""

    def __init__(self, writers: Sequence[Writer] = ()) -> None:
        self.writers = writers

    def write(self, line: Progress) -> None:
        """Add the numbers of a progress line, if it has any."""
        told = line.model_dump(include=set(DRAWN), exclude_none=True)
        if told:
            for writer in self.writers:
                writer.write(line.step, told)

    def close(self) -> None:
        """Write out what is still held back."""
        for writer in self.writers:
            writer.close()


def open_boards(names: Sequence[Board], folder: Path, run: str) -> Boards:
    """Open a run in each tool below a folder.

    Raises: WorkerError: a tool is not installed where jobs run.
    """
    tools = [(name, _tool(name, folder / name)) for name in names]
    makers: dict[Board, Callable[[Any, Path, str], Writer]] = {
        Board.TENSORBOARD: _TensorBoard,
        Board.TRACKIO: _Trackio,
    }
    return Boards([makers[name](tool, folder / name, run) for name, tool in tools])


def _tool(name: Board, folder: Path) -> Any:
    if name is Board.TRACKIO:
        _keep_here(folder)
    try:
        return importlib.import_module(MODULES[name])
    except ImportError as error:
        raise WorkerError(
            "not_installed",
            f"The setting training.report_to names {name.value}, which is not installed where jobs run. Install it there "
            "with `pip install tunewright[reports]`, or take it out of the setting; then resume the run.",
            for_person=True,
        ) from error


def _keep_here(folder: Path) -> None:
    """Let trackio write below a folder and know of no server."""
    for variable in [v for v in os.environ if f"{v}=".startswith(SERVER_SETTINGS)]:
        del os.environ[variable]
    os.environ["TRACKIO_DIR"] = str(folder)
    # TRL imports trackio where it is installed, and its modules have copied the variable by then.
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "trackio" and hasattr(module, "TRACKIO_DIR"):
            module.TRACKIO_DIR = folder  # type: ignore[attr-defined]  # just seen


class _TensorBoard:
    def __init__(self, tool: Any, folder: Path, run: str) -> None:
        self._writer = tool.SummaryWriter(logdir=str(folder / run))

    def write(self, step: int, numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Trackio:
    def __init__(self, tool: Any, _folder: Path, run: str) -> None:
        self._run = tool.init(
            project="tunewright",
            name=run,
            embed=False,
            resume="allow",
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def write(self, step: int, numbers: dict[str, float]) -> None:
        self._run.log(numbers, step=step)

    def close(self) -> None:
        self._run.finish()
