"""A process that dies at one of the things that a journal keeps, for tests that kill a job at each of them."""

import json
import os
import signal
from pathlib import Path
from typing import Any

from agents.workflow import journal as journals
from agents.workflow.journal import Journal

REAL_KEEP = Journal.keep


def die_at(folder: Path, kill_at: int, how: str) -> None:
    """Have this process die `before` one of the lines that it keeps, `after` it, or with the line `torn`.

    0: at none. How many lines were kept stands in the file `kept` of the folder.
    """
    kept = 0

    def keep(self: Journal, where: str, asked: object, value: Any) -> None:
        nonlocal kept
        kept += 1
        (folder / "kept").write_text(str(kept))
        if kept != kill_at:
            REAL_KEEP(self, where, asked, value)
            return
        if how == "after":
            REAL_KEEP(self, where, asked, value)
        elif how == "torn":
            assert self.file is not None
            line = journals._sealed(json.dumps({"key": "k", "value": value}))
            self.file.write(line[: len(line) // 2])
            self.file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    Journal.keep = keep  # type: ignore[method-assign]
