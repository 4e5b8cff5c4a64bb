"""A process that has imported the bot once and forks a bot whenever asked: starting one takes a moment, not seconds.

    python -m tests.wire.zygote

One JSON object a line comes in, {"env", "log"}; the child's process id goes out. When a child has ended, its exit code
stands in LOG.exit. The end of the input ends the zygote and its children.
"""

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOOK_S = 0.02


class Zygote:
    """The other end: asks for bots. One per test process is enough."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.wire.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"},
            text=True,
        )

    def fork(self, env: dict[str, str], log: Path) -> int:
        """Start a bot and return its process id. The first one waits until everything is imported."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"env": env, "log": str(log)}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def exit_file(log: Path, pid: int) -> Path:
    """Where the exit code of a bot will stand."""
    return log.with_suffix(f".{pid}.exit")


def _serve() -> None:
    from tests.wire import bot_main  # noqa: PLC0415  # only the zygote needs all of the bot

    children: dict[int, Path] = {}
    reading = sys.stdin.fileno()
    pending = b""
    while True:
        ready, _, _ = select.select([reading], [], [], LOOK_S)
        if ready:
            chunk = os.read(reading, 65536)
            if not chunk:
                break
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                _start(json.loads(line), children, bot_main.main)
        _reap(children)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _start(asked: dict[str, object], children: dict[int, Path], main: object) -> None:
    log = Path(str(asked["log"]))
    pid = os.fork()
    if pid == 0:
        _be(asked["env"], log, main)  # never returns
    children[pid] = exit_file(log, pid)
    sys.stdout.write(f"{pid}\n")
    sys.stdout.flush()


def _be(env: object, log: Path, main: object) -> None:
    """Become a bot."""
    assert isinstance(env, dict)
    assert callable(main)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.environ.clear()
    os.environ.update(env)
    random.seed()
    code = 0
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001  # the end of this process: shown in its log, told by its exit code
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _reap(children: dict[int, Path]) -> None:
    for pid, path in list(children.items()):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            del children[pid]
            half = path.with_suffix(".half")
            half.write_text(f"{os.waitstatus_to_exitcode(status)} {time.time()}")
            half.replace(path)


if __name__ == "__main__":
    _serve()
