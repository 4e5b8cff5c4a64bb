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
    ROWS_PER_FILE,
    FileRef,
    FileShare,
    IntakeResult,
    IntakeSpec,
    JobOutcome,
    JobResult,
    Progress,
    Reading,
    RowShape,
    read_spec,
)
from agents.jobs.reporting import Reporter
from agents.worker import learnt_rows
from agents.worker.beside import Beside, beside, together
from agents.worker.checks.masks import safe
from agents.worker.errors import WorkerError
from agents.worker.examine import Examined, deal, examine, findings
from agents.worker.learnt_rows import Learnt
from agents.worker.likely import without_header
from agents.worker.lines import SHOWN_CHARS, Line, line_of, longest_chars, sample_of
from agents.worker.metrics.structure import percentile_95
from agents.worker.refusals import no_rows, none_to_hold_out, too_few
from agents.worker.sources import Source, Way, read_all, ways
from agents.worker.split_rows import Groups, Shares, Split, fold, weighted
from agents.worker.suggest_metric import are_labels, suggest_metric
from agents.worker.table import RowErrors, RowLimit, Table
from agents.worker.values import RowProblem

MOST_LABELS_SHOWN = 100
SAMPLES = 3
CPU_GRACE_S = 5
"""After the CPU limit the process has this long to say so; then the kernel ends it."""


@dataclass(frozen=True)
class _Prepared:
    """The rows of an upload by one way to read its files."""

    way: Way
    columns: tuple[str, ...]
    """Of all files."""
    rows_read: tuple[int, ...]
    """Of each file."""
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
    limit = RowLimit(spec.max_rows, tell=partial(_tell, reporter))
    sources = read_all(folder, spec, limit)
    if not any(source.table.records for source in sources):
        raise no_rows(sources)
    reporter.stage("checking the rows")
    found, asked = ways(sources, spec.reading, spec.task)
    learnt = learnt_rows.read(folder, spec.learnt)
    prepared, found = _first_that_works(found, sources, spec, learnt)
    reporter.stage("writing training and test rows")
    return _told(folder, sources, prepared, [way[asked] for way in found], spec.seed)


def _told(
    folder: Path,
    sources: list[Source],
    prepared: _Prepared,
    readings: list[Reading],
    seed: int,
) -> IntakeResult:
    way, lines = prepared.way, prepared.examined.rows
    reading = way[0]
    sides = replace(
        prepared.sides,
        train=weighted(prepared.sides.train, [source.weight for source in sources], seed),
    )
    answers = [line.answered for line in lines]
    metric, metric_reason = suggest_metric(answers, reading.shape)
    labels = Counter(answers).most_common()
    return IntakeResult(
        shape=reading.shape,
        format=_of_each(sources, [source.table.format for source in sources]),
        columns=prepared.columns,
        prompt_column=" / ".join(dict.fromkeys(" + ".join(each.prompt) for each in way)),
        completion_column=" / ".join(dict.fromkeys(" + ".join(each.answer) for each in way)),
        roles_reason=_of_each(sources, [each.reason for each in way]),
        rows_read=sum(prepared.rows_read),
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
        findings=findings(prepared.examined, prepared.sides),
        repaired=prepared.examined.notes,
        learnt_before=prepared.examined.learnt_before,
        files=_shares(sources, prepared, sides) if len(sources) > 1 else (),
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


def _first_that_works(
    found: list[Way], sources: list[Source], spec: IntakeSpec, learnt: Learnt
) -> tuple[_Prepared, list[Way]]:
    """Prepare the rows by the likeliest way that gives any; return what is left to choose from.

    Raises: WorkerError: by none of them; the message is about the likeliest.
    """
    refused: list[WorkerError] = []
    for place, way in enumerate(found):
        try:
            return _prepared(way, sources, spec, learnt), found[place:]
        except WorkerError as error:
            refused.append(error)
    raise refused[0]


def _prepared(way: Way, sources: list[Source], spec: IntakeSpec, learnt: Learnt) -> _Prepared:
    lines: list[Line] = []
    errors = RowErrors()
    rows_read: list[int] = []
    read_by: list[Reading] = []
    columns: dict[str, None] = {}
    known: list[Beside] = []
    for place, (source, reading) in enumerate(zip(sources, way, strict=True)):
        table = source.table if reading.header else without_header(source.table)
        own, left_out = _lines(reading, table, spec, source.errors.copy())
        errors.take(left_out, place)
        rows_read.append(len(own) + left_out.count)
        reading, own = _asking(reading, own, spec.task.strip())
        begin = place * ROWS_PER_FILE
        known.append(beside(table, reading, begin))
        read_by.append(_with_kin(reading, known[-1].kin_column))
        columns |= dict.fromkeys(table.columns)
        lines += [Line(line.number + begin, line.parts) for line in own] if begin else own
    groups = _folded(lines, spec, errors)  # too few are refused before they are compared
    about = together(known)
    examined, groups, sides = _split(lines, groups, spec, errors, learnt, about)
    return _Prepared(
        tuple(read_by), tuple(columns), tuple(rows_read), errors, groups, sides, examined
    )


def _lines(
    reading: Reading, table: Table, spec: IntakeSpec, errors: RowErrors
) -> tuple[list[Line], RowErrors]:
    """Return the usable rows of a file, and what was left out."""
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
    return lines, errors


def _split(  # the arguments are the rows, as they came and folded, and what they are measured by
    lines: list[Line],
    folded: Groups,
    spec: IntakeSpec,
    errors: RowErrors,
    learnt: Learnt,
    about: Beside,
) -> tuple[Examined, Groups, Split]:
    """Repair rows as asked, and deal them to the three sides.

    Where repairs leave too little for that, none is done and that is said; without them it raises.
    Raises: WorkerError: too few rows, or too few different prompts.
    """
    try:
        examined = examine(lines, spec, about)
        groups = _folded(examined.rows, spec, errors) if spec.repairs else folded
        shares = Shares(
            spec.dev_fraction, spec.test_fraction, spec.max_dev_rows, spec.max_test_rows
        )
        examined, sides = deal(examined, groups, shares, learnt)
        if not (sides.train and sides.dev and sides.test):
            raise none_to_hold_out(groups, examined)
    except WorkerError as error:
        if not spec.repairs:
            raise
        bare = spec.model_copy(update={"repairs": ()})
        examined, groups, sides = _split(lines, folded, bare, errors, learnt, about)
        note = f"Nothing was repaired, because too little would be left. {error}"
        return replace(examined, notes=(note,)), groups, sides
    return examined, groups, sides


def _folded(lines: Sequence[Line], spec: IntakeSpec, errors: RowErrors) -> Groups:
    """Return rows by prompt, each once. Raises: WorkerError: too few are left."""
    groups = fold(lines, spec.seed)
    kept = sum(map(len, groups.values()))
    if kept < spec.min_rows:
        raise too_few(kept, spec.min_rows, len(lines) - kept, errors)
    return groups


def _with_kin(reading: Reading, column: str) -> Reading:
    """Say that rows which belong together by a column are kept together."""
    if not column:
        return reading
    reason = f"{reading.reason} Rows with the same '{column}' stay on one side of the split."
    return reading.model_copy(update={"reason": reason})


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


# ---- writing --------------------------------------------------------------------------------------------------------


def _of_each(sources: list[Source], said: list[str]) -> str:
    """Join what is to be said of each file, once where it is the same of all."""
    if len(set(said)) == 1:
        return said[0]
    named = (f"{source.name}: {text}" for source, text in zip(sources, said, strict=True))
    return "; ".join(text.rstrip(".") for text in named)


def _shares(sources: list[Source], prepared: _Prepared, sides: Split) -> tuple[FileShare, ...]:
    def of(rows: Sequence[Line], place: int) -> int:
        return sum(row.number // ROWS_PER_FILE == place for row in rows)

    return tuple(
        FileShare(
            name=source.name,
            format=source.table.format,
            weight=source.weight,
            rows_read=prepared.rows_read[place],
            rows_usable=of(prepared.examined.rows, place),
            train_rows=of(sides.train, place),
            dev_rows=of(sides.dev, place),
            test_rows=of(sides.test, place),
        )
        for place, source in enumerate(sources)
    )


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
