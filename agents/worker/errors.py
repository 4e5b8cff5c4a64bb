"""The errors that a worker raises on purpose."""

from collections.abc import Sequence


class WorkerError(Exception):
    """A job cannot be done, and we know why.

    `code` is stable and lower case (see `agents.jobs.JobError`). With `for_person`, `message` is shown word for word: it
    says what happened and what to do next. Anything else that escapes a worker is a crash.
    """

    def __init__(self, code: str, message: str, for_person: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.for_person = for_person


class RowsTooLong(WorkerError):
    """Rows of which nothing that could be learnt is left when they are cut; `rows` are their numbers."""

    def __init__(self, rows: Sequence[int], message: str) -> None:
        super().__init__("bad_data", message, for_person=True)
        self.rows = frozenset(rows)


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether memory ran out; torch says so in several ways, and may not be imported here."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "can't allocate memory" in text or "out of memory" in text
    )
