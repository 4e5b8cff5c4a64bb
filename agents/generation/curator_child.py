"""Runs in curator's own virtual environment, apart from ours: asks what a folder says, and leaves replies in curator's cache.

    VENV/bin/python -I curator_child.py FOLDER

FOLDER holds `call.json` (model, server, form of the reply) and `asks.jsonl` (key and messages of each call). Curator writes a
line of `responses_0.jsonl` below it as each reply comes. Nothing of Tunewright is imported here. It ends when stdin does: who
started it is gone then.
"""

import importlib
import json
import os
import sys
import threading
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = "here"
"""Written to stdout when everything is imported."""


def main(folder: Path) -> int:
    """Make the calls of a folder. The exit code is 0 where at least one was answered."""
    told = json.loads((folder / "call.json").read_bytes())
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    sys.addaudithook(_Fence(str(urlsplit(told["base_url"]).hostname)).watch)
    curator = importlib.import_module("bespokelabs.curator")
    datasets = importlib.import_module("datasets")
    _ask_nothing_beside()
    asks = [json.loads(line) for line in (folder / "asks.jsonl").read_bytes().splitlines()]
    dataset = datasets.Dataset.from_list(asks)
    asker = _asker(curator, told)
    sys.stdout.write(f"{HERE}\n")
    sys.stdout.flush()
    asker(dataset, working_dir=str(folder / "cache"))
    return 0


class _Fence:
    """Lets connections go to the server that is named, and nowhere else: what asks for another host is refused."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._is_near = _is_loopback(host)

    def watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Look at one event of the interpreter. Raises: PermissionError: it would reach elsewhere."""
        if event == "socket.getaddrinfo":
            self._check(arguments[0], by_name=True)
        elif event in {"socket.connect", "socket.sendto"} and isinstance(arguments[1], tuple):
            self._check(arguments[1][0], by_name=False)

    def _check(self, host: Any, *, by_name: bool) -> None:
        name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
        if _is_loopback(name) or (by_name and name == self._host):
            return
        if by_name or self._is_near:
            raise PermissionError(f"only {self._host} may be reached, not {name}")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(3)


def _ask_nothing_beside() -> None:
    """Have curator make no calls of its own: one asks a paid question to see whether JSON of a schema is known there."""
    module = importlib.import_module(
        "bespokelabs.curator.request_processor.online.openai_online_request_processor"
    )
    processor = module.OpenAIOnlineRequestProcessor
    processor.check_structured_output_support = lambda _self: True
    processor.get_header_based_rate_limits = lambda _self: (0, 0)


def _asker(curator: Any, told: dict[str, Any]) -> Any:
    class Asker(curator.LLM):  # type: ignore[misc]  # of a package that is not installed here
        """Sends messages as they are, and keeps the reply beside the key of the call."""

        response_format = _form(told["fields"], told["most_rows"])

        def prompt(self, row: dict[str, Any]) -> Any:
            """Return the messages of a row."""
            return row["messages"]

        def parse(self, row: dict[str, Any], response: Any) -> dict[str, str]:
            """Return the reply as JSON."""
            return {"key": row["key"], "text": response.model_dump_json()}

    return Asker(
        model_name=told["model"],
        backend="openai",
        generation_params=told["parameters"],
        backend_params={
            "base_url": told["base_url"],
            "require_all_responses": False,
            "max_retries": told["retries"],
            "max_concurrent_requests": told["at_once"],
            "max_requests_per_minute": 100_000,
            "max_tokens_per_minute": 1_000_000_000,
            "request_timeout": told["timeout_s"],
        },
    )


def _form(fields: list[list[Any]], most_rows: int) -> Any:
    """Return the form of a reply as curator wants it: a model of pydantic, with everything bounded."""
    pydantic = importlib.import_module("pydantic")
    annotated: Any = importlib.import_module("typing").Annotated
    texts = {
        name: (annotated[str, pydantic.Field(min_length=1, max_length=chars)], ...)
        for name, chars in fields
    }
    row: Any = pydantic.create_model("Row", **texts)
    rows = annotated[
        list.__class_getitem__(row), pydantic.Field(min_length=1, max_length=most_rows)
    ]
    return pydantic.create_model("Rows", rows=(rows, ...))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
