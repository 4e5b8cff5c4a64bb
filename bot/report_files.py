"""The files that go along with a verdict: for people a page, for programs JSON, beside the Markdown that every chat can show."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from bot import report_json
from bot.page import document
from bot.reported import Reported
from bot.surface import File
from bot.text import size

log = logging.getLogger(__name__)

MARKDOWN, PAGE, NUMBERS = "report.md", "report.html", "report.json"
WRITERS: dict[str, Callable[[Reported], bytes]] = {
    PAGE: document.document,
    NUMBERS: report_json.as_json,
}


@dataclass(frozen=True)
class Written:
    """What can be attached, and why the rest cannot."""

    files: tuple[File, ...]
    notes: tuple[str, ...]
    """A sentence for each file that is not there."""


def written(told: Reported, limit_bytes: int) -> Written:
    """Return the files that fit; 0 is no limit. A file that cannot be had costs the message nothing but the file."""
    files, notes = [], []
    for name, write in WRITERS.items():
        try:
            content = write(told)
        except Exception:
            log.exception("run=%d %s was not made", told.run, name)
            notes.append(f"{name} could not be made; {MARKDOWN} says the same.")
            continue
        if limit_bytes and len(content) > limit_bytes:
            notes.append(
                f"{name} is not attached: it has {size(len(content))}, and {size(limit_bytes)} is what fits here. "
                f"{MARKDOWN} says the same."
            )
        else:
            files.append(File(name, content))
    return Written(tuple(files), tuple(notes))
