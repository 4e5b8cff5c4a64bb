"""What travels through the graph: the number of a run and nothing that could go stale."""

from typing import TypedDict


class RunState(TypedDict):
    """Input, state and output of every node."""

    run_id: int
