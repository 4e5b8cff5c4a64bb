"""What is rewarded."""

from dataclasses import dataclass

from agents.worker.shaped_rows import Task, asked


@dataclass(frozen=True)
class Attempt:
    """An answer of the model to a prompt."""

    task: Task
    answer: str

    @property
    def question(self) -> str:
        """The prompt as plain text."""
        return asked(self.task.prompt)

    @property
    def reference(self) -> str:
        """What would be right; empty where nothing is known."""
        return self.task.reference or ""
