"""Blind tests: items with two answers, what people voted on them, what language models ruled."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from storage.models import Ballot, BlindTest, Choice, Delivery, Event, Ruling, Run, Vote

BALLOT = "ballot"
"""Kind of the events that show one."""


@dataclass(frozen=True)
class Pair:
    """Two answers to one sealed row, and which of them is to be shown first."""

    row: int
    prompt: str
    base: str
    tuned: str
    tuned_first: bool


def find(session: Session, run_id: int, iteration: int) -> BlindTest | None:
    """Return the blind test of an evaluation."""
    return session.exec(
        select(BlindTest).where(BlindTest.run_id == run_id, BlindTest.iteration == iteration)
    ).first()


def get(session: Session, test_id: int) -> BlindTest:
    """Return a blind test that is known to be there."""
    return session.get_one(BlindTest, test_id)


def latest(session: Session, run_id: int) -> BlindTest | None:
    """Return the newest blind test of a run."""
    query = select(BlindTest).where(BlindTest.run_id == run_id)
    return session.exec(query.order_by(col(BlindTest.iteration).desc())).first()


def keep(session: Session, test: BlindTest, pairs: Sequence[Pair]) -> BlindTest:
    """Add a blind test with its ballots in their order, once; the order of the first time stays."""
    known = find(session, test.run_id, test.iteration)
    if known is not None:
        return known
    session.add(test)
    session.flush()
    assert test.id is not None
    for position, pair in enumerate(pairs, start=1):
        ballot = Ballot(
            test_id=test.id,
            run_id=test.run_id,
            position=position,
            row=pair.row,
            prompt=pair.prompt,
            base=pair.base,
            tuned=pair.tuned,
            tuned_first=pair.tuned_first,
        )
        session.add(ballot)
    session.flush()
    return test


def ballot(session: Session, ballot_id: int) -> Ballot | None:
    """Return a ballot."""
    return session.get(Ballot, ballot_id)


def ballots(session: Session, test_id: int) -> list[Ballot]:
    """Return the ballots of a test in the order in which they are asked."""
    query = select(Ballot).where(Ballot.test_id == test_id)
    return list(session.exec(query.order_by(col(Ballot.position))))


def newest_asked(session: Session, test_id: int) -> Ballot | None:
    """Return the ballot that was asked last."""
    query = select(Ballot).where(Ballot.test_id == test_id, col(Ballot.asked).is_(True))
    return session.exec(query.order_by(col(Ballot.position).desc())).first()


def votes(session: Session, test_id: int) -> list[Vote]:
    """Return all votes of a test, in the order of its ballots."""
    query = (
        select(Vote)
        .join(Ballot, col(Ballot.id) == col(Vote.ballot_id))
        .where(Ballot.test_id == test_id)
    )
    return list(session.exec(query.order_by(col(Ballot.position), col(Vote.id))))


def vote_of(session: Session, ballot_id: int, voter: str) -> Vote | None:
    """Return what somebody voted at a ballot."""
    return session.exec(
        select(Vote).where(Vote.ballot_id == ballot_id, Vote.voter == voter)
    ).first()


def cast(session: Session, vote: Vote) -> None:
    """Count a vote; a later one of the same person takes the place of the earlier."""
    known = vote_of(session, vote.ballot_id, vote.voter)
    if known is None:
        session.add(vote)
    elif known.choice is not vote.choice:
        known.choice, known.at = vote.choice, vote.at
        session.add(known)
    session.flush()


def rulings(session: Session, test_id: int, judge: str) -> list[Ruling]:
    """Return what a language model ruled in a test."""
    query = (
        select(Ruling)
        .join(Ballot, col(Ballot.id) == col(Ruling.ballot_id))
        .where(Ballot.test_id == test_id, Ruling.judge == judge)
    )
    return list(session.exec(query.order_by(col(Ruling.id))))


def judges(session: Session, test_id: int) -> list[str]:
    """Return the language models that ruled in a test."""
    query = (
        select(Ruling.judge)
        .join(Ballot, col(Ballot.id) == col(Ruling.ballot_id))
        .where(Ballot.test_id == test_id)
    )
    return sorted(set(session.exec(query)))


def rule(session: Session, ruling: Ruling) -> None:
    """Keep a ruling, once."""
    known = session.exec(
        select(Ruling).where(
            Ruling.ballot_id == ruling.ballot_id,
            Ruling.judge == ruling.judge,
            Ruling.tuned_first == ruling.tuned_first,
            Ruling.probe == ruling.probe,
        )
    ).first()
    if known is None:
        session.add(ruling)
        session.flush()


def to_judge(session: Session) -> list[BlindTest]:
    """Return the tests whose answers somebody wants a language model to compare, oldest first."""
    query = select(BlindTest).where(col(BlindTest.judge).is_not(None))
    return list(session.exec(query.order_by(col(BlindTest.id))))


def of_house(session: Session, run: Run) -> list[BlindTest]:
    """Return the tests of a run's server, or of the run alone where it belongs to none."""
    query = select(BlindTest).join(Run, col(Run.id) == col(BlindTest.run_id))
    if run.guild is None:
        query = query.where(col(BlindTest.run_id) == run.id)
    else:
        query = query.where(col(Run.guild) == run.guild)
    return list(session.exec(query.order_by(col(BlindTest.id))))


def shown(session: Session, surface: str, limit: int) -> list[tuple[Ballot, Run, Delivery]]:
    """Return which of the newest `limit` ballots people may vote on, and where they are shown."""
    rows = session.exec(
        select(Event, Run, Delivery)
        .join(Run, col(Run.id) == col(Event.run_id))
        .join(Delivery, col(Delivery.event_id) == col(Event.id))
        .where(Event.kind == BALLOT)
        .where(Delivery.surface == surface, col(Delivery.message_id).is_not(None))
        .order_by(col(Event.id).desc())
        .limit(limit)
    )
    found = []
    for event, run, delivery in rows:
        asked = session.get(Ballot, event.payload["ballot_id"])
        if asked is not None and not asked.final and get(session, asked.test_id).asking:
            found.append((asked, run, delivery))
    return found


def choice_of(ballot: Ballot, choice: Choice) -> str:
    """Return whose answer was preferred: `tuned`, `base` or `tie`."""
    return preferred(choice, tuned_first=ballot.tuned_first)


def preferred(choice: Choice, *, tuned_first: bool) -> str:
    """Return whose answer was preferred, given the order in which the two were shown."""
    if choice is Choice.TIE:
        return "tie"
    return "tuned" if (choice is Choice.A) is tuned_first else "base"
