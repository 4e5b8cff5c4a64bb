"""Who may do what, from settings and the roles that a person has at the moment of doing it. No rule matches: no."""

from bot.surface import Person
from configs.schema import Settings
from storage.models import Run


def may_start(settings: Settings, person: Person, guild: str | None) -> bool:
    """Tell whether a person may start runs in a server."""
    needed = settings.guild(guild).starter_role_id
    return needed is None or needed in person.roles


def may_decide(settings: Settings, person: Person, run: Run) -> bool:
    """Tell whether a person may answer the gates of a run, pause, resume or cancel it."""
    role = settings.guild(run.guild).approver_role_id
    return person.id == run.owner or (role is not None and role in person.roles)


def may_see(person: Person, run: Run, guild: str | None) -> bool:
    """Tell whether a run is a person's business: their own, or of the server they ask in."""
    return person.id == run.owner or (run.guild is not None and run.guild == guild)
