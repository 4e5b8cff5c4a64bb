"""What blind votes and a judging language model say about two models, and whether that model may be believed.

Nothing here changes a verdict: it is told beside it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from agents.counts import Tally, kappa
from agents.written import is_about_as_long
from storage import blind
from storage.models import Ballot, BlindTest, Ruling, Run, Vote

FEWEST_VOTES = 30
"""Items that people voted on as well, before a judge can be believed."""
LEAST_KAPPA = 0.6
MOST_FLIPPED = 0.2
"""Share of the items at which the order of the two answers decided; above it nothing was measured."""
FEWEST_PROBES = 5
MOST_OBEYED = 0.1
"""Share of the probes in which an order inside an answer was followed."""


@dataclass(frozen=True)
class People:
    """What people preferred. Each item counts once: what more than half of its voters said."""

    tally: Tally
    votes: int
    voters: int
    equal: int
    """Items whose two answers are the same, which nobody was asked about."""
    told: int
    """How often this result was shown so far."""


@dataclass(frozen=True)
class Judgement:
    """What a language model preferred. A win counts where it stays one in the other order of the answers."""

    judge: str
    tally: Tally
    flips: int
    """Items at which the two orders had different winners; they count as ties."""
    unread: int
    """Items with a reply that could not be read; they do not count at all."""
    matched: Tally
    """The same of items whose answers are about equally long."""
    probes: int
    """Items asked again with an order to be preferred inside the answer that was not."""
    obeyed: int

    @property
    def flip_rate(self) -> float:
        """Return the share of items at which the order decided."""
        return self.flips / self.tally.items if self.tally.items else 0.0

    @property
    def is_measurement(self) -> bool:
        """Tell whether the answers decided, and not the order they were shown in."""
        return self.tally.items > 0 and self.flip_rate <= MOST_FLIPPED


@dataclass(frozen=True)
class Licence:
    """Whether a language model may be believed here: it agrees with people who did not know whose answer is whose."""

    votes: int
    """Items that both people and it have an opinion on, of all runs of the server."""
    kappa: float | None
    """Cohen's; None: nothing to compare, or always the same opinion."""
    why_not: str | None
    """None: it is licensed."""


def of_people(session: Session, test: BlindTest) -> People:
    """Count the votes of a blind test."""
    assert test.id is not None
    sides = _voted(session, test)
    votes = blind.votes(session, test.id)
    return People(
        tally=_tally(sides.values()),
        votes=len(votes),
        voters=len({vote.voter for vote in votes}),
        equal=test.equal,
        told=test.told,
    )


def of_judge(session: Session, test: BlindTest, judge: str) -> Judgement:
    """Count the rulings of a language model in a blind test."""
    assert test.id is not None
    by_id = {ballot.id: ballot for ballot in blind.ballots(session, test.id)}
    rulings = blind.rulings(session, test.id, judge)
    both = {
        ballot_id: pair for ballot_id, pair in _both_orders(rulings).items() if None not in pair
    }
    probed = _both_orders([ruling for ruling in rulings if ruling.probe], probes=True)
    sides = {ballot_id: _surviving(pair) for ballot_id, pair in both.items()}
    return Judgement(
        judge=judge,
        tally=_tally(sides.values()),
        flips=sum(pair[0] != pair[1] for pair in both.values()),
        unread=len(_both_orders(rulings)) - len(both),
        matched=_tally(side for i, side in sides.items() if _about_as_long(by_id[i])),
        probes=len(probed),
        obeyed=sum(
            any(side not in (None, "tie", sides[i]) for side in pair)
            for i, pair in probed.items()
            if i in sides
        ),
    )


def winners(session: Session, test: BlindTest, judge: str) -> dict[int | None, str]:
    """Return whose answer a language model preferred in both orders, by ballot; ties are left out."""
    assert test.id is not None
    both = _both_orders(blind.rulings(session, test.id, judge))
    return {i: side for i, pair in both.items() if (side := _surviving(pair)) != "tie"}


def licence(session: Session, run: Run, judge: str) -> Licence:
    """Return whether a language model may be believed in a run, by all blind tests of its server."""
    by_people: list[str] = []
    by_judge: list[str] = []
    judgements = []
    for test in blind.of_house(session, run):
        assert test.id is not None
        judgements.append(of_judge(session, test, judge))
        voted = _voted(session, test)
        for ballot_id, pair in _both_orders(blind.rulings(session, test.id, judge)).items():
            if None not in pair and ballot_id in voted:
                by_people.append(voted[ballot_id])
                by_judge.append(_surviving(pair))
    agreement = kappa(by_people, by_judge)
    why_not = _why_not(judgements, len(by_people), agreement)
    return Licence(votes=len(by_people), kappa=agreement, why_not=why_not)


def _why_not(judgements: Sequence[Judgement], votes: int, agreement: float | None) -> str | None:
    items = sum(found.tally.items for found in judgements)
    probes = sum(found.probes for found in judgements)
    obeyed = sum(found.obeyed for found in judgements)
    if items and sum(found.flips for found in judgements) > MOST_FLIPPED * items:
        return "the order of the answers decides too often"
    if obeyed > MOST_OBEYED * probes:
        return f"it followed an order inside an answer in {obeyed} of {probes} probes"
    if votes < FEWEST_VOTES:
        return f"{votes} of {FEWEST_VOTES} votes"
    if agreement is None or agreement < LEAST_KAPPA:
        found = "cannot be told" if agreement is None else f"is {agreement:.2f}"
        return f"its agreement with people, κ, {found}; {LEAST_KAPPA:g} is needed"
    if probes < FEWEST_PROBES:
        return f"only {probes} of {FEWEST_PROBES} probes for orders inside answers could be made"
    return None


def _voted(session: Session, test: BlindTest) -> dict[int | None, str]:
    """Return what more than half of the voters preferred, by ballot."""
    assert test.id is not None
    by_id = {ballot.id: ballot for ballot in blind.ballots(session, test.id)}
    said: dict[int | None, list[Vote]] = defaultdict(list)
    for vote in blind.votes(session, test.id):
        said[vote.ballot_id].append(vote)
    return {i: _majority(by_id[i], votes) for i, votes in said.items()}


def _majority(ballot: Ballot, votes: Sequence[Vote]) -> str:
    sides = [blind.choice_of(ballot, vote.choice) for vote in votes]
    return next((side for side in ("tuned", "base") if 2 * sides.count(side) > len(sides)), "tie")


Sides = tuple[str | None, str | None]


def _both_orders(rulings: Iterable[Ruling], *, probes: bool = False) -> dict[int, Sides]:
    """Return whose answer was preferred in either order, of ballots that were asked in both; None: not readable."""
    found: dict[int, dict[bool, str | None]] = defaultdict(dict)
    for ruling in rulings:
        if ruling.probe is probes:
            side = ruling.choice and blind.preferred(ruling.choice, tuned_first=ruling.tuned_first)
            found[ruling.ballot_id][ruling.tuned_first] = side
    return {i: (sides[True], sides[False]) for i, sides in found.items() if len(sides) == 2}


def _surviving(pair: Sides) -> str:
    """Return the winner in both orders; a win that does not survive the swap is a tie."""
    first, second = pair
    return first if first == second and first is not None else "tie"


def _tally(sides: Iterable[str]) -> Tally:
    found = list(sides)
    return Tally(found.count("tuned"), found.count("base"), found.count("tie"))


def _about_as_long(ballot: Ballot) -> bool:
    return is_about_as_long(ballot.base, ballot.tuned)
