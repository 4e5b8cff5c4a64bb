"""AutoTrain, another program that trains: whether it is there, what to do when it is not, and how it differs.

Seen by the bot, which plans, and by the worker, which starts it. Nothing of AutoTrain is imported anywhere: its pins
conflict with ours, so it lives in a virtual environment of its own.
"""

from dataclasses import dataclass
from pathlib import Path

from agents.recipe import Method, Recipe

TESTED_VERSION = "0.8.36"
"""The last one; AutoTrain is no longer maintained."""
PACKAGES = ("autotrain-advanced", "torch", "transformers", "trl", "peft", "tokenizers")
"""Whose versions are noted in a result."""
INSTALL = f"""\
  python3.11 -m venv ~/autotrain &&
  ~/autotrain/bin/pip install autotrain-advanced=={TESTED_VERSION} torch==2.13.0 &&
  ~/autotrain/bin/pip uninstall --yes bitsandbytes"""
"""Its bitsandbytes cannot be imported beside a current torch, and PEFT imports it where it finds it. With && it still
works where a chat makes one line of it."""


class NotInstalled(Exception):
    """AutoTrain is not there; the message is for the person."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"{found} AutoTrain (Hugging Face's autotrain-advanced) is another program that trains models. Its pinned "
            "packages conflict with Tunewright's, so it needs a virtual environment of its own, about 7 GB, on the "
            f"machine where jobs run:\n{INSTALL}\nThen set training.autotrain.venv to ~/autotrain (or "
            "TUNEWRIGHT__TRAINING__AUTOTRAIN__VENV=~/autotrain) and start Tunewright again. backend=trl needs none of this."
        )
        self.found = found


@dataclass(frozen=True)
class Program:
    """AutoTrain in its virtual environment."""

    venv: Path
    site: Path
    """Where its packages lie."""
    versions: dict[str, str]
    """Of `PACKAGES`, as far as they are there."""

    @property
    def executable(self) -> Path:
        """What is started."""
        return self.venv / "bin" / "autotrain"

    @property
    def version(self) -> str:
        """Of AutoTrain itself."""
        return self.versions["autotrain-advanced"]

    def knows(self, model_type: str) -> bool:
        """Tell whether its transformers has models of a type."""
        return (self.site / "transformers" / "models" / model_type.replace("-", "_")).is_dir()


def find(venv: Path | None) -> Program:
    """Return the AutoTrain of a virtual environment. Starts and imports nothing.

    Raises: NotInstalled: there is none.
    """
    if venv is None:
        raise NotInstalled("There is no AutoTrain here: training.autotrain.venv is not set.")
    # bin/autotrain is found by its own PATH, and by the name that its first line holds
    venv = venv.expanduser().absolute()
    sites = sorted(venv.glob("lib/python3*/site-packages"))
    versions = _versions(sites[0]) if sites else {}
    if "autotrain-advanced" not in versions or not (venv / "bin" / "autotrain").is_file():
        raise NotInstalled(f"There is no AutoTrain in {venv} (training.autotrain.venv).")
    return Program(venv, sites[0], versions)


def differences(recipe: Recipe) -> list[str]:
    """Say what a person who approves a plan should know of a training by AutoTrain."""
    said = [
        "AutoTrain trains this. It keeps no checkpoints: nobody is asked at half-time, and a training that is paused or "
        "dies starts over.",
        "It keeps the last step, whether or not an earlier one was better on the dev rows. The time was measured with TRL; "
        "AutoTrain takes a minute or two longer to start.",
    ]
    if recipe.method is Method.SFT:
        said.append(
            "It learns the prompts too, not only the answers, and joins rows into blocks of "
            f"{recipe.max_length_tokens:,} tokens, so the number of steps is only about what is said here."
        )
    return said


def _versions(site: Path) -> dict[str, str]:
    found = {}
    for folder in site.glob("*.dist-info"):
        name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
        found[name.replace("_", "-").lower()] = version
    return {name: found[name] for name in PACKAGES if name in found}
