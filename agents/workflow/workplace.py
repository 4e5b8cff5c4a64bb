"""What a job for a workflow works with: the files of its spec, models that are paid for, a journal, a budget.

Everything that costs something goes through journal and purse, which all attempts at a job share: what was paid for is not
paid twice, and what was used counts.
"""

import hashlib
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from pydantic import SecretStr

from agents.jobs import FileRef, Progress, Spent, WorkflowFile, WorkflowTerms, beat
from agents.jobs.reporting import Reporter
from agents.jobs.workflows import CaseRef, Journalled, ModelsRef
from agents.workflow.backends import models_from
from agents.workflow.journal import Journal, open_journal
from agents.workflow.load import Loaded, load_text
from agents.workflow.mcp_tools import McpTools
from agents.workflow.measuring import Bench, Play, hash_of
from agents.workflow.model import Workflow
from agents.workflow.outside import Limits, ModelError, Models, SameModels
from agents.workflow.persona import Simulator
from agents.workflow.purse import USED_UP, OutOfBudget, Purse, PursedModels, open_purse
from agents.workflow.reach import Reach
from agents.workflow.replies import Asker
from agents.workflow.scenario_runs import Stage
from agents.workflow.server_policy import OWN_FILES, ServerPolicy
from agents.workflow.suite import Scenario
from agents.workflow.suite_file import load_suite_for
from agents.workflow.tools import Tools
from agents.workflow.yaml_source import parse
from configs.schema import Settings

API_KEY = "TUNEWRIGHT_WORKFLOWS__API_KEY"
"""Where the key of the back end stands in the environment of a job: never in its folder."""
JOURNAL, PURSE = "journal.jsonl", "spent.jsonl"
REPLY_TOKENS = 2048
"""That an analyst may reply with."""
SECTIONS = ("workflows", "models")
"""Of the configuration, that a job is told."""


class BadFile(Exception):
    """A file is not what its spec says."""


def models_ref(settings: Settings, ollama_url: str | None) -> ModelsRef:
    """Return what a job is told of the configuration: no key, and the data folder as it is here."""
    told = {name: getattr(settings, name).model_dump(mode="json") for name in SECTIONS}
    told["workflows"].pop("api_key")
    return ModelsRef(
        settings={**told, "data_dir": str(settings.data_dir.resolve())}, ollama_url=ollama_url
    )


def settings_of(models: ModelsRef) -> Settings:
    """Return the configuration that a job was told, with the key from its environment."""
    settings = Settings.model_validate(models.settings)
    key = os.environ.get(API_KEY)
    if key is None:
        return settings
    workflows = settings.workflows.model_copy(update={"api_key": SecretStr(key)})
    return settings.model_copy(update={"workflows": workflows})


def text_of(file: FileRef) -> str:
    """Return the text of a file. Raises: BadFile: it is not the one that was meant."""
    content = Path(file.path).read_bytes()
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise BadFile(f"{file.name or file.path} has changed since it was checked")
    return content.decode("utf-8-sig")


class StandIn(SameModels):
    """The same models, but for one name that means another."""

    def __init__(self, models: Models, name: str, instead: str) -> None:
        super().__init__(models)
        self._name, self._instead = name, instead

    def chat(self, name: str, parameters: Mapping[str, Any]) -> BaseChatModel:
        """Return the model. Raises: ModelError: there is none of that name."""
        return super().chat(self._instead if name == self._name else name, parameters)


@dataclass(frozen=True)
class Workplace:
    """All that the jobs of a workflow use."""

    models: Models
    settings: Settings
    journal: Journal
    purse: Purse
    reporter: Reporter
    terms: WorkflowTerms
    asker: Asker
    """Reaches the analysis model."""

    @property
    def spent(self) -> Spent:
        """Return what this job has used, earlier attempts included."""
        return self.purse.spent

    def reach(self, file: WorkflowFile) -> Reach:
        """Return how far a workflow may look: its own folder, or anywhere where its owner runs it."""
        folder = Path(file.path).parent
        return Reach(cwd=folder) if file.own_files else Reach(within=folder)

    def load(self, file: WorkflowFile) -> Loaded:
        """Load a workflow. Raises: WorkflowError: it cannot be run. BadFile."""
        return load_text(
            text_of(file.text), Path(file.path), self.reach(file), name=Path(file.path).name
        )

    def scenarios(self, tests: FileRef, path: str, loaded: Loaded) -> dict[str, Scenario]:
        """Return the cases of a suite by name. Raises: WorkflowError: it does not fit the workflow. BadFile."""
        source = parse(text_of(tests), Path(path).name)
        return named(load_suite_for(source, loaded).suite.scenarios)

    def stage(self, file: WorkflowFile, loaded: Loaded) -> Stage:
        """Return what the cases of a workflow are played with."""
        people = Simulator(
            self.models, self.terms.analysis_model, self.terms.seed, lambda: self.purse.seconds_left
        )
        limits = Limits(shared=self.purse)
        stage = Stage(self._models(loaded), self.reach(file), limits=limits, simulator=people)
        if not self.terms.with_tools:
            return stage
        return replace(stage, starting=lambda: self._tools(loaded.workflow, file))

    def _models(self, loaded: Loaded) -> Models:
        stand_in = self.terms.stand_in
        if stand_in is None:
            return self.models
        return StandIn(self.models, loaded.workflow.default_model, stand_in)

    @asynccontextmanager
    async def _tools(self, workflow: Workflow, file: WorkflowFile) -> AsyncIterator[Tools]:
        """Start the servers that a workflow may start here, for one run, with a folder that is gone afterwards."""
        allowed = frozenset(
            (line[0], tuple(line[1:])) for line in self.settings.workflows.upload_servers
        )
        policy = OWN_FILES if file.own_files else ServerPolicy(allowed)
        with TemporaryDirectory() as folder:
            async with McpTools(workflow, self.reach(file), policy, Path(folder)) as tools:
                yield tools

    def bench(
        self,
        sides: Mapping[str, Loaded],
        scenarios: Mapping[str, Scenario],
        file: WorkflowFile,
        *seed: object,
        tell: Callable[[Play], None] = lambda _play: None,
    ) -> Bench:
        """Return what plays cases on several workflows. It raises OutOfBudget where what is left ends a run."""
        stage = self.stage(file, next(iter(sides.values())))
        chance = hash_of(self.terms.seed, *seed)

        def note(play: Play) -> None:
            self.pay(failed=play.score is None or play.failure is not None)
            tell(play)

        return Bench(
            sides,
            scenarios,
            stage,
            chance,
            self.journal.within(f"bench {chance}"),
            note,
        )

    def pay(self, *, failed: bool = True) -> None:
        """Look at the budget after a run. Raises: OutOfBudget: it may have ended the run, which then says nothing."""
        if self.purse.refused or (failed and self.purse.ended):
            raise OutOfBudget(USED_UP)

    def counting(self, stage: str, runs: int) -> Callable[[Play | None], None]:
        """Begin a stage of so many runs (0: unknown), and return what is to be told of each. Raises: Stopped: the bot asked for it."""
        self.reporter.stage(stage, runs)
        done = itertools.count(1)
        return lambda _play: self.reporter.line(Progress(stage=stage, step=next(done)))

    async def analyst(self, messages: Sequence[BaseMessage], schema: Mapping[str, Any]) -> str:
        """Ask the analysis model, once per thing to ask.

        Raises: ModelError: there is no reply. OutOfBudget: or no room for one. Stopped: the bot asked for it.
        """
        try:
            reply = await self.asker(messages, schema)
        except ModelError as error:
            if self.purse.ended:
                raise OutOfBudget(USED_UP) from error
            raise
        self.reporter.beat()
        return reply


def named(scenarios: Sequence[Scenario]) -> dict[str, Scenario]:
    """Return scenarios by name; of those with the same one the second is “name (2)”."""
    found: dict[str, Scenario] = {}
    for scenario in scenarios:
        name, number = scenario.name, 1
        while name in found:
            number += 1
            name = f"{scenario.name} ({number})"
        found[name] = scenario
    return found


def parts(cases: Sequence[CaseRef], *wanted: str) -> tuple[str, ...]:
    """Return the names of the cases of some parts of a suite."""
    return tuple(case.name for case in cases if case.part in wanted)


@contextmanager
def workplace(
    folder: Path, spec: Journalled, terms: WorkflowTerms, stage: str
) -> Iterator[Workplace]:
    """Open what a job works with, and close it when it is over.

    Raises: JournalError: another attempt is at it. ModelError: the models are not there.
    """
    reporter = Reporter(folder)
    reporter.stage(stage)
    kept = Path(spec.journal_dir)
    kept.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = settings_of(spec.models)
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(kept / JOURNAL))
        purse = open_purse(kept / PURSE, spec.left, partial(beat, folder))
        stack.callback(purse.close)
        back_end = stack.enter_context(models_from(settings, spec.models.ollama_url))
        models = PursedModels(back_end, purse)
        parameters = {"num_predict": REPLY_TOKENS, "seed": hash_of(terms.seed, "analyst")}
        asker = Asker(models, terms.analysis_model, journal, parameters, lambda: purse.seconds_left)
        yield Workplace(models, settings, journal, purse, reporter, terms, asker)
