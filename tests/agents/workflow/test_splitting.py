import pytest

from agents.workflow.claims import FEWEST_CASES
from agents.workflow.splitting import FEWEST_TO_CLAIM, split


def names(count: int) -> list[str]:
    return [f"case {number}" for number in range(count)]


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(0, (0, 0, 0)), (9, (9, 0, 0)), (10, (4, 3, 3)), (12, (6, 3, 3)), (13, (4, 3, 6)), (20, (9, 5, 6)), (40, (24, 10, 6)), (100, (60, 25, 15))],
)  # fmt: skip
def test_cases_are_shown_kept_and_sealed_by_share_with_a_least_of_each(count, sizes):
    found = split(names(count), 1)

    assert (len(found.shown), len(found.validation), len(found.sealed)) == sizes


def test_every_case_has_one_place_and_from_thirteen_on_enough_are_sealed_for_a_claim():
    for count in range(10, 200):
        found = split(names(count), count)
        assert sorted((*found.for_choosing, *found.sealed)) == sorted(names(count))
        assert len(found.shown) >= 4
        assert len(found.validation) >= 3
        assert len(found.sealed) >= (FEWEST_CASES if count >= 13 else 3)

    assert FEWEST_TO_CLAIM == 13


def test_a_split_is_the_same_for_a_seed_whatever_the_order_and_another_for_another():
    one, other = split(names(20), 1), split(reversed(names(20)), 1)

    assert set(one.sealed) == set(other.sealed)
    assert set(one.shown) == set(other.shown)
    assert one == split(names(20), 1)
    assert len({split(names(20), seed).sealed for seed in range(20)}) > 10
    assert one.sealed == tuple(name for name in names(20) if name in one.sealed)


def test_most_cases_keep_their_place_when_one_is_added():
    before, after = split(names(30), 5), split(names(31), 5)

    moved = sum(
        (name in before.sealed) != (name in after.sealed)
        or (name in before.validation) != (name in after.validation)
        for name in names(30)
    )
    assert moved <= 3


def test_it_is_said_what_so_many_cases_allow():
    assert split(names(9), 1).words.endswith(
        "nothing can be said about others. With 13 cases or more it can."
    )
    assert "A claim about other cases needs 6 sealed ones" in split(names(12), 1).words
    assert split(names(1), 1).words.startswith("There is 1 case, too few")
    assert split(names(13), 1).words == "4 cases are shown, 3 kept for choosing, 6 sealed."
