"""Bespoke curator, another program that asks language models for rows: whether it is there, and how it is installed.

Its pins conflict with ours (pandas 2, datasets 3, an older openai), so it lives in a virtual environment of its own. Nothing
of it is imported anywhere.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

VERSION = "0.1.31"
REQUIREMENTS = Path(__file__).with_name("curator-requirements.txt")
"""Every package with its version, as it was tried."""
DONE = "tunewright-curator"
"""Written last into a virtual environment: it is whole, and of which version."""
MOST_ERROR_LINES = 5


class NotInstalled(Exception):
    """Curator is not there; the message is for the person."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"{found} Curator (bespokelabs-curator) is another program that asks language models for rows. Its pinned packages"
            " conflict with Tunewright's, so it needs a virtual environment of its own, about 1 GB, on the machine where jobs"
            " run: `tunewright install curator` makes it. The back end “llm” needs none of this."
        )
        self.found = found


class CannotInstall(Exception):
    """The virtual environment could not be made; the message is for the person."""


@dataclass(frozen=True)
class Program:
    """Curator in its virtual environment."""

    venv: Path
    site: Path
    """Where its packages lie."""
    version: str

    @property
    def python(self) -> Path:
        """What is started."""
        return self.venv / "bin" / "python"


def place(venv: Path | None, data_dir: Path) -> Path:
    """Return where curator is, or would be: as the settings say, else in the data folder."""
    return venv if venv is not None else data_dir.resolve() / "venvs" / "curator"


def find(venv: Path | None) -> Program:
    """Return the curator of a virtual environment. Starts and imports nothing.

    Raises: NotInstalled: there is none.
    """
    if venv is None:
        raise NotInstalled("There is no curator here.")
    venv = venv.expanduser().absolute()
    found = sorted(venv.glob("lib/python3*/site-packages/bespokelabs_curator-*.dist-info"))
    if not found or not (venv / "bin" / "python").exists():
        raise NotInstalled(f"There is no curator in {venv}.")
    version = found[0].name.removesuffix(".dist-info").rpartition("-")[2]
    return Program(venv, found[0].parent, version)


def is_whole(venv: Path) -> bool:
    """Tell whether an installation was finished, with the packages that this version of Tunewright wants."""
    try:
        return (venv / DONE).read_text() == REQUIREMENTS.read_text()
    except FileNotFoundError:
        return False


def install(venv: Path, tell: Callable[[str], None]) -> Program:
    """Make the virtual environment, or finish one that was begun. One that is whole is left alone.

    Raises: CannotInstall: pip could not, or there is something else in the folder.
    """
    if is_whole(venv):
        return find(venv)
    if venv.exists() and any(venv.iterdir()) and not (venv / "pyvenv.cfg").exists():
        raise CannotInstall(f"{venv} is there and is no virtual environment. Name another folder.")
    tell(f"Making a virtual environment in {venv} …")
    _run([sys.executable, "-m", "venv", str(venv)])
    tell(f"Installing curator {VERSION} and its packages, about 1 GB …")
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    _run([*pip, "--no-deps", "--requirement", str(REQUIREMENTS)])
    program = find(venv)
    (venv / DONE).write_text(REQUIREMENTS.read_text())
    return program


def _run(command: list[str]) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-MOST_ERROR_LINES:])
        raise CannotInstall(f"`{' '.join(command[:4])} …` has failed:\n{last}")
