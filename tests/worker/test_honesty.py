"""The benchmark of honest verdicts on a small sample: every bar is kept, but for what chance does to a small sample."""

from pathlib import Path

import numpy as np
import pytest

from agents.worker.metrics.texts import Bleu
from benchmarks import honesty
from benchmarks.honesty import Line

SCALE = 0.04
"""Of the trials of `make honesty`."""
ERRORS = 3
"""Standard errors that a share of a small sample may lie beyond its bar."""


def kept_but_for_chance(line: Line) -> bool:
    least, most = (
        ERRORS * (bar * (1 - bar) / line.trials) ** 0.5 for bar in (line.least, line.most)
    )
    return line.least - least <= line.share <= line.most + most


@pytest.mark.parametrize("place", range(len(honesty.plan(0))))
def test_every_bar_of_the_benchmark_is_kept_on_a_small_sample(place: int) -> None:
    line = honesty.plan(SCALE)[place]()

    assert line.trials >= 20
    assert kept_but_for_chance(line), line


def test_higher_wins_is_as_gullible_as_the_pages_say() -> None:
    assert honesty.higher_wins(100, 5, 1, 1000) == pytest.approx(0.89, abs=0.03)


def test_a_missed_bar_is_named_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = Line("a", 0.04, 100, most=0.05), Line("b", 0.06, 100, most=0.05)

    assert honesty.told([good])
    assert "MISSED" not in capsys.readouterr().out
    assert not honesty.told([good, bad])
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("at most 5 %    a")
    assert second.endswith("at most 5 %    b  MISSED")


def test_the_corpus_metric_of_the_benchmark_is_bleu(tmp_path: Path) -> None:
    base, tuned = honesty.phrases(np.random.default_rng(1), 40)
    totals = np.array([base.sum(axis=0), tuned.sum(axis=0)])

    assert honesty.bleu(totals) == pytest.approx(Bleu(tmp_path).of(totals))
