import json

import pytest

from agents import generation_need as needs
from agents.generation_need import Supply
from agents.jobs import RowsForecast, Stratum
from agents.made_wishes import MadeRowsWish
from tests.facts import an_intake

UNEVEN = Supply(180, {"refund": 90, "arrival": 80, "chargeback": 10})


def counts(need):
    assert need is not None
    return {stratum.label: stratum.rows for stratum in need.strata}


def test_rows_are_counted_by_label_where_answers_are_labels():
    rows = [
        {"row": n, "prompt": "p", "completion": {"role": "assistant", "content": "ab"[n % 2]}}
        for n in range(7)
    ]
    raw = "\n".join(json.dumps(row) for row in rows).encode()
    labels = an_intake(labels=("a", "b", "gone"), distinct_completions=3, rows_usable=7)

    assert needs.count(raw, labels) == Supply(7, {"a": 4, "b": 3})
    assert needs.count(raw, an_intake(distinct_completions=6, rows_usable=7)) == Supply(7)


def test_a_label_with_less_than_half_of_the_usual_rows_has_a_gap():
    assert counts(needs.gaps(UNEVEN)) == {"chargeback": 50}
    assert needs.gaps(Supply(180, {"refund": 90, "arrival": 80, "chargeback": 41})) is None
    assert needs.gaps(Supply(180)) is None


def test_so_few_rows_that_chance_decides_are_missing_some():
    assert counts(needs.few(Supply(30))) == {None: 150}
    assert counts(needs.few(Supply(50))) == {None: 150}
    assert needs.few(Supply(60)) is None
    assert needs.few(Supply(0)) is None


@pytest.mark.parametrize(
    ("gain", "low", "wanted"), [(0.2, 0.1, 100), (0.2, -0.01, None), (0.01, 0.005, None)]
)
def test_a_forecast_counts_where_its_interval_and_size_do(gain, low, wanted):
    ahead = RowsForecast(rows=200, more=100, loss=1.0, gain=gain, low=low, high=0.3)

    found = needs.need(Supply(200), ahead)

    assert (None if found is None else counts(found)) == (
        None if wanted is None else {None: wanted}
    )


def test_nothing_is_missing_where_rows_are_many_and_even():
    assert needs.need(Supply(200, {"a": 100, "b": 100})) is None


@pytest.mark.parametrize("rows", [0, 1, 7, 50, 100, 1000])
def test_rows_go_to_the_smallest_labels_first_and_none_is_lost(rows):
    given = {s.label: s.rows for s in needs.spread(rows, UNEVEN)}
    after = {label: there + given.get(label, 0) for label, there in UNEVEN.by_label.items()}

    assert sum(given.values()) == rows
    raised = [after[label] for label in given]
    assert max(raised, default=0) - min(raised, default=0) <= 1
    assert all(after[label] >= max(raised, default=0) - 1 for label in after)


def test_wishes_come_to_numbers():
    named = MadeRowsWish(strata=(Stratum(label="refund", rows=7),), more_of=("chargeback",))
    auto = MadeRowsWish(auto=True)
    facts = MadeRowsWish(with_facts=True)

    assert counts(needs.wanted(named, UNEVEN, None)) == {"chargeback": 70, "refund": 7}
    assert counts(needs.wanted(auto, UNEVEN, None)) == {"chargeback": 50}
    assert counts(needs.wanted(facts, Supply(100), None)) == {None: 100}
    assert needs.wanted(auto, Supply(500), None).strata == ()


def test_made_rows_stay_a_part_of_all_rows():
    strata = needs.spread(500, UNEVEN)

    by_share, why = needs.bounded(strata, UNEVEN, 0.5, 10_000)
    by_number, other = needs.bounded(strata, UNEVEN, 0.8, 100)

    assert 170 <= needs.total(by_share) <= 180
    assert why is not None
    assert "50%" in why
    assert 95 <= needs.total(by_number) <= 100
    assert other is not None
    assert "100" in other
    assert needs.bounded(strata, UNEVEN, 0.8, 10_000) == (strata, None)
