"""The documents of a server, or of the terminal: what runs there may look things up in."""

from datetime import datetime

from sqlmodel import Session, col, select

from storage.models import LibraryDocument

HERE = "here"
"""The shelf of the terminal."""


def shelf_of(guild: str | None) -> str:
    """Return whose documents they are."""
    return HERE if guild is None else f"guild:{guild}"


def of_shelf(session: Session, shelf: str) -> list[LibraryDocument]:
    """Return the documents that are there, by name."""
    there = col(LibraryDocument.removed_at).is_(None)
    wanted = select(LibraryDocument).where(LibraryDocument.shelf == shelf, there)
    return list(session.exec(wanted.order_by(col(LibraryDocument.name), col(LibraryDocument.id))))


def find(session: Session, shelf: str, name: str) -> LibraryDocument | None:
    """Return a document that is there by its name; another case of letters is the same."""
    wanted = name.casefold()
    return next((one for one in of_shelf(session, shelf) if one.name.casefold() == wanted), None)


def add(session: Session, document: LibraryDocument) -> LibraryDocument | None:
    """Put a document in; return the version that it takes the place of. The same file again changes nothing."""
    earlier = find(session, document.shelf, document.name)
    if earlier is not None and earlier.sha256 == document.sha256:
        return earlier
    if earlier is not None:
        remove(session, earlier, document.added_by, document.added_at)
    session.add(document)
    session.flush()
    return earlier


def remove(session: Session, document: LibraryDocument, by: str, now: datetime) -> None:
    """Take a document away; the row stays, and so does what was made with it."""
    document.removed_by, document.removed_at = by, now
    session.add(document)
    session.flush()
