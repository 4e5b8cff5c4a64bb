"""A forecast is told only where its interval says something."""

import pytest

from agents import row_forecast
from agents.jobs import RowsForecast
from agents.recipe import Recipe

RECIPE = Recipe(model="m", epochs=3.0, batch_size=10)
AHEAD = RowsForecast(rows=1000, more=500, loss=0.4, gain=0.04, low=0.01, high=0.07)


def told(recipe=RECIPE, **facts):
    return row_forecast.finding(AHEAD.model_copy(update=facts), recipe, step_s=2.0)


def test_a_clear_gain_is_told_with_its_interval_and_its_price():
    found = told()

    assert "500 more of the same kind would lower the loss of new rows from 0.400" in found.finding
    assert "0.04 ± 0.03 (0.01 to 0.07 with 95 % confidence; 10%)" in found.finding
    assert "500 more rows; each try takes about 5 minutes longer" in found.advice
    assert found.change is None


def test_where_steps_end_a_training_more_rows_take_no_longer():
    assert "longer" not in told(RECIPE.model_copy(update={"max_steps": 50})).advice


def test_that_more_rows_would_hardly_help_is_told_too():
    assert "hardly help" in told(gain=0.002, low=-0.001, high=0.005).finding


@pytest.mark.parametrize(
    "facts",
    [{"low": -0.01}, {"gain": 0.01, "low": 0.001, "high": 0.05}, {"loss": 0.0}],
)
def test_where_the_interval_leaves_all_open_nothing_is_told(facts):
    assert told(**facts) is None


def test_without_a_forecast_nothing_is_told():
    assert row_forecast.finding(None, RECIPE, step_s=2.0) is None
