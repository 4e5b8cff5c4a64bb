"""The files of an upload, and how they can be read together: each by its own columns, all as rows of one shape."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.jobs import FileRef, IntakeSpec, Reading, RowShape
from agents.worker.dataset_formats import read_table
from agents.worker.errors import WorkerError
from agents.worker.likely import without_header
from agents.worker.roles import find_readings
from agents.worker.table import RowErrors, RowLimit, Table, clipped, listed
from agents.worker.upload_bytes import bad_data

HOLDS = {
    RowShape.PROMPT_COMPLETION: "prompts with one answer each",
    RowShape.TEXT: "plain texts",
    RowShape.PREFERENCE: "pairs of a better and a worse answer",
    RowShape.UNPAIRED: "answers with a thumb up or down",
    RowShape.PROMPT_ONLY: "prompts without answers",
    RowShape.STEPWISE: "answers in steps",
}

Way = tuple[Reading, ...]
"""One reading for each file."""


@dataclass(frozen=True)
class Source:
    """One file of an upload."""

    name: str
    weight: float
    table: Table
    errors: RowErrors


def read_all(folder: Path, spec: IntakeSpec, limit: RowLimit) -> list[Source]:
    """Read all files; `limit` counts the rows of all of them.

    Raises: WorkerError: one of them cannot be used; of several the message names it.
    """
    given = [(spec.upload, spec.weight), *((more.file, more.weight) for more in spec.more)]
    sources = []
    for ref, weight in given:
        errors = RowErrors()
        try:
            raw = _bytes_of(folder, ref)
            table = read_table(raw, spec.max_unpacked_bytes, limit, errors)
        except WorkerError as error:
            raise _about(ref.name, error, several=len(given) > 1) from None
        sources.append(Source(ref.name, weight, table, errors))
    return sources


def ways(sources: Sequence[Source], wanted: Reading | None, task: str) -> tuple[list[Way], int]:
    """Return how the files can be read, the likeliest way first, and the place of the file in which the ways differ.

    More than one way means that a person is to be asked about that file.

    Raises: WorkerError: a file cannot be read, the files hold different things, or it is unclear how to read several
        files that have different columns: one question could not settle that.
    """
    if len(sources) == 1:
        found = [_readings(sources[0], wanted, task)]
    else:
        fitting = wanted is not None and any(_has(source.table, wanted) for source in sources)
        found = [_of_several(source, wanted if fitting else None, task) for source in sources]
        found = _of_clear_shapes(found)
        if wanted is not None and not fitting:
            _checked(wanted, sources[0].table)
    unclear = [place for place, readings in enumerate(found) if len(readings) > 1]
    asked = unclear[0] if unclear else 0
    if unclear and len(sources) > 1:
        found[asked] = [_of_file(sources[asked].name, reading) for reading in found[asked]]
    for place in unclear:
        if sources[place].table.columns != sources[asked].table.columns:
            raise _unclear(sources[place])
    made = [
        tuple(
            _same(choice, readings) if place in unclear else readings[0]
            for place, readings in enumerate(found)
        )
        for choice in (found[asked] if unclear else found[0])
    ]
    fitting_ways = [way for way in made if len({reading.shape for reading in way}) == 1]
    if not fitting_ways:
        raise _different(sources, made[0])
    return fitting_ways, asked


def _readings(source: Source, wanted: Reading | None, task: str) -> list[Reading]:
    return [_checked(wanted, source.table)] if wanted else find_readings(source.table, task)


def _of_several(source: Source, wanted: Reading | None, task: str) -> list[Reading]:
    """Return how one of several files can be read; a person's word counts where the file has the columns."""
    fits = wanted is not None and _has(source.table, wanted)
    try:
        return _readings(source, wanted if fits else None, task)
    except WorkerError as error:
        raise _about(source.name, error, several=True) from None


def _of_clear_shapes(found: list[list[Reading]]) -> list[list[Reading]]:
    """Let the files that are clear say what the others hold."""
    shapes = {readings[0].shape for readings in found if len(readings) == 1}
    return [[r for r in readings if r.shape in shapes] or readings for readings in found]


def _same(choice: Reading, readings: Sequence[Reading]) -> Reading:
    """Return what one file's reading is in another file with the same columns."""
    bare = choice.model_copy(update={"reason": ""})
    alike = (r for r in readings if r.model_copy(update={"reason": ""}) == bare)
    return next(alike, choice)


def _of_file(name: str, reading: Reading) -> Reading:
    """Return a reading that says which file it is about."""
    return reading.model_copy(update={"reason": f"'{clipped(name)}': {reading.reason}"})


def _named(reading: Reading) -> list[str]:
    named = [*reading.prompt, *reading.answer, reading.rejected, reading.label, reading.reference]
    named += [reading.system, reading.history, reading.tools]
    return [name for name in named if name is not None]


def _has(table: Table, reading: Reading) -> bool:
    columns = table.columns if reading.header else without_header(table).columns
    return set(_named(reading)) <= set(columns)


def _checked(reading: Reading, table: Table) -> Reading:
    """Return a reading that a person gave. Raises: WorkerError: it names a column that is not there."""
    columns = table.columns if reading.header else without_header(table).columns
    missing = [name for name in _named(reading) if name not in columns]
    if missing:
        raise bad_data(f"There is no column {listed(missing)}. The file has {listed(columns)}.")
    return reading


def _bytes_of(folder: Path, upload: FileRef) -> bytes:
    raw = (folder / upload.path).read_bytes()
    if hashlib.sha256(raw).hexdigest() != upload.sha256:
        raise WorkerError(
            "bad_data", "The stored file is not the one that was uploaded. Upload it again.", True
        )
    return raw


def _about(name: str, error: WorkerError, *, several: bool) -> WorkerError:
    if not several:
        return error
    return WorkerError(error.code, f"'{clipped(name)}': {error}", error.for_person)


def _unclear(source: Source) -> WorkerError:
    return bad_data(
        f"It is unclear how to read '{clipped(source.name)}' ({listed(source.table.columns)}), and of several files with "
        "different columns I cannot ask that in one question. Give its columns usual names, such as prompt and completion, "
        "name them in your task sentence, or upload it alone."
    )


def _different(sources: Sequence[Source], way: Way) -> WorkerError:
    held = "; ".join(
        f"'{clipped(source.name)}' holds {HOLDS[reading.shape]}"
        for source, reading in zip(sources, way, strict=True)
    )
    return bad_data(
        f"Files that are merged must hold rows of one kind: {held}. Leave one out, or start a run for each."
    )
