"""What a person may do, the same on every surface: start, answer, pause, resume, cancel, look, fetch.

Each is one transaction and safe to repeat. Refusals are `UserError`s that say what to do next.
"""

from collections.abc import Container
from dataclasses import dataclass, field, replace

from pydantic import ValidationError
from sqlmodel import Session

from agents import (
    backends,
    continuing,
    feedback,
    judging,
    methods,
    metric_plugins,
    weights,
    work,
)
from agents.continuing import Parent
from agents.jobs import ExportFormat
from agents.made_wishes import MadeRowsWish
from agents.recipe import Recipe, RecipeChange
from agents.services import Services, UserError
from bot import (
    answering,
    controls,
    fetching,
    rights,
    targets,
    toggling,
    uploads,
    why_wishes,
    workflow_start,
)
from bot.answering import Effect, Reaction
from bot.blind import Blind
from bot.downloads import Links
from bot.fetching import ADAPTER, Fetched
from bot.library import Library
from bot.notebook import told
from bot.notebook.differences import Difference
from bot.notebook.round_differences import RoundDifference
from bot.notebook.told import Told
from bot.publish_wishes import Publish
from bot.surface import Person
from bot.targets import Verb
from bot.uploads import Upload
from bot.workflow_start import StartWorkflow
from configs.schema import GateKind
from storage import events, runs
from storage.files import StoredFile
from storage.models import Decision, Run

METHODS = methods.NAMES


@dataclass(frozen=True)
class Start:
    """A wish for a run, checked and with its file in the store."""

    key: str
    """Of the command: the same command twice is one run."""
    person: Person
    guild: str | None
    home: str
    goal: str
    file: StoredFile
    file_name: str
    model: str | None = None
    method: str = METHODS[0]
    wishes: list[RecipeChange] = field(default_factory=list)
    policy: tuple[GateKind, ...] = ()
    more: tuple[Upload, ...] = ()
    """Further files, to be merged with the first."""
    weights: tuple[tuple[str, float], ...] = ()
    """By name of the file; the words of the goal may name some too."""
    continue_from: int | None = None
    """Run whose adapter is trained further; the words of the goal may name it too."""
    made_rows: MadeRowsWish | None = None
    """Rows that a program is to make, or that none are; None: nothing was said."""
    sees_all: bool = False
    """Somebody at the machine itself, where every run's files can be read anyway."""


@dataclass(frozen=True)
class Commands:
    """The verbs that people have."""

    services: Services
    links: Links

    @property
    def blind(self) -> Blind:
        """What people may do about the answers of base and tuned."""
        return Blind(self.services)

    @property
    def library(self) -> Library:
        """What people may do with the documents that runs look things up in."""
        return Library(self.services)

    async def start(self, wish: Start) -> Run:
        """Start a run, once.

        Raises: UserError: no right, too many open runs, or a model or method that is not there.
        """
        settings = self.services.settings
        wish = _weighed(wish)
        parent = await self._parent(wish)
        wish = await self._further(wish, parent) if parent else wish
        named = [str(change.value) for change in wish.wishes if change.field == "model"]
        model = wish.model or (named[-1] if named else settings.default_model(wish.guild))
        self.services.model_ref(model)
        if parent is not None:
            continuing.check(parent, model, wish.wishes)
        if wish.method not in METHODS:
            raise UserError(
                f"I don't know the method “{wish.method}”. Today there is: {', '.join(METHODS)}."
            )
        if not wish.goal.strip():
            raise UserError(
                "Tell me in a sentence what the model should learn, for example “classify support tickets”."
            )
        if wish.model is not None and not named:  # such a model is not chosen for the person
            named_model = RecipeChange(field="model", value=wish.model)
            wish = replace(wish, wishes=[*wish.wishes, named_model])
        check_wishes(model, [*wish.wishes, *(continuing.shape_of(parent) if parent else ())])
        backends.check(wish.wishes, settings.training)
        judging.check(wish.wishes, self.services.llm)
        metric_plugins.check(wish.wishes, settings.evaluation)
        self.check_may_start(wish.person, wish.guild)
        run = await self.services.db.write(_start, self.services, wish, model, parent)
        self.services.wake(work.number(run))
        return run

    async def start_workflow(self, wish: StartWorkflow) -> Run:
        """Start a run that improves a workflow, once. Raises: UserError: no right, too many open runs, or no such file."""
        workflow_start.check_name(wish.file.name)
        workflow_start.check_goal(wish.wish.goal)
        self.check_may_start(wish.person, wish.guild)
        run = await self.services.db.write(workflow_start.start, self.services, wish)
        self.services.wake(work.number(run))
        return run

    async def _parent(self, wish: Start) -> Parent | None:
        number = wish.continue_from or continuing.named(wish.goal)
        if number is None:
            return None
        run = await self.services.db.read(controls.find, number)
        if run and (wish.sees_all or rights.may_see(wish.person, run, wish.guild)):
            targets.check(run, Verb.CONTINUE)
            return await self.services.db.read(continuing.find, run)
        raise UserError(controls.none_here(number))

    async def _further(self, wish: Start, parent: Parent) -> Start:
        """Return a wish with what it leaves to the earlier run: the model, and a task that it does not name."""
        goal = continuing.without_name(wish.goal)
        if not goal:
            earlier = await self.services.db.read(controls.find, parent.run)
            goal = earlier.goal if earlier else ""
        named = [change for change in wish.wishes if change.field == "model"]
        model = wish.model or (None if named else parent.model)
        return replace(wish, goal=goal, model=model)

    def check_may_start(self, person: Person, guild: str | None) -> None:
        """Refuse early, before a file is fetched. Raises: UserError."""
        if not rights.may_start(self.services.settings, person, guild):
            raise UserError(
                "Starting runs needs a role here that you do not have; the people who run this server can give it to you."
            )

    async def decide(
        self,
        approval_id: int,
        shown_prefix: str | None,
        person: Person,
        decision: Decision,
        comment: str | None = None,
    ) -> Reaction:
        """Answer a gate; `shown_prefix` is the start of the hash of what the person saw, where the surface knows it."""
        reaction, run_id = await self.services.db.write(
            answering.decide, self.services, approval_id, shown_prefix, person, decision, comment
        )
        if reaction.effect is Effect.DECIDED and run_id is not None:
            self.services.wake(run_id)
        return reaction

    async def reply(self, approval_id: int, person: Person, words: str) -> Reaction:
        """Answer a gate in words: an exact yes or no counts as ✅ or ❌, anything else is feedback."""
        decision = feedback.verdict_word(words)
        if decision is not None:
            return await self.decide(approval_id, None, person, decision)
        return await self.decide(approval_id, None, person, Decision.REVISE, words.strip()[:4000])

    async def toggle(  # who, about which question, and what of it
        self,
        approval_id: int,
        shown_prefix: str | None,
        person: Person,
        number: int,
        *,
        taken: bool,
    ) -> Reaction:
        """Take or drop one edit, from 1, of a change that is asked about, as long as the question stands."""
        return await self.services.db.write(
            toggling.toggle,
            self.services,
            approval_id,
            shown_prefix,
            person,
            number,
            taken=taken,
        )

    async def pause(self, run_id: int, person: Person) -> str:
        """Stop a run where it is, to be resumed. Raises: UserError."""
        return await self.services.db.write(controls.pause, self.services, run_id, person)

    async def resume(self, run_id: int, person: Person) -> str:
        """Go on with a paused or failed run. Raises: UserError."""
        text = await self.services.db.write(controls.resume, self.services, run_id, person)
        self.services.wake(run_id)
        return text

    async def revert(self, run_id: int, person: Person, to: int) -> str:
        """Have the next plan of a run start from that of try `to`. Raises: UserError."""
        text = await self.services.db.write(controls.revert, self.services, run_id, person, to)
        self.services.wake(run_id)
        return text

    async def deliver(self, run_id: int, person: Person, number: int | None = None) -> str:
        """Have a try of a run handed over, without a number the best one so far. Raises: UserError."""
        text = await self.services.db.write(controls.deliver, self.services, run_id, person, number)
        self.services.wake(run_id)
        return text

    async def cancel(self, run_id: int, person: Person) -> str:
        """End a run. Raises: UserError."""
        return await self.services.db.write(controls.cancel, self.services, run_id, person)

    async def leave(self, guilds: Container[str]) -> None:
        """End the open runs of servers that have removed the bot: nobody there can see or stop them any more."""
        await self.services.db.write(controls.leave, self.services, guilds)

    async def export(self, run_id: int, person: Person, wanted: ExportFormat) -> str:
        """Have a delivered adapter written in another format. Raises: UserError."""
        text = await self.services.db.write(controls.export, self.services, run_id, person, wanted)
        self.services.wake(run_id)
        return text

    async def publish(self, run_id: int, person: Person, wish: Publish) -> str:
        """Have a delivered adapter pushed to the Hub, once a person has said yes to what is shown. Raises: UserError."""
        text = await self.services.db.write(controls.publish, self.services, run_id, person, wish)
        self.services.wake(run_id)
        return text

    async def download(
        self, run_id: int, person: Person, guild: str | None, what: str = ADAPTER
    ) -> Fetched:
        """Return a fresh link to the adapter or the workflow of a run, or to another file of it. Raises: UserError."""
        run = await self.visible(run_id, person, guild)
        found = await self.services.db.read(fetching.find, run, what)
        url = self.links.link(found.sha256, found.name, run_id, self.services.clock.now())
        return Fetched(found.name, url)

    async def why(self, run_id: int, person: Person, guild: str | None, item: str) -> str:
        """Have the answer of the tuned model to one test row explained. Raises: UserError."""
        run = await self.visible(run_id, person, guild)
        targets.check(run, Verb.WHY)
        return await why_wishes.why(self.services, run, person, item)

    async def tries(self, run_id: int, person: Person, guild: str | None) -> Told:
        """Return the tries or rounds of a run that is this person's business. Raises: UserError."""
        await self.visible(run_id, person, guild)
        return await self.services.db.read(told.read, self.services, run_id)

    async def diff(
        self, run_id: int, person: Person, guild: str | None, numbers: tuple[int, int]
    ) -> Difference | RoundDifference:
        """Return what is different between two tries or rounds. Raises: UserError."""
        known = await self.tries(run_id, person, guild)
        return await told.between(known, *numbers, self.services.files)

    async def visible(self, run_id: int, person: Person, guild: str | None) -> Run:
        """Return a run that is this person's business. Raises: UserError."""
        run = await self.services.db.read(controls.find, run_id)
        if run is None or not rights.may_see(person, run, guild):
            raise UserError(controls.none_here(run_id))
        return run


def check_wishes(model: str, wishes: list[RecipeChange]) -> None:
    """Refuse values that no recipe can have, before anything is spent. Raises: UserError."""
    try:
        Recipe(model=model).amended(wishes)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors()
        )
        raise UserError(f"That is not possible: {problems}.") from error


def _weighed(wish: Start) -> Start:
    """Return a wish with the weights that its sentence names; with one file such words are part of the task."""
    if not wish.more:
        return wish
    named = (*weights.named(wish.goal), *wish.weights)
    return replace(wish, goal=weights.without_names(wish.goal), weights=named)


def _start(
    session: Session, services: Services, wish: Start, model: str, parent: Parent | None
) -> Run:
    now = services.clock.now()
    limit = services.settings.limits.open_per_user
    known = runs.by_origin(session, wish.key)
    if known is not None:
        return known
    if runs.count_open(session, wish.person.id) >= limit:
        raise UserError(
            f"You have {limit} runs open already, as many as one person may have here. Finish or cancel one first."
        )
    run = runs.add(
        session,
        Run(
            origin_key=wish.key,
            goal=wish.goal.strip()[:1000],
            method=wish.method,
            model=model,
            owner=wish.person.id,
            owner_name=wish.person.name,
            guild=wish.guild,
            home=wish.home,
            policy=[gate.value for gate in wish.policy],
            wishes=[change.model_dump(mode="json") for change in wish.wishes],
            parent=parent.model_dump(mode="json") if parent else None,
            made_rows=None if wish.made_rows is None else wish.made_rows.model_dump(mode="json"),
            created_at=now,
        ),
    )
    given = [Upload(wish.file, wish.file_name), *wish.more]
    uploads.keep(session, work.number(run), given, wish.weights, now)
    events.say(session, work.number(run), "opened", "opened", {}, now)
    return run
