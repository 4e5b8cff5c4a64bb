"""What people ask about a single answer: which row they mean, and whether it can be explained."""

import asyncio
import hashlib
import re

from pydantic import ValidationError

from agents import explanations
from agents.explanations import Measured
from agents.jobs import ROWS_PER_FILE, Answered
from agents.services import Services, UserError
from bot.surface import Person
from storage.models import Run

ITEM_CHARS = 60
_ITEM = re.compile(r"(?:row\s+)?#?([\d,]{1,15})(?:\s+of\s+file\s+(\d{1,3}))?", re.IGNORECASE)


async def why(services: Services, run: Run, person: Person, item: str) -> str:
    """Have the answer to a row of a run explained, and return what to tell the person. Raises: UserError."""
    row = row_of(item)
    known = await services.db.read(explanations.measured, run)
    answers = await asyncio.to_thread(_answers, services, known)
    said = explanations.find(answers, row)
    return await services.db.write(explanations.ask, services, known, said, person.id)


def row_of(item: str) -> int:
    """Return the number of the row that somebody names: "17", "row 17", "row 17 of file 2". Raises: UserError."""
    found = _ITEM.fullmatch(" ".join(item.split()))
    digits = found[1].replace(",", "") if found else ""
    if found is None or not digits:
        raise UserError(
            "Name a row of the report by its number: “17”, or “row 17 of file 2” where there are several files."
        )
    before = max(0, int(found[2] or 1) - 1)
    return before * ROWS_PER_FILE + int(digits)


def _answers(services: Services, known: Measured) -> list[Answered]:
    """Read what base and tuned said to each sealed row. Raises: UserError: it is not there."""
    try:
        raw = services.files.path(known.answers.sha256).read_bytes()
        if hashlib.sha256(raw).hexdigest() != known.answers.sha256:
            raise ValueError("the answers have changed")
        return [Answered.model_validate_json(line) for line in raw.splitlines()]
    except (OSError, ValidationError, ValueError) as error:
        raise UserError(
            f"The answers of run #{known.run.id} are not in the file store any more ({type(error).__name__}). A further try "
            "writes them again."
        ) from error
