"""How much of each of several files is used: what people say about it, and where it stands."""

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from agents.services import UserError
from storage.models import Dataset

LEAST, MOST = 0.01, 20.0
_NAMED = re.compile(
    r"[\s,;]*\bweights?\s+(?:of\s+|for\s+)?[\"'`“]?([^\s\"'`“”=:,;]+)[\"'`”]?\s*(?:=|:|to|is|at|of)?\s*"
    r"(\d+(?:\.\d+)?)\b[\s,;]*",
    re.IGNORECASE,
)


def of(upload: Dataset) -> float:
    """Return the weight of a file: how often each of its training rows is used."""
    return float(upload.details.get("weight", 1.0))


def of_spec(spec: dict[str, Any]) -> list[float]:
    """Return the weights that an intake job was given."""
    return [float(part.get("weight", 1.0)) for part in (spec, *spec.get("more", ()))]


def named(words: str) -> list[tuple[str, float]]:
    """Return the weights that somebody names: "weight more.csv 0.5"."""
    return [(found[1], float(found[2])) for found in _NAMED.finditer(words)]


def without_names(words: str) -> str:
    """Return the words without what `named` reads out of them."""
    return " ".join(_NAMED.sub(" ", words).split())


def from_pair(pair: str) -> tuple[str, float]:
    """Read `FILE=NUMBER`, as `--weight` takes it. Raises: UserError: it is none."""
    name, _equals, number = pair.rpartition("=")
    try:
        return name.strip(), float(number)
    except ValueError:
        raise UserError(
            f"“{pair}” is not FILE=NUMBER. For example: --weight more.csv=0.5"
        ) from None


def settled(names: Sequence[str], asked: Sequence[tuple[str, float]]) -> list[float]:
    """Return the weight of each file by name; what nobody names has 1.

    Raises: UserError: a name is none of these files, or of two of them, a weight is out of bounds, or there is one file.
    """
    found = [1.0] * len(names)
    for name, weight in asked:
        if len(names) < 2:
            raise UserError(
                "A weight says how much of one file is used beside another; there is one file here."
            )
        places = [place for place, known in enumerate(names) if _means(name, known)]
        if len(places) != 1:
            raise UserError(
                f"There is no one file “{name}” to weigh. The files are: {', '.join(names)}."
            )
        if not LEAST <= weight <= MOST:
            raise UserError(
                f"A weight of {weight:g} is not possible; it lies between {LEAST:g} and {MOST:g}. "
                "To use nothing of a file, leave it out."
            )
        found[places[0]] = weight
    return found


def change(uploads: Sequence[Dataset], words: str) -> list[Dataset]:
    """Return the files whose weight a reply changes, changed; none where it names a file that is not there."""
    asked = named(words)
    names = [upload.name for upload in uploads]
    try:
        wanted = settled(names, [*((u.name, of(u)) for u in uploads), *asked]) if asked else []
    except UserError:
        return []  # the next plan says why
    changed = [
        upload
        for upload, weight in zip(uploads, wanted or map(of, uploads), strict=True)
        if weight != of(upload)
    ]
    for upload in changed:
        upload.details = upload.details | {"weight": wanted[names.index(upload.name)]}
    return changed


def _means(said: str, name: str) -> bool:
    """Tell whether a file is meant: by its name, or by its name without the ending."""
    said, name = PurePath(said).name.casefold(), name.casefold()
    return said in {name, name.partition(".")[0]}
