"""The command `tunewright workflow list-models`: what the back end has, and what the model map makes of it."""

import asyncio
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from bot.command_line import EXIT_USAGE, AsJson, DataDir, load
from bot.workflow_options import OllamaUrl

if TYPE_CHECKING:
    from agents.workflow.offers import Offered
    from configs.schema import Settings


@dataclass(frozen=True)
class Mapped:
    """One line of the model map."""

    name: str
    stands_for: str
    there: bool
    """Whether the one that is to stand for it can be had."""


@dataclass(frozen=True)
class Listed:
    """All that a workflow can be run with here."""

    back_end: str
    models: "tuple[Offered, ...]"
    model_map: tuple[Mapped, ...]


def workflow_list_models(
    ollama_url: OllamaUrl = None, as_json: AsJson = False, data_dir: DataDir = None
) -> None:
    """Show the models that workflows can be run with, and which one stands for which."""
    from agents.services import UserError

    try:
        listed = asyncio.run(list_models(load(data_dir).settings, ollama_url))
    except UserError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from error
    if as_json:
        typer.echo(json.dumps(asdict(listed), indent=1, ensure_ascii=False))
        return
    for line in told(listed):
        typer.echo(line)


async def list_models(settings: "Settings", ollama_url: str | None) -> Listed:
    """Ask the configured back end what it has.

    Raises: UserError: it cannot be asked.
    """
    from agents.services import UserError
    from agents.workflow.backends import ANY, LOCAL, models_from
    from agents.workflow.local_models import WITH
    from agents.workflow.outside import ModelError

    try:
        with models_from(settings, ollama_url) as models:
            offered = await models.offered()
            here = {f"{LOCAL}{one.name}" for one in await models.local.offered()}
            title = models.main.title
    except ModelError as error:
        raise UserError(str(error)) from error
    names = here | {one.name for one in offered}
    names |= {name.removesuffix(":latest") for name in names}
    mapping = settings.workflows.model_map
    mapped = [
        Mapped(
            "every other chat model" if name == ANY else name,
            target,
            target.partition(WITH)[0] in names,
        )
        for name, target in mapping.items()
    ]
    return Listed(title, tuple(offered), tuple(mapped))


def told(listed: Listed) -> list[str]:
    """Write it as lines for a terminal; what a server calls its models is shown without control characters."""
    from bot.text import visible

    lines = [f"{listed.back_end[:1].upper()}{listed.back_end[1:]}"]
    width = max((len(one.name) for one in listed.models), default=0)
    lines += [visible(f"  {one.name:<{width}}  {one.about}").rstrip() for one in listed.models]
    if not listed.models:
        lines.append("  has no models")
    if listed.model_map:
        lines += ["", "Model map"]
    for one in listed.model_map:
        missing = "" if one.there else "   ⚠ is not there"
        lines.append(visible(f"  {one.name} → {one.stands_for}{missing}"))
    return lines
