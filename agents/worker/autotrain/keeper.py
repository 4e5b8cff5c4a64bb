"""Run a program in a process group of its own, and end the whole group when standard input does.

    python -I keeper.py PROGRAM ARGUMENT …

The worker holds the other end of standard input: however it ends, even killed, nothing that it started trains on.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading


def main(command: list[str]) -> int:
    """Run a command to its end, or until standard input ends, and return its exit code."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as child:
        threading.Thread(target=_end_with_input, args=(child.pid,), daemon=True).start()
        code = child.wait()
    _end(child.pid)  # what it may have left behind
    return code if code >= 0 else 128 - code


def _end_with_input(group: int) -> None:
    while os.read(0, 4096):
        pass
    _end(group)


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # nothing is left of it: what was wanted
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
