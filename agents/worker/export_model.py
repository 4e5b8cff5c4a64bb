"""Write a tuned model in another format, and let nothing out that answers otherwise than the adapter does."""

import importlib.metadata
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from agents.jobs import (
    ExportFormat,
    ExportResult,
    ExportSpec,
    FileRef,
    JobOutcome,
    JobResult,
    Parity,
)
from agents.jobs.reporting import Reporter
from agents.worker import base_model, llama_cpp, run_it
from agents.worker.base_model import BaseFolder
from agents.worker.digests import sha256_of
from agents.worker.errors import WorkerError
from agents.worker.parity import Speaker, Transformer, compare
from agents.worker.rows import Row, read_rows, stop_ids
from agents.worker.tuned_model import check_unchanged, merged, with_adapter

LARGEST_HALF = 65504.0
"""What a 16-bit IEEE float can hold; a model with larger weights is written as bfloat16."""
PACKAGES = ("torch", "transformers", "peft", "safetensors")
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold: the same content gives the same bytes."""


def run(folder: Path, spec: ExportSpec) -> JobResult:
    """Export an adapter in the wanted format, in one zip together with how to run it.

    Raises: WorkerError: model or adapter cannot be used, or the format is not possible. Stopped: the bot asked for it.
    """
    if spec.format is not ExportFormat.MERGED:
        llama_cpp.require_packages()
    check_unchanged(Path(spec.adapter_dir), spec.adapter_sha256)
    torch.set_num_threads(spec.threads or os.cpu_count() or 1)
    reporter = Reporter(folder)
    rows = read_rows(spec.prompts, folder)[: spec.max_prompts]
    if not rows:
        raise WorkerError(
            "too_few_rows", "There are no rows to compare answers on. Start a new run.", True
        )
    reporter.stage("loading the model")
    base = base_model.resolve(spec.model, reporter)
    artifacts = folder / "artifacts"
    shutil.rmtree(artifacts, ignore_errors=True)  # of an attempt that was cut short
    artifacts.mkdir()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        job = _Job(spec, base, Path(scratch), folder / "log.txt", reporter)
        with WRITERS[spec.format](job) as speaker:
            parity = _parity(job, speaker, rows)
        files = _zipped(job, artifacts) if parity.passed else ()
    payload = ExportResult(
        format=spec.format, files=files, parity=parity, versions=_versions(spec.format)
    )
    return JobResult(job_id=folder.name, outcome=JobOutcome.SUCCEEDED, payload=payload)


@dataclass(frozen=True)
class _Job:
    spec: ExportSpec
    base: BaseFolder
    scratch: Path
    log: Path
    reporter: Reporter

    @property
    def out(self) -> Path:
        """What will be handed over: a folder of files."""
        return self.scratch / self.spec.name


@contextmanager
def _merged(job: _Job) -> Iterator[Speaker]:
    _write_merged(job, job.out)
    job.reporter.stage("loading what was written")
    model = AutoModelForCausalLM.from_pretrained(
        job.out, dtype=torch.float32, use_safetensors=True, local_files_only=True
    )
    tokenizer = AutoTokenizer.from_pretrained(job.out, local_files_only=True)
    yield Transformer(model.eval(), tokenizer, tuple(stop_ids(tokenizer, model)))


@contextmanager
def _gguf(job: _Job) -> Iterator[Speaker]:
    folder = job.scratch / "merged"
    _write_merged(job, folder)
    job.reporter.stage("writing the GGUF file")
    job.out.mkdir()
    written = job.out / f"{job.spec.name}.gguf"
    llama_cpp.convert_model(folder, written, job.log)
    shutil.rmtree(folder)
    with llama_cpp.engine(written, None, job.spec.threads) as engine:
        yield engine


@contextmanager
def _gguf_adapter(job: _Job) -> Iterator[Speaker]:
    job.reporter.stage("writing the GGUF files")
    job.out.mkdir()
    written = job.out / f"{job.spec.name}.gguf"
    llama_cpp.convert_adapter(Path(job.spec.adapter_dir), job.base.path, written, job.log)
    base = job.scratch / "base.gguf"
    llama_cpp.convert_model(job.base.path, base, job.log)
    with llama_cpp.engine(base, written, job.spec.threads) as engine:
        yield engine


WRITERS: dict[ExportFormat, Callable[[_Job], AbstractContextManager[Speaker]]] = {
    ExportFormat.MERGED: _merged,
    ExportFormat.GGUF: _gguf,
    ExportFormat.GGUF_ADAPTER: _gguf_adapter,
}


def _write_merged(job: _Job, folder: Path) -> None:
    job.reporter.stage("merging base and adapter")
    base = base_model.load(job.base)
    model = merged(base.model, Path(job.spec.adapter_dir))
    largest = max(float(weights.abs().max()) for weights in model.parameters())
    model.to(torch.float16 if largest < LARGEST_HALF else torch.bfloat16)
    model.save_pretrained(folder, safe_serialization=True)
    base.tokenizer.save_pretrained(folder)


def _parity(job: _Job, speaker: Speaker, rows: list[Row]) -> Parity:
    job.reporter.stage("comparing its answers with the adapter's")
    base = base_model.load(job.base)
    stops = tuple(stop_ids(base.tokenizer, base.model))
    tuned = with_adapter(base.model, Path(job.spec.adapter_dir))
    reference = Transformer(tuned.eval(), base.tokenizer, stops)
    return compare(reference, speaker, rows, job.spec.max_new_tokens, job.reporter.beat)


def _zipped(job: _Job, artifacts: Path) -> tuple[FileRef, ...]:
    """Zip what was written together with how to run it; weights do not compress, so nothing is compressed."""
    job.reporter.stage("packing")
    for name, text in run_it.files(job.spec, job.base.hub_id).items():
        (job.out / name).write_text(text)
    packed = artifacts / f"{job.spec.name}-{job.spec.format.value.replace('_', '-')}.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(job.out.iterdir()):
            entry = zipfile.ZipInfo(f"{job.spec.name}/{path.name}", date_time=EPOCH)
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w", force_zip64=True) as target, path.open("rb") as source:
                shutil.copyfileobj(source, target, 2**20)
    size_bytes = packed.stat().st_size
    found = FileRef(
        path=f"artifacts/{packed.name}",
        sha256=sha256_of(packed),
        size_bytes=size_bytes,
        name=packed.name,
    )
    return (found,)


def _versions(wanted: ExportFormat) -> dict[str, str]:
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return found if wanted is ExportFormat.MERGED else found | llama_cpp.versions()
