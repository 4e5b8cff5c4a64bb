"""Which answer is better? People compare base and tuned without knowing which is which; each step is one transaction.

What is drawn by lot (the order of the items, which answer is 🅰️) stands in rows before anybody is asked, so that it is
the same after every crash, and on no card until the result is told.
"""

import asyncio
import hashlib
import random
import secrets
from dataclasses import dataclass
from enum import StrEnum

from pydantic import ValidationError
from sqlmodel import Session

from agents import jury, preferences, work
from agents.jobs import Answered, EvaluateResult, FileRef
from agents.recipe import Metric
from agents.services import Services, UserError
from bot import controls, rights, targets
from bot.surface import Person
from bot.targets import Verb
from storage import blind, datasets, events, runs
from storage.blind import Pair
from storage.models import Ballot, BlindTest, Choice, EvaluationReport, Run, Vote

WORDS = {
    Choice.A: frozenset({"a", "🅰", "first", "1"}),
    Choice.B: frozenset({"b", "🅱", "second", "2"}),
    Choice.TIE: frozenset({"tie", "same", "equal", "both", "neither", "no difference", "=", "🤝"}),
}
STOP = frozenset({"stop", "end", "enough", "done", "result", "🏁"})
WITHOUT_WORDS = frozenset({Metric.PAIR_ACCURACY, Metric.VOTE_ACCURACY})
"""There the models say which answer they find likelier, and give none of their own."""
VARIANT = "\ufe0f"
"""Says that an emoji is to be shown as one; clients send it or not."""


class Heard(StrEnum):
    """What became of a vote."""

    COUNTED = "counted"
    """It counts, or did already."""
    TOLD = "told"
    """It was asked to end it, and the result is told."""
    REFUSED = "refused"
    """The person may not vote, the result was told before, or it was no vote."""


@dataclass(frozen=True)
class Said:
    """What became of it, and what to tell the person; nothing where the thread shows it."""

    heard: Heard
    text: str | None = None


def choice_of(words: str) -> Choice | None:
    """Return what a word or an emoji votes for; None for anything else."""
    word = words.strip().strip(".!").casefold().replace(VARIANT, "")
    return next((choice for choice, known in WORDS.items() if word in known), None)


def is_stop(words: str) -> bool:
    """Tell whether somebody wants the result now."""
    return words.strip().strip(".!").casefold().replace(VARIANT, "") in STOP


@dataclass(frozen=True)
class Blind:
    """What people may do about the answers of base and tuned."""

    services: Services

    async def compare(self, run_id: int, person: Person) -> str:
        """Ask which answer is better, from where it was left. Raises: UserError."""
        services = self.services
        report = await services.db.read(_report, services, run_id, person, Verb.COMPARE)
        answers = await asyncio.to_thread(_answers, services, report)
        return await services.db.write(_begin, services, report, answers)

    async def judge(self, run_id: int, person: Person) -> str:
        """Have the configured language model compare the same answers. Raises: UserError."""
        services = self.services
        if services.llm is None:
            raise UserError(
                "No language model is configured here. Whoever runs this Tunewright sets `llm.kind` and "
                "`llm.model`, and starts it again."
            )
        report = await services.db.read(_report, services, run_id, person, Verb.JUDGE)
        answers = await asyncio.to_thread(_answers, services, report)
        return await services.db.write(_wish_judge, services, report, answers, services.llm.name)

    async def vote(
        self, ballot_id: int, person: Person, choice: Choice, *, only_first: bool = False
    ) -> Said:
        """Count a vote. With `only_first` one that the person has given already stays as it is."""
        return await self.services.db.write(
            _vote, self.services, ballot_id, person, choice, only_first=only_first
        )

    async def end(self, ballot_id: int, person: Person) -> Said:
        """Show the result of what was voted so far."""
        return await self.services.db.write(_end, self.services, ballot_id, person)

    async def reply(self, ballot_id: int, person: Person, words: str) -> Said:
        """Vote, or end it, in words."""
        if is_stop(words):
            return await self.end(ballot_id, person)
        choice = choice_of(words)
        if choice is None:
            return Said(
                Heard.REFUSED,
                "Here I understand “a”, “b” and “tie”, or “stop”, which shows the result.",
            )
        return await self.vote(ballot_id, person, choice)


def _report(
    session: Session, services: Services, run_id: int, person: Person, verb: Verb
) -> EvaluationReport:
    run = controls.find(session, run_id)
    if run is None:
        raise UserError(controls.none_here(run_id))
    if not rights.may_decide(services.settings, person, run):
        raise UserError(controls.whose(services, run).replace("answer this", "do that"))
    targets.check(run, verb)
    found = [
        report
        for iteration in range(run.iteration, 0, -1)
        if (report := datasets.report_of(session, run_id, iteration)) is not None
    ]
    if not found:
        raise UserError(
            f"Run #{run_id} has nothing to compare yet: base and tuned have not answered the test rows."
        )
    return found[0]


def _answers(services: Services, report: EvaluationReport) -> list[Answered]:
    """Read what base and tuned said from the folder of the evaluation. Raises: UserError: it is not there."""
    result = EvaluateResult.model_validate(report.payload)
    written = result.answers
    if written is None or result.primary.metric in WITHOUT_WORDS:
        raise UserError(
            f"In run #{report.run_id} the models gave no answers of their own that could be compared: it was trained on "
            "preferences or votes, or measured by an older version."
        )
    try:
        raw = _checked(services, report, written)
        return [Answered.model_validate_json(line) for line in raw.splitlines()]
    except (OSError, ValidationError, ValueError) as error:
        raise UserError(
            f"The answers of run #{report.run_id} are not in its folder any more ({type(error).__name__}). A further try "
            "writes them again."
        ) from error


def _checked(services: Services, report: EvaluationReport, written: FileRef) -> bytes:
    raw = (services.job_folder(report.job_id) / written.path).read_bytes()
    if hashlib.sha256(raw).hexdigest() != written.sha256:
        raise ValueError(f"{written.path} of job {report.job_id} has changed")
    return raw


def _kept(
    session: Session, services: Services, report: EvaluationReport, answers: list[Answered]
) -> BlindTest:
    """Return the blind test of a report; at the first time draw lots and keep what was drawn."""
    differ = [said for said in answers if said.base.strip() != said.tuned.strip()]
    if not differ:
        raise UserError(
            f"In run #{report.run_id} base and tuned gave the same {len(answers)} answers; there is nothing to compare."
        )
    seed = secrets.token_hex(16)
    lots = random.Random(seed)  # seeded from the system's own randomness, and never shown
    lots.shuffle(differ)
    pairs = [
        Pair(said.row, said.prompt, said.base, said.tuned, tuned_first=lots.random() < 0.5)
        for said in differ
    ]
    test = BlindTest(
        run_id=report.run_id,
        iteration=report.iteration,
        seed=seed,
        equal=len(answers) - len(differ),
        created_at=services.clock.now(),
    )
    return blind.keep(session, test, pairs)


def _begin(
    session: Session, services: Services, report: EvaluationReport, answers: list[Answered]
) -> str:
    test = _kept(session, services, report, answers)
    assert test.id is not None
    newest = blind.newest_asked(session, test.id)
    if newest is not None and not newest.final:
        _ask(session, services, test, newest)
        _show_again(session, newest)
    elif not _ask_next(session, services, test, after=newest):
        raise UserError(
            f"All {len(blind.ballots(session, test.id))} items of run #{report.run_id} whose answers differ were compared."
        )
    test.asking = True
    session.add(test)
    return (
        f"Which answer is better? I show what base and tuned said to rows of run #{report.run_id} that neither has seen, one at a "
        "time, without saying which is which. Stop whenever you like."
    )


def _wish_judge(
    session: Session,
    services: Services,
    report: EvaluationReport,
    answers: list[Answered],
    judge: str,
) -> str:
    test = _kept(session, services, report, answers)
    test.judge = judge
    session.add(test)
    assert test.id is not None
    most = jury.most_questions(len(blind.ballots(session, test.id)))
    return (
        f"{judge} is asked up to {most} times which answers of run #{report.run_id} are better, each pair in both orders, as soon "
        "as nobody is voting on them. Questions and answers are sent to it. What it says is advice; the verdict stays what it is."
    )


def _ask_next(session: Session, services: Services, test: BlindTest, after: Ballot | None) -> bool:
    """Ask about the next item; False when there is none."""
    assert test.id is not None
    position = 1 if after is None else after.position + 1
    every = blind.ballots(session, test.id)
    if position > len(every):
        return False
    _ask(session, services, test, every[position - 1])
    return True


def _ask(session: Session, services: Services, test: BlindTest, ballot: Ballot) -> None:
    ballot.asked = True
    session.add(ballot)
    key = f"i{test.iteration}:ballot:{ballot.position}"
    payload = {"ballot_id": ballot.id, "iteration": test.iteration}
    events.say(session, test.run_id, blind.BALLOT, key, payload, services.clock.now())


def _show_again(session: Session, ballot: Ballot) -> None:
    """Send the card of a ballot anew, where somebody looks for it now."""
    for event in events.of_run(session, ballot.run_id):
        if event.kind == blind.BALLOT and event.payload["ballot_id"] == ballot.id:
            events.show_anew(session, event)


def _refused(
    session: Session, services: Services, ballot: Ballot | None, person: Person
) -> Said | None:
    """Return why somebody cannot vote at a ballot; None: they can."""
    if ballot is None:
        return Said(Heard.REFUSED, "That question is not open any more.")
    run = runs.get(session, ballot.run_id)
    if not rights.may_decide(services.settings, person, run):
        return Said(Heard.REFUSED, controls.whose(services, run))
    if ballot.final or not blind.get(session, ballot.test_id).asking:
        return Said(
            Heard.REFUSED,
            "The result was told meanwhile, so votes before it stay as they are. "
            f"`/finetune compare` asks about further items of run #{run.id}.",
        )
    return None


def _vote(
    session: Session,
    services: Services,
    ballot_id: int,
    person: Person,
    choice: Choice,
    *,
    only_first: bool,
) -> Said:
    ballot = blind.ballot(session, ballot_id)
    refused = _refused(session, services, ballot, person)
    if refused is not None or ballot is None:
        return refused or Said(Heard.REFUSED)
    if not only_first or blind.vote_of(session, ballot_id, person.id) is None:
        vote = Vote(
            ballot_id=ballot_id,
            voter=person.id,
            voter_name=person.name,
            choice=choice,
            at=services.clock.now(),
        )
        blind.cast(session, vote)
    test = blind.get(session, ballot.test_id)
    newest = blind.newest_asked(session, ballot.test_id)
    if newest is not None and newest.id == ballot_id:
        _ask_next(session, services, test, after=newest)
    if _everybody_is_through(session, test):
        _tell(session, services, runs.get(session, test.run_id), test)
    return Said(Heard.COUNTED)


def _end(session: Session, services: Services, ballot_id: int, person: Person) -> Said:
    ballot = blind.ballot(session, ballot_id)
    refused = _refused(session, services, ballot, person)
    if refused is not None or ballot is None:
        return refused or Said(Heard.REFUSED)
    test = blind.get(session, ballot.test_id)
    _tell(session, services, runs.get(session, test.run_id), test)
    return Said(Heard.TOLD)


def _everybody_is_through(session: Session, test: BlindTest) -> bool:
    """Tell whether whoever has voted in a test has voted on all that is not final."""
    assert test.id is not None
    still = {ballot.id for ballot in blind.ballots(session, test.id) if not ballot.final}
    voted: dict[str, set[int | None]] = {}
    for vote in blind.votes(session, test.id):
        voted.setdefault(vote.voter, set())
        if vote.ballot_id in still:
            voted[vote.voter].add(vote.ballot_id)
    now = [ids for ids in voted.values() if ids]
    return bool(now) and all(ids == still for ids in now)


def _tell(session: Session, services: Services, run: Run, test: BlindTest) -> None:
    """Tell the result and make what it rests on final. An item that nobody voted on may be asked again."""
    assert test.id is not None
    voted = {vote.ballot_id for vote in blind.votes(session, test.id)}
    for ballot in blind.ballots(session, test.id):
        if ballot.asked:
            ballot.final = ballot.id in voted
            session.add(ballot)
    test.asking, test.told = False, test.told + 1
    session.add(test)
    session.flush()
    found = preferences.of_people(session, test)
    payload = {
        "iteration": test.iteration,
        "wins": found.tally.wins,
        "losses": found.tally.losses,
        "ties": found.tally.ties,
        "votes": found.votes,
        "voters": found.voters,
        "equal": found.equal,
        "told": found.told,
    }
    key = f"i{test.iteration}:compared:{test.told}"
    events.say(session, work.number(run), "compared", key, payload, services.clock.now())
