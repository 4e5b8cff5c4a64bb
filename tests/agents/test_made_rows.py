import json

import pytest

from agents import made_rows
from agents.jobs import MADE_ROWS, Source
from agents.made_rows import Share

BASE = b"".join(
    json.dumps({"row": n, "prompt": f"p{n}", "completion": "a"}).encode() + b"\n" for n in range(40)
)


def a_row(number, **facts):
    made = {"backend": "rules", "strategy": "perturb", "made_at": "2026-11-22T12:00:00Z"}
    row = {"row": MADE_ROWS + number, "prompt": f"made {number}", "completion": "b"}
    return {**row, "made": made | facts}


ROWS = [a_row(number) for number in range(1, 21)]


@pytest.mark.parametrize(
    ("weight", "learnt", "rows"), [(1.0, 20, 20), (2.0, 40, 20), (0.5, 10, 10), (1.5, 30, 20)]
)
def test_a_weight_repeats_rows_or_draws_some_the_same_each_time(weight, learnt, rows):
    found = made_rows.mixed(BASE, ROWS, Share(weight, 0.8, 3))

    assert (found.learnt, found.rows, found.lines) == (learnt, rows, 40 + learnt)
    assert found == made_rows.mixed(
        BASE, list(reversed(list(reversed(ROWS)))), Share(weight, 0.8, 3)
    )
    assert found.train.startswith(BASE)
    lines = made_rows.lines_of(found.train)
    assert len(lines) == found.lines
    assert not any("made" in line for line in lines)
    assert all("made" in line for line in made_rows.lines_of(found.made))


def test_another_seed_draws_others():
    one, other = (made_rows.mixed(BASE, ROWS, Share(0.5, 0.8, seed)).made for seed in (1, 2))

    assert one != other


def test_made_rows_never_become_more_than_their_share():
    found = made_rows.mixed(BASE, ROWS, Share(1.0, 0.2))

    assert found.learnt == 10
    assert found.learnt / found.lines == 0.2


def test_drafts_are_numbered_after_the_made_rows_that_are_learnt_already():
    later = made_rows.after(ROWS, [a_row(1), a_row(3)])

    assert [made_rows.number_of(row) for row in later] == [21, 23]
    assert [made_rows.number_of(row) for row in made_rows.taken(later, {21})] == [23]
    assert made_rows.after([], ROWS) == ROWS


def test_what_is_known_of_rows_is_counted_in_their_provenance():
    rows = [a_row(1), a_row(2, backend="llm", strategy="vary", model="scribe", facts=["f1"])]
    facts = [
        {"id": name, "text": "t", "source": Source(kind="document", name=name).model_dump()}
        for name in ("f1", "f2")
    ]

    found = made_rows.counted(rows, by_label=True)

    assert found["models"] == ("scribe",)
    assert dict(found["strategies"]) == {"perturb": 1, "vary": 1}
    assert found["strata"] == (("b", 2),)
    assert [source.name for source in made_rows.sources_of(rows, facts)] == ["f1"]
