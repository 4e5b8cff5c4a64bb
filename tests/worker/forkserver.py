"""A process that has imported the training stack once and runs every job in a fork of itself, with a fault if asked.

    python -m tests.worker.forkserver     reads lines of {"job": DIR, "fault": {NAME: VALUE}}
                                          or {"build": DIR}; answers each with the fork's status

A fork runs the worker's real `main`, or saves the tiny model. No tensor is touched before the fork: OpenMP does not survive one.
"""

# ruff: noqa: PLC0415  # only the process may import torch, not the tests that talk to it

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any

from agents.jobs import JobResult, StopMode, read_result, request_stop
from tests.worker.tiny_model import build_model

ROOT = Path(__file__).parents[2]
NAN_FROM = [3]
"""Step from which on too high a learning rate breaks a training off."""
WRITES = frozenset({"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir"})


class ForkServer:
    """The other end: starts the process and hands it jobs."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.worker.forkserver"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, job: Path, **fault: object) -> JobResult | None:
        """Run a job to its end, or to the death that the fault brings, and return the result if there is one."""
        self.status(job, **fault)
        return read_result(job)

    def status(self, job: Path, **fault: object) -> int:
        """Run a job and return how its process ended: an exit code, or minus a signal."""
        return self._ask({"job": str(job), "fault": fault})

    def build(self, folder: Path) -> Path:
        """Save the tiny model and return its folder."""
        assert self._ask({"build": str(folder)}) == 0
        return folder

    def close(self) -> None:
        """End the process."""
        requests, answers = self._pipes()
        requests.close()
        self.process.wait(timeout=30)
        answers.close()

    def _ask(self, request: dict[str, object]) -> int:
        requests, answers = self._pipes()
        requests.write(json.dumps(request) + "\n")
        requests.flush()
        return int(answers.readline())

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self.process.stdin
        assert self.process.stdout
        return self.process.stdin, self.process.stdout


def serve() -> None:
    """Answer requests until standard input ends."""
    from agents.worker import __main__ as worker
    from agents.worker import (  # noqa: F401  # forks need not
        course,
        evaluate_model,
        halving,
        measure,
        train_cpo,
        train_dpo,
        train_grpo,
        train_kto,
        train_orpo,
        train_reward,
        train_rloo,
        train_sft,
    )

    os.environ.update(worker.ENVIRONMENT)
    # Only answers may go where the tests listen; what libraries print goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _answer(request, worker.PROGRAM.main)
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


def _answer(request: dict[str, Any], main: Callable[[list[str]], int]) -> None:
    code = 99
    try:
        if "build" in request:
            build_model(Path(request["build"]))
            code = 0
        else:
            code = _work(Path(request["job"]), request["fault"], main)
    finally:
        # The fork must not come back into the loop of its parent, whatever happened.
        sys.stderr.flush()
        os._exit(code)


def _work(job: Path, fault: dict[str, Any], main: Callable[[list[str]], int]) -> int:
    log = os.open(job / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for name, value in fault.items():
        FAULTS[name](job, value)
    return main([str(job)])


def _kill_at_step(_job: Path, step: int) -> None:
    _before_step_end(step, lambda: os.kill(os.getpid(), signal.SIGKILL))


def _stop_at_step(job: Path, at: list[Any]) -> None:
    step, mode = at
    _before_step_end(step, lambda: request_stop(job, StopMode(mode)))


def _kill_at_nth_step(_job: Path, nth: int) -> None:
    _before_nth_step_end(nth, lambda: os.kill(os.getpid(), signal.SIGKILL))


def _stop_at_nth_step(job: Path, at: list[Any]) -> None:
    nth, mode = at
    _before_nth_step_end(nth, lambda: request_stop(job, StopMode(mode)))


def _kill_at_write(_job: Path, at: list[Any]) -> None:
    """Kill before the n-th change to a folder from a step on: files opened for writing, renamed, deleted."""
    folder, step, nth = at
    seen = 0
    armed = False

    def arm() -> None:
        nonlocal armed
        armed = True

    def watch(event: str, args: tuple[Any, ...]) -> None:
        nonlocal seen
        if not armed or event not in WRITES or not str(args[0]).startswith(folder):
            return
        if event == "open" and not (args[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        seen += 1
        if seen == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    _before_step_end(step, arm)
    sys.addaudithook(watch)


def _kill_in_file(_job: Path, at: list[int]) -> None:
    """Let the system kill the process as soon as a file of a step's checkpoint grows beyond a size: it stays half-written."""
    from transformers import Trainer

    step, size_bytes = at
    original = Trainer._save_checkpoint

    def limited(self: Any, *args: Any, **kwargs: Any) -> None:
        if self.state.global_step == step:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))
        original(self, *args, **kwargs)

    Trainer._save_checkpoint = limited


def _nan_loss_at_step(_job: Path, step: int) -> None:
    from agents.worker.train_sft import AdapterTrainer

    original = AdapterTrainer.compute_loss

    def poisoned(self: Any, *args: Any, **kwargs: Any) -> Any:
        loss = original(self, *args, **kwargs)
        return (
            loss * float("nan")
            if self.model.training and self.state.global_step + 1 == step
            else loss
        )

    AdapterTrainer.compute_loss = poisoned


def _nan_loss_above_rate(_job: Path, rate: float) -> None:
    """Let trainings with a learning rate above this one break off, at their third step."""
    from agents.worker.train_sft import AdapterTrainer

    original = AdapterTrainer.compute_loss

    def poisoned(self: Any, *args: Any, **kwargs: Any) -> Any:
        loss = original(self, *args, **kwargs)
        high = self.args.learning_rate > rate and self.model.training
        return loss * float("nan") if high and self.state.global_step + 1 >= NAN_FROM[0] else loss

    AdapterTrainer.compute_loss = poisoned


def _nan_loss_from_step(_job: Path, step: int) -> None:
    NAN_FROM[0] = step


def _infinite_gradient_at_step(_job: Path, step: int) -> None:
    from agents.worker.train_sft import AdapterTrainer

    original = AdapterTrainer.training_step

    def poisoned(self: Any, *args: Any, **kwargs: Any) -> Any:
        loss = original(self, *args, **kwargs)
        if self.state.global_step + 1 == step:
            next(p for p in self.model.parameters() if p.grad is not None).grad.fill_(float("inf"))
        return loss

    AdapterTrainer.training_step = poisoned


def _no_memory_at_step(_job: Path, step: int) -> None:
    import torch

    def fail() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    _before_step_end(step, fail)


def _score_everything(_job: Path, _value: object) -> None:
    from agents.worker import adapter_training

    adapter_training.score_only_answers = lambda: None


def _plain_trl(job: Path, _value: object) -> None:
    """Train as TRL and PEFT do by themselves."""
    from agents.worker import lean_steps

    _score_everything(job, _value)
    lean_steps.suits = lambda *_: False


def _micro_batch(_job: Path, rows: int) -> None:
    from agents.recipe import MICRO_BATCH

    MICRO_BATCH["cpu"] = rows


def _note_parts(job: Path, _value: object) -> None:
    """Write a line for each part of a batch but one."""
    import torch

    from agents.worker import lean_steps
    from agents.worker.callbacks import Teller

    def note(*_args: Any, **_kwargs: Any) -> None:
        with (job / "parts").open("a") as lines:
            lines.write("part\n")

    def noted(lengths: Sequence[int], rows_at_once: int) -> list[list[int]]:
        parts = divide(lengths, rows_at_once)
        for _other in parts[1:] if torch.is_grad_enabled() else ():  # not of dev rows
            note()
        return parts

    Teller.on_substep_end = note  # type: ignore[method-assign]
    divide, lean_steps.parts_of = lean_steps.parts_of, noted


def _note_sockets(job: Path, _value: object) -> None:
    """Write a line for each use of a socket that would leave the process."""

    def watch(event: str, args: tuple[Any, ...]) -> None:
        if event in {"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"}:
            with (job / "sockets").open("a") as lines:
                lines.write(f"{event} {args[1:]}\n")

    sys.addaudithook(watch)


def _way_of_asking(_job: Path, way: int) -> None:
    """Ask models as another version of ours would."""
    from agents.worker import known_answers

    known_answers.WAY = way


def _environment(_job: Path, variables: dict[str, str]) -> None:
    os.environ.update(variables)


def _before_step_end(step: int, act: Callable[[], None]) -> None:
    _before_each_step_end(lambda state: act() if state.global_step == step else None)


def _before_nth_step_end(nth: int, act: Callable[[], None]) -> None:
    """Act at the n-th step that this attempt does, of whichever candidate."""
    done = count(1)
    _before_each_step_end(lambda _state: act() if next(done) == nth else None)


def _before_each_step_end(act: Callable[[Any], None]) -> None:
    from agents.worker.callbacks import Conductor

    original = Conductor.on_step_end

    def first(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        act(state)
        original(self, args, state, control, **kwargs)

    Conductor.on_step_end = first  # type: ignore[method-assign]  # a fault, in a fork that ends with the job


FAULTS: dict[str, Callable[[Path, Any], None]] = {
    "kill_at_step": _kill_at_step,
    "stop_at_step": _stop_at_step,
    "kill_at_nth_step": _kill_at_nth_step,
    "stop_at_nth_step": _stop_at_nth_step,
    "kill_at_write": _kill_at_write,
    "kill_in_file": _kill_in_file,
    "nan_loss_at_step": _nan_loss_at_step,
    "nan_loss_above_rate": _nan_loss_above_rate,
    "nan_loss_from_step": _nan_loss_from_step,
    "infinite_gradient_at_step": _infinite_gradient_at_step,
    "no_memory_at_step": _no_memory_at_step,
    "score_everything": _score_everything,
    "plain_trl": _plain_trl,
    "micro_batch": _micro_batch,
    "note_parts": _note_parts,
    "note_sockets": _note_sockets,
    "way_of_asking": _way_of_asking,
    "environment": _environment,
}

if __name__ == "__main__":
    serve()
