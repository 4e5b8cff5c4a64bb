"""Runs in a few lines of Discord's Markdown, for the answers to commands."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from bot import blind_cards, cards, llm_lines, scenes
from bot.app import App
from bot.discord.people import NAME, number_of
from bot.discord.render import CONTENT, length
from bot.notebook import told
from bot.notebook.told import Told
from bot.scenes import Opinions, Place
from bot.schedule import QUESTIONS
from bot.surface import Person
from bot.text import clip, duration, plain
from configs.schema import GateKind
from storage import approvals, blind, events, runs
from storage.models import FINAL, Run

LISTED = 10

HELP = """\
I fine-tune language models on your data and tell you honestly whether it helped.

**Start**: `/finetune start` with a CSV, JSON, JSONL, Parquet or Excel file and a sentence about what should be learnt; \
or mention me in a message with such a file; or “Apps → Fine-tune on this file” in a message's menu. Several files are merged; “weight b.csv 0.5” uses half of one. “Continue from run 12” trains that run's adapter further.
**Questions**: I ask before I spend time: the plan, half-way through the training, the result. \
Answer with ✅ or ❌ below the message, with its buttons, or by a reply in words, \
such as “3 epochs, use 200 rows” or “mask keys”. The person who asked for a run can answer{others}.
**Few rows**: `generate`, or “make 50 rows for refund”: I make rows, from documents too (`/finetune knowledge`), and learn only those that you take; “strike 2, 5” leaves some out.
**Workflows**: `/finetune workflow` with an AgentMech file and its tests: I run it, propose changes where cases fail, and ask before one \
that was measured to be better stays; 1️⃣ to 9️⃣ leave single edits out.
**Runs**: `/finetune status` (also what the language model has cost, where one helped), `list`, `pause`, `resume`, `cancel`.
**Tries**: `/finetune history` tells what each try changed and what came of it, `diff` puts two beside each other, `revert` goes on from \
the plan of an earlier one, `deliver` hands over the best so far.
**Result**: base and tuned model answer the same rows that neither has seen; you get the verdict with its uncertainty, \
and the adapter as a link. `/finetune compare` lets you say blindly which answers are better, `/finetune judge` asks a language model, `/finetune why` finds out why it answered a row as it did. `/finetune download` gives a new one, `/finetune export` writes it as GGUF or as one merged model, \
`/finetune publish` pushes it to the Hub, privately unless you say otherwise.
Files are used for your run only, never messages of this server."""


@dataclass(frozen=True)
class Standing:
    """What a person wants to know about a run."""

    waiting_for: tuple[str, ...]
    """What is asked and not answered yet."""
    queue: Place | None
    opinions: Opinions
    """Of people and language models on the newest evaluation that they compared."""
    expenses: llm_lines.Expenses | None
    """What the language model has cost the run."""


async def latest_of(app: App, person: Person) -> int | None:
    """Return the number of a person's latest run; an open one before all that have ended."""
    found = await app.services.db.read(runs.recent, owner=person.id)
    ordered = [run for run in found if run.phase not in FINAL] + found
    return ordered[0].id if ordered else None


async def details(app: App, run: Run) -> str:
    """Say how a run stands."""
    assert run.id is not None
    limit = app.settings.limits.running_per_user
    standing = await app.services.db.read(
        _standing, run.id, app.services.clock.now(), running_per_user=limit
    )
    lines = [
        f"**Run #{run.id}: {cards.state(run)}**",
        plain(run.goal),
        f"model {plain(run.model, 80)}",
    ]
    if standing.queue is not None:
        soon = f", in about {duration(standing.queue.wait_s)}" if standing.queue.wait_s else ""
        lines.append(f"number {standing.queue.position} in line for a training slot{soon}")
    if standing.waiting_for:
        lines.append(f"waits for an answer about {' and '.join(standing.waiting_for)}")
    lines += blind_cards.opinions(standing.opinions)
    lines += llm_lines.used(standing.expenses)
    if run.failure:
        lines.append(plain(run.failure, 600))
    return "\n".join(lines + _link(run))


async def listing(app: App, person: Person, guild: str | None) -> str:
    """List the latest runs of a person and of a server."""
    mine = await app.services.db.read(runs.recent, owner=person.id, limit=LISTED)
    here = await app.services.db.read(runs.recent, guild=guild, limit=LISTED) if guild else []
    others = [run for run in here if run.owner != person.id]
    parts = []
    for heading, found in (("Your latest runs", mine), ("Others here", others)):
        parts += [f"**{heading}**", *(_line(run) for run in found)] if found else []
    return fitting(parts) if parts else "There are no runs yet. `/finetune start` begins one."


async def names(app: App, person: Person, guild: str | None, limit: int) -> list[tuple[int, str]]:
    """Return numbers and short names of the runs that a person may mean, their own first."""
    mine = await app.services.db.read(runs.recent, owner=person.id, limit=limit)
    here = await app.services.db.read(runs.recent, guild=guild, limit=limit) if guild else []
    every = {run.id: run for run in [*mine, *here] if run.id is not None}
    goals = {number: " ".join(run.goal.split()) for number, run in every.items()}
    named = [
        (number, f"#{number} {clip(goals[number], 50)} – {cards.state(run)}")
        for number, run in every.items()
    ]
    return named[:limit]


def help_text(app: App) -> str:
    """Say what the bot can do."""
    roles = [guild.approver_role_id for guild in app.settings.discord.guilds.values()]
    return HELP.format(others=", and a role of this server may" if any(roles) else "")


def _standing(session: Session, run_id: int, now: datetime, *, running_per_user: int) -> Standing:
    asked = approvals.open_of_run(session, run_id)
    waiting = tuple(QUESTIONS[GateKind(approval.gate)] for approval in asked)
    shown = [event for event in events.of_run(session, run_id) if event.kind == "status"]
    queue = None
    if shown:
        queue = scenes.load(session, shown[-1], now, running_per_user=running_per_user).place
    test = blind.latest(session, run_id)
    found = Opinions()
    if test is not None:
        found = scenes.opinions(session, runs.get(session, run_id), test.iteration)
    return Standing(waiting, queue, found, llm_lines.expenses_of(session, run_id))


def _line(run: Run) -> str:
    return " · ".join([f"**#{run.id}** {plain(run.goal, 60)}", cards.state(run), *_link(run)])


def _link(run: Run) -> list[str]:
    """Return a link to where the run is told about; nothing when that is not on Discord."""
    place = run.thread or run.home
    return [f"<#{number_of(place)}>"] if place.startswith(f"{NAME}:") else []


def history_of(known: Told) -> str:
    """List the tries or rounds of a run, the latest first where they do not all fit."""
    tries = [line.as_markdown() for line in told.lines(known)]
    if not tries:
        return f"Run #{known.run.id} has no plan yet."
    heading = f"**Run #{known.run.id}: {plain(known.run.goal, 100)}**"
    whole = "\n".join([heading, *tries])
    return whole if length(whole) <= CONTENT else fitting([heading, *reversed(tries)])


def fitting(lines: list[str]) -> str:
    """Join as many lines as a message holds; none is cut in the middle."""
    kept: list[str] = []
    for line in lines:
        if length("\n".join([*kept, line])) > CONTENT - 2:
            return "\n".join([*kept, "…"])
        kept.append(line)
    return "\n".join(kept)
