"""The books of what a run uses of the language model, with a cap that holds.

What a question may cost is set aside in a row before it is sent, and the row is settled afterwards. A program that asks the
model itself is handed an allowance, which is set aside in the same way, and tells what it has used when it reports.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session

from agents.llm import LLM, Account, OutOfRoom, Prices, Reply, Room, Spent, Tokens
from configs.schema import LLMSettings
from storage import events, expenses
from storage.database import Database
from storage.expenses import Caps, Used
from storage.models import Expense

NO_ROOM = "What this run may use of the language model is used up."


class Purpose(StrEnum):
    """What the language model is asked for."""

    REPLIES = "reading replies"
    JUDGING = "rewards"
    COMPARING = "comparing answers"
    ADVICE = "advice"
    PROPOSALS = "proposals"
    ROWS = "made rows"


def prices(settings: LLMSettings) -> Prices:
    """Return what tokens cost."""
    return Prices(settings.price_per_million_input, settings.price_per_million_output)


def caps(settings: LLMSettings) -> Caps:
    """Return what one run may use."""
    return Caps(settings.max_calls_per_run, settings.max_tokens_per_run, settings.max_money_per_run)


# ---- the bot's own questions ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunAccount:
    """Pays for the questions that the bot asks for a run."""

    db: Database
    now: Callable[[], datetime]
    settings: LLMSettings
    run_id: int
    purpose: str
    model: str

    async def reserve(self, most: Tokens) -> int:
        """Set aside what a question may cost at most. Raises: OutOfRoom: there is no room for it, and the person is told, once."""
        number = await self.db.write(self._reserve, most)
        if number is None:
            raise OutOfRoom(NO_ROOM)
        return number

    async def settle(self, number: int, used: Tokens) -> None:
        """Replace what was set aside by what was used."""
        await self.db.write(self._settle, number, used)

    def _reserve(self, session: Session, most: Tokens) -> int | None:
        now = self.now()
        expense = Expense(
            run_id=self.run_id,
            purpose=self.purpose,
            model=self.model,
            calls=1,
            tokens=most.total,
            money=prices(self.settings).of(most),
            created_at=now,
        )
        if expenses.reserve(session, expense, caps(self.settings)):
            return expense.id
        tell_used_up(session, self.run_id, self.settings, now)
        return None

    def _settle(self, session: Session, number: int, used: Tokens) -> None:
        paid = Used(1, used.asked, used.replied, prices(self.settings).of(used))
        expenses.settle(session, expenses.get(session, number), paid, self.now())


@dataclass(frozen=True)
class OnAccount:
    """The language model, with all its questions on one account."""

    llm: LLM
    account: Account

    @property
    def name(self) -> str:
        """What people are told that it is."""
        return self.llm.name

    async def ask(
        self,
        instructions: str,
        untrusted: str,
        reply: type[Reply],
        account: Account | None = None,
    ) -> Reply:
        """Ask as the model does; `account`: another one than usual. Raises: LLMError."""
        return await self.llm.ask(instructions, untrusted, reply, account or self.account)

    def close(self) -> None:
        """Leave the model to whom it belongs."""


# ---- programs that ask the model themselves ---------------------------------------------------------------------------


def left(session: Session, run_id: int, settings: LLMSettings) -> Room:
    """Return what a run may still use of the language model."""
    found = expenses.left(session, run_id, caps(settings))
    return Room(found.calls, found.tokens, found.money)


@dataclass(frozen=True)
class Errand:
    """A job that asks the language model itself."""

    run_id: int
    purpose: str
    key: str
    """Stable, such as the job's id: handing out and settling twice is once."""
    model: str


def hand_out(
    session: Session, errand: Errand, wanted: Room, settings: LLMSettings, now: datetime
) -> Room:
    """Set aside what a job may use, and return it: what it wants, at most what is left.

    Where the settings have no limit and the job names none, nothing can be set aside; what it tells counts all the same. A job
    that was handed something before gets the same again.
    """
    known = expenses.find(session, errand.key)
    room = left(session, errand.run_id, settings)
    if known is None:
        calls, tokens, money = (
            _least(wanted.calls, room.calls),
            _least(wanted.tokens, room.tokens),
            _least(wanted.money, room.money),
        )
        known = Expense(
            run_id=errand.run_id,
            purpose=errand.purpose,
            key=errand.key,
            model=errand.model,
            calls=int(calls or 0),
            tokens=int(tokens or 0),
            money=money or 0.0,
            created_at=now,
        )
        session.add(known)
        session.flush()
    limits = caps(settings)
    return Room(
        known.calls if wanted.calls is not None or limits.calls is not None else None,
        known.tokens if wanted.tokens is not None or limits.tokens is not None else None,
        known.money if wanted.money is not None or limits.money is not None else None,
    )


def settle(
    session: Session, errand: Errand, spent: Spent, settings: LLMSettings, now: datetime
) -> None:
    """Replace what was handed out by what a job says that it has used; more than that counts too."""
    known = expenses.find(session, errand.key)
    if known is None:
        known = Expense(
            run_id=errand.run_id,
            purpose=errand.purpose,
            key=errand.key,
            model=errand.model,
            calls=0,
            tokens=0,
            money=0.0,
            created_at=now,
        )
    money = prices(settings).of(Tokens(spent.asked, spent.replied))
    used = Used(spent.calls, spent.asked, spent.replied, money)
    expenses.settle(session, known, used, now)


def tell_used_up(session: Session, run_id: int, settings: LLMSettings, now: datetime) -> None:
    """Tell the person, once per run, that the language model is asked no more."""
    limits = [
        f"{value:,g} {unit}"
        for value, unit in (
            (settings.max_calls_per_run, "questions"),
            (settings.max_tokens_per_run, "tokens"),
            (settings.max_money_per_run, "of money"),
        )
        if value is not None
    ]
    text = (
        f"A run may use {', '.join(limits)} of it here, and the next question might need more than what is left. From here on "
        "the rules decide alone. Whoever runs this Tunewright can raise llm.max_calls_per_run, llm.max_tokens_per_run or "
        "llm.max_money_per_run."
    )
    shown = {"title": NO_ROOM, "text": text}
    events.say(session, run_id, "notice", "llm-used-up", shown, now)


def _least(one: float | None, other: float | None) -> float | None:
    return min((value for value in (one, other) if value is not None), default=None)
