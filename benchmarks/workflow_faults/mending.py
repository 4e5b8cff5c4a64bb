"""The loop that improves workflows, on a workflow with one fault, with an analyst who knows his trade and errs at times."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import BaseMessage

from agents.workflow import edit_sites as at
from agents.workflow import rounds
from agents.workflow.acceptance import Scores
from agents.workflow.evidence import Evidence, Tried
from agents.workflow.load import Loaded, load_text
from agents.workflow.measuring import Bench, Measured, hash_of
from agents.workflow.model import Kind
from agents.workflow.mutants import Mutant, mutants
from agents.workflow.proposing import Incumbent, Proposal, digest, propose
from agents.workflow.rounds import INCUMBENT, Ask, Candidate, Stage, Terms
from agents.workflow.scenario_runs import Stage as Scene
from agents.workflow.strategies import Record, Strategy, choose
from agents.workflow_loop.stopping import PATIENCE
from benchmarks.workflow_faults.works import HERE, REACH, WORKS, Models, Work

ROUNDS, PROPOSALS, REPEATS = 5, 3, 3
SKILL = 0.7
"""How often the analyst proposes what mends the fault, where the strategy can."""
HARMFUL = 0.4
"""Share of the other proposals that break something; the rest changes nothing that matters."""


@dataclass(frozen=True)
class Mended:
    """What became of one fault."""

    fault: Mutant
    noticed: bool
    """A case fails because of it."""
    fixed: bool
    """At the end every case passes, chance aside."""
    rounds: int
    kept: int
    """Changes that were kept."""
    lost: tuple[str, ...]
    """Cases that passed with the fault and fail at the end, chance aside."""
    runs: int
    """Of the workflow, measurements included."""
    waited: int = 0
    """Rounds in a row that brought nothing before one that did, at most."""


class Analyst:
    """Proposes a repair of the fault where the strategy has the edits for it, mostly; else something else."""

    def __init__(self, good: Loaded, seed: int) -> None:
        self._good = good
        self._chance = random.Random(seed)
        self.now: Loaded = good
        self.strategy: Strategy | None = None

    async def __call__(self, _messages: Sequence[BaseMessage], _schema: Mapping[str, Any]) -> str:
        """Reply with one proposal."""
        strategy = self.strategy
        assert strategy is not None
        mending = repair(self._good, self.now)
        fits = bool(mending) and all(edit["op"] in strategy.ops for edit in mending)
        if fits and self._chance.random() < SKILL:
            return _reply("mends it", mending)
        harmful = self._chance.random() < HARMFUL
        return _reply("may help", [self._other(strategy, harmful=harmful)])

    def _other(self, strategy: Strategy, *, harmful: bool) -> dict[str, Any]:
        """Return an edit that the strategy allows and that mends nothing."""
        states = self.now.workflow.states.values()
        asking = [state for state in states if state.kind is Kind.PROMPT and state.prompt]
        state = self._chance.choice(asking)
        op = self._chance.choice(strategy.ops)
        if op == "set_options":
            heat = 2.0 if harmful else 0.1
            return {"op": op, "state": state.name, "options": {"temperature": heat}}
        if op == "redirect":
            return {"op": op, "state": state.name, "to": "end"}
        if op == "add_few_shot":
            return {"op": op, "state": state.name, "examples": [{"input": "x", "output": "y"}]}
        same = f"{(state.prompt or '').rstrip()} Thank you."
        prompt = "Write something." if harmful else same
        return {"op": "set_prompt", "state": state.name, "prompt": prompt}


def _reply(reason: str, edits: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps({"analysis": "", "reason": reason, "aims_at": "", "edits": list(edits)})


def repair(good: Loaded, now: Loaded) -> list[dict[str, Any]]:
    """Return the edits that make a workflow say again what the good one says, where the two differ."""
    there = {site.name: site for site in at.sites(now.source.tree)}
    found: list[dict[str, Any]] = []
    for site in at.sites(good.source.tree):
        if site.name in there:
            found += _differences(site, there[site.name])
    return found


def _differences(good: at.Site, now: at.Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    name = good.name
    if good.part.get("prompt") != now.part.get("prompt"):
        found.append({"op": "set_prompt", "state": name, "prompt": good.part["prompt"]})
    if good.part.get("save_as") != now.part.get("save_as"):
        found.append({"op": "set_save_as", "state": name, "variable": good.part.get("save_as")})
    if good.part.get("default_value") != now.part.get("default_value"):
        value = good.part.get("default_value")
        found.append({"op": "set_default_value", "state": name, "value": value})
    if (now.part.get("options") or {}) != (good.part.get("options") or {}):
        calm = {"temperature": 0.2, "num_predict": 256}
        spoilt = {key: calm[key] for key in now.part.get("options") or {} if key in calm}
        found.append({"op": "set_options", "state": name, "options": spoilt})
    return found + _ways(good, now)


def _ways(good: at.Site, now: at.Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if good.state.get("next") != now.state.get("next"):
        to = good.state.get("next") or "end"
        found.append({"op": "redirect", "state": good.name, "to": to})
    if good.state.get("on_error") != now.state.get("on_error"):
        to = good.state.get("on_error")
        found.append({"op": "set_on_error", "state": good.name, "to": to})
    for one, other in zip(
        good.state.get("next_options") or (), now.state.get("next_options") or (), strict=False
    ):
        if one["description"] != other["description"]:
            found.append(
                {
                    "op": "set_option_description",
                    "state": good.name,
                    "to": one["state"],
                    "description": one["description"],
                }
            )
    return found


async def truth(work: Work, loaded: Loaded) -> dict[str, float]:
    """Return what each case scores where nothing is left to chance but a hot model."""
    scene = Scene(Models(work.act, 0.0), REACH)
    cases = tuple(work.scenarios)
    bench = Bench({INCUMBENT: loaded}, work.scenarios, scene)
    measured = await bench.play(Ask(Stage.MEASURE, (INCUMBENT,), cases, REPEATS))
    return {case: min(scores) for case, scores in measured.scores(INCUMBENT).items()}


async def mend(work: Work, fault: Mutant, seed: int, patience: int = PATIENCE) -> Mended:
    """Run the loop on a workflow with a fault.

    Args:
        work: The good workflow with its cases.
        fault: The same, spoilt.
        seed: Of all that is left to chance.
        patience: Rounds in a row that bring nothing, after which it ends.
    """
    given = await truth(work, fault.loaded)
    loop = _Loop(work, fault, seed, patience)
    used = await loop.run() if min(given.values()) < 1 else 0
    ended = await truth(work, loop.incumbent.loaded)
    lost = tuple(case for case in given if given[case] >= 1 > ended[case])
    return Mended(
        fault=fault,
        noticed=min(given.values()) < 1,
        fixed=min(ended.values()) >= 1,
        rounds=used,
        kept=loop.kept,
        lost=lost,
        runs=loop.runs,
        waited=loop.waited,
    )


class _Loop:
    """Rounds on one workflow, as a run makes them: choose strategies, ask, measure, keep or not."""

    def __init__(self, work: Work, fault: Mutant, seed: int, patience: int) -> None:
        self.work, self.seed, self.patience = work, seed, patience
        self.idle = self.waited = 0
        self.scenarios = work.scenarios
        self.terms = Terms(tuple(self.scenarios), REPEATS)
        self.scene = Scene(Models(work.act), REACH)
        self.analyst = Analyst(work.loaded, seed)
        self.incumbent = Incumbent(
            fault.text, HERE, REACH, fault.loaded, known=frozenset({digest(fault.text)})
        )
        self.given = fault.loaded
        self.records: dict[str, Record] = {}
        self.tried: list[Tried] = []
        self.kept = self.runs = 0
        self.last = Measured()

    async def run(self) -> int:
        """Go on until nothing fails, rounds bring nothing or all are used; return how many were."""
        ask = Ask(Stage.MEASURE, (INCUMBENT,), self.terms.cases, self.terms.repeats)
        measured = await self._play({INCUMBENT: self.incumbent.loaded}, ask, 0)
        for number in range(1, ROUNDS + 1):
            if not measured.failures(INCUMBENT) or self.idle >= self.patience:
                await self._outlasts(number)
                return number - 1
            kept = self.kept
            measured = await self._round(number, measured)
            if self.kept > kept:
                self.waited, self.idle = max(self.waited, self.idle), 0
            else:
                self.idle += 1
        await self._outlasts(ROUNDS + 1)
        return ROUNDS

    async def _round(self, number: int, measured: Measured) -> Measured:
        evidence = Evidence(
            self.incumbent.loaded.workflow, measured.failures(INCUMBENT), tuple(self.tried)
        )
        proposals: dict[str, Proposal] = {}
        for strategy in choose(self.records, PROPOSALS, hash_of(self.seed, number)):
            self.analyst.now, self.analyst.strategy = self.incumbent.loaded, strategy
            made = await propose(self.incumbent, evidence, strategy, self.analyst)
            if isinstance(made, Proposal) and not made.needs_yes:
                proposals.setdefault(made.name, made)
        sides = {INCUMBENT: self.incumbent.loaded} | {
            name: load_text(one.text, HERE, REACH) for name, one in proposals.items()
        }
        played = Measured()

        async def measure(ask: Ask) -> dict[str, Scores]:
            found = await self._play(sides, ask, number)
            played.plays.extend(found.plays)
            return {side: found.scores(side) for side in ask.sides}

        candidates = [Candidate(name, one.shorter) for name, one in proposals.items()]
        done = await rounds.play(candidates, measured.scores(INCUMBENT), self.terms, measure)
        for name, one in proposals.items():
            before = self.records.get(one.strategy, Record())
            won = name == done.winner
            self.records[one.strategy] = Record(before.tried + 1, before.kept + won)
            self.tried.append(Tried(one.strategy, one.reason, done.decisions[name].reason.value))
        known = self.incumbent.known | set(proposals)
        if done.winner is None:
            self.incumbent = Incumbent(
                self.incumbent.text, HERE, REACH, sides[INCUMBENT], known=known
            )
            return played if played.plays else measured
        self.kept += 1
        winner = proposals[done.winner]
        self.incumbent = Incumbent(winner.text, HERE, REACH, sides[done.winner], known=known)
        return Measured(
            [replace(play, side=INCUMBENT) for play in played.plays if play.side == done.winner]
        )

    async def _outlasts(self, number: int) -> None:
        """Give the given workflow back where what is left is worse than it."""
        if not self.kept:
            return
        sides = {INCUMBENT: self.given, "left": self.incumbent.loaded}

        async def measure(ask: Ask) -> dict[str, Scores]:
            found = await self._play(sides, ask, number)
            return {side: found.scores(side) for side in ask.sides}

        pair = await rounds.outlasts("left", self.terms, measure)
        if pair.gain < 0:
            self.incumbent = Incumbent(self.given.source.text, HERE, REACH, self.given)

    async def _play(self, sides: Mapping[str, Loaded], ask: Ask, number: int) -> Measured:
        bench = Bench(sides, self.scenarios, self.scene, hash_of(self.seed, number))
        measured = await bench.play(ask)
        self.runs += len(measured.plays)
        return measured


def mend_one(case: tuple[int, int, int]) -> Mended:
    """Mend one fault: the place of the work, the number of its fault, and a seed."""
    place, number, seed = case
    work = WORKS[place]
    fault = mutants(work.text, HERE, REACH)[number]
    return asyncio.run(mend(work, fault, seed * 1000 + number))


def counted(found: Sequence[Mended]) -> Counter[str]:
    """Return how many were noticed, fixed and lost something."""
    noticed = [one for one in found if one.noticed]
    return Counter(
        planted=len(found),
        noticed=len(noticed),
        fixed=sum(one.fixed for one in noticed),
        lost=sum(bool(one.lost) for one in noticed),
    )
