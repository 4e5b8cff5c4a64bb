"""Intake: read one upload, under limits, into train, dev and sealed test rows.

Runs in a process of its own, so that whatever a file does to a parser, it does to nobody else.
"""

import gc
import hashlib
import json
import resource
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from types import FrameType
from typing import NoReturn

from agents.jobs import (
    FileRef,
    IntakeResult,
    IntakeSpec,
    JobOutcome,
    JobResult,
    read_spec,
    write_atomically,
)
from agents.worker.checks.masks import safe
from agents.worker.dataset_formats import read_table
from agents.worker.errors import WorkerError
from agents.worker.examine import deal, examine, findings
from agents.worker.progress import Reporter
from agents.worker.roles import Roles, RowProblem, find_roles
from agents.worker.rows import Row
from agents.worker.split_rows import Shares, Split, fold
from agents.worker.suggest_metric import are_labels, percentile_95, suggest_metric
from agents.worker.table import RowErrors, Table
from agents.worker.upload_bytes import bad_data

MOST_LABELS_SHOWN = 100
SHOWN_CHARS = 400
CPU_GRACE_S = 5
"""After the CPU limit the process has this long to say so; then the kernel ends it."""


@dataclass(frozen=True)
class _Usable:
    """Rows that are good one by one, and how they came about."""

    rows: list[Row]
    roles: Roles
    reason: str


def run(folder: Path, spec: IntakeSpec) -> JobResult:
    """Read the upload under the spec's limits of memory and CPU time, which stay in force for this process.

    Raises: WorkerError: the file cannot be used; the message is for the person.
    """
    _limit_this_process(spec.memory_bytes, spec.cpu_s)
    gc.disable()  # a short life with millions of strings and no cycles: collecting would double the time
    try:
        payload = read_upload(folder, spec)
    except MemoryError:
        raise WorkerError(
            "out_of_memory",
            f"Reading the file takes more than the {spec.memory_bytes // 2**20:,} MiB of memory that are allowed. "
            "Upload a part of it, or the same rows as JSONL.",
            for_person=True,
        ) from None
    job_id = read_spec(folder).job_id
    return JobResult(job_id=job_id, outcome=JobOutcome.SUCCEEDED, payload=payload)


def read_upload(folder: Path, spec: IntakeSpec) -> IntakeResult:
    """Do the work of `run` without setting limits."""
    reporter = Reporter(folder)
    reporter.stage("reading the file")
    errors = RowErrors()
    table = read_table(_bytes_of(folder, spec.upload), spec.max_rows, errors)
    if not table.records:
        raise _no_rows(table, errors)
    reporter.stage("checking the rows")
    usable = _usable_rows(table, spec, errors)
    examined = examine(usable.rows, spec)
    groups = fold(usable.rows, spec.seed)
    kept = sum(map(len, groups.values()))
    duplicates = len(usable.rows) - kept
    if kept < spec.min_rows:
        raise _too_few(kept, spec.min_rows, duplicates, errors)
    reporter.stage("splitting into training and test rows")
    shares = Shares(spec.dev_fraction, spec.test_fraction, spec.max_dev_rows, spec.max_test_rows)
    sides = deal(examined, groups, shares)
    if not (sides.train and sides.dev and sides.test):
        raise bad_data(
            f"The {kept} rows share only {len(groups)} different prompts, so none can be held out for a fair test. "
            "Add rows with other prompts."
        )
    completions = [row.completion for row in usable.rows]
    metric, metric_reason = suggest_metric(completions)
    labels = Counter(completions).most_common()
    return IntakeResult(
        format=table.format,
        columns=table.columns,
        prompt_column=" + ".join(usable.roles.prompt_columns),
        completion_column=usable.roles.completion_column,
        roles_reason=usable.reason,
        rows_read=len(usable.rows) + errors.count,
        rows_usable=len(usable.rows),
        duplicates=duplicates,
        conflicts=sum(len(group) > 1 for group in groups.values()),
        row_errors=errors.first(),
        row_error_count=errors.count,
        distinct_completions=len(labels),
        prompt_chars_p95=percentile_95([len(row.prompt) for row in usable.rows]),
        completion_chars_p95=percentile_95([len(text) for text in completions]),
        completion_words_mean=fmean(len(text.split()) for text in completions),
        suggested_metric=metric,
        metric_reason=metric_reason,
        labels=_shown_labels([label for label, _ in labels]),
        samples=tuple((_cut(row.prompt), _cut(row.completion)) for row in sides.train[:3]),
        findings=findings(examined, sides),
        repaired=examined.notes,
        train_rows=len(sides.train),
        dev_rows=len(sides.dev),
        test_rows=len(sides.test),
        **_write_sides(folder, sides),
    )


# ---- reading --------------------------------------------------------------------------------------------------------


def _limit_this_process(memory_bytes: int, cpu_s: int) -> None:
    signal.signal(signal.SIGXCPU, _out_of_time)
    for limit, soft, hard in (
        (resource.RLIMIT_AS, memory_bytes, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s, cpu_s + CPU_GRACE_S),
    ):
        ceiling = resource.getrlimit(limit)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        resource.setrlimit(limit, (soft, hard))


def _out_of_time(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise WorkerError(
        "out_of_time",
        "Reading the file takes longer than is allowed. Upload a part of it, or the same rows as JSONL.",
        for_person=True,
    )


def _bytes_of(folder: Path, upload: FileRef) -> bytes:
    raw = (folder / upload.path).read_bytes()
    if hashlib.sha256(raw).hexdigest() != upload.sha256:
        raise WorkerError(
            "bad_data", "The stored file is not the one that was uploaded. Upload it again.", True
        )
    return raw


def _usable_rows(table: Table, spec: IntakeSpec, errors: RowErrors) -> _Usable:
    roles = find_roles(table.columns, table.records, spec.task)
    rows = []
    for record in table.records:
        try:
            prompt, completion = roles.pair(record)
        except RowProblem as problem:
            errors.add(record.row, str(problem))
            continue
        longest = max(len(prompt), len(completion))
        if longest > spec.max_field_chars:
            errors.add(record.row, f"a text is longer than {spec.max_field_chars:,} characters")
        else:
            rows.append(Row(prompt, completion, record.row))
    task = spec.task.strip()
    if not task or roles.asks_already or not are_labels([row.completion for row in rows]):
        return _Usable(rows, roles, roles.reason)
    asked = [Row(f"{task}\n\n{row.prompt}", row.completion, row.number) for row in rows]
    reason = (
        f"{roles.reason} The answers are labels, so each prompt begins with your task sentence."
    )
    return _Usable(asked, roles, reason)


def _no_rows(table: Table, errors: RowErrors) -> WorkerError:
    if errors.count:
        return bad_data(f"Not one of the {errors.count:,} rows can be read. {_left_out(0, errors)}")
    header = f" below the column names ({', '.join(table.columns)})" if table.columns else ""
    return bad_data(f"The file has no rows{header}. Add rows with a prompt and a completion each.")


def _too_few(kept: int, needed: int, duplicates: int, errors: RowErrors) -> WorkerError:
    rows = "1 row" if kept == 1 else f"{kept} rows"
    message = f"{rows} can be used and at least {needed} are needed: add {needed - kept} more. "
    return WorkerError(
        "too_few_rows", (message + _left_out(duplicates, errors)).strip(), for_person=True
    )


def _left_out(duplicates: int, errors: RowErrors) -> str:
    why = [(times, reason) for reason, times in errors.reasons.most_common(3)]
    if duplicates:
        why.insert(0, (duplicates, "the same as an earlier one"))
    if not why:
        return ""
    listed = "; ".join(
        f"{times:,} {'row' if times == 1 else 'rows'} ({reason})" for times, reason in why
    )
    first = f" The first with a problem is row {errors.first()[0].row:,}." if errors.count else ""
    return f"Left out: {listed}.{first}"


# ---- writing --------------------------------------------------------------------------------------------------------


def _write_sides(folder: Path, sides: Split) -> dict[str, FileRef]:
    (folder / "artifacts").mkdir(exist_ok=True)
    written = {}
    for side, rows, mode in (
        ("train", sides.train, 0o600),
        ("dev", sides.dev, 0o600),
        ("test", sides.test, 0o400),
    ):
        lines = [_json_line(row) for row in rows]
        content = ("\n".join(lines) + "\n").encode()
        path = Path("artifacts") / f"{side}.jsonl"
        write_atomically(folder / path, content)
        (folder / path).chmod(mode)
        digest = hashlib.sha256(content).hexdigest()
        written[side] = FileRef(
            path=str(path), sha256=digest, size_bytes=len(content), name=path.name
        )
    return written


def _json_line(row: Row) -> str:
    # Strings one by one: `json.dumps` of a dict takes four times as long.
    return f'{{"prompt": {json.dumps(row.prompt)}, "completion": {json.dumps(row.completion)}, "row": {row.number}}}'


def _shown_labels(labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(_cut, labels)) if len(labels) <= MOST_LABELS_SHOWN else ()


def _cut(text: str) -> str:
    text = safe(text)
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"
