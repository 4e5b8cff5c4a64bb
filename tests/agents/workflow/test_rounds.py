import random
from statistics import fmean

import pytest

from agents.workflow import rounds
from agents.workflow.acceptance import Beside, Decision, Outcome, Reason, Scores
from agents.workflow.rounds import INCUMBENT, Ask, Candidate, Stage, Terms, turns

CASES = tuple(f"c{number}" for number in range(10))


class World:
    """Workflows whose true pass rates by case are known; what is asked of it is noted."""

    def __init__(self, rates: dict[str, list[float]], seed: int = 0) -> None:
        self.rates = rates
        self.chance = random.Random(seed)
        self.asked: list[Ask] = []

    async def measure(self, ask: Ask) -> dict[str, Scores]:
        self.asked.append(ask)
        return {
            side: {case: self.played(side, case, ask) for case in ask.cases} for side in ask.sides
        }

    def played(self, side: str, case: str, ask: Ask) -> tuple[float, ...]:
        rate = self.rates[side][CASES.index(case)]
        return tuple(float(self.chance.random() < rate) for _ in range(ask.repeats))


def sure(*works: int) -> list[float]:
    return [float(number in works) for number in range(10)]


async def test_the_best_of_several_is_kept_after_a_fresh_measurement():
    world = World({INCUMBENT: sure(0, 1, 2), "a": sure(0, 1, 2, 3), "b": sure(*range(6))})
    known = {case: (1.0,) if case in CASES[:3] else (0.0,) for case in CASES}

    found = await rounds.play([Candidate("a"), Candidate("b")], known, Terms(CASES), world.measure)

    assert found.winner == "b"
    assert found.decisions["a"].reason is Reason.ANOTHER_IS_BETTER
    assert found.decisions["b"].fixed == CASES[3:6]
    assert [(ask.stage, ask.sides) for ask in world.asked] == [
        (Stage.SCREEN, (INCUMBENT, "a", "b")),
        (Stage.MEASURE, (INCUMBENT, "a", "b")),
        (Stage.CONFIRM, (INCUMBENT, "b")),
    ]
    assert world.asked[0].cases == (*CASES[3:], *CASES[:2])


async def test_what_is_clearly_worse_is_not_measured_further():
    world = World({INCUMBENT: sure(0, 1, 2, 3), "bad": sure(), "good": sure(*range(8))})
    known = {case: (1.0,) if case in CASES[:8] else (0.0,) for case in CASES}

    found = await rounds.play(
        [Candidate("bad"), Candidate("good")], known, Terms(CASES), world.measure
    )

    assert found.winner == "good"
    assert found.decisions["bad"].outcome is Outcome.REJECTED
    assert all("bad" not in ask.sides for ask in world.asked[1:])


async def test_no_candidate_means_no_run():
    world = World({INCUMBENT: sure()})

    assert not (await rounds.play([], {}, Terms(CASES), world.measure)).improved
    assert world.asked == []


async def test_a_tie_goes_to_the_shorter_one_only_where_that_was_asked_for():
    world = World({INCUMBENT: sure(1, 2), "same": sure(1, 2)})
    shorter = [Candidate("same", shorter=True)]

    plain = await rounds.play(shorter, {}, Terms(CASES), world.measure)
    asked = await rounds.play(shorter, {}, Terms(CASES, shorter_wins_ties=True), world.measure)

    assert (plain.winner, asked.winner) == (None, "same")
    assert asked.decisions["same"].reason is Reason.SHORTER


async def test_the_second_best_has_its_turn_when_the_best_was_luck():
    class Luck(World):
        def played(self, side: str, case: str, ask: Ask) -> tuple[float, ...]:
            if side == "lucky" and ask.stage is Stage.CONFIRM:
                return (0.0,) * ask.repeats
            return super().played(side, case, ask)

    world = Luck({INCUMBENT: sure(), "lucky": sure(*range(9)), "real": sure(1, 2)})

    found = await rounds.play(
        [Candidate("real"), Candidate("lucky")], {}, Terms(CASES), world.measure
    )

    assert found.winner == "real"
    assert found.decisions["lucky"].reason is Reason.NOT_BETTER_AGAIN


SLOW, FAST = Beside(worse=("latency: slow",)), Beside(better=("latency: fast",))


async def judged(world: World, told: dict[Stage, Beside], **more: bool) -> Decision:
    terms = Terms(CASES, beside=lambda _name, stage: told.get(stage, Beside()), **more)
    candidate = Candidate("new", shorter=True)
    return (await rounds.play([candidate], {}, terms, world.measure)).decisions["new"]


async def test_what_is_better_is_refused_where_a_goal_falls_too_far_in_either_measurement():
    world = World({INCUMBENT: sure(1), "new": sure(1, 2)})

    for stage, asks in ((Stage.MEASURE, 1), (Stage.CONFIRM, 2)):
        world.asked.clear()
        decision = await judged(world, {stage: SLOW})
        assert (decision.reason, decision.beside) == (Reason.AT_A_PRICE, ("latency: slow",))
        assert decision.outcome is Outcome.REJECTED
        assert len(world.asked) == asks

    assert (await judged(world, {})).reason is Reason.BETTER_TWICE


async def test_what_is_as_good_wins_only_where_a_goal_gains_in_both_measurements():
    world = World({INCUMBENT: sure(1), "new": sure(1)})
    both = {Stage.MEASURE: FAST, Stage.CONFIRM: FAST}

    assert (await judged(world, both)).reason is Reason.GOAL
    assert (await judged(world, {Stage.MEASURE: FAST})).outcome is Outcome.REJECTED
    assert (await judged(world, {**both, Stage.CONFIRM: SLOW})).outcome is Outcome.REJECTED
    lost = World({INCUMBENT: sure(1, 2), "new": sure(1, 3)})
    assert (await judged(lost, both)).outcome is Outcome.REJECTED


async def test_what_is_as_good_at_first_and_then_worse_does_not_win_by_a_goal():
    class Later(World):
        def played(self, side: str, case: str, ask: Ask) -> tuple[float, ...]:
            if side == "new" and ask.stage is Stage.CONFIRM and case == CASES[2]:
                return (0.0, *super().played(side, case, ask)[1:])
            return super().played(side, case, ask)

    world = Later({INCUMBENT: sure(1, 2), "new": sure(1, 2)})

    decision = await judged(world, {Stage.MEASURE: FAST, Stage.CONFIRM: FAST})

    assert decision.outcome is Outcome.REJECTED
    assert decision.gain == 0
    assert decision.gain_again == pytest.approx(-1 / 60)


async def test_a_shorter_one_does_not_win_a_tie_where_a_goal_falls_too_far():
    world = World({INCUMBENT: sure(1), "new": sure(1)})

    for stage in (Stage.MEASURE, Stage.CONFIRM):
        refused = await judged(world, {stage: SLOW}, shorter_wins_ties=True)
        assert refused.outcome is Outcome.REJECTED
    assert (await judged(world, {}, shorter_wins_ties=True)).reason is Reason.SHORTER


def test_sides_take_turns_and_each_begins_as_often():
    order = turns(Ask(Stage.MEASURE, (INCUMBENT, "a"), ("x", "y"), 2))

    assert order == [
        ("x", 0, INCUMBENT),
        ("x", 0, "a"),
        ("y", 0, "a"),
        ("y", 0, INCUMBENT),
        ("x", 1, INCUMBENT),
        ("x", 1, "a"),
        ("y", 1, "a"),
        ("y", 1, INCUMBENT),
    ]


async def loop(seed: int, proposals: tuple[tuple[float, float], ...]) -> tuple[float, float]:
    """Return true mean rates before and after five rounds of one proposal each, chosen by (share, change)."""
    chance = random.Random(seed)
    given = rates = [chance.uniform(0.35, 1.0) for _case in CASES]
    for number in range(5):
        change = chance.choices([c for _s, c in proposals], [s for s, _c in proposals])[0]
        changed = [min(1.0, max(0.0, rate + change)) for rate in rates]
        world = World({INCUMBENT: rates, "new": changed}, seed * 10 + number)
        found = await rounds.play([Candidate("new")], {}, Terms(CASES), world.measure)
        rates = changed if found.improved else rates
    last = World({INCUMBENT: given, "new": rates}, seed * 10 + 9)
    kept = await rounds.outlasts("new", Terms(CASES), last.measure)
    return fmean(given), fmean(rates if kept.gain >= 0 else given)


async def test_with_two_harmful_proposals_in_five_the_result_is_not_worse_than_the_start():
    proposals = ((0.25, 0.12), (0.35, 0.0), (0.3, -0.12), (0.1, -0.5))

    ended = [await loop(seed, proposals) for seed in range(200)]

    assert sum(after >= before - 1e-9 for before, after in ended) >= 199
    assert fmean(after - before for before, after in ended) > 0.05


async def test_what_is_left_is_compared_with_what_was_given_once_more():
    world = World({INCUMBENT: sure(1, 2), "left": sure(1)})

    found = await rounds.outlasts("left", Terms(CASES), world.measure)

    assert found.gain < 0
    assert [(ask.stage, ask.repeats) for ask in world.asked] == [(Stage.LAST, 6)]
