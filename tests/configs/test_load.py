"""Where a setting comes from, and what wins."""

import json
from pathlib import Path

import pytest

from configs.errors import ConfigError
from configs.load import describe, load
from configs.schema import CheckpointMode, GateKind, Settings


def written(folder: Path, config: object) -> Path:
    path = folder / "user.json"
    path.write_text(json.dumps(config))
    return path


def test_without_any_source_the_shipped_values_hold():
    loaded = load({})

    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default_config.json"}


def test_the_environment_wins_over_the_file_and_the_file_over_the_shipped_values(tmp_path):
    path = written(tmp_path, {"downloads": {"port": 1000, "host": "::1"}})

    loaded = load({"TUNEWRIGHT__DOWNLOADS__PORT": "2000", "TUNEWRIGHT_CONFIG": str(path)})

    assert loaded.settings.downloads.port == 2000
    assert loaded.settings.downloads.host == "::1"
    assert loaded.settings.downloads.expires_after_h == 24.0
    assert loaded.origins["downloads.port"] == "env TUNEWRIGHT__DOWNLOADS__PORT"
    assert loaded.origins["downloads.host"] == str(path)
    assert loaded.origins["downloads.expires_after_h"] == "default_config.json"


def test_a_file_given_as_argument_wins_over_the_one_in_the_environment(tmp_path):
    path = written(tmp_path, {"log_level": "DEBUG"})

    loaded = load({"TUNEWRIGHT_CONFIG": str(tmp_path / "missing.json")}, path)

    assert loaded.settings.log_level == "DEBUG"


def test_a_file_may_name_its_schema_and_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "user.json"
    path.write_text(
        '\ufeff{"$schema": "config.schema.json", "log_level": "ERROR"}', encoding="utf-8"
    )

    assert load({}, path).settings.log_level == "ERROR"


def test_maps_are_merged_name_by_name(tmp_path):
    path = written(
        tmp_path, {"models": {"catalogue": {"qwen": "hub:Qwen/Qwen3-0.6B"}, "default": "qwen"}}
    )

    loaded = load({}, path)

    assert list(loaded.settings.models.catalogue) == ["smollm2-135m-instruct", "qwen"]
    assert loaded.origins["models.catalogue.smollm2-135m-instruct"] == "default_config.json"
    assert loaded.origins["models.catalogue.qwen"] == str(path)


@pytest.mark.parametrize(
    ("name", "value", "path", "expected"),
    [
        (
            "DISCORD_API_BASE",
            "http://127.0.0.1:80/api/",
            "discord.api_base",
            "http://127.0.0.1:80/api",
        ),
        ("DISCORD_GATEWAY_URL", "ws://127.0.0.1:80/", "discord.gateway_url", "ws://127.0.0.1:80/"),
        ("TUNEWRIGHT_DATA_DIR", "/srv/tw", "data_dir", Path("/srv/tw")),
        ("TUNEWRIGHT__DATA_DIR", "~/tw", "data_dir", Path("~/tw").expanduser()),
        ("TUNEWRIGHT__DOWNLOADS__PORT", "80", "downloads.port", 80),
        ("TUNEWRIGHT__Downloads__port", "80", "downloads.port", 80),
        ("TUNEWRIGHT__DOWNLOADS", '{"port": 80}', "downloads.port", 80),
        ("TUNEWRIGHT__LAUNCHER__THREADS", "null", "launcher.threads", None),
        ("TUNEWRIGHT__DISCORD__MESSAGE_CONTENT", "false", "discord.message_content", False),
        (
            "TUNEWRIGHT__TRAINING__CHECKPOINT_MODE",
            "hold",
            "training.checkpoint_mode",
            CheckpointMode.HOLD,
        ),
        ("TUNEWRIGHT__APPROVALS__POLICY", '["plan"]', "approvals.policy", (GateKind.PLAN,)),
        ("TUNEWRIGHT__LLM__MODEL", "7", "llm.model", "7"),
        ("TUNEWRIGHT__LLM__MODEL", '"7"', "llm.model", "7"),
        ("TUNEWRIGHT__LLM__MODEL", "null", "llm.model", "null"),
        ("TUNEWRIGHT__LLM__BASE_URL", "null", "llm.base_url", None),
    ],
)
def test_variables_are_read_as_what_their_setting_takes(name, value, path, expected):
    loaded = load({name: value})

    found = loaded.settings
    for key in path.split("."):
        found = getattr(found, key)
    assert found == expected
    assert loaded.origins[path] == f"env {name}"


def test_a_role_id_needs_no_quotes_in_the_environment():
    loaded = load({"TUNEWRIGHT__DISCORD__GUILDS__12__STARTER_ROLE_ID": "234567890123456789"})

    assert loaded.settings.guild("12").starter_role_id == "234567890123456789"
    assert loaded.origins["discord.guilds.12.approver_role_id"] == "default"


def test_an_empty_variable_counts_as_not_set():
    loaded = load({"DISCORD_TOKEN": "", "TUNEWRIGHT__DOWNLOADS__PORT": "", "TUNEWRIGHT_CONFIG": ""})

    assert loaded.settings == Settings()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("DISCORD_TOKEN_FILE", "discord.token"),
        ("TUNEWRIGHT__DISCORD__TOKEN_FILE", "discord.token"),
        ("TUNEWRIGHT__LLM__API_KEY_FILE", "llm.api_key"),
    ],
)
def test_a_secret_can_come_from_a_file(tmp_path, name, path):
    secret_file = tmp_path / "secret"
    secret_file.write_text("12345678\n")

    loaded = load({name: str(secret_file)})

    section, field = path.split(".")
    assert getattr(getattr(loaded.settings, section), field).get_secret_value() == "12345678"
    assert loaded.origins[path] == f"env {name}"


def test_two_variables_for_one_setting_are_refused(tmp_path):
    (tmp_path / "token").write_text("one")

    with pytest.raises(ConfigError) as caught:
        load({"DISCORD_TOKEN": "two", "DISCORD_TOKEN_FILE": str(tmp_path / "token")})

    (problem,) = caught.value.problems
    assert problem.pointer == "/discord/token"
    assert problem.origin == "env DISCORD_TOKEN_FILE"
    assert "env DISCORD_TOKEN" in problem.found


def test_describe_lists_every_setting_with_its_origin_and_no_secret():
    environ = {
        "DISCORD_TOKEN": "canary-token",
        "TUNEWRIGHT__LLM__API_KEY": "canary-key",
        "TUNEWRIGHT__LLM__BASE_URL": "http://user:canary-password@127.0.0.1/v1",
    }

    rows = {row.path: row for row in describe(load(environ))}

    assert len(rows) >= 50
    assert rows["discord.token"].value_masked == '"***"'
    assert rows["discord.token"].origin == "env DISCORD_TOKEN"
    assert rows["llm.api_key"].value_masked == '"***"'
    assert rows["llm.base_url"].value_masked == '"http://***@127.0.0.1/v1"'
    assert rows["downloads.port"].value_masked == "8765"
    assert rows["discord.guilds"].value_masked == "{}"
    assert "canary" not in str(rows)


def test_settings_never_print_a_secret():
    loaded = load({"DISCORD_TOKEN": "canary-token", "TUNEWRIGHT__LLM__API_KEY": "canary-key"})

    assert "canary" not in f"{loaded} {loaded.settings!r} {loaded.settings.model_dump_json()}"
