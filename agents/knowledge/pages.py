"""Pages of the web as text: fetched once, read by a program of their own, and shown without a live link."""

import json
from dataclasses import dataclass
from datetime import datetime

from agents.knowledge import page_program
from agents.knowledge.children import NoAnswer, answered
from agents.knowledge.defanging import defanged, visible
from agents.knowledge.fetching import Fetched, Fetcher
from agents.knowledge.refusals import KnowledgeError

READ_S = 40.0
MAX_ANSWER_BYTES = 16 * 2**20
HTML = frozenset({"text/html", "application/xhtml+xml"})


@dataclass(frozen=True)
class Page:
    """What a page says. Data, whatever it asks for."""

    url: str
    """Where it lies. For code and records; `cited` is for people."""
    title: str
    text: str
    """As Markdown, without links."""
    fetched_at: datetime
    sha256: str
    """Of the page as it came."""

    @property
    def cited(self) -> str:
        """Title and address, in a form that nothing follows."""
        address = defanged(self.url)
        return f"{self.title} ({address})" if self.title else address


async def read_page(fetcher: Fetcher, url: str) -> Page:
    """Fetch a page and return what it says.

    Raises: KnowledgeError: it cannot be fetched (`FetchRefused`), or there is nothing to read.
    """
    fetched = await fetcher.page(url)
    if fetched.content_type in HTML:
        title, text = await _html(fetched)
    else:
        title, text = "", _plain(fetched)
    text = defanged(text).strip()
    if not text:
        raise KnowledgeError("The page holds no text that could be read.")
    return Page(
        fetched.url,
        " ".join(defanged(title).split()),
        text[: page_program.MAX_CHARS],
        fetched.fetched_at,
        fetched.sha256,
    )


async def looked_at(kind: str, content: bytes, charset: str | None) -> dict[str, object]:
    """Let a page be read by a program of its own.

    Args:
        kind: As `page_program` calls it.
        content: Of the page.
        charset: As its server says.

    Raises: KnowledgeError: it cannot be read.
    """
    head = json.dumps({"kind": kind, "charset": charset}).encode()
    try:
        answer = await answered(
            page_program.__file__, head + b"\n" + content, READ_S, MAX_ANSWER_BYTES
        )
    except NoAnswer as error:
        raise KnowledgeError(_why(error)) from error
    found: dict[str, object] = json.loads(answer)
    return found


async def _html(fetched: Fetched) -> tuple[str, str]:
    found = await looked_at("page", fetched.content, fetched.charset)
    return str(found["title"]), str(found["text"])


def _plain(fetched: Fetched) -> str:
    try:
        text = fetched.content.decode(fetched.charset or "utf-8", "replace")
    except LookupError:
        text = fetched.content.decode("utf-8", "replace")
    if "\0" in text:
        raise KnowledgeError("What lies there says that it is text, and is none.")
    return visible(text)


def _why(error: NoAnswer) -> str:
    if error.code == page_program.NOT_INSTALLED:
        return "Reading pages needs the extra “knowledge”: pip install 'tunewright[knowledge]'."
    if error.why == "time":
        return "The page takes too long to read."
    return "The page cannot be read: it is damaged, or made to be too much."
