"""Why nothing was looked up, in words for a person."""


class KnowledgeError(Exception):
    """Something could not be looked up. `str()` is for a person; text of others in it is not yet safe to show."""


class FetchRefused(KnowledgeError):
    """A request was not sent, or what came back was not taken."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        """`url`, `scheme`, `port`, `address`, `robots`, `redirects`, `time`, `size`, `type`, `encoding`, `status`, `requests`,
        `name` (it has no address), `network`, `certificate`."""
