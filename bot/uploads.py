"""The files of a wish, on their way into the rows of a run."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from agents import weights
from storage import datasets
from storage.files import StoredFile
from storage.models import Dataset

MOST_FILES = 5
"""That are merged in one run."""


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
    """Note the files of a run, each with how much of it is to be used.

    Raises: UserError: a weight is for none of them, or is none.
    """
    settled = weights.settled([upload.name for upload in uploads], asked)
    for place, (upload, weight) in enumerate(zip(uploads, settled, strict=True)):
        datasets.keep(
            session,
            Dataset(
                run_id=run_id,
                role=datasets.role_of_upload(place),
                name=upload.name,
                sha256=upload.file.sha256,
                size_bytes=upload.file.size_bytes,
                details={} if weight == 1 else {"weight": weight},
                created_at=now,
            ),
        )
