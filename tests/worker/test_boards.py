"""Curves for TensorBoard and trackio: in files below one folder, off the network, and a sentence where a tool is missing."""

import sqlite3
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from agents.jobs import Progress, TrainResult
from agents.worker.boards import MODULES, open_boards
from agents.worker.errors import WorkerError
from configs.schema import Board
from tests.worker.forkserver import ForkServer
from tests.worker.tiny_model import STEPS, open_job, train_spec


def test_nothing_is_imported_and_nothing_written_where_no_tool_is_named(tmp_path: Path) -> None:
    boards = open_boards((), tmp_path / "reports", "job")
    boards.write(Progress(stage="training", step=1, loss=1.0))
    boards.close()

    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("board", Board)
def test_a_missing_tool_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, board: Board
) -> None:
    monkeypatch.setitem(sys.modules, MODULES[board], None)
    monkeypatch.setenv("TRACKIO_DIR", "elsewhere")

    with pytest.raises(WorkerError, match=r"pip install tunewright\[reports\]") as caught:
        open_boards([board], tmp_path, "job")

    assert (caught.value.code, caught.value.for_person) == ("not_installed", True)
    assert board.value in caught.value.message


@pytest.mark.torch
@pytest.mark.skipif(
    any(find_spec(module) is None for module in MODULES.values()), reason="extra `reports`"
)
def test_every_step_reaches_both_tools_without_a_socket(
    worker: ForkServer, tiny: Path, tmp_path: Path
) -> None:
    reports = tmp_path / "reports"
    spec = train_spec(tiny, tmp_path, report_to=list(Board), reports_dir=str(reports))

    result = worker.run(
        open_job(tmp_path / "job", spec),
        note_sockets=True,
        environment={"TRACKIO_SERVER_URL": "http://192.0.2.1/", "TRACKIO_SPACE_ID": "a/b"},
    )
    plain = worker.run(open_job(tmp_path / "plain", train_spec(tiny, tmp_path / "p")))

    assert result is not None
    assert isinstance(result.payload, TrainResult), result
    assert plain is not None
    assert isinstance(plain.payload, TrainResult)
    assert result.payload.adapter_sha256 == plain.payload.adapter_sha256
    assert not (tmp_path / "job/sockets").exists()
    assert len(list((reports / "tensorboard/job").glob("events.out.tfevents.*"))) == 1
    assert logged(reports / "trackio/tunewright.db") == {*range(STEPS + 1)}


def logged(database: Path) -> set[int]:
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT step FROM metrics WHERE run_name = 'job'").fetchall()
    connection.close()
    return {step for (step,) in rows}
