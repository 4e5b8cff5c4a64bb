"""What a worker tells while it works. Every line and every heartbeat comes from work that was just done."""

import time
from pathlib import Path

from agents.jobs.envelopes import Progress
from agents.jobs.folder import append_progress, beat, requested_stop
from agents.jobs.messages import JobOutcome, StopMode

ANY_STOP = frozenset(StopMode)


class Stopped(Exception):  # not an error: the bot asked for it
    """The bot wrote `stop`, and this job has nothing worth finishing first."""

    def __init__(self, mode: StopMode) -> None:
        super().__init__(mode.value)
        self.outcome = JobOutcome.PAUSED if mode is StopMode.PAUSE else JobOutcome.CANCELLED


class Reporter:
    """Writes the progress and heartbeat of one job, and obeys `stop` whenever it does.

    `obeys` are the modes that end the job on the spot, by `Stopped`; a training handles the others itself.
    """

    def __init__(self, folder: Path, obeys: frozenset[StopMode] = ANY_STOP) -> None:
        self.folder = folder
        self.obeys = obeys
        self.stage_name = ""
        self.stage_began_s = time.monotonic()
        self.steps = 0

    def stage(self, name: str, steps: int = 0, step: int = 0) -> None:
        """Begin a stage of `steps` steps (0: unknown), of which `step` are done, and say so.

        Raises: Stopped: the bot asked for it.
        """
        self.stage_name, self.steps = name, steps
        self.stage_began_s = time.monotonic()
        self.line(Progress(stage=name, step=step, steps=steps))

    def line(self, progress: Progress) -> None:
        """Append a line, with stage, number of steps and elapsed time filled in, and touch the heartbeat.

        Raises: Stopped: the bot asked for it.
        """
        standing = {
            "stage": self.stage_name,
            "steps": self.steps,
            "elapsed_s": round(self.elapsed_s(), 3),
        }
        append_progress(self.folder, progress.model_copy(update=standing))
        self._obey()

    def beat(self) -> None:
        """Touch the heartbeat.

        Raises: Stopped: the bot asked for it.
        """
        beat(self.folder)
        self._obey()

    def elapsed_s(self) -> float:
        """Return the seconds since the stage began."""
        return time.monotonic() - self.stage_began_s

    def _obey(self) -> None:
        mode = requested_stop(self.folder)
        if mode in self.obeys:
            raise Stopped(mode)
