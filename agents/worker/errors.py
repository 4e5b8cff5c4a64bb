"""The one error that a worker raises on purpose."""


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
