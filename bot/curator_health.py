"""Whether curator is there, for `tunewright doctor`."""

from agents.generation import curator_venv
from bot.checks import Check
from configs.schema import Settings


def examine(settings: Settings) -> Check:
    """Look for curator: a failure where rows are to be made with it, else a hint."""
    generation = settings.generation
    wanted = generation.backend == "curator"
    venv = curator_venv.place(generation.curator_venv, settings.data_dir)
    try:
        program = curator_venv.find(venv)
    except curator_venv.NotInstalled as error:
        return Check("curator", False, error.found, str(error), optional=not wanted)
    found = f"{program.version} in {program.venv}"
    if not curator_venv.is_whole(venv):
        fix = "`tunewright install curator` finishes it, or brings it up to date."
        return Check("curator", False, found, fix, optional=not wanted)
    return Check("curator", True, found if wanted else f"{found}, used where a plan says so")
