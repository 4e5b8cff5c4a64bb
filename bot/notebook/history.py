"""One line per try: what changed and why, what came of it, who decided."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agents.jobs import JobKind, JobOutcome
from bot.notebook.tries import Change, Tries, Try
from bot.text import plain
from configs.schema import GateKind
from storage.models import Approval, Decision

MOST_CHANGES = 8
RESULTS = frozenset({GateKind.REPORT, GateKind.KEEP})
"""Questions that need no name: they are what a try or round is about."""
SIGNS = {
    Decision.APPROVE: "✅",
    Decision.REJECT: "❌",
    Decision.REVISE: "✏",
    Decision.EXPIRED: "⌛",
    Decision.OPEN: "…",
}


@dataclass(frozen=True)
class Line:
    """A try in words. They may quote people: who shows them makes them safe first."""

    number: int
    changed: str
    dev_loss: float | None
    """Of the adapter that was kept."""
    verdict: str
    """BETTER, WORSE, CANNOT TELL, or why there is none."""
    gain: str
    """In points, with its 95 % interval; empty where nothing was measured."""
    decided: str
    """Who said what, and when; empty where nobody has."""
    marks: str
    """Whether it is the best so far, was handed over, or is under way."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    def as_markdown(self) -> str:
        """Return it as one line of Markdown, with nothing live in it that came from people."""
        parts = [plain(self.changed, 300)]
        if self.dev_loss is not None:
            parts.append(f"dev loss {self.dev_loss:.3f}")
        parts.append(f"**{plain(self.verdict, 120)}** {plain(self.gain, 80)}".strip())
        parts += [plain(self.decided, 200)] if self.decided else []
        marks = f" ({self.marks})" if self.marks else ""
        return f"**Try {self.number}**{marks}: " + " · ".join(parts)


def lines(told: Tries) -> list[Line]:
    """Return the tries of a run, oldest first."""
    return [line(told, known) for known in told.tries]


def line(told: Tries, known: Try) -> Line:
    """Return one try of a run."""
    return Line(
        number=known.number,
        changed=changed(known.changes, first=known is told.tries[0]),
        dev_loss=known.trained.best_dev_loss if known.trained else None,
        verdict=verdict(known),
        gain=gain(known),
        decided=decided(told.last_word(known.number)),
        marks=_marks(told, known),
    )


def changed(changes: Sequence[Change], *, first: bool) -> str:
    """Say what is different against the try before, and why."""
    if first:
        asked = ", ".join(f"{c.field} = {c.after}" for c in changes)
        return f"the first plan, with {asked} as asked" if asked else "the first plan"
    if not changes:
        return "the same plan again"
    by_reason: dict[str, list[str]] = {}
    for c in changes[:MOST_CHANGES]:
        by_reason.setdefault(c.why, []).append(f"{c.field} {c.before} → {c.after}")
    said = "; ".join(f"{', '.join(values)} ({why})" for why, values in by_reason.items())
    more = len(changes) - MOST_CHANGES
    return f"{said}; {more} more" if more > 0 else said


def verdict(known: Try) -> str:
    """Say the verdict, or why there is none."""
    if known.report is not None:
        words = known.report.verdict.value.replace("_", " ").upper()
        return f"{words}, stopped early" if known.partial else words
    if not known.over:
        return "no result yet"
    trainings = [job for job in known.jobs if job.kind in {JobKind.TRAIN, JobKind.TRAIN_REWARD}]
    if not trainings:
        return "not carried out"
    last = trainings[-1]
    if last.outcome in {JobOutcome.SUCCEEDED, JobOutcome.STOPPED}:
        return "not measured"
    return f"no result: training {last.outcome or 'ended'}" + (
        f" ({last.error_code})" if last.error_code else ""
    )


def gain(known: Try) -> str:
    """Say what was gained over the base, with its interval."""
    if known.report is None:
        return ""
    found = known.report.primary
    low, high = 100 * found.low, 100 * found.high
    return f"{100 * found.gain:+.1f} points ({low:+.1f} … {high:+.1f})"


def decided(approval: Approval | None) -> str:
    """Say who decided what about a try, and when."""
    if approval is None:
        return ""
    who = approval.decided_by or ""
    name = approval.decided_by_name or who
    if who.startswith("policy:"):
        name = who.removeprefix("policy:")
    when = f", {approval.decided_at:%Y-%m-%d %H:%M} UTC" if approval.decided_at else ""
    why = f": “{approval.comment}”" if approval.comment else ""
    about = "" if approval.gate in RESULTS else f", about the {approval.gate}"
    return f"{SIGNS[approval.decision]} {name}{when}{about}{why}"


def _marks(told: Tries, known: Try) -> str:
    marks = []
    measured = {
        t.number: t.trained.best_dev_loss
        for t in told.tries
        if t.report and t.trained and t.trained.best_dev_loss is not None
    }
    if len(measured) > 1 and known.number == min(measured, key=measured.__getitem__):
        marks.append("best so far, by dev loss")
    if told.was_handed_over(known.number):
        marks.append("handed over")
    if not known.over:
        marks.append("under way")
    return ", ".join(marks)
