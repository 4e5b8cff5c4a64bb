"""Split the cases of a test file: shown to who proposes changes, kept for choosing among them, and sealed for what is said at the end."""

from collections.abc import Iterable
from dataclasses import dataclass

from agents.workflow.claims import FEWEST_CASES
from agents.workflow.measuring import hash_of
from agents.workflow.words import counted

VALIDATION_SHARE, SEALED_SHARE = 0.25, 0.15
FEWEST_SHOWN, FEWEST_VALIDATION, FEWEST_SEALED = 4, 3, 3
FEWEST_TO_SPLIT = FEWEST_SHOWN + FEWEST_VALIDATION + FEWEST_SEALED
FEWEST_TO_CLAIM = FEWEST_SHOWN + FEWEST_VALIDATION + FEWEST_CASES
"""From so many on, as many are sealed as a claim needs."""


@dataclass(frozen=True)
class Split:
    """Which case is for what, each in the order of the file."""

    shown: tuple[str, ...]
    """Their failures are shown to who proposes changes."""
    validation: tuple[str, ...]
    """For choosing, beside those that are shown; nobody sees how they fail."""
    sealed: tuple[str, ...]
    """Played once, at the end."""

    @property
    def for_choosing(self) -> tuple[str, ...]:
        """Return the cases by which it is chosen: all but the sealed ones."""
        return (*self.shown, *self.validation)

    @property
    def words(self) -> str:
        """Say what is possible with it."""
        count = len(self.for_choosing) + len(self.sealed)
        if not self.sealed:
            return (
                f"{'There is' if count == 1 else 'There are'} {counted(count, 'case')}, too few to seal some: what comes out is"
                f" fitted to what is here, and nothing can be said about others. With {FEWEST_TO_CLAIM} cases or more it can."
            )
        told = f"{len(self.shown)} cases are shown, {len(self.validation)} kept for choosing, {len(self.sealed)} sealed."
        if len(self.sealed) < FEWEST_CASES:
            return (
                f"{told} A claim about other cases needs {FEWEST_CASES} sealed ones, which there are from {FEWEST_TO_CLAIM}"
                f" cases on; the {len(self.sealed)} here can only be looked at."
            )
        return told


def split(names: Iterable[str], seed: int) -> Split:
    """Return the split of a test file: the same each time for a seed, whatever the order of the names.

    A case keeps its place mostly when others come or go: the lot of each is drawn from its own name.

    Args:
        names: Of the cases, each once.
        seed: Of the lots.
    """
    cases = tuple(dict.fromkeys(names))
    if len(cases) < FEWEST_TO_SPLIT:
        return Split(cases, (), ())
    fewest = FEWEST_CASES if len(cases) >= FEWEST_TO_CLAIM else FEWEST_SEALED
    sealed = max(fewest, round(SEALED_SHARE * len(cases)))
    validation = max(FEWEST_VALIDATION, round(VALIDATION_SHARE * len(cases)))
    drawn = sorted(cases, key=lambda name: hash_of(seed, "split", name))
    parts = (
        frozenset(drawn[sealed + validation :]),
        frozenset(drawn[sealed : sealed + validation]),
        frozenset(drawn[:sealed]),
    )
    shown, choosing, kept = (tuple(name for name in cases if name in part) for part in parts)
    return Split(shown, choosing, kept)
