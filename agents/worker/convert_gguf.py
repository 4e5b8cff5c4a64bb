"""From GGUF, as Python packages bring it, to safetensors, which load in a second, not in a minute."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.jobs import write_atomically
from agents.worker.digests import sha256_of

MANIFEST = "MANIFEST.json"


def is_whole(folder: Path) -> bool:
    """Tell whether a folder holds all that its manifest names, byte for byte."""
    try:
        files: dict[str, str] = json.loads((folder / MANIFEST).read_bytes())["files"]
        return all(sha256_of(folder / name) == digest for name, digest in files.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def convert(gguf: Path, target: Path, beat: Callable[[], None]) -> None:
    """Write `target` anew, whole or not at all. Takes about a minute for 135 million parameters.

    The caller holds a lock: two conversions into one target would use one temporary folder.
    """
    half = target.with_name(f".{target.name}.tmp")
    for leftover in (half, target):
        shutil.rmtree(leftover, ignore_errors=True)
    half.mkdir(parents=True)
    tokenizer, model = _read(gguf, beat)
    model.save_pretrained(half)
    tokenizer.save_pretrained(half)
    files = {path.name: sha256_of(path) for path in sorted(half.iterdir())}
    manifest = {"source": gguf.name, "source_sha256": sha256_of(gguf), "files": files}
    write_atomically(half / MANIFEST, json.dumps(manifest, indent=1).encode())
    half.rename(target)


def _read(gguf: Path, beat: Callable[[], None]) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    where = {"gguf_file": gguf.name, "local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **where)
    beat()
    quantized = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.float32, **where)
    beat()
    # transformers takes a model read from GGUF for quantized for ever and refuses to save it; a fresh one is not.
    settings = quantized.config.to_dict()
    settings.pop("quantization_config", None)
    config = type(quantized.config).from_dict(settings)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(quantized.state_dict(), strict=True)
    model.tie_weights()
    # The GGUF names no end of text; without one an answer would never stop.
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return tokenizer, model
