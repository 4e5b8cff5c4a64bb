"""What happens between two steps: tell, guard, save, and obey."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from agents.jobs import DEV_LOSS_ROSE, Progress, StopMode, requested_stop
from agents.jobs.reporting import Reporter
from agents.worker import held
from agents.worker.boards import Boards
from agents.worker.checkpoints import Checkpoint, Origin, Standing, folder_of, prune, seal
from agents.worker.row_log import RowLog
from agents.worker.spikes import SpikeWatch
from agents.worker.timetable import GATE, REQUESTED, Stretch, Timetable, has_risen

# The signatures are the trainer's; it calls every method with all keyword arguments it has.
# ruff: noqa: ARG002


class NonFiniteLoss(Exception):  # reads as what happened
    """A loss or gradient norm was infinite or not a number: nothing learnt after it is worth keeping."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(f"{what} is not finite at step {step}")
        self.step = step
        self.what = what


class Guard(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Ends the training at the first number that is not finite, before anything is saved."""

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any
    ) -> None:
        """Check the raw loss and gradient norm of every step.

        Raises: NonFiniteLoss.
        """
        for name, what in (
            ("loss", "the loss"),
            ("grad_norm", "the gradient"),
            ("eval_loss", "the dev loss"),
        ):
            if not math.isfinite(logs.get(name, 0.0)):
                raise NonFiniteLoss(state.global_step, what)


class Conductor(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Saves and evaluates by the timetable, seals what was saved, and obeys the person's stop."""

    def __init__(
        self,
        folder: Path,
        table: Timetable,
        origin: Origin,
        standing: Callable[[int], Standing],
        checkpoints: list[Checkpoint],
        *,
        patience: int | None,
    ) -> None:
        self.folder = folder
        self.table = table
        self.origin = origin
        self.standing = standing
        self.checkpoints = checkpoints
        self.patience = patience
        self.ending: tuple[StopMode | None, str] | None = None
        """How and why the training ended early, if it did; without a mode where nobody asked for it."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ask for what is due after this step."""
        step = state.global_step
        last = step >= self.table.steps
        self.ending = None if last else self._reason_to_end(step)
        if self.ending or step == self.table.until:
            control.should_training_stop = True
        control.should_evaluate = self.table.evaluates(step) or bool(self.ending)
        control.should_save = self.table.saves(step) or bool(self.ending)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End the training when the dev loss has risen for too long; what is evaluated is saved too."""
        early = self.ending is None and 0 < state.global_step < self.table.steps
        if early and has_risen(state.log_history, self.table, self.patience):
            self.ending = None, DEV_LOSS_ROSE
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Make the checkpoint count, then delete what is no longer needed."""
        saved = seal(
            folder_of(Path(args.output_dir), state.global_step),
            self.origin,
            self.standing(state.global_step),
        )
        self.checkpoints = prune([*self.checkpoints, saved])

    def _reason_to_end(self, step: int) -> tuple[StopMode, str] | None:
        mode = requested_stop(self.folder)
        if mode in (StopMode.FINISH, StopMode.PAUSE):
            return mode, REQUESTED
        if step == self.table.hold_at:
            return StopMode.PAUSE, GATE
        return None


class Teller(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Writes the progress lines and knows how far the training is."""

    def __init__(
        self,
        reporter: Reporter,
        stretch: Stretch,
        tokens_by_step: list[int],
        earlier_s: float,
        watch: SpikeWatch,
        *,
        boards: Boards,
    ) -> None:
        self.stretch = stretch
        self.watch = watch
        self.boards = boards
        self.reporter = reporter
        self.table = stretch.table
        self.tokens_by_step = tokens_by_step
        self.earlier_s = earlier_s
        """Seconds in optimizer steps, all attempts before this one."""
        self.train_s = 0.0
        """The same of this attempt."""
        self.evaluation_s = 0.0
        """Seconds that the last evaluation took."""
        self.began_s = 0.0
        self.first_step = 0
        self.dev_losses: dict[int, float] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note where this attempt starts."""
        self.first_step = state.global_step
        done = self.stretch.before + state.global_step
        self.reporter.stage(self.stretch.stage, self.stretch.steps, done)
        self.began_s = time.monotonic()

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock of a step."""
        self.began_s = time.monotonic()

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Show that a part of a large batch was done."""
        self.reporter.beat()

    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Show that a batch of dev rows was done."""
        self.reporter.beat()

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any
    ) -> None:
        """Stop the clock of a step, which a GPU has only now really done, and tell what it was like."""
        if "loss" in logs:
            self.train_s += time.monotonic() - self.began_s
            self.began_s = time.monotonic()
            self.watch.look(state.log_history)
            self._line(
                state.global_step,
                loss=logs["loss"],
                reward=logs.get("reward"),
                learning_rate=logs["learning_rate"],
                grad_norm=logs["grad_norm"],
                tokens_per_s=self._tokens_per_s(state.global_step),
                peak_memory_bytes=peak_memory_bytes(),
                eta_s=self._eta_s(state.global_step),
            )

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float], **kwargs: Any
    ) -> None:
        """Tell the loss on the dev rows."""
        self.dev_losses[state.global_step] = metrics["eval_loss"]
        self.evaluation_s = time.monotonic() - self.began_s
        self._line(state.global_step, dev_loss=metrics["eval_loss"])

    def standing(self, step: int) -> Standing:
        """Return how far the training is."""
        return Standing(
            step=step,
            dev_loss=self.dev_losses.get(step),
            tokens=self.tokens_by_step[step],
            train_s=self.earlier_s + self.train_s,
            peak_memory_bytes=peak_memory_bytes(),
            spikes=self.watch.found,
        )

    def _line(self, step: int, **numbers: float | None) -> None:
        tokens = self.tokens_by_step[step]
        line = Progress(stage=self.stretch.stage, step=step, tokens=tokens, **numbers)
        self.boards.write(line)
        self.reporter.line(line.model_copy(update={"step": self.stretch.before + step}))

    def _done(self, step: int) -> int:
        """Return the tokens of this attempt."""
        return self.tokens_by_step[step] - self.tokens_by_step[self.first_step]

    def _tokens_per_s(self, step: int) -> float:
        return round(self._done(step) / self.train_s, 1)

    def _eta_s(self, step: int) -> float:
        tokens = self.tokens_by_step[self.table.until] - self.tokens_by_step[step]
        # other candidates learn from other rows, of about the same length
        tokens += self.stretch.later * self.tokens_by_step[-1] // self.table.steps
        looks = self.table.evaluations_after(step)
        looks += self.stretch.later // self.table.evaluate_every
        return tokens * self.train_s / self._done(step) + looks * self.evaluation_s


class RowKeeper(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Has the row log write a line per step, and keep it for good before a checkpoint counts: stands before the conductor."""

    def __init__(self, log: RowLog) -> None:
        self.log = log

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the line of this step."""
        self.log.end_step(state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Have the disk keep it."""
        self.log.settle()


class Stopwatch(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Times optimizer steps, for a measurement, and ends the training when they have taken `enough_s` together."""

    def __init__(self, reporter: Reporter, enough_s: float) -> None:
        self.reporter = reporter
        self.enough_s = enough_s
        self.steps_s: list[float] = []
        self.began_s = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock of a step."""
        self.began_s = time.monotonic()

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any
    ) -> None:
        """Stop the clock of a step, which a GPU has only now really done."""
        if "loss" in logs:
            self.steps_s.append(time.monotonic() - self.began_s)
            self.reporter.line(Progress(stage=self.reporter.stage_name, step=state.global_step))
            control.should_training_stop |= sum(self.steps_s) > self.enough_s


def peak_memory_bytes() -> int:
    """Return the most memory that this process has held: of the GPU if it used one, else of the machine."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return held.peak_bytes()
