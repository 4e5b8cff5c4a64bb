"""What a program of ours that asks the language model itself is told of the configuration; the key comes by its environment."""

import os
from typing import Any

from pydantic import SecretStr

from configs.schema import Settings

API_KEY = "TUNEWRIGHT_LLM__API_KEY"
"""Where the key stands in the environment of such a program: never in its folder."""
SECTIONS = ("llm", "models", "launcher")


def told(settings: Settings) -> dict[str, Any]:
    """Return it as plain data: no key, and the data folder as it is here."""
    sections = {name: getattr(settings, name).model_dump(mode="json") for name in SECTIONS}
    sections["llm"].pop("api_key")
    return {**sections, "data_dir": str(settings.data_dir.resolve())}


def key_for_child(settings: Settings) -> dict[str, str]:
    """Return what the environment of such a program has beside that of others."""
    key = settings.llm.api_key
    return {} if key is None else {API_KEY: key.get_secret_value()}


def settings_told(plain: dict[str, Any]) -> Settings:
    """Return the configuration that this program was told, with the key from its environment."""
    settings = Settings.model_validate(plain)
    key = os.environ.get(API_KEY)
    if key is None:
        return settings
    llm = settings.llm.model_copy(update={"api_key": SecretStr(key)})
    return settings.model_copy(update={"llm": llm})
