"""A tuned model in another format."""

from enum import StrEnum
from typing import Literal

from agents.jobs.messages import FileRef, JobKind, Message, ModelRef
from agents.recipe import Tuning


class ExportFormat(StrEnum):
    """What a tuned model can be handed over as, beside PEFT's own adapter."""

    MERGED = "merged"
    """Base and adapter as one model folder of safetensors: for transformers, vLLM, TGI."""
    GGUF = "gguf"
    """Base and adapter as one GGUF file: for llama.cpp and what is built on it, Ollama for one."""
    GGUF_ADAPTER = "gguf_adapter"
    """The adapter alone as GGUF, for a GGUF of its base."""


class ExportSpec(Message):
    """Write one adapter in one other format."""

    kind: Literal[JobKind.EXPORT] = JobKind.EXPORT
    model: ModelRef
    adapter_dir: str
    adapter_sha256: str | None = None
    """As of an evaluation."""
    format: ExportFormat
    tuning: Tuning = Tuning.LORA
    """What the adapter is made of: low-rank weights, or whole layers."""
    name: str
    """Of the files, without an ending."""
    prompts: FileRef
    """Rows whose prompts are put to both: the dev rows, so that the sealed ones stay sealed."""
    max_prompts: int = 8
    max_new_tokens: int
    threads: int | None = None


class Parity(Message):
    """Whether an export answers as the adapter does with PEFT: token by token, greedy."""

    prompts: int
    same: int
    """Answers with exactly the same tokens."""
    near_ties: int
    """Answers that part where PEFT itself was undecided between the two tokens."""
    cause: str | None = None
    """Why the export must not be handed over, for the person; None when it may."""

    @property
    def passed(self) -> bool:
        """Tell whether it may be handed over."""
        return self.cause is None


class ExportResult(Message):
    """A model in another format, and whether it is still the same model."""

    kind: Literal[JobKind.EXPORT] = JobKind.EXPORT
    format: ExportFormat
    files: tuple[FileRef, ...]
    """Relative to the job folder; empty when the parity check failed."""
    parity: Parity
    versions: dict[str, str]
