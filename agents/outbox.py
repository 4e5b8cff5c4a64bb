"""The folder that is pushed to a hub, made anew from what was delivered whenever it is needed."""

import hashlib
import shutil
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agents import delivery, model_card
from agents.jobs import ExportFormat
from agents.model_card import Parcel

ADAPTER = "adapter"
README = "README.md"
CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Listed:
    """A file that would be pushed."""

    name: str
    size_bytes: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def fill(folder: Path, packed: Path, parcel: Parcel, what: str, repo: str) -> list[Listed]:
    """Unpack a delivered zip into an empty folder, with a model card of today, and list what lies there.

    The same delivery gives the same bytes. Raises: ValueError: the zip holds folders.
    """
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was cut short
    folder.mkdir(parents=True, mode=0o700)
    with zipfile.ZipFile(packed) as archive:
        for entry in archive.infolist():
            _root, _, name = entry.filename.partition("/")
            if not name or name != Path(name).name:
                raise ValueError(f"{packed.name} holds something beside plain files")
            with archive.open(entry) as source, (folder / name).open("wb") as target:
                shutil.copyfileobj(source, target, CHUNK_BYTES)
    for name, content in delivery.beside(parcel).items():
        (folder / name).write_bytes(content)
    (folder / README).write_text(_card(folder / README, parcel, what, repo), encoding="utf-8")
    return [_listed(path) for path in sorted(folder.iterdir())]


def _card(delivered: Path, parcel: Parcel, what: str, repo: str) -> str:
    if what == ADAPTER:
        return delivery.card(parcel, repo)
    # an export's own README is its name, and then how to run it
    _title, _, run_it = delivered.read_text(encoding="utf-8").partition("\n")
    name = delivery.name_of(parcel.run, parcel.recipe)
    return model_card.model_card(parcel, name, run_it, ExportFormat(what))


def _listed(path: Path) -> Listed:
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return Listed(path.name, path.stat().st_size, sha256)
