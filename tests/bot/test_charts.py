import asyncio
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import charts
from bot.charts import (
    BLOCKS,
    Bar,
    ChartSpec,
    comparison_chart,
    describe,
    draw,
    round_chart,
    sparkline,
)

LOSSES = [(step, 3.0 / step) for step in range(1, 40)]
DEV_LOSSES = [(0, 3.5), (10, 0.4), (20, 0.3), (30, 0.35)]
BARS = [Bar("answers exactly right", 0.031, 0.82, 0.7, 0.86), Bar("chrF", 0.3, 0.9, 0.5, 0.7)]

ROWS = {
    "easy": 600,
    "ambiguous": 300,
    "hard": 100,
    "points": [
        [0.9, 0.05, "easy", False],
        [0.5, 0.4, "ambiguous", False],
        [0.02, 0.01, "hard", True],
    ],
}
WORDS = [("Where", -0.5), ("is", 0.0), ("my", 0.25), ("$refund$", 5.5), ("?", -0.1)]


def loss(title="Loss", losses=LOSSES, dev_losses=DEV_LOSSES) -> ChartSpec:
    return ChartSpec("loss", title, {"training": losses, "dev": dev_losses})


def heat(
    kind: Any = "attribution", words=WORDS, title="What pushed, for $1 or $2 ^_^"
) -> ChartSpec:
    return ChartSpec(kind, title, {"strips": [{"name": "layer $15$", "words": words}] * 2})


def layers(sizes=((1, 0.01), (2, 0.03), (3, 0.02))) -> ChartSpec:
    return ChartSpec("layers", "How far each layer moved", {"sizes": sizes})


def size_px(png):
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


@pytest.mark.parametrize(
    "spec",
    [
        loss(title="costs $1 or $2 ^_^", losses=[*LOSSES, (40, math.nan), (41, math.inf)]),
        comparison_chart("Base against $tuned$", BARS),
        ChartSpec("map", "Rows of $1", ROWS),
        ChartSpec("map", "One row", ROWS | {"points": ROWS["points"][:1]}),
        heat(),
        heat("attention", [("漢字" * 40, 0.5), *WORDS * 20]),
        heat(words=[]),
        round_chart("Passed, for $1", [("1", 0.3, 0.1, 0.6), ("$end$", 0.9, 0.6, 1.0)]),
        layers(),
    ],
    ids=[
        "loss",
        "comparison",
        "map",
        "a map of one row",
        "attribution",
        "attention",
        "no words",
        "rounds",
        "layers",
    ],
)
async def test_a_chart_is_a_png_of_sensible_size_with_words(spec):
    chart = await draw(spec)

    assert chart is not None
    assert chart.png.startswith(b"\x89PNG")
    assert 600 < size_px(chart.png)[0] < 1200
    assert len(chart.png) < 200_000
    assert chart.alt == describe(spec)


async def test_without_a_plotting_library_there_is_a_warning_and_no_chart(
    tmp_path, monkeypatch, caplog
):
    (tmp_path / "matplotlib.py").write_text(
        "raise ModuleNotFoundError('No module named matplotlib')"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    assert await draw(loss()) is None

    assert "a chart was not drawn" in caplog.text
    assert "No module named matplotlib" in caplog.text


async def test_a_drawing_that_takes_too_long_is_ended(monkeypatch, caplog):
    monkeypatch.setattr(charts, "TIMEOUT_S", 0.01)
    before = children()

    assert await draw(loss()) is None

    assert "not drawn within" in caplog.text
    assert children() <= before


async def test_a_drawing_that_nobody_waits_for_any_more_is_ended():
    before = children()
    drawing = asyncio.create_task(draw(loss()))
    for _ in range(1000):
        if children() - before:
            break
        await asyncio.sleep(0.01)
    assert children() - before

    drawing.cancel()
    await asyncio.gather(drawing, return_exceptions=True)

    assert children() <= before


def children() -> set[str]:
    """Return the running child processes of this process."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_the_bot_never_imports_a_plotting_library():
    code = "import sys, bot.charts; print(*({'matplotlib', 'numpy'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""


def test_the_words_of_a_loss_chart_give_trend_and_end_values():
    assert describe(loss(losses=[*LOSSES, (40, math.nan)])) == (
        "Line chart: Loss. Training loss falls from 3.000 at step 1 to 0.077 at step 39, lowest 0.077 at step 39. "
        "Dev loss falls from 3.500 at step 0 to 0.350 at step 30, lowest 0.300 at step 20."
    )


def test_the_best_of_a_reward_is_its_highest():
    rewards = ChartSpec("reward", "Reward", {"training": [(1, 0.2), (2, 0.5), (3, 0.4)], "dev": []})

    assert describe(rewards) == (
        "Line chart: Reward. Training reward rises from 0.200 at step 1 to 0.400 at step 3, highest 0.500 at step 2."
    )


def test_a_loss_that_rises_or_stays_is_said_to():
    words = describe(loss(losses=[(1, 1.0), (2, 2.0)], dev_losses=[(0, 1.0), (9, 1.0)]))

    assert "Training loss rises from 1.000" in words
    assert "Dev loss stays the same from 1.000" in words


def test_the_words_of_a_comparison_give_both_values_and_the_interval():
    assert describe(comparison_chart("Sealed rows", BARS[:1])) == (
        "Bar chart: Sealed rows. answers exactly right: base 3.1 %, tuned 82.0 %; the gain lies between +70.0 and +86.0 points."
    )


def test_the_words_of_a_map_give_the_share_of_each_region_and_the_doubted_rows():
    shown = ChartSpec("map", "Rows", ROWS)
    clean = ChartSpec("map", "Rows", ROWS | {"points": ROWS["points"][:2]})

    assert "Of 1,000 rows 600 easy (60%), 300 ambiguous (30%), 100 hard (10%)." in describe(shown)
    assert describe(shown).endswith("Doubted rows, which are marked: 1.")
    assert "Doubted" not in describe(clean)


def test_the_words_of_a_heat_map_name_the_strongest_on_both_sides():
    assert (
        describe(heat(title="What pushed"))
        == (
            "Heat map over the words of a prompt: What pushed. "
            + 2
            * "Most towards it: “$refund$” +5.50, “my” +0.25. Most against it: “Where” -0.50, “?” -0.10. "
        ).rstrip()
    )
    assert "layer $15$: “$refund$” 550 %" in describe(heat("attention"))


def test_the_words_of_layers_name_the_extremes():
    assert describe(layers()) == (
        "Bar chart: How far each layer moved. Layer 2 moved most, by 0.0300 of its size, layer 1 least, by 0.0100."
    )


def test_the_words_of_rounds_give_each_share():
    told = describe(round_chart("Passed", [("1", 0.3, 0.1, 0.6), ("end", 0.9, 0.6, 1.0)]))

    assert told == "Line chart: Passed. By round 1: 30 %, end: 90 %."


def test_words_never_exceed_what_a_chat_accepts():
    assert len(describe(comparison_chart("x" * 900, BARS * 10))) == 1024


@given(
    values=st.lists(st.floats(width=32), max_size=300),
    width=st.integers(0, 60),
)
def test_a_sparkline_is_as_wide_as_it_may_be_and_never_fails(values, width):
    line = sparkline(values, width)

    assert len(line) == min(width, sum(map(math.isfinite, values)))
    assert set(line) <= set(BLOCKS)


def test_a_sparkline_shows_high_and_low():
    assert sparkline([8, 7, 6, 5, 4, 3, 2, 1], 8) == BLOCKS[::-1]
    assert sparkline([1, 1, 1, 9, 9, 9], 2) == "▁█"
    assert sparkline([5, 5, 5], 10) == "▁▁▁"
