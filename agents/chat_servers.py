"""How servers of chat models are spoken to, whoever asks: where they are, which key they get, and that they redirect nobody."""

from typing import Any

import httpx

URLS = {
    "ollama": "http://localhost:11434",
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
}
"""Where they are unless the settings say otherwise."""
NO_KEY = "none"
"""Sent where no key is configured: clients ask for one, and one of the environment is not for whoever is at `base_url`."""


def missing(setting: str, kind: str, package: str | None) -> str:
    """Say that the extra of a configured provider is not installed."""
    return f"{setting} is “{kind}”, but {package} is missing: pip install 'tunewright[{kind}]'"


def ollama_client(api_key: str | None) -> dict[str, Any]:
    """Return what Ollama's client is told beside its address."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    return {**_connections(), "headers": headers}


def openai_client(base_url: str | None, api_key: str | None) -> dict[str, Any]:
    """Return what OpenAI's client is told."""
    return {
        "base_url": base_url or URLS["openai"],
        "api_key": api_key or NO_KEY,
        "http_client": httpx.Client(**_connections()),
        "http_async_client": httpx.AsyncClient(**_connections()),
    }


def _connections() -> dict[str, Any]:
    """A connection per call: a reply takes seconds, and nothing is left open in whatever loop it came."""
    return {"limits": httpx.Limits(max_keepalive_connections=0), "follow_redirects": False}
