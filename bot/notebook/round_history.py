"""One line per round: what was tried, whether it was kept, how many cases pass, who decided."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from agents.jobs import Standing
from agents.workflow_loop import ledger
from bot.notebook import history
from bot.notebook.rounds import Played, Rounds
from bot.text import plain
from configs.schema import GateKind
from storage.models import Approval, Decision

UNKNOWN = "–"
DECIDING = frozenset({GateKind.KEEP, GateKind.EDIT})
"""Questions about a change; those about the plan tell where there was none."""


@dataclass(frozen=True)
class RoundLine:
    """A round in words. They may quote people and models: who shows them makes them safe first."""

    number: int
    outcome: str
    """Which change was kept, or why none was."""
    before: float | None
    """Share of the cases that passed of what stood at its beginning; None: it was not measured."""
    after: float | None
    """The same of what stood after it."""
    gain: float | None
    """Of the best change, as measured the second time where there was one; 0 to 1."""
    decided: str
    """Who said what, and when; empty where nobody has."""
    marks: str
    """Whether it was handed over, stands, or is under way."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    def as_markdown(self) -> str:
        """Return it as one line of Markdown, with nothing live in it that came from people or models."""
        parts = [plain(self.outcome, 300), f"pass rate {plain(self.rates, 40)}"]
        parts += [f"**{plain(self.points, 40)}**"] if self.points else []
        parts += [plain(self.decided, 200)] if self.decided else []
        marks = f" ({self.marks})" if self.marks else ""
        return f"**Round {self.number}**{marks}: " + " · ".join(parts)

    @property
    def rates(self) -> str:
        """The pass rates before and after it."""
        before, after = percent(self.before), percent(self.after)
        return before if before == after else f"{before} → {after}"

    @property
    def points(self) -> str:
        """The gain in points; empty where nothing was measured to be better."""
        return "" if self.gain is None else f"{100 * self.gain:+.1f} points"


def lines(told: Rounds) -> list[RoundLine]:
    """Return the rounds of a run, oldest first."""
    return [line(told, one) for one in told.rounds]


def line(told: Rounds, one: Played) -> RoundLine:
    """Return one round of a run."""
    return RoundLine(
        number=one.number,
        outcome="; ".join(_outcome(one)),
        before=rate(one.before),
        after=rate(one.after),
        gain=ledger.row(one.round)["gain"],
        decided=history.decided(last_word(one)),
        marks=_marks(told, one),
    )


def last_word(one: Played) -> Approval | None:
    """Return the newest answer that somebody has given in a round: about a change, else about the plan."""
    said = [a for a in one.decisions if a.decision is not Decision.EXPIRED]
    about_change = [a for a in said if a.gate in DECIDING]
    return next(reversed(about_change or said), None)


def rate(standing: Standing | None) -> float | None:
    """Return the share of the cases that passed; None where nothing was measured."""
    if standing is None or not (standing.metrics or standing.scores):
        return None
    told = standing.metrics.get("pass_rate")
    shares = [
        fmean(score >= 1 for score in scores) for scores in standing.scores.values() if scores
    ]
    return float(told) if told is not None else fmean(shares) if shares else None


def percent(share: float | None) -> str:
    """Say a share."""
    return UNKNOWN if share is None else f"{100 * share:.1f} %"


def _outcome(one: Played) -> Iterator[str]:
    """Say where a round began, if not at what stood, and what came of it."""
    if one.round.restored is not None:
        number, by = one.round.restored
        place = f"as it was after round {number}" if number else "as it was given"
        yield f"the workflow {place}, restored by {by}"
    measured = [told for _spec, found in one.round.measured for told in found.measured]
    kept = next((told for told in measured if told.name == one.stands.sha256), None)
    if kept is not None:
        yield f"kept “{kept.strategy}”"
    elif measured:
        yield f"kept nothing ({', '.join(f'{told.strategy}: {told.reason}' for told in measured)})"
    elif one.round.proposed is not None:
        proposals = one.round.proposed.proposals
        tried = [p.strategy for p in proposals] or [
            name for name, _why in one.round.proposed.given_up
        ]
        yield f"nothing was run ({', '.join(tried)})" if tried else "nothing was proposed"
    elif one.round.restored is None:
        yield "not carried out" if one.over else "no result yet"


def _marks(told: Rounds, one: Played) -> str:
    marks = []
    if one.kept and one.stands.sha256 == told.rounds[-1].stands.sha256:
        marks.append("stands")
    if one.handed_over is not None:
        marks.append("handed over")
    if not one.over:
        marks.append("under way")
    return ", ".join(marks)
