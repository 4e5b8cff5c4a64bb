"""The order of rows is decided beforehand."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from agents.recipe import Recipe
from agents.worker.order import order_of, steps_of


def recipe(**fields: object) -> Recipe:
    return Recipe.model_validate({"model": "m"} | fields)


def test_epochs_are_rounded_up_to_whole_steps() -> None:
    assert steps_of(100, recipe(epochs=3, batch_size=8)) == 38
    assert steps_of(100, recipe(epochs=3, batch_size=8, max_steps=10)) == 10
    assert steps_of(100, recipe(epochs=3, batch_size=8, max_steps=500)) == 38
    assert steps_of(3, recipe(epochs=0.1, batch_size=512)) == 1


@given(
    lengths=st.lists(st.integers(1, 500), min_size=1, max_size=120),
    batch_size=st.integers(1, 9),
    steps=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_every_row_comes_equally_often_and_the_longest_comes_first(
    lengths: list[int], batch_size: int, steps: int, seed: int
) -> None:
    order = order_of(lengths, batch_size, steps, seed)

    seen = Counter(order)
    times = [seen[i] for i in range(len(lengths))]
    assert len(order) == steps * batch_size
    assert max(times) - min(times) <= 1
    assert lengths[order[0]] == max(lengths[i] for i in order)
    assert order == order_of(lengths, batch_size, steps, seed)


def test_batches_hold_rows_of_like_length_in_an_order_that_the_seed_decides() -> None:
    lengths = [10 + i % 90 for i in range(400)]

    order = order_of(lengths, 8, 50, seed=1)

    batches = [[lengths[i] for i in order[b : b + 8]] for b in range(0, len(order), 8)]
    padded = sum(max(batch) * len(batch) for batch in batches)
    assert padded < 1.1 * sum(lengths)
    assert batches != sorted(batches, reverse=True)
    assert order != order_of(lengths, 8, 50, seed=2)
