"""`tunewright knowledge`: documents that runs of this machine's terminal may look things up in."""

import getpass
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.command_line import DataDir, carry_out, load

if TYPE_CHECKING:
    from bot.library import Library
    from bot.surface import Person

knowledge_app = typer.Typer(
    help="Documents that runs of this terminal may look things up in.", no_args_is_help=True
)


@knowledge_app.command("add")
def add(
    documents: Annotated[
        list[Path],
        typer.Argument(
            help="PDF, Word, HTML, Markdown, text or CSV; a file of the same name is replaced."
        ),
    ],
    data_dir: DataDir = None,
) -> None:
    """Add documents; those of a Discord server are added there."""
    from agents.services import UserError
    from bot.library import MAX_DOCUMENT_BYTES
    from bot.text import size

    async def work(library: "Library") -> None:
        for path in documents:
            if not path.is_file():
                raise UserError(f"There is no file {path}.")
            if path.stat().st_size > MAX_DOCUMENT_BYTES:
                raise UserError(f"{path.name} is larger than {size(MAX_DOCUMENT_BYTES)}. Split it.")
            library.check(_person(), None, path.name)
            file = library.services.files.put(path)
            typer.echo(_bare(await library.add(_person(), None, file, path.name)))

    _with_library(data_dir, work)


@knowledge_app.command("list")
def list_(data_dir: DataDir = None) -> None:
    """List the documents of this terminal."""

    async def work(library: "Library") -> None:
        found = await library.listed(None)
        for line in found:
            typer.echo(_bare(line))
        if not found:
            typer.echo(
                "There are no documents here yet. `tunewright knowledge add FILE` puts one in."
            )

    _with_library(data_dir, work)


@knowledge_app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="Name of the document.")], data_dir: DataDir = None
) -> None:
    """Take a document away; runs look in it no more."""

    async def work(library: "Library") -> None:
        typer.echo(_bare(await library.remove(_person(), None, name)))

    _with_library(data_dir, work)


def _with_library(data_dir: Path | None, work: "Callable[[Library], Awaitable[None]]") -> None:
    settings = load(data_dir).settings

    async def opened() -> None:
        from bot.app import open_app

        async with open_app(settings) as app:
            await work(app.commands.library)

    carry_out(opened)


def _person() -> "Person":
    from bot.surface import Person
    from bot.terminal import NAME

    return Person(f"{NAME}:{getpass.getuser()}", getpass.getuser())


def _bare(text: str) -> str:
    """Return a line without the marks of Markdown."""
    return text.replace("**", "").replace("\\", "")
