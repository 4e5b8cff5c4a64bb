"""Workers as child processes, each in a session of its own: they outlive a crash of the bot and can be ended whole.

Spawned, not `Popen`ed: a worker is meant to go on when the object that started it is gone.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from agents.jobs import StopMode, request_stop, write_atomically
from agents.launchers import program_of
from configs.schema import LauncherSettings

PASSED_ON = (
    "LC_",
    "OMP_",
    "OPENBLAS_",
    "MKL_",
    "CUDA_",
    "NVIDIA_",
    "HIP_",
    "ROCR_",
    "HF_",
    "TRANSFORMERS_",
)
PASSED_ON_EXACTLY = frozenset(
    {"PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "DO_NOT_TRACK"}
)
SECRET = frozenset({"HF_TOKEN", "HF_TOKEN_FILE", "HF_TOKEN_PATH"})

ALLOCATOR = {
    # glibc gives large tensors back to the system after every step and faults them in again; keeping them saves 13-19 %
    "MALLOC_MMAP_THRESHOLD_": str(16 * 2**30),
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30),
    "MALLOC_TOP_PAD_": str(256 * 2**20),
    # one heap for all threads: what one has freed is there for the others, so that a training holds a quarter less
    "MALLOC_ARENA_MAX": "1",
    "OMP_WAIT_POLICY": "passive",
}
VMSTAT = Path("/proc/vmstat")
OOM_KILLS = "oom_kills"
STOP_WAIT_S = 5.0
EXEC_LOOKS, EXEC_LOOK_S = 10, 0.01


class LocalLauncher:
    """Starts `python -m agents.worker FOLDER` on this machine, or the program that a job of another kind is for."""

    def __init__(
        self, settings: LauncherSettings, secrets: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        self._python = str(settings.python or sys.executable)
        self._secrets = secrets or {}
        """By program: what its environment alone has."""
        self._niceness = settings.niceness
        self._children: set[int] = set()

    def start(self, folder: Path) -> str:
        """Start a worker, or return the handle of the one that lives already.

        Raises: OSError: the interpreter cannot be started.
        """
        living = next(_workers(folder, None), None)
        if living is not None:
            return str(living.pid)
        _note_kills(folder)
        log = str(folder / "log.txt")
        program = program_of(folder)
        pid = os.posix_spawn(
            self._python,
            [self._python, "-m", program, str(folder)],
            {**environment(os.environ), **self._secrets.get(program, {})},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        self._children.add(pid)
        psutil.Process(pid).nice(self._niceness)
        return str(pid)

    def alive(self, folder: Path, handle: str | None) -> bool:
        """Tell whether a worker of this folder is running."""
        self._reap()
        return any(True for _worker in _workers(folder, handle))

    def killed_for_memory(self, folder: Path) -> bool:
        """Tell whether the kernel has killed a process for want of memory since the job was started.

        The kernel counts for the whole machine and does not say whom, and the exit status is lost with the bot that
        started the worker. A count that went up for another process costs a training nothing but a little speed.
        """
        then, now = _read(folder / OOM_KILLS), _kills()
        return then is not None and now is not None and now > int(then)

    def stop(self, folder: Path, handle: str | None) -> None:
        """Kill the worker's process group and wait until it is gone.

        One more may just be starting, for a bot that died between starting it and noting that: it finds the word to leave.
        """
        request_stop(folder, StopMode.CANCEL)
        workers = list(_workers(folder, handle))
        for worker in workers:
            try:
                os.killpg(worker.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it ended between the look and the kill: what was wanted
        psutil.wait_procs(workers, timeout=STOP_WAIT_S)
        self._reap()

    def _reap(self) -> None:
        """Take note of children that have ended, so that none stays a zombie."""
        for pid in list(self._children):
            try:
                ended, _status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended = pid  # somebody else has waited for it
            if ended:
                self._children.discard(pid)


def _workers(folder: Path, handle: str | None) -> Iterator[psutil.Process]:
    """Yield the living workers of a folder: the one we started and the one that holds its lock."""
    seen: set[int] = set()
    for text in (handle, _read(folder / "worker.lock")):
        if not text or not text.strip().isdigit() or int(text) in seen:
            continue
        seen.add(int(text))
        try:
            process = psutil.Process(int(text))
            if process.status() != psutil.STATUS_ZOMBIE and str(folder) in _arguments(process):
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # gone, or a number that another user's process has by now


def _arguments(process: psutil.Process) -> list[str]:
    """Return what a process was started with. Between two programs of one process it is empty for a moment."""
    found: list[str] = process.cmdline()
    for _time in range(EXEC_LOOKS):
        if found:
            break
        time.sleep(EXEC_LOOK_S)
        found = process.cmdline()
    return found


def _note_kills(folder: Path) -> None:
    """Write down the kernel's count before the first start; a second start of the same job leaves it alone."""
    kills = _kills()
    if kills is not None and not (folder / OOM_KILLS).exists():
        write_atomically(folder / OOM_KILLS, str(kills).encode())


def _kills() -> int | None:
    """Return how many processes the kernel has killed for want of memory; None where it does not count."""
    lines = (_read(VMSTAT) or "").splitlines()
    found = [line.split()[1] for line in lines if line.startswith("oom_kill ")]
    return int(found[0]) if found else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def environment(ours: "os._Environ[str] | dict[str, str]") -> dict[str, str]:
    """Return what a worker may know of our environment: no token of ours, no configuration of the bot."""
    passed = {
        name: value
        for name, value in ours.items()
        if (name in PASSED_ON_EXACTLY or name.startswith(PASSED_ON)) and name not in SECRET
    }
    quiet = {
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
    return ALLOCATOR | passed | quiet
