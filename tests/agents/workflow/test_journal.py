"""A journal keeps what was paid for, whatever kills the process."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.workflow.journal import Journal, JournalError, open_journal
from agents.workflow.outcome import Ended
from agents.workflow.reach import Reach
from agents.workflow.run import run
from agents.workflow.scripted import Script, ScriptedModels
from agents.workflow.world import World
from tests.agents.workflow.worlds import Given, ListedPerson, ran
from tests.agents.workflow.written import loaded

ROOT = Path(__file__).parents[3]
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ENTRIES = st.lists(
    st.tuples(st.text(max_size=5), PLAIN, st.dictionaries(st.text(max_size=5), PLAIN, max_size=3)),
    max_size=8,
)


def kept(path: Path, entries: list[tuple[str, Any, Any]]) -> dict[str, Any]:
    with open_journal(path) as journal:
        for where, asked, value in entries:
            journal.keep(where, asked, value)
        return dict(journal.entries)


@given(ENTRIES)
def test_what_was_kept_is_recalled_by_another_process(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("j") / "journal.jsonl"
    last = {json.dumps([where, asked], sort_keys=True): value for where, asked, value in entries}

    kept(path, entries)

    with open_journal(path) as journal:
        for where, asked, _ in entries:
            expected = last[json.dumps([where, asked], sort_keys=True)]
            assert journal.recall(where, asked) == expected
        assert journal.recall("elsewhere", "never asked") is None


@given(ENTRIES.filter(bool), st.data())
def test_a_file_that_was_cut_anywhere_gives_all_whole_lines_and_can_be_written_on(
    tmp_path_factory, entries, data
):
    path = tmp_path_factory.mktemp("j") / "journal.jsonl"
    kept(path, entries)
    content = path.read_bytes()
    cut = data.draw(st.integers(min_value=0, max_value=len(content)))
    path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n")

    with open_journal(path) as journal:
        assert len(journal.entries) == len({w + json.dumps(a) for w, a, _ in entries[:whole]})
        journal.keep("new", None, {"a": 1})

    with open_journal(path) as journal:
        assert journal.recall("new", None) == {"a": 1}
    assert path.read_bytes().count(b"\n") == whole + 1


def test_a_damaged_line_before_the_last_is_not_passed_over(tmp_path):
    path = tmp_path / "journal.jsonl"
    kept(path, [("a", 1, {"x": 1}), ("b", 2, {"x": 2})])
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"x": 1', b'"x": 7'))

    with pytest.raises(JournalError, match="is damaged at byte 0"):
        open_journal(path)


def test_two_processes_cannot_write_one_journal(tmp_path):
    path = tmp_path / "journal.jsonl"

    with open_journal(path), pytest.raises(JournalError, match="in use by another process"):
        open_journal(path)
    open_journal(path).close()


def test_parts_of_a_journal_do_not_see_each_other(tmp_path):
    with open_journal(tmp_path / "journal.jsonl") as journal:
        journal.within("one").keep("a", 1, {"x": 1})
        journal.within("two").keep("a", 1, {"x": 2})

    with open_journal(tmp_path / "journal.jsonl") as journal:
        assert journal.within("one").recall("a", 1) == {"x": 1}
        assert journal.within("two").recall("a", 1) == {"x": 2}
        assert journal.recall("a", 1) is None


def test_what_was_asked_differently_is_not_recalled():
    journal = Journal()
    journal.keep("3:ask:1", {"prompt": "a"}, {"text": "b"})

    assert journal.recall("3:ask:1", {"prompt": "a"}) == {"text": "b"}
    assert journal.recall("3:ask:1", {"prompt": "A"}) is None
    assert journal.recall("4:ask:1", {"prompt": "a"}) is None


def test_runs_side_by_side_share_a_journal(tmp_path):
    workflow = loaded(tmp_path, HANDLED).workflow

    async def both(journal: Journal) -> list[Any]:
        replies = [{"rules": [{"delay_s": 0.05, "reply": name}]} for name in ("one", "two")]
        models = [ScriptedModels(Script.model_validate(script)) for script in replies]
        worlds = [
            World(model, ListedPerson(), Reach(cwd=None), journal=journal.within(str(number)))
            for number, model in enumerate(models)
        ]
        outcomes = await asyncio.gather(*(run(workflow, world) for world in worlds))
        return [
            (outcome.variables, len(m.asked)) for outcome, m in zip(outcomes, models, strict=True)
        ]

    with open_journal(tmp_path / "journal.jsonl") as journal:
        first = asyncio.run(both(journal))
    with open_journal(tmp_path / "journal.jsonl") as journal:
        again = asyncio.run(both(journal))

    assert first == [({"said": "one"}, 1), ({"said": "two"}, 1)]
    assert again == [({"said": "one"}, 0), ({"said": "two"}, 0)]


HANDLED = """
    name: T
    start_state: ask
    states:
      ask: {type: prompt, prompt: Go, save_as: said, next: end, on_error: rescue}
      rescue: {type: input, prompt: What now?, save_as: now, next: last}
      last: {type: prompt, prompt: "So {{now}}", save_as: end_of_it}
"""


def test_a_failure_that_was_handled_is_not_tried_again_and_one_that_was_not_is(tmp_path):
    journal = Journal()
    fails = {"rules": [{"prompt": "Go|So", "error": "away"}]}

    stopped = ran(tmp_path, HANDLED, Given(fails), journal=journal)
    failed = ran(tmp_path, HANDLED, Given(fails, {"rescue": ["this"]}), journal=journal)
    finished = ran(tmp_path, HANDLED, journal=journal)

    assert stopped.outcome.reached == ("ask",)
    assert (failed.outcome.ended, failed.outcome.reached) == (
        Ended.FAILED,
        ("ask", "rescue", "last"),
    )
    assert finished.outcome.reached == ("ask", "rescue", "last", "end")
    assert finished.outcome.variables == {"now": "this", "end_of_it": "ok"}
    assert finished.prompts() == ["So this"]
    assert finished.person.asked == []
    assert finished.outcome.visits[0].error == "away"
    assert finished.outcome.calls == 2


@pytest.mark.parametrize("how", ["before", "torn", "after"])
def test_a_run_that_is_killed_at_anything_it_keeps_ends_the_same_and_pays_for_nothing_twice(
    tmp_path, how
):
    words = [sys.executable, "-m", "tests.agents.workflow.killed_run", str(tmp_path), how]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    whole = report["whole"]

    assert whole["outcome"]["ended"] == "finished"
    assert len(report["killed"]) == whole["kept"] >= 15
    once = Counter(whole["paid"])
    for killed in report["killed"]:
        assert killed["codes"] == [-9, 0]
        assert killed["outcome"] == whole["outcome"]
        twice = Counter(killed["paid"]) - once
        assert once - Counter(killed["paid"]) == Counter()
        # what was not kept yet when the process died is the one thing that is done again
        assert twice.total() == 0 if how == "after" else twice.total() <= 1
