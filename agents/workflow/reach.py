"""Find the files that a workflow names, and keep an uploaded one inside its folder.

The original takes some paths from the file's folder and some from the current directory, so its own examples name
`examples/…` from within `examples`. Here each is looked for beside the file, then in the current directory, then
beside the folder of the file.
"""

from dataclasses import dataclass
from pathlib import Path

MAX_TEXT_BYTES = 1024 * 1024
"""Of a prompt, a variable's file or a skill."""


class NotFound(Exception):
    """A path leads nowhere, or out of the folder it must stay in. `str()` says which, for a person."""


@dataclass(frozen=True)
class Reach:
    """How far a workflow may look."""

    within: Path | None = None
    """Nothing outside this folder is opened; None for files of the person who runs them."""
    cwd: Path | None = None
    """The current directory; None where it must not matter, as for uploads."""

    def find(self, written: str, base_dir: Path, *, folder: bool = False) -> Path:
        """Return what a path means.

        Args:
            written: The path as it stands in the file.
            base_dir: The folder of that file.
            folder: Look for a folder, not for a file.

        Raises: NotFound: nothing is there, or it lies outside `within`.
        """
        outside = False
        for candidate in self._candidates(written, base_dir):
            try:
                found = candidate.resolve()
                there = found.is_dir() if folder else found.is_file()
            except (OSError, ValueError):
                continue
            if self.within is not None and not found.is_relative_to(self.within.resolve()):
                outside = True
            elif there:
                return found
        if outside:
            raise NotFound("leads out of the folder of the workflow, which an upload may not")
        kind = "folder" if folder else "file"
        looked = ", ".join(str(place) for place in self._places(base_dir))
        hint = "" if self.within is not None else f" (looked in {looked})"
        raise NotFound(f"there is no such {kind}{hint}")

    def read_text(self, written: str, base_dir: Path) -> str:
        """Return the text of a file.

        Raises: NotFound: there is none, or it is no text.
        """
        path = self.find(written, base_dir)
        with path.open("rb") as file:
            content = file.read(MAX_TEXT_BYTES + 1)
        if len(content) > MAX_TEXT_BYTES:
            raise NotFound(f"is larger than {MAX_TEXT_BYTES // 1024} KiB")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise NotFound("is not text in UTF-8") from error

    def _places(self, base_dir: Path) -> list[Path]:
        places = [base_dir, self.cwd, base_dir.parent]
        return list(dict.fromkeys(place.absolute() for place in places if place is not None))

    def _candidates(self, written: str, base_dir: Path) -> list[Path]:
        # an absolute path replaces the folder before it
        return list(dict.fromkeys(place / written for place in self._places(base_dir)))
