"""Intake: read one upload, under limits, into train, dev and sealed test rows.

Runs in a process of its own, so that whatever a file does to a parser, it does to nobody else.
"""

import gc
import hashlib
import os
import resource
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from types import FrameType
from typing import NoReturn

import psutil

from agents.jobs import (
    FileRef,
    IntakeResult,
    IntakeSpec,
    JobOutcome,
    JobResult,
    Progress,
    Reading,
    RowShape,
    read_spec,
)
from agents.worker import learnt_rows
from agents.worker.checks.masks import safe
from agents.worker.dataset_formats import read_table
from agents.worker.errors import WorkerError
from agents.worker.examine import Examined, deal, examine, findings
from agents.worker.learnt_rows import Learnt
from agents.worker.likely import without_header
from agents.worker.lines import SHOWN_CHARS, Line, line_of, longest_chars, sample_of
from agents.worker.progress import Reporter
from agents.worker.roles import find_readings
from agents.worker.split_rows import Groups, Shares, Split, fold
from agents.worker.suggest_metric import are_labels, percentile_95, suggest_metric
from agents.worker.table import RowErrors, RowLimit, Table, listed
from agents.worker.upload_bytes import bad_data
from agents.worker.values import RowProblem

MOST_LABELS_SHOWN = 100
SAMPLES = 3
CPU_GRACE_S = 5
"""After the CPU limit the process has this long to say so; then the kernel ends it."""


@dataclass(frozen=True)
class _Prepared:
    """The rows of an upload by one reading."""

    reading: Reading
    columns: tuple[str, ...]
    rows_read: int
    errors: RowErrors
    groups: Groups
    sides: Split
    examined: Examined

    @property
    def duplicates(self) -> int:
        """Return how many rows were folded into others."""
        return len(self.examined.rows) - sum(map(len, self.groups.values()))


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
    limit = RowLimit(spec.max_rows, tell=partial(_tell, reporter))
    table = read_table(_bytes_of(folder, spec.upload), spec.max_unpacked_bytes, limit, errors)
    if not table.records:
        raise _no_rows(table, errors)
    reporter.stage("checking the rows")
    readings = [_checked(spec.reading, table)] if spec.reading else find_readings(table, spec.task)
    learnt = learnt_rows.read(folder, spec.learnt)
    prepared, readings = _first_that_works(readings, table, spec, errors, learnt)
    reporter.stage("writing training and test rows")
    return _told(folder, table.format, prepared, readings)


def _told(folder: Path, title: str, prepared: _Prepared, readings: list[Reading]) -> IntakeResult:
    reading, sides, lines = prepared.reading, prepared.sides, prepared.examined.rows
    answers = [line.answered for line in lines]
    metric, metric_reason = suggest_metric(answers, reading.shape)
    labels = Counter(answers).most_common()
    return IntakeResult(
        shape=reading.shape,
        format=title,
        columns=prepared.columns,
        prompt_column=" + ".join(reading.prompt),
        completion_column=" + ".join(reading.answer),
        roles_reason=reading.reason,
        rows_read=prepared.rows_read,
        rows_usable=len(lines),
        duplicates=prepared.duplicates,
        conflicts=sum(len(group) > 1 for group in prepared.groups.values()),
        row_errors=prepared.errors.first(),
        row_error_count=prepared.errors.count,
        distinct_completions=len(labels),
        prompt_chars_p95=percentile_95([len(line.asked) for line in lines]),
        completion_chars_p95=percentile_95([len(text) for text in answers]),
        completion_words_mean=fmean(len(text.split()) for text in answers),
        suggested_metric=metric,
        metric_reason=metric_reason,
        labels=_shown_labels(reading, [label for label, _ in labels]),
        samples=tuple(map(sample_of, sides.train[:SAMPLES])),
        readings=tuple(readings) if len(readings) > 1 else (),
        findings=findings(prepared.examined, sides),
        repaired=prepared.examined.notes,
        learnt_before=prepared.examined.learnt_before,
        train_rows=len(sides.train),
        dev_rows=len(sides.dev),
        test_rows=len(sides.test),
        **_write_sides(folder, sides),
    )


def _tell(reporter: Reporter, rows: int, of: int) -> None:
    reporter.steps = of
    reporter.line(Progress(stage=reporter.stage_name, step=rows))


# ---- reading --------------------------------------------------------------------------------------------------------


def _limit_this_process(memory_bytes: int, cpu_s: int) -> None:
    signal.signal(signal.SIGXCPU, _out_of_time)
    # address space that libraries have reserved and not used is none of the file's: rensa's allocator takes 1 GiB of it
    now = psutil.Process().memory_info()
    memory_bytes += now.vms - now.rss
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


def _checked(reading: Reading, table: Table) -> Reading:
    """Return a reading that a person gave. Raises: WorkerError: it names a column that is not there."""
    columns = table.columns if reading.header else without_header(table).columns
    named = [*reading.prompt, *reading.answer, reading.rejected, reading.label, reading.reference]
    named += [reading.system, reading.history, reading.tools]
    missing = [name for name in named if name is not None and name not in columns]
    if missing:
        raise bad_data(f"There is no column {listed(missing)}. The file has {listed(columns)}.")
    return reading


def _first_that_works(
    readings: list[Reading], table: Table, spec: IntakeSpec, errors: RowErrors, learnt: Learnt
) -> tuple[_Prepared, list[Reading]]:
    """Prepare the rows by the likeliest reading that gives any; return what is left to choose from.

    Raises: WorkerError: by none of them; the message is about the likeliest.
    """
    refused: list[WorkerError] = []
    for place, reading in enumerate(readings):
        try:
            return _prepared(reading, table, spec, errors.copy(), learnt), readings[place:]
        except WorkerError as error:
            refused.append(error)
    raise refused[0]


def _prepared(
    reading: Reading, table: Table, spec: IntakeSpec, errors: RowErrors, learnt: Learnt
) -> _Prepared:
    if not reading.header:
        table = without_header(table)
    lines = []
    for record in table.records:
        try:
            line = line_of(reading, record)
        except RowProblem as problem:
            errors.add(record.row, str(problem))
            continue
        if longest_chars(line) > spec.max_field_chars:
            errors.add(record.row, f"a text is longer than {spec.max_field_chars:,} characters")
        else:
            lines.append(line)
    read = len(lines) + errors.count
    reading, lines = _asking(reading, lines, spec.task.strip())
    _folded(lines, spec, errors)
    examined, groups, sides = _split(lines, spec, errors, learnt)
    return _Prepared(reading, table.columns, read, errors, groups, sides, examined)


def _split(
    lines: list[Line], spec: IntakeSpec, errors: RowErrors, learnt: Learnt
) -> tuple[Examined, Groups, Split]:
    """Repair rows as asked, and deal them to the three sides.

    Where repairs leave too little for that, none is done and that is said; without them it raises.
    Raises: WorkerError: too few rows, or too few different prompts.
    """
    try:
        examined = examine(lines, spec)
        groups = _folded(examined.rows, spec, errors)
        shares = Shares(
            spec.dev_fraction, spec.test_fraction, spec.max_dev_rows, spec.max_test_rows
        )
        examined, sides = deal(examined, groups, shares, learnt)
        if not (sides.train and sides.dev and sides.test):
            raise _none_to_hold_out(groups, examined)
    except WorkerError as error:
        if not spec.repairs:
            raise
        examined, groups, sides = _split(
            lines, spec.model_copy(update={"repairs": ()}), errors, learnt
        )
        note = f"Nothing was repaired, because too little would be left. {error}"
        return replace(examined, notes=(note,)), groups, sides
    return examined, groups, sides


def _folded(lines: Sequence[Line], spec: IntakeSpec, errors: RowErrors) -> Groups:
    """Return rows by prompt, each once. Raises: WorkerError: too few are left."""
    groups = fold(lines, spec.seed)
    kept = sum(map(len, groups.values()))
    if kept < spec.min_rows:
        raise _too_few(kept, spec.min_rows, len(lines) - kept, errors)
    return groups


def _none_to_hold_out(groups: Groups, examined: Examined) -> WorkerError:
    rows = sum(map(len, groups.values()))
    if examined.learnt_before:
        return bad_data(
            f"The adapter that you want to go on from has learnt {examined.learnt_before:,} of the {rows:,} rows already, so too "
            "few are left for a fair test. Add rows that it has not seen, or start without going on from it."
        )
    return bad_data(
        f"The {rows} rows share only {len(groups)} different prompts, so none can be "
        "held out for a fair test. Add rows with other prompts."
    )


def _asking(reading: Reading, lines: list[Line], task: str) -> tuple[Reading, list[Line]]:
    """Put the task sentence before prompts that say nothing of what is wanted."""
    if not task or reading.asks_already or reading.shape is not RowShape.PROMPT_COMPLETION:
        return reading, lines
    if not reading.as_json and not are_labels([line.answered for line in lines]):
        return reading, lines
    asked = [_asked(line, task) for line in lines]
    what = "records" if reading.as_json else "labels"
    reason = (
        f"{reading.reason} The answers are {what}, so each prompt begins with your task sentence."
    )
    return reading.model_copy(update={"reason": reason}), asked


def _asked(line: Line, task: str) -> Line:
    prompt = line.parts["prompt"]
    if not isinstance(prompt, str):
        return line
    return Line(line.number, {**line.parts, "prompt": f"{task}\n\n{prompt}"})


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
        path = Path("artifacts") / f"{side}.jsonl"
        written[side] = _write_lines(folder, path, rows)
        (folder / path).chmod(mode)
    return written


def _write_lines(folder: Path, path: Path, rows: Sequence[Line]) -> FileRef:
    """Write line by line: at once, a large file would stand in memory three times more."""
    digest, size_bytes = hashlib.sha256(), 0
    temporary = folder / path.with_suffix(".tmp")
    with temporary.open("wb") as stream:
        for row in rows:
            line = f"{row.as_json()}\n".encode()
            digest.update(line)
            size_bytes += len(line)
            stream.write(line)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(folder / path)
    return FileRef(path=str(path), sha256=digest.hexdigest(), size_bytes=size_bytes, name=path.name)


def _shown_labels(reading: Reading, labels: Sequence[str]) -> tuple[str, ...]:
    if reading.shape is not RowShape.PROMPT_COMPLETION or len(labels) > MOST_LABELS_SHOWN:
        return ()
    return tuple(
        label if len(label) <= SHOWN_CHARS else label[: SHOWN_CHARS - 1] + "…"
        for label in map(safe, labels)
    )
