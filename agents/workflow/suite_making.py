"""Make a test file for a workflow that has none: thought of by a model, or by rule without one, and sifted by playing.

    made = await make_suite(loaded, path, reach, asker, Rehearsal(stage, journal=journal), Wish())
    path.with_suffix(".test.yaml").write_text(made.text)

What is kept held in every run on the workflow, and fails on a spoilt one. How many of these are found out is told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents.workflow.journal import Journal
from agents.workflow.load import Loaded
from agents.workflow.measuring import hash_of
from agents.workflow.mutants import mutants
from agents.workflow.outside import ModelError
from agents.workflow.performing import perform
from agents.workflow.playing import Played
from agents.workflow.proposing import Ask
from agents.workflow.reach import Reach
from agents.workflow.scenario_runs import Stage
from agents.workflow.suite import Scenario, Suite
from agents.workflow.suite_drafts import draft
from agents.workflow.suite_file import load_suite_for
from agents.workflow.suite_rules import renamed, scenarios
from agents.workflow.suite_sieve import Dropped, PlayScenario, Sieve, spread
from agents.workflow.suite_write import as_yaml
from agents.workflow.words import counted
from agents.workflow.yaml_source import parse

MAX_REASON_CHARS = 300


@dataclass(frozen=True)
class Wish:
    """How a suite should be, and what it may cost."""

    scenarios: int = 16
    """At most so many are kept; with 13 or more something can be claimed at the end (`splitting`)."""
    repeats: int = 3
    """Runs of each on the workflow."""
    mutants: int = 12
    """Spoilt workflows that it is tried on."""
    asks: int = 3
    """Of a model, a repair of each not counted."""
    goal: str = ""
    """What the person wants, in their words."""
    workflow: str = ""
    """As the test file names it; empty: the name of the workflow's file, beside which it will stand."""
    seed: int = 0

    @property
    def tries(self) -> int:
        """Return how many scenarios are tried at most."""
        return 2 * self.scenarios

    @property
    def most_runs(self) -> int:
        """Return how many runs of the workflow that takes at most."""
        return self.tries * self.repeats + self.scenarios * self.mutants


@dataclass(frozen=True)
class Made:
    """How a suite came about."""

    scenarios: int
    assertions: int
    by_model: int
    """Scenarios that a model has thought of; the others follow rules."""
    asked: int
    """Times that a model was asked, repairs not counted."""
    runs: int
    """Of the workflow, on the way."""
    mutants: int
    survivors: tuple[str, ...]
    """Mutants that the suite does not notice, by name."""
    missed: tuple[str, ...]
    """What of the workflow no scenario sees, as people say it."""
    coverage: float
    """Share that is seen, 0 to 1."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """How many, by reason."""
    without_model: str | None = None
    """Why no model has thought of anything; None where one has, or where none was to."""

    @property
    def killed(self) -> int:
        """Return how many mutants are noticed."""
        return self.mutants - len(self.survivors)

    @property
    def words(self) -> str:
        """Say it in a sentence or two."""
        thought = f", {self.by_model} of them by a model" if self.by_model else ", by rule"
        text = (
            f"{counted(self.scenarios, 'scenario')} with {counted(self.assertions, 'assertion')}{thought}; kills {self.killed} of {self.mutants}"
            f" mutants, sees {self.coverage:.0%} of the workflow, took {counted(self.runs, 'run')}."
        )
        if self.without_model is not None:
            text += f" The model was of no use: {self.without_model}."
        return text


@dataclass(frozen=True)
class MadeSuite:
    """A test file, and how it came about."""

    text: str
    suite: Suite
    """As it reads."""
    made: Made
    wishes: tuple[Scenario, ...] = ()
    """What a model thought should be so and never was: no tests of this workflow, and perhaps what a person wants of it."""


class NothingHolds(Exception):
    """No scenario was left. `str()` says why and what to do, for a person."""

    def __init__(self, dropped: Mapping[str, int], runs: int, no_end: str | None = None) -> None:
        self.dropped = dict(dropped)
        self.runs = runs
        self.no_end = no_end
        """What was wrong where a run came to no end."""
        super().__init__(dropped, runs, no_end)

    def __str__(self) -> str:
        """Return what to do."""
        told = ", ".join(f"{number}× {reason}" for reason, number in self.dropped.items())
        wrong = f" What went wrong first: {self.no_end[:MAX_REASON_CHARS]}." if self.no_end else ""
        return (
            f"No test case could be made that holds on this workflow and would notice a fault ({told or 'nothing to try'};"
            f" {self.runs} runs).{wrong} Write one by hand, with `tunewright workflow test` to try it, or mend the workflow first."
        )


@dataclass(frozen=True)
class Rehearsal:
    """Plays scenarios on any workflow; the n-th time has the same seed on each, and is paid for once."""

    stage: Stage
    seed: int = 0
    journal: Journal = field(default_factory=Journal)
    tell: Callable[[str, Scenario, Played], None] = lambda *_: None
    """Is told of each run: of which workflow, which scenario, and what came of it."""

    async def __call__(self, loaded: Loaded, scenario: Scenario, side: str, repeat: int) -> Played:
        """Play a scenario once."""
        where = f"rehearsal\0{side}\0{scenario.name}\0{repeat}"
        done = await perform(
            scenario,
            loaded,
            self.stage,
            seed=hash_of(self.seed, "rehearsal", scenario.name, repeat),
            run=self.journal.within(where),
            case=self.journal.within(f"person\0{scenario.name}"),
        )
        self.tell(side, scenario, done.played)
        return done.played


async def make_suite(
    loaded: Loaded, path: Path, reach: Reach, asker: Ask | None, play: PlayScenario, wish: Wish
) -> MadeSuite:
    """Make a test file.

    Args:
        loaded: The workflow.
        path: Its file.
        reach: How far that may look.
        asker: Reaches a model that thinks of scenarios; None, or one that is of no use, leaves it to rules.
        play: Plays a scenario on a workflow.
        wish: How many, and at what cost.

    Raises: NothingHolds: no scenario was left. Otherwise what `asker` and `play` raise, a model that is away excepted.
    """
    sieve = Sieve(loaded, play, wish.repeats)
    asked, why = await _ask(sieve, asker, wish)
    thought = {scenario.name for scenario in sieve.kept}
    await _by_rule(sieve, wish)
    spoilt = spread(mutants(loaded.source.text, path, reach), wish.mutants, wish.seed)
    killed = await sieve.bite(spoilt)
    dropped = {reason.value: number for reason, number in sieve.dropped.items() if number}
    if not sieve.kept:
        raise NothingHolds(dropped, sieve.played, sieve.no_end)
    seen = sieve.seen
    made = Made(
        scenarios=len(sieve.kept),
        assertions=sum(len(scenario.assertions) for scenario in sieve.kept),
        by_model=sum(scenario.name in thought for scenario in sieve.kept),
        asked=asked,
        runs=sieve.played,
        mutants=len(spoilt),
        survivors=tuple(mutant.name for mutant in spoilt if mutant.name not in killed),
        missed=tuple(str(spot) for spot in seen.missed),
        coverage=seen.share(),
        dropped=dropped,
        without_model=why,
    )
    text = as_yaml(wish.workflow or path.name, sieve.kept, [f"Made by tunewright. {made.words}"])
    suite = load_suite_for(parse(text, f"{path.stem}.test.yaml"), loaded).suite
    return MadeSuite(text, suite, made, tuple(sieve.wishes))


async def _ask(sieve: Sieve, asker: Ask | None, wish: Wish) -> tuple[int, str | None]:
    """Let a model think of scenarios until there are enough or nothing new comes.

    Returns: How often it was asked, and why nothing came of it; None where something did.
    """
    if asker is None:
        return 0, None
    why: str | None = "nothing that it thought of could be kept"
    for number in range(wish.asks):
        known = [scenario.name for scenario in sieve.kept]
        try:
            drafted = await draft(sieve.loaded, sieve.seen.missed, known, wish.goal, asker)
        except ModelError as error:
            return number, None if sieve.kept else str(error)
        sieve.dropped[Dropped.UNREADABLE] += drafted.unusable
        if not drafted.scenarios and not sieve.kept:
            why = drafted.why
        before = len(sieve.kept)
        for scenario in drafted.scenarios:
            if sieve.tried < wish.tries and len(sieve.kept) < wish.scenarios:
                await sieve.offer(renamed(scenario, sieve.names))
        if len(sieve.kept) in {before, wish.scenarios}:
            return number + 1, None if sieve.kept else why
    return wish.asks, None if sieve.kept else why


async def _by_rule(sieve: Sieve, wish: Wish) -> None:
    """Fill up with scenarios that follow rules."""
    for scenario in scenarios(sieve.loaded.workflow):
        if sieve.tried >= wish.tries or len(sieve.kept) >= wish.scenarios:
            return
        await sieve.offer(renamed(scenario, sieve.names))
