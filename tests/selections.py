"""What a job that compares models would have found."""

from agents.jobs import Candidate, SelectResult


def a_selection(names: list[str]) -> SelectResult:
    """Return what a comparing job would have found: the last one wins."""
    candidates = tuple(
        Candidate(name=name, parameters=10**6, bits_per_byte=2.0 - i / 10, rows=10)
        for i, name in enumerate(names)
    )
    return SelectResult(
        chosen=names[-1], why="fewest bits per byte", candidates=candidates, select_s=1.0
    )
