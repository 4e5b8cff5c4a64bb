"""The card against the rules of the Hub, as its own library reads them."""

import re
from datetime import UTC, datetime

import pytest
from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.repocard_data import model_index_to_eval_results

from agents import delivery
from agents.jobs import Dependence, ExportFormat, Kept, Verdict
from agents.model_card import HUB_LICENCES, LICENCE_FILE, Parcel, model_card
from agents.recipe import Method, Metric, Recipe
from configs.registry import registry
from storage.models import Run
from tests.facts import (
    a_training,
    an_evaluation,
    swaps_of,
    what_answers_depend_on,
    what_was_kept,
)

# what the Hub's pages list; the licences of the registry are all it needs
KNOWN_TO_THE_HUB = {"apache-2.0", "mit", "gemma", "llama3.1", "llama3.2", "other", "unknown"}


def a_run(goal):
    return Run(
        id=7,
        origin_key="log:1",
        goal=goal,
        model="smollm2-135m-instruct",
        owner="log:anna",
        home="log:channel",
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
    )


def a_parcel(**facts):
    return Parcel(
        **{
            "run": a_run("Sort tickets"),
            "recipe": Recipe(model="smollm2-135m-instruct"),
            "trained": a_training(),
            "evaluated": an_evaluation(Verdict.BETTER),
            "adapter_job_id": "run7-i1-train-a1",
            "data_sha256": {"train": "0" * 64},
            "rows": {"train": 250, "dev": 10, "test": 20},
            "dequantised": False,
            "facts": registry()["smollm2-135m-instruct"],
        }
        | facts
    )


def read(text):
    """Read a card as the Hub's library does, which raises where metadata are not as they must be."""
    card = ModelCard(text)
    assert isinstance(card.data, ModelCardData)
    return card


@pytest.mark.parametrize("form", [None, *ExportFormat], ids=str)
def test_the_hub_s_library_reads_back_every_field(form):
    card = read(model_card(a_parcel(), "tuned", "Load it.", form))

    adapter = form in {None, ExportFormat.GGUF_ADAPTER}
    library = {None: "peft", "merged": "transformers", "gguf": "gguf", "gguf_adapter": "gguf"}
    assert card.data.base_model == "example/base"
    assert card.data["base_model_relation"] == ("adapter" if adapter else "finetune")
    assert card.data.library_name == library[form]
    assert card.data.pipeline_tag == "text-generation"
    assert card.data.tags == ["lora", "sft", "tunewright"]
    assert card.data.license == "apache-2.0"
    assert card.data.datasets is None
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value, result.verified) == ("exact_match", 0.9, False)
    assert result.dataset_name == "20 sealed rows of a private data set"
    assert card.data.model_name == "tuned"
    name, results = model_index_to_eval_results(card.data.to_dict()["model-index"])
    assert (name, results) == ("tuned", card.data.eval_results)


def test_a_test_set_that_helped_to_choose_gives_no_result_for_the_metadata():
    parcel = a_parcel(evaluated=an_evaluation(Verdict.BETTER, openings=2))

    card = read(delivery.card(parcel))

    assert card.data.eval_results is None
    assert "opened 2 times" in card.text


def test_every_licence_of_the_registry_has_a_name_that_the_hub_takes():
    seen = set()
    for facts in registry().values():
        parcel = a_parcel(facts=facts, trained=a_training(base_hub_id=facts.hub_id))

        card, files = read(delivery.card(parcel)), delivery.beside(parcel)

        assert card.data.license in KNOWN_TO_THE_HUB
        assert facts.licence_name in card.text
        assert (card.data.license == "other") == (LICENCE_FILE in files)
        if card.data.license == "other":
            assert re.fullmatch(r"[a-z0-9.-]+", card.data.license_name)
            assert card.data.license_link == LICENCE_FILE
            assert facts.licence_name in files[LICENCE_FILE].decode()
        seen.add(facts.licence)
    assert set(HUB_LICENCES) | {"LicenseRef-qwen-research"} == seen


def test_a_licence_that_nobody_knows_is_said_to_be_unknown():
    parcel = a_parcel(facts=None, trained=a_training(base_hub_id=None))

    card = read(delivery.card(parcel))

    assert card.data.license == "unknown"
    assert card.data.base_model is None
    assert "is not known here. Find it out before" in card.text


def test_terms_of_commercial_use_are_told():
    told = {
        facts.commercial_use: read(delivery.card(a_parcel(facts=facts))).text
        for facts in registry().values()
    }

    assert "sets conditions to commercial use" in told["with_conditions"]
    assert "does not allow commercial use" in told["no"]
    assert "commercial use" not in told["yes"]


def test_a_reward_model_is_a_classifier_and_its_card_loads_it_as_one():
    recipe = Recipe(
        model="smollm2-135m-instruct",
        method=Method.REWARD,
        primary_metric=Metric.PAIR_ACCURACY,
    )
    parcel = a_parcel(recipe=recipe)

    card = read(delivery.card(parcel))

    assert card.data.pipeline_tag == "text-classification"
    assert "AutoModelForSequenceClassification" in card.text


def test_the_sentence_of_a_task_cannot_change_the_metadata_nor_set_a_live_link():
    goal = "x\n---\nlicense: mit\n---\n```\n![p](http://example.org/p.png) <img src=x>"

    card = read(delivery.card(a_parcel(run=a_run(goal))))

    assert card.data.license == "apache-2.0"
    fenced = re.findall(r"```text\n(.*?)\n```", card.text, re.DOTALL)
    assert fenced == ["x --- license: mit --- ''' ![p](http://example.org/p.png) <img src=x>"]
    assert card.text.count("example.org") == 1


@pytest.mark.parametrize("form", [None, ExportFormat.MERGED, ExportFormat.GGUF], ids=str)
def test_a_card_of_whole_layers_says_so_and_nothing_of_lora(form):
    recipe = Recipe(model="smollm2-135m-instruct", tuning="full")

    card = read(model_card(a_parcel(recipe=recipe), "tuned", "Load it.", form))

    assert card.data.tags == ["full-fine-tuning", "sft", "tunewright"]
    assert "full fine-tuning of all linear layers and norms" in card.text
    assert "fully fine-tuned" in card.text
    assert "lora" not in card.text.casefold()


def test_a_card_names_the_layers_that_were_adapted():
    told = {
        part: read(delivery.card(a_parcel(recipe=Recipe(model="m", target_modules=part)))).text
        for part in ("all-linear", "attention", "mlp")
    }

    assert "rank 16, alpha 32 on all linear layers" in told["all-linear"]
    assert "rank 16, alpha 32 on the attention layers" in told["attention"]
    assert "rank 16, alpha 32 on the MLP layers" in told["mlp"]


def test_a_card_says_whose_opinions_the_figures_are():
    judged = an_evaluation(Verdict.BETTER, judge="gpt-x (openai)")

    card = read(delivery.card(a_parcel(evaluated=judged)))

    assert "opinions of the language model gpt-x (openai)" in card.text
    assert "opinions" not in delivery.card(a_parcel())


def test_a_card_says_what_answers_depend_on_and_quotes_none():
    seen = swaps_of(what_answers_depend_on(Dependence.BIASED))

    told = delivery.card(a_parcel(evaluated=an_evaluation(Verdict.BETTER, swaps=seen)))

    assert (
        "Answers depend on gendered words (he or she, Mr or Mrs): with that changed, 14 of 40 were others, with a word that changes "
        "nothing 1 of 40." in told
    )
    assert "refused" not in told
    quiet = swaps_of(what_answers_depend_on(Dependence.NOT_SHOWN))
    assert "depend" not in delivery.card(
        a_parcel(evaluated=an_evaluation(Verdict.BETTER, swaps=quiet))
    )


def test_a_card_says_what_became_of_general_abilities():
    told = {
        outcome: delivery.card(
            a_parcel(evaluated=an_evaluation(Verdict.BETTER, forgetting=what_was_kept(outcome)))
        )
        for outcome in Kept
    }

    assert "General abilities were kept" in told[Kept.HELD]
    assert "may have suffered" in told[Kept.NOT_SHOWN]
    assert (
        "have suffered: 100 everyday questions (suite 0123456789ab) changed by -8.2 to -4.2"
        in (told[Kept.HARMED])
    )
    assert "not measured" in delivery.card(a_parcel())
