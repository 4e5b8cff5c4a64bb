"""The files of a wish, on their way into the rows of a run."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from sqlmodel import Session

from agents import weights
from storage import datasets
from storage.files import StoredFile
from storage.models import Dataset

MOST_FILES = 5
"""That come with one run."""
DOCUMENTS = frozenset({".pdf", ".docx", ".html", ".htm", ".md", ".markdown"})
"""Endings of further files that rows may be made from; none of them can hold rows."""


@dataclass(frozen=True)
class Upload:
    """A file in the store."""

    file: StoredFile
    name: str


def keep(
    session: Session,
    run_id: int,
    uploads: list[Upload],
    asked: tuple[tuple[str, float], ...],
    now: datetime,
) -> None:
    """Note the files of a run, each with how much of it is to be used; further files that are documents are no rows.

    Raises: UserError: a weight is for none of them, or is none.
    """
    first, *others = uploads
    documents = [upload for upload in others if is_document(upload.name)]
    rows = [first, *(upload for upload in others if not is_document(upload.name))]
    for place, document in enumerate(documents):
        datasets.keep(session, _dataset(run_id, datasets.role_of_document(place), document, now))
    settled = weights.settled([upload.name for upload in rows], asked)
    for place, (upload, weight) in enumerate(zip(rows, settled, strict=True)):
        dataset = _dataset(run_id, datasets.role_of_upload(place), upload, now)
        if weight != 1:
            dataset.details = {"weight": weight}
        datasets.keep(session, dataset)


def is_document(name: str) -> bool:
    """Tell whether a file is a text to look things up in, by its name."""
    return PurePath(name).suffix.casefold() in DOCUMENTS


def _dataset(run_id: int, role: str, upload: Upload, now: datetime) -> Dataset:
    return Dataset(
        run_id=run_id,
        role=role,
        name=upload.name,
        sha256=upload.file.sha256,
        size_bytes=upload.file.size_bytes,
        created_at=now,
    )
