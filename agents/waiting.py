"""The only caller of `interrupt()`: a run waits on rows, never on a value.

The wake carries nothing. A woken node starts over, reads its rows again and finds the answer in them.
"""

from typing import NoReturn

from langgraph.types import interrupt

from storage.models import Approval, Job


def wait_for(row: Approval | Job) -> NoReturn:
    """Leave the graph until somebody or something has closed the row."""
    interrupt({type(row).__name__.lower(): row.id})
    raise RuntimeError("a run was resumed with a value; runs are woken by fresh input only")
