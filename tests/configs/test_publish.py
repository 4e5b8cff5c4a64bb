"""What is derived from the schema is current; `python -m configs.publish` brings it up to date."""

import json
from typing import Any

import jsonschema

from configs import publish, shape
from configs.load import DEFAULT_CONFIG, load
from configs.read import variable_of
from configs.schema import Settings


def test_the_shipped_values_are_the_defaults_of_the_schema():
    shipped = json.loads(DEFAULT_CONFIG.read_text())

    assert shipped == Settings().model_dump(mode="json")
    assert DEFAULT_CONFIG.read_text() == publish.default_config()


def test_the_published_schema_is_current():
    assert publish.SCHEMA_FILE.read_text() == publish.json_schema()


def test_the_published_schema_is_valid_and_takes_the_shipped_values():
    schema = json.loads(publish.SCHEMA_FILE.read_text())

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(DEFAULT_CONFIG.read_text()) | {"$schema": "x"}, schema)


def test_the_table_of_settings_is_current_and_complete():
    page = publish.TABLE_FILE.read_text()

    assert page == publish.with_table(page)
    settings = [".".join(place) for place, _ in shape.settings()]
    assert len(settings) >= 50
    assert [name for name in settings if f"| `{name}` |" not in page] == []


def test_every_setting_says_what_it_means():
    silent = [place for place, node in shape.settings() if len(node.get("description", "")) < 10]

    assert silent == []


def test_every_variable_of_the_table_sets_its_setting():
    plain = [
        place
        for place, node in shape.settings()
        if shape.ANY_NAME not in place and not shape.is_section(node) and not shape.is_secret(node)
    ]

    for place in plain:
        value: Any = Settings().model_dump(mode="json")
        for key in place:
            value = value[key]
        name = variable_of(place)
        loaded = load({name: json.dumps(value)})
        assert loaded.settings == Settings()
        assert loaded.origins[".".join(place)] == f"env {name}"
    assert len(plain) >= 45
