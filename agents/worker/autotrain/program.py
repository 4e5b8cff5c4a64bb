"""AutoTrain as a process: started offline and with nothing of ours in its environment, watched, ended with the job."""

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from agents.autotrain import Program
from agents.worker.autotrain import keeper
from agents.worker.autotrain.inputs import CONFIG

PASSED_ON = frozenset(
    {"LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"}
)
FIXED = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "DO_NOT_TRACK": "1",
    "NO_ALBUMENTATIONS_UPDATE": "1",  # asks the package index for a newer version when it is imported
    "WANDB_MODE": "disabled",
    "ALLOW_REMOTE_CODE": "false",  # AutoTrain runs code that comes with a model unless told not to
    "PAUSE_ON_FAILURE": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
    "PYTHONNOUSERSITE": "1",
}
CACHE = "cache"
"""Folder of its libraries' caches, in the one it works in."""
LOOK_S = 1.0
LEAST_CPU_S = 0.02
"""Of all its processes between two looks: less is not called work."""
END_S = 10.0
LONGEST_PIECE_BYTES = 2**20


class Running:
    """A started AutoTrain."""

    def __init__(self, program: Program, work: Path, threads: int | None) -> None:
        """Start it in its folder. Raises: OSError: it cannot be started."""
        keep = [sys.executable, "-I", str(Path(keeper.__file__))]
        self.process = subprocess.Popen(
            [*keep, str(program.executable), "--config", CONFIG],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=work,
            env=environment(program, work, threads),
            start_new_session=True,  # who kills the worker's group must not kill the keeper before it has done its part
        )
        self.peak_memory_bytes = 0
        """Of all its processes together, at the looks."""
        self.silent_since_s = time.monotonic()
        self._cpu_s = 0.0
        self._looked_at_s = 0.0

    def lines(self) -> Iterator[str | None]:
        """Yield what it prints, line by line, and None about every second."""
        assert self.process.stdout is not None
        rest = b""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.process.stdout, selectors.EVENT_READ)
            while True:
                ready = waiting.select(LOOK_S)
                if time.monotonic() - self._looked_at_s >= LOOK_S:
                    self._looked_at_s = time.monotonic()
                    yield None
                if not ready:
                    continue
                piece = os.read(self.process.stdout.fileno(), 2**16)
                if not piece:
                    break
                self.silent_since_s = time.monotonic()
                # bars are redrawn with a carriage return
                *whole, rest = (rest + piece).replace(b"\r", b"\n").split(b"\n")
                for line in whole:
                    yield line.decode(errors="replace")
                rest = rest[-LONGEST_PIECE_BYTES:]
        yield rest.decode(errors="replace")

    def has_worked(self) -> bool:
        """Tell whether its processes have computed since the last look."""
        cpu_s = memory_bytes = 0.0
        for process in self._family():
            try:
                times = process.cpu_times()
                cpu_s += times.user + times.system
                memory_bytes += process.memory_info().rss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue  # it ended between the list and the look
        self.peak_memory_bytes = max(self.peak_memory_bytes, int(memory_bytes))
        # What ends takes its seconds along, so a smaller sum is a change too.
        worked = abs(cpu_s - self._cpu_s) >= LEAST_CPU_S
        self._cpu_s = cpu_s if worked else self._cpu_s
        return worked

    def silent_s(self) -> float:
        """Return for how long it has printed nothing."""
        return time.monotonic() - self.silent_since_s

    def end(self) -> None:
        """End it and all it has started, if it has not ended, and wait until it is gone."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _family(self) -> list[psutil.Process]:
        try:
            children: list[psutil.Process] = psutil.Process(self.process.pid).children(
                recursive=True
            )
        except psutil.NoSuchProcess:
            return []
        return children


def environment(program: Program, work: Path, threads: int | None) -> dict[str, str]:
    """Return all that AutoTrain may know: no token, no home folder of a person, no proxy, no other Python."""
    passed = {name: value for name, value in os.environ.items() if name in PASSED_ON}
    own = {
        "PATH": f"{program.venv / 'bin'}:{os.defpath.lstrip(':')}",  # it starts `accelerate` by name
        "HOME": str(work),
        "HF_HOME": str(work / CACHE),
        "OMP_NUM_THREADS": str(threads or os.cpu_count() or 1),
    }
    return passed | FIXED | own
