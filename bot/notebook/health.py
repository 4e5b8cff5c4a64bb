"""How the notebooks stand, for `tunewright doctor`: whole on the disk, and pushed where that is configured."""

import asyncio
from collections import Counter

from sqlalchemy.exc import SQLAlchemyError

from agents.services import UserError
from bot import overview
from bot.checks import Check
from bot.notebook import remote, repository
from bot.notebook.keeper import FOLDER
from bot.notebook.repository import State
from configs.schema import Settings
from storage import entries
from storage.models import Entry

LOOKED_AT = 100
"""The newest notebooks; each object of theirs is read."""


async def examine(settings: Settings) -> list[Check]:
    """Look at the newest notebooks, and ask the remote for one that has not reached it. Nothing is changed."""
    try:
        known = await asyncio.to_thread(_newest, settings)
    except (SQLAlchemyError, UserError):
        return []  # the checks of folder and database tell
    checks = [await asyncio.to_thread(_on_disk, settings, known)]
    if settings.notebook.remote is not None:
        checks.append(await _pushed(settings, known))
    return checks


def _newest(settings: Settings) -> dict[int, list[Entry]]:
    with overview.opened(settings) as db:
        numbers = sorted(db.read_now(entries.heads))[-LOOKED_AT:]
        return {number: db.read_now(entries.of_run, number) for number in numbers}


def _on_disk(settings: Settings, known: dict[int, list[Entry]]) -> Check:
    folder = settings.data_dir.resolve() / FOLDER
    states = {number: repository.look(folder, found) for number, found in known.items()}
    counted = Counter(states.values())
    if counted[State.DAMAGED]:
        damaged = [repository.path_of(folder, n) for n, s in states.items() if s is State.DAMAGED]
        fix = f"Delete {', '.join(map(str, damaged[:3]))}; the next start writes it anew from the rows, with the same commits."
        return Check("notebooks", False, f"{counted[State.DAMAGED]} damaged", fix)
    if counted[State.BEHIND]:
        found = f"{counted[State.BEHIND]} still to be written"
        return Check("notebooks", False, found, "The next start writes them.", optional=True)
    return Check("notebooks", True, f"{counted[State.WHOLE]} whole")


async def _pushed(settings: Settings, known: dict[int, list[Entry]]) -> Check:
    folder, where = settings.data_dir.resolve() / FOLDER, settings.notebook.remote or ""
    behind = [n for n in known if not remote.is_pushed(folder, n, settings.notebook)]
    if not behind:
        return Check("notebooks elsewhere", True, f"{len(known)} pushed to {where}")
    found = f"{len(behind)} of {len(known)} are not at {where} yet"
    try:
        await remote.reach(behind[-1], settings.notebook)
    except remote.PushFailed as error:
        return Check("notebooks elsewhere", False, f"{found}: {error}", error.fix)
    return Check(
        "notebooks elsewhere", False, found, "It answers; a running bot pushes them.", optional=True
    )
