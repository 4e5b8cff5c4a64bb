"""All that an agent may touch, and the error that is meant for a person."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from agents import ledger
from agents.jobs import ModelRef
from agents.llm import LLM
from configs.schema import Settings
from storage.database import Database
from storage.files import FileStore


class UserError(Exception):
    """Shown word for word: what happened and what to do next."""


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class Services:
    """The outside of every node: rows, files, settings, the clock and, where configured, a language model."""

    settings: Settings
    db: Database
    files: FileStore
    clock: Clock
    llm: LLM | None
    wake: Callable[[int], None]
    """Have a run driven on soon. Losing a wake costs time, never correctness: the sweep finds the run."""

    def llm_for(self, run_id: int, purpose: str) -> LLM | None:
        """Return the language model, paid from what a run may use of it; None where none is configured."""
        if self.llm is None:
            return None
        account = ledger.RunAccount(
            self.db, self.clock.now, self.settings.llm, run_id, purpose, self.llm.name
        )
        return ledger.OnAccount(self.llm, account)

    @property
    def data_dir(self) -> Path:
        """Folder of everything Tunewright keeps, absolute."""
        return self.settings.data_dir.resolve()

    def job_folder(self, job_id: str) -> Path:
        """Return the folder of a job, whether or not it exists yet."""
        return self.data_dir / "jobs" / job_id

    def model_ref(self, name: str) -> ModelRef:
        """Return where a base model comes from.

        Raises: UserError: the catalogue does not know it.
        """
        source = self.settings.models.catalogue.get(name)
        if source is None:
            known = ", ".join(sorted(self.settings.models.catalogue))
            raise UserError(f"I don't know the model “{name}”. Here you can choose: {known}.")
        return ModelRef(name=name, source=source, cache_dir=str(self.data_dir / "models"))
