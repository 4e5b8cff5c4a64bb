"""How much memory this process has held at most."""

import ctypes
import gc
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
FORGET_PEAK = "5"
"""See proc(5)."""


def peak_bytes() -> int:
    """Return the most memory of the machine that the process has held, since it began or since `forget_peak`."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def give_back() -> None:
    """Give what is free back to the system, so that what comes next finds the heap that a training finds."""
    gc.collect()
    trim = getattr(
        ctypes.CDLL(None), "malloc_trim", None
    )  # glibc's; others give back by themselves
    if trim is not None:
        trim(0)


def forget_peak() -> None:
    """Give back what is free and begin anew: what is done once for a machine is no part of what a training needs."""
    give_back()
    try:
        CLEAR.write_text(FORGET_PEAK)
    except OSError as error:
        sys.stderr.write(f"the peak of memory counts from the start of the process: {error}\n")
