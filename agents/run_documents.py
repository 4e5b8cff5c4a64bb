"""The documents that a run may look things up in."""

from pydantic import BaseModel, ConfigDict
from sqlmodel import Session

from agents import work
from agents.jobs import DocumentRef, FileRef
from agents.services import Services
from storage import datasets, library
from storage.models import Run


class Document(BaseModel):
    """A document as a plan names it: whatever becomes of it later, this is what is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    sha256: str
    size_bytes: int
    of_library: bool = False
    """Everybody's here, not given with the run."""


def of_run(session: Session, run: Run) -> tuple[Document, ...]:
    """Return the documents that were given with a run, and those of the library where it is; the same one once."""
    given = [
        Document(name=found.name, sha256=found.sha256, size_bytes=found.size_bytes)
        for found in datasets.documents(session, work.number(run))
    ]
    shelved = [
        Document(name=one.name, sha256=one.sha256, size_bytes=one.size_bytes, of_library=True)
        for one in library.of_shelf(session, library.shelf_of(run.guild))
    ]
    return tuple({one.sha256: one for one in [*shelved, *given]}.values())


def ref(services: Services, document: Document) -> DocumentRef:
    """Return a document as a job is given it."""
    return DocumentRef(
        id=document.sha256,
        file=FileRef(
            path=str(services.files.path(document.sha256)),
            sha256=document.sha256,
            size_bytes=document.size_bytes,
            name=document.name,
        ),
    )
