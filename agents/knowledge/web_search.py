"""Searching the web: words go to one service, results and the pages behind them come back as text."""

from dataclasses import dataclass

from agents.knowledge import urls
from agents.knowledge.defanging import defanged, visible
from agents.knowledge.fetching import Fetcher, Reply
from agents.knowledge.pages import Page, read_page
from agents.knowledge.refusals import FetchRefused, KnowledgeError
from agents.knowledge.search_services import Result, Service, Unreadable, service
from configs.schema import KnowledgeSettings

MAX_WORDS_CHARS = 300
MAX_TITLE_CHARS = 200
MAX_SNIPPET_CHARS = 500
STATUSES = {
    400: "{title} does not understand what it was asked. Use fewer or plainer words.",
    401: "{title} does not accept the key in knowledge.search_key.",
    402: "{title} wants to be paid for that: the plan of the key in knowledge.search_key does not allow it.",
    403: "{title} does not let this machine or this key search.",
    429: "{title} has had too many questions. Try again later.",
}


@dataclass(frozen=True)
class Hit:
    """A result of a search."""

    url: str
    """For code to fetch; never shown."""
    cited: str
    """The address in a form that nothing follows."""
    title: str
    snippet: str


@dataclass(frozen=True)
class Found:
    """What a search brought: pages that could be read, and for the others why not."""

    hits: tuple[Hit, ...]
    pages: tuple[Page, ...]
    left_out: tuple[str, ...]
    """One sentence each, for a person."""


async def search(fetcher: Fetcher, settings: KnowledgeSettings, words: str) -> list[Hit]:
    """Search the web. `words` leave the house, and nothing else does.

    Raises: KnowledgeError: no service is set, or it cannot be asked.
    """
    asked = service(settings)
    if asked is None:
        raise KnowledgeError(
            "Searching the web is off. Who runs this turns it on with knowledge.search (docs/knowledge.md)."
        )
    words = " ".join(visible(words).split())
    if not words:
        raise KnowledgeError("There are no words to search for.")
    reply = await fetcher.ask(asked.question(words[:MAX_WORDS_CHARS], settings))
    _check_status(asked, reply)
    try:
        results = await asked.results(reply)
    except Unreadable:
        raise KnowledgeError(
            f"{asked.title} replied in a form that cannot be read. It may have changed; try another service."
        ) from None
    return _hits(results, settings)


async def look_up(
    fetcher: Fetcher, settings: KnowledgeSettings, words: str, max_pages: int
) -> Found:
    """Search the web and read the first pages that can be read.

    Args:
        fetcher: Of the run.
        settings: Which service.
        words: To search for.
        max_pages: That are fetched, at most; those that cannot be read count too.

    Raises: KnowledgeError: the search itself was not possible.
    """
    hits = await search(fetcher, settings, words)
    pages: dict[str, Page] = {}
    left_out: list[str] = []
    for hit in hits[:max_pages]:
        try:
            page = await read_page(fetcher, hit.url)
        except KnowledgeError as error:
            left_out.append(f"{hit.cited}: {defanged(str(error))}")
        else:
            pages.setdefault(page.sha256, page)
    return Found(tuple(hits), tuple(pages.values()), tuple(left_out))


def _check_status(asked: Service, reply: Reply) -> None:
    if reply.status == 200:
        return
    sentence = asked.refusals().get(reply.status) or STATUSES.get(reply.status)
    if sentence is None and reply.status >= 500:
        sentence = "{title} has trouble of its own (it answers {status}). Try again later."
    sentence = sentence or "{title} refused to search (it answers {status})."
    raise KnowledgeError(sentence.format(title=asked.title, status=reply.status))


def _hits(results: list[Result], settings: KnowledgeSettings) -> list[Hit]:
    """Keep results that could be fetched, each once."""
    hits: dict[str, Hit] = {}
    for result in results:
        try:
            url = urls.read(result.url, settings.schemes, settings.ports).url
        except FetchRefused:
            continue
        title, snippet = (
            " ".join(defanged(text).split()) for text in (result.title, result.snippet)
        )
        hit = Hit(url, defanged(url), title[:MAX_TITLE_CHARS], snippet[:MAX_SNIPPET_CHARS])
        hits.setdefault(url, hit)
    return list(hits.values())[: settings.max_results]
