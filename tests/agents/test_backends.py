"""Which program trains a plan."""

from agents import backends
from agents.recipe import Recipe
from configs.schema import Backend, TrainingSettings
from tests import fake_autotrain

AUTOTRAIN = Recipe(model="m", backend=Backend.AUTOTRAIN)
ASKED = [("backend", "autotrain", "as you asked")]


def settled(tmp_path, recipe=AUTOTRAIN, origins=ASKED, *, goes_on):
    venv = fake_autotrain.build(tmp_path / "venv")
    training = TrainingSettings.model_validate({"autotrain": {"venv": venv}})
    return backends.settled(recipe, origins, training, first=True, goes_on=goes_on)


def test_autotrain_trains_where_a_person_asks_for_it_and_says_what_is_different(tmp_path):
    recipe, origins, said = settled(tmp_path, goes_on=False)

    assert recipe.backend is Backend.AUTOTRAIN
    assert origins == ASKED
    assert "no checkpoints" in said[0]


def test_a_training_that_goes_on_from_an_earlier_adapter_is_left_to_trl_with_the_reason(tmp_path):
    recipe, origins, said = settled(tmp_path, goes_on=True)

    assert recipe.backend is Backend.TRL
    assert origins == [("backend", "trl", backends.NOT_FURTHER)]
    assert said == []
