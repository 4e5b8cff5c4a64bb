import pytest
from pydantic import ValidationError

from agents.recipe import Metric, Recipe, RecipeChange


def test_a_metric_for_the_record_is_never_primary():
    with pytest.raises(ValidationError, match="for the record only"):
        Recipe(model="m").amended([RecipeChange(field="primary_metric", value=Metric.BLEU.value)])
