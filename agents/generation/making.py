"""Make the rows that a plan wants: round by round, until there are enough or nothing new comes."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from agents.generation import (
    cited,
    evolve,
    from_facts,
    from_label,
    persona,
    perturb,
    prefer,
    recombine,
    vary,
)
from agents.generation.asks import Answered, Desk
from agents.generation.limits import FROM_PASSAGES, why_not
from agents.generation.material import Material, plain
from agents.generation.questions import Question, fitting
from agents.generation.seeds import Record
from agents.generation.uses import Uses
from agents.jobs import WITHOUT_MODEL, Provenance, RowsBackend, Strategy, Stratum

ROUNDS = 6
"""Each asks for what is still missing."""
MOST_ASKS = 500
"""Calls that one round plans; the next one goes on."""
BY_RULE = {Strategy.PERTURB: perturb.rows, Strategy.RECOMBINE: recombine.rows}
ASKING: dict[Strategy, Callable[[Material, str | None, int, Uses], list[Question]]] = {
    Strategy.VARY: vary.questions,
    Strategy.EVOLVE: evolve.questions,
    Strategy.FROM_LABEL: from_label.questions,
    Strategy.PREFER: prefer.questions,
    Strategy.FROM_FACTS: from_facts.questions,
    Strategy.CITED: cited.questions,
}
PER_ASK = {
    Strategy.VARY: 5,
    Strategy.PERSONA: 5,
    Strategy.EVOLVE: 3,
    Strategy.FROM_LABEL: 5,
    Strategy.PREFER: 2,
    Strategy.FROM_FACTS: 3,
    Strategy.CITED: 3,
}
"""Rows that a reply holds at most."""


@dataclass(frozen=True)
class Draft:
    """A row that was made."""

    record: Record
    made: Provenance


@dataclass
class Making:
    """All that is made in one job."""

    material: Material
    desk: Desk | None
    """None: no language model is asked."""
    began_at: str
    surplus: float
    tell: Callable[[int], None] = lambda _rows: None
    """Called with about how many drafts there are, as they come. Raises: Stopped: the bot asked for it."""
    drafts: dict[int, list[Draft]] = field(default_factory=dict)
    """By place of the stratum."""
    repeated: int = 0
    """Rows that said what another one says already."""
    refused: int = 0
    """Rows of replies that are none: an answer that nothing in the passage supports, a worse answer that is the right one."""
    notes: list[str] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)
    _dry: set[tuple[Strategy, int]] = field(default_factory=set)
    _uses: Uses = field(default_factory=Uses)
    _tree: persona.Tree | None = None
    _heard: int = 0
    """Rows in replies of this round."""

    def __post_init__(self) -> None:
        self._known = {_sense(seed.record) for seed in self.material.seeds}
        if self.desk is not None:
            self.desk.heard = self._hear

    async def make(self) -> None:
        """Make them. Raises: Stopped: the bot asked for it."""
        self._leave_out()
        await self._grow_tree()
        for _round in range(ROUNDS):
            planned = self._planned()
            if not planned:
                break
            await self._round(planned)

    @property
    def count(self) -> int:
        """Return how many drafts there are."""
        return sum(map(len, self.drafts.values()))

    @property
    def wanted(self) -> int:
        """Return how many are wanted, with the surplus."""
        return sum(self._wanted(stratum) for stratum in self.material.terms.strata)

    def in_order(self) -> Iterable[Draft]:
        """Return the drafts by stratum, in the order in which they were made."""
        return (draft for place in sorted(self.drafts) for draft in self.drafts[place])

    def by_strategy(self) -> tuple[tuple[Strategy, int], ...]:
        """Count them."""
        counts = Counter(draft.made.strategy for draft in self.in_order())
        return tuple((strategy, counts[strategy]) for strategy in Strategy if counts[strategy])

    def _wanted(self, stratum: Stratum) -> int:
        return math.ceil(stratum.rows * self.surplus)

    def _leave_out(self) -> None:
        """Take ways out that cannot be gone, and say why."""
        reasons: Counter[tuple[Strategy, str]] = Counter()
        for strategy in self.material.terms.strategies:
            for place, stratum in enumerate(self.material.terms.strata):
                has_model = self.desk is not None
                why = why_not(self.material, strategy, stratum.label, has_model=has_model)
                if why is not None:
                    self._dry.add((strategy, place))
                    reasons[strategy, why] += 1
        self.notes += [f"“{strategy}” was not used: it {why}." for strategy, why in reasons]

    async def _grow_tree(self) -> None:
        """Have a tree made, where one is needed. Without one nobody asks as somebody else."""
        places = range(len(self.material.terms.strata))
        way = Strategy.PERSONA
        wanted = way in self.material.terms.strategies
        if self.desk is None or not wanted or all((way, place) in self._dry for place in places):
            return
        personas, topics = await self.desk.answers(persona.tree_questions(self.material))
        if personas is None or topics is None:
            self._dry |= {(way, place) for place in places}
            self.notes.append(f"“{way}” was not used: the model made no tree of people and topics.")
            return
        self._tree = persona.tree_of(personas.rows, topics.rows)

    def _planned(self) -> list["_Portion"]:
        """Return who makes how many rows in the next round: what is missing, in equal parts."""
        found = []
        for place, stratum in enumerate(self.material.terms.strata):
            missing = self._wanted(stratum) - len(self.drafts.get(place, ()))
            ways = [way for way in self.material.terms.strategies if self._usable(way, place)]
            for number, way in enumerate(ways):
                rows = missing // len(ways) + (number < missing % len(ways))
                if rows > 0:
                    found.append(_Portion(place, stratum.label, way, rows))
        return found

    def _usable(self, strategy: Strategy, place: int) -> bool:
        away = self.desk is None or self.desk.trouble is not None
        return (strategy, place) not in self._dry and (strategy in WITHOUT_MODEL or not away)

    async def _round(self, planned: list["_Portion"]) -> None:
        asked: list[tuple[_Portion, list[Question]]] = []
        asks = self._heard = 0
        for portion in planned:
            if portion.strategy in WITHOUT_MODEL:
                self._by_rule(portion)
            elif asks < MOST_ASKS:
                questions = self._questions(portion)[: MOST_ASKS - asks]
                asks += len(questions)
                asked.append((portion, questions))
        self.tell(self.count)
        if self.desk is None or not asked:
            return
        flat = [question for _portion, questions in asked for question in questions]
        answers = iter(await self.desk.answers(flat))
        for portion, questions in asked:
            pairs = [(question, next(answers)) for question in questions]
            self._take(portion, pairs)
        self.tell(self.count)

    def _by_rule(self, portion: "_Portion") -> None:
        make = BY_RULE[portion.strategy]
        before = self.count
        for one in make(self.material, portion.label, portion.rows, self._uses, self._is_new):
            origin = Provenance(
                backend=RowsBackend.RULES,
                strategy=portion.strategy,
                seeds=one.seeds,
                made_at=self.began_at,
            )
            self._add(portion.place, Draft(one.record, origin))
        if self.count - before < portion.rows:
            self._dry.add((portion.strategy, portion.place))

    def _questions(self, portion: "_Portion") -> list[Question]:
        each = fitting(self.material, portion.label, PER_ASK[portion.strategy])
        asks = math.ceil(portion.rows / each)
        if portion.strategy is Strategy.PERSONA:
            assert self._tree is not None
            tree = self._tree
            return persona.questions(self.material, portion.label, asks, self._uses, tree)
        return ASKING[portion.strategy](self.material, portion.label, asks, self._uses)

    def _take(self, portion: "_Portion", pairs: Iterable[tuple[Question, Answered | None]]) -> None:
        """Take the rows of replies, as many as are wanted of this stratum."""
        before = len(self.drafts.get(portion.place, ()))
        most = self._wanted(self.material.terms.strata[portion.place])
        for question, answered in pairs:
            for row in answered.rows if answered else ():
                if len(self.drafts.get(portion.place, ())) < most and answered:
                    self._take_row(portion.place, question, answered, row)
        gained = len(self.drafts.get(portion.place, ())) > before
        if not gained and (not pairs or portion.strategy not in FROM_PASSAGES):
            self._dry.add((portion.strategy, portion.place))

    def _take_row(
        self, place: int, question: Question, answered: Answered, row: Mapping[str, str]
    ) -> None:
        assert self.desk is not None
        record = question.make(row)
        if record is None:
            self.refused += 1
        elif self._is_new(record):
            origin = Provenance(
                backend=self.desk.caller.backend,
                strategy=question.strategy,
                model=self.desk.caller.model,
                prompt_sha256=answered.prompt_sha256,
                seeds=question.seeds,
                facts=question.facts,
                made_at=answered.at,
            )
            self._add(place, Draft(record, origin))
        else:
            self.repeated += 1

    def _add(self, place: int, draft: Draft) -> None:
        self._known.add(_sense(draft.record))
        self.drafts.setdefault(place, []).append(draft)

    def _hear(self, rows: int) -> None:
        self._heard += rows
        self.tell(min(self.wanted, self.count + self._heard))

    def _is_new(self, record: Record) -> bool:
        return _sense(record) not in self._known


@dataclass(frozen=True)
class _Portion:
    """Rows of one stratum that one way makes in a round."""

    place: int
    label: str | None
    strategy: Strategy
    rows: int


def _sense(record: Mapping[str, Any]) -> str:
    """Return what a row asks, by its words: another answer to the same would contradict it. Of a pair its answers count too."""
    asked = record.get("text", record.get("prompt"))
    texts = [asked, record["rejected"]] if "rejected" in record else [asked]
    return "\n".join(map(partial(_words), texts))


def _words(text: Any) -> str:
    if isinstance(text, str):
        return plain(text)
    turns = [text] if isinstance(text, Mapping) else text
    return "\n".join(plain(str(turn.get("content") or "")) for turn in turns)
