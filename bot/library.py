"""The library: documents of a server, or of the terminal, that runs there may look things up in."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from agents.knowledge.chunks import passages
from agents.knowledge.documents import ENDINGS, Unreadable, is_document, text_of
from agents.services import Services, UserError
from bot import rights
from bot.surface import Person
from bot.text import plain, size
from configs.schema import Settings
from storage import library
from storage.files import StoredFile
from storage.models import LibraryDocument

MOST_DOCUMENTS = 500
"""On one shelf."""
MAX_DOCUMENT_BYTES = 20 * 2**20
NAME_CHARS = 120
NONE_YET = "There are no documents here yet. `/finetune knowledge add` puts one in."


@dataclass(frozen=True)
class Library:
    """What people may do with it."""

    services: Services

    async def add(self, person: Person, guild: str | None, file: StoredFile, name: str) -> str:
        """Put a document in, in place of one of the same name, and return what to tell the person.

        Raises: UserError: no right, no document that can be read, or no room for more.
        """
        self.check(person, guild, name)
        content = await asyncio.to_thread(self.services.files.path(file.sha256).read_bytes)
        try:
            text = await asyncio.to_thread(text_of, name, content)
        except Unreadable as error:
            raise UserError(str(error)) from None
        parts = len(passages(text))
        if not parts:
            raise UserError(f"“{name}” holds no sentence that could be looked up.")
        document = LibraryDocument(
            shelf=library.shelf_of(guild),
            name=name,
            sha256=file.sha256,
            size_bytes=file.size_bytes,
            passages=parts,
            added_by=person.id,
            added_by_name=person.name,
            added_at=self.services.clock.now(),
        )
        return await self.services.db.write(_add, self.services.settings, person, guild, document)

    async def listed(self, guild: str | None) -> list[str]:
        """Return a line for each document."""
        found = await self.services.db.read(library.of_shelf, library.shelf_of(guild))
        return [line(one) for one in found]

    async def names(self, guild: str | None) -> list[str]:
        """Return the names of the documents."""
        found = await self.services.db.read(library.of_shelf, library.shelf_of(guild))
        return [one.name for one in found]

    async def remove(self, person: Person, guild: str | None, name: str) -> str:
        """Take a document away and return what to tell the person. Raises: UserError: there is none, or no right."""
        return await self.services.db.write(_remove, self.services, person, guild, name)

    def check(self, person: Person, guild: str | None, name: str) -> None:
        """Refuse early, before a file is fetched. Raises: UserError."""
        if not rights.may_start(self.services.settings, person, guild):
            raise UserError(
                "Adding documents needs a role here that you do not have; the people who run this server can give it to you."
            )
        if not is_document(name):
            read = ", ".join(sorted(one[1:] for one in ENDINGS))
            raise UserError(f"“{name}” is no document that I can read. I read {read}.")
        if len(name) > NAME_CHARS:
            raise UserError(
                f"That name is longer than {NAME_CHARS} characters. Give the file a shorter one."
            )


def line(one: LibraryDocument) -> str:
    """Describe a document."""
    facts = f"{_parts(one.passages)}, {size(one.size_bytes)}"
    return f"**{plain(one.name, NAME_CHARS)}**: {facts}, by {plain(one.added_by_name, 60)} on {one.added_at:%Y-%m-%d}"


def _parts(number: int) -> str:
    return f"{number:,} passage" + "s" * (number != 1)


def _add(
    session: Session,
    settings: Settings,
    person: Person,
    guild: str | None,
    document: LibraryDocument,
) -> str:
    there: Sequence[LibraryDocument] = library.of_shelf(session, document.shelf)
    earlier = library.find(session, document.shelf, document.name)
    if earlier is None and len(there) >= MOST_DOCUMENTS:
        raise UserError(
            f"There are {MOST_DOCUMENTS} documents already, as many as fit. Remove one first."
        )
    if earlier is not None and earlier.sha256 != document.sha256:
        _check_whose(settings, person, guild, earlier)
    library.add(session, document)
    what = _parts(document.passages)
    name = plain(document.name, NAME_CHARS)
    if earlier is None:
        return f"{name} is in the library: {what} to look up. Runs here can use it now."
    if earlier.sha256 == document.sha256:
        return f"{name} is in the library already, as it is."
    return f"{name} has taken the place of its earlier version: {what} to look up."


def _remove(
    session: Session, services: Services, person: Person, guild: str | None, name: str
) -> str:
    found = library.find(session, library.shelf_of(guild), name)
    if found is None:
        raise UserError(f"There is no document “{name}” here. `knowledge list` names them all.")
    _check_whose(services.settings, person, guild, found)
    library.remove(session, found, person.id, services.clock.now())
    return f"{plain(found.name, NAME_CHARS)} is gone from the library. Runs that have used it keep what they made."


def _check_whose(
    settings: Settings, person: Person, guild: str | None, document: LibraryDocument
) -> None:
    role = settings.guild(guild).approver_role_id
    if person.id != document.added_by and (role is None or role not in person.roles):
        raise UserError(
            f"“{document.name}” was added by {document.added_by_name}: only they, or somebody with the role that approves runs, can "
            "change that."
        )
