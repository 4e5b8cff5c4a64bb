"""The registry of base models: its files hold together, and a catalogue entry finds its facts."""

import json

import jsonschema
import pytest

from configs import publish
from configs.registry import REGISTRY_DIR, facts_of, registry
from configs.schema import Settings

FILES = sorted(REGISTRY_DIR.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_fits_the_published_schema(path):
    schema = json.loads(publish.MODELS_SCHEMA_FILE.read_text())

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(path.read_text()), schema)


def test_the_published_schema_of_models_is_current():
    assert publish.MODELS_SCHEMA_FILE.read_text() == publish.models_schema()


def test_there_are_the_families_that_people_ask_for():
    assert {"llama", "qwen", "deepseek", "gemma", "smollm", "mistral"} <= {p.stem for p in FILES}
    assert len(registry()) == sum(len(json.loads(p.read_text())["models"]) for p in FILES) >= 20


@pytest.mark.parametrize("name", registry())
def test_the_widths_of_a_model_add_up_to_its_parameters(name):
    facts = registry()[name]

    assert facts.architecture.weights == pytest.approx(facts.parameters, rel=0.001)
    assert facts.hub_id is not None
    assert facts.licence is not None


def test_the_shipped_catalogue_finds_its_facts_by_source():
    catalogue = Settings().models.catalogue

    found = {name: facts_of(name, source) for name, source in catalogue.items()}

    assert found["smollm2-135m-instruct"].hub_id == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert facts_of("mine", "hub:Qwen/Qwen3-0.6B").name == "qwen3-0.6b"
    assert facts_of("mine", "hub:nobody/nothing") is None


def test_a_local_folder_tells_its_own_facts(tmp_path):
    config = {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "intermediate_size": 128,
        "vocab_size": 100,
        "max_position_embeddings": 512,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))

    facts = facts_of("mine", f"folder:{tmp_path}")

    assert facts.architecture.key_value_width == 16
    assert facts.parameters == 2 * (2 * 64 * (64 + 16) + 3 * 64 * 128) + 100 * 64
    assert (facts.context_tokens, facts.licence, facts.chat_template) == (512, None, False)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"hidden_size": "x"}', "null"])
def test_a_folder_that_says_nothing_of_use_has_no_facts(tmp_path, text):
    (tmp_path / "config.json").write_text(text)

    assert facts_of("mine", f"folder:{tmp_path}") is None
    assert facts_of("mine", f"folder:{tmp_path}/nowhere") is None
