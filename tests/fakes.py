"""Stand-ins for the outside world: a worker that needs no model, a chat that keeps what it was sent, a clock that is set.

They are held by the same contract tests as the real things (tests/contracts/).
"""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agents import jobs
from agents.jobs import (
    Answered,
    EvaluateSpec,
    ExplainSpec,
    ExportSpec,
    GatherSpec,
    GenerateSpec,
    InspectSpec,
    IntakeResult,
    IntakeSpec,
    JobError,
    JobOutcome,
    JobResult,
    MeasureSpec,
    Progress,
    Reading,
    RowShape,
    SelectSpec,
    SiftSpec,
    StopMode,
    TrainSpec,
    Verdict,
)
from agents.services import UserError
from bot.surface import Card, MessageGone, Parcel, PlaceGone
from tests import stub_made_rows, stub_work
from tests.explanations import an_explanation
from tests.facts import (
    a_measurement,
    an_evaluation,
    an_inspection,
)
from tests.selections import a_selection
from tests.stub_exports import a_written_export
from tests.stub_made_rows import MadePlay


class SetClock:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class StubLauncher:
    """Plays a worker: every start does the whole job at once, in this process, without a model.

    `script` maps a job id to what happens instead: an outcome with an error code, "die" (no result), "oom" (the same, by the
    kernel for want of memory), "hang" (alive,
    silent), or "half" (half of the steps done, alive until a stop is asked for).
    """

    script: dict[str, str] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    verdict: Verdict = Verdict.BETTER
    target_gain_points: float | None = None
    """What an evaluation says was asked for."""
    parity_cause: str | None = None
    """Why an export is found to answer otherwise than the adapter."""
    readings: tuple[Reading, ...] = ()
    """What columns can be read as, as long as nobody says."""
    shape: RowShape = RowShape.PROMPT_COMPLETION
    measured: dict[str, Any] = field(default_factory=dict)
    """What measuring finds otherwise than usual."""
    wrong_answers: bool = False
    """What models answered is not what the result says."""
    inspected: dict[str, Any] = field(default_factory=dict)
    """What a look at the training rows finds; usually no doubtful ones."""
    said: tuple[Answered, ...] = ()
    """What base and tuned answered to the sealed rows, where that is of interest."""
    explained: dict[str, Any] = field(default_factory=dict)
    """What is found out about an answer otherwise than usual."""
    trained: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What trainings find otherwise than usual, by job id."""
    made: MadePlay = field(default_factory=MadePlay)
    """What comes of rows that are to be made."""
    answers: tuple[str, ...] = ("a",)
    """Of the rows of an upload, in turn: the first of them, the second …."""
    train_rows: int = 250

    def start(self, folder: Path) -> str:
        spec = jobs.read_spec(folder)
        if jobs.read_result(folder) is None:
            self.started.append(spec.job_id)
            self._play(folder, spec, self.script.get(spec.job_id, "succeed"))
        return f"stub:{spec.job_id}"

    def alive(self, folder: Path, handle: str | None) -> bool:
        plot = self.script.get(folder.name, "succeed")
        if plot == "half" and (mode := jobs.requested_stop(folder)) is not None:
            self._obey(folder, jobs.read_spec(folder), mode)
        return plot in {"half", "hang"} and jobs.read_result(folder) is None

    def stop(self, folder: Path, handle: str | None) -> None:
        self.script[folder.name] = "die"

    def killed_for_memory(self, folder: Path) -> bool:
        return self.script.get(folder.name) == "oom"

    def finish(self, job_id: str, folder: Path) -> None:
        """Let a job that stands at half-time come to its end."""
        self.script[job_id] = "succeed"
        self._play(folder, jobs.read_spec(folder), "succeed")

    def _play(self, folder: Path, spec: jobs.JobSpec, plot: str) -> None:
        if plot in {"die", "oom", "hang"}:
            return
        if plot == "half":
            jobs.append_progress(folder, Progress(stage="training", step=5, steps=10, loss=1.0))
            return
        if plot != "succeed":
            result = JobResult(
                job_id=spec.job_id,
                outcome=JobOutcome.FAILED,
                error=JobError(
                    code=plot, message=f"scripted {plot}", for_person=plot == "bad_data"
                ),
            )
            jobs.write_result(folder, result)
            return
        self._succeed(folder, spec)

    def _obey(self, folder: Path, spec: jobs.JobSpec, mode: StopMode) -> None:
        outcome = {
            StopMode.FINISH: JobOutcome.STOPPED,
            StopMode.PAUSE: JobOutcome.PAUSED,
            StopMode.CANCEL: JobOutcome.CANCELLED,
        }[mode]
        payload = None
        if isinstance(spec.spec, TrainSpec) and outcome is not JobOutcome.CANCELLED:
            payload = stub_work.trained(
                folder, steps=5, reason="requested", keep=outcome is JobOutcome.STOPPED
            )
        jobs.write_result(folder, JobResult(job_id=spec.job_id, outcome=outcome, payload=payload))

    def _succeed(self, folder: Path, spec: jobs.JobSpec) -> None:
        outcome = JobOutcome.SUCCEEDED
        payload: Any
        match spec.spec:
            case IntakeSpec():
                payload = self._intake(folder, spec.spec)
            case MeasureSpec():
                payload = a_measurement(**self.measured)
            case SelectSpec():
                payload = a_selection([ref.name for ref in spec.spec.candidates])
            case TrainSpec():
                outcome, payload = stub_work.train(folder, spec.spec, self.made)
                payload = payload.model_copy(update=self.trained.get(folder.name, {}))
            case InspectSpec() | ExplainSpec() | ExportSpec():
                payload = self._looked(folder, spec.spec)
            case GatherSpec() | GenerateSpec() | SiftSpec():
                payload = stub_made_rows.played(folder, spec.spec, self.made)
            case EvaluateSpec():
                payload = an_evaluation(
                    self.verdict,
                    openings=1 + len(spec.spec.earlier_p_values),
                    target_gain_points=self.target_gain_points,
                    known_answers=stub_work.answered(folder, changed=self.wrong_answers),
                    answers=stub_work.sheet(folder, self.said) if self.said else None,
                )
        jobs.write_result(folder, JobResult(job_id=spec.job_id, outcome=outcome, payload=payload))

    def _intake(self, folder: Path, spec: IntakeSpec) -> IntakeResult:
        readings = () if spec.reading else self.readings
        counts = {"train": self.train_rows, "dev": 10, "test": 20}
        found = stub_work.read(folder, readings, counts, self.answers)
        return found.model_copy(update={"shape": self.shape})

    def _looked(self, folder: Path, spec: InspectSpec | ExplainSpec | ExportSpec) -> Any:
        match spec:
            case InspectSpec():
                return an_inspection(**self.inspected)
            case ExplainSpec():
                return an_explanation(spec, **self.explained)
            case ExportSpec():
                return a_written_export(folder, spec, self.parity_cause)


@dataclass
class LogSurface:
    """A chat whose messages are lines of a file, so that they outlive a kill of the process that sent them.

    Like Discord it knows keys it has seen, opens a thread under a message once, and says when something is gone.
    """

    log: Path
    name: str = "log"
    edit_interval_s: float = 0.0
    shows_pictures: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    remembers_keys: bool = True
    """False: more than a few minutes have passed since the last process, and only the history can tell."""

    attachment_limit: int = 1000

    def attachment_limit_bytes(self, place: str) -> int:
        return self.attachment_limit

    async def post(self, place: str, card: Card, parcel: Parcel) -> str:
        self._look(place)
        for known in self.messages():
            same_key = self.remembers_keys and known["key"] == parcel.key
            in_history = parcel.maybe_sent and str(known["footer"]).endswith(parcel.marker)
            if known["place"] == place and (same_key or in_history):
                return str(known["id"])
        message_id = str(len(self.lines()) + 1)
        self._append(
            {
                "do": "post",
                "id": message_id,
                "place": place,
                "key": parcel.key,
                "notify": card.notify,
                "files": [file.name for file in parcel.files],
                **_shown(card),
            }
        )
        return message_id

    async def edit(self, place: str, message_id: str, card: Card) -> None:
        self._look(place)
        if message_id not in [m["id"] for m in self.messages()]:
            raise MessageGone(message_id)
        self._append({"do": "edit", "id": message_id, **_shown(card)})

    async def open_thread(self, place: str, message_id: str, name: str) -> str:
        return f"{place}/{message_id}"

    async def answer(self, request: dict[str, Any], text: str, key: str) -> None:
        if key not in [line.get("key") for line in self.lines() if line["do"] == "answer"]:
            self._append({"do": "answer", "key": key, "text": text})

    async def fetch(self, request: dict[str, Any]) -> AsyncIterator[bytes]:
        if request["file"] not in self.files:
            raise UserError("That file is gone. Please send it again.")
        yield self.files[request["file"]]

    def delete(self, message_id: str) -> None:
        self._append({"do": "delete", "id": message_id})

    def close_place(self, place: str) -> None:
        self._append({"do": "close", "place": place})

    def lines(self) -> list[dict[str, Any]]:
        return (
            [json.loads(line) for line in self.log.read_text().splitlines()]
            if self.log.exists()
            else []
        )

    def messages(self) -> list[dict[str, Any]]:
        """Return the messages as they look now, in the order in which they were sent."""
        shown: dict[str, dict[str, Any]] = {}
        for line in self.lines():
            if line["do"] == "post":
                shown[line["id"]] = line
            elif line["do"] == "edit":
                shown[line["id"]] = shown[line["id"]] | {k: v for k, v in line.items() if k != "do"}
            elif line["do"] == "delete":
                shown.pop(line["id"], None)
        return list(shown.values())

    def answers(self) -> list[str]:
        return [line["text"] for line in self.lines() if line["do"] == "answer"]

    def question(self) -> dict[str, Any] | None:
        """Return the newest message with an open question."""
        return next((m for m in reversed(self.messages()) if m["question"]), None)

    def _look(self, place: str) -> None:
        if place in [line["place"] for line in self.lines() if line["do"] == "close"]:
            raise PlaceGone(place)

    def _append(self, line: dict[str, Any]) -> None:
        handle = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(handle, json.dumps(line).encode() + b"\n")
        finally:
            os.close(handle)


def _shown(card: Card) -> dict[str, Any]:
    return {
        "title": card.title,
        "body": card.body,
        "footer": card.footer,
        "question": card.question.approval_id if card.question else None,
        "taken": card.question.taken if card.question else (),
        "ballot": card.ballot,
        "fields": [(field.name, field.value) for field in card.fields],
    }
