"""Services that search the web: what each is asked, and how its reply is read. Each is asked through the one fetcher."""

import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from agents.knowledge.fetching import Question, Reply
from agents.knowledge.pages import looked_at
from configs.schema import KnowledgeSettings

BRAVE = "https://api.search.brave.com/res/v1/web/search"
TAVILY = "https://api.tavily.com/search"
DUCKDUCKGO = "https://html.duckduckgo.com/html/"
_TAG = re.compile(r"<[^<>]{0,500}>")


@dataclass(frozen=True)
class Result:
    """What a service found, as it says it: unescaped, not yet safe."""

    url: str
    title: str
    snippet: str


class Unreadable(Exception):
    """A reply has another form than the service promises."""


class Service(Protocol):
    """A service that searches."""

    @property
    def title(self) -> str:
        """What people call it."""

    def question(self, words: str, settings: KnowledgeSettings) -> Question:
        """Return what is asked to search for these words."""

    async def results(self, reply: Reply) -> list[Result]:
        """Read a reply of status 200.

        Raises: Unreadable, or KnowledgeError.
        """

    def refusals(self) -> Mapping[int, str]:
        """Say what its statuses mean, beside those that mean the same everywhere."""


@dataclass(frozen=True)
class Wikipedia:
    """The search of the encyclopedia itself: no key, an interface made for programs."""

    title = "Wikipedia"
    language: str

    def question(self, words: str, settings: KnowledgeSettings) -> Question:
        """Ask in the language of the settings."""
        asked = {
            "action": "query",
            "list": "search",
            "format": "json",
            "srlimit": settings.max_results,
            "srsearch": words,
        }
        return Question(f"https://{self.language}.wikipedia.org/w/api.php?{urlencode(asked)}")

    async def results(self, reply: Reply) -> list[Result]:
        """Return articles."""
        root = f"https://{self.language}.wikipedia.org/wiki/"
        return [
            Result(
                root + quote(_text(found, "title").replace(" ", "_"), safe=""),
                _text(found, "title"),
                _text(found, "snippet"),
            )
            for found in _listed(reply, "query", "search")
        ]

    def refusals(self) -> Mapping[int, str]:
        """Nothing of its own."""
        return {404: f"There is no Wikipedia in the language {self.language}."}


@dataclass(frozen=True)
class SearXNG:
    """A search of your own that asks others: https://docs.searxng.org/dev/search_api.html."""

    title = "SearXNG"

    def question(self, words: str, settings: KnowledgeSettings) -> Question:
        """Ask the server that the settings name."""
        asked = {"q": words, "format": "json", "language": settings.search_language}
        return Question(f"{settings.searxng_url}/search?{urlencode(asked)}", at_home=True)

    async def results(self, reply: Reply) -> list[Result]:
        """Return what its engines found."""
        return _results(_listed(reply, "results"), "content")

    def refusals(self) -> Mapping[int, str]:
        """Its form for programs is off unless somebody turned it on."""
        return {
            403: "SearXNG does not answer in JSON. Add json to search.formats in its settings.yml.",
        }


@dataclass(frozen=True)
class Brave:
    """Brave's search, by key."""

    title = "Brave"

    def question(self, words: str, settings: KnowledgeSettings) -> Question:
        """Ask with the key in a header."""
        asked = {
            "q": words,
            "count": settings.max_results,
            "search_lang": settings.search_language,
            "text_decorations": "false",
        }
        return Question(
            f"{BRAVE}?{urlencode(asked)}", headers=(("X-Subscription-Token", _key(settings)),)
        )

    async def results(self, reply: Reply) -> list[Result]:
        """Return what it found on the web."""
        return _results(_listed(reply, "web", "results"), "description")

    def refusals(self) -> Mapping[int, str]:
        """It says 422 where a key has another form than its keys have."""
        return {422: "Brave does not accept what it was asked: knowledge.search_key may be wrong."}


@dataclass(frozen=True)
class Tavily:
    """Tavily's search, by key. Only results are asked for, not the answer that it would write."""

    title = "Tavily"

    def question(self, words: str, settings: KnowledgeSettings) -> Question:
        """Ask with the key in a header."""
        asked = {
            "query": words,
            "max_results": settings.max_results,
            "search_depth": "basic",
            "include_answer": False,
            "include_raw_content": False,
            "include_images": False,
        }
        headers = (
            ("Authorization", f"Bearer {_key(settings)}"),
            ("Content-Type", "application/json"),
        )
        return Question(TAVILY, "POST", headers, json.dumps(asked).encode())

    async def results(self, reply: Reply) -> list[Result]:
        """Return what it found."""
        return _results(_listed(reply, "results"), "content")

    def refusals(self) -> Mapping[int, str]:
        """It counts what a plan may use."""
        used_up = "The plan of the key in knowledge.search_key is used up at Tavily."
        return {432: used_up, 433: used_up}


@dataclass(frozen=True)
class DuckDuckGo:
    """DuckDuckGo's page without scripts. No interface for programs: it may refuse at any time, and then nothing is pretended."""

    title = "DuckDuckGo"

    def question(self, words: str, settings: KnowledgeSettings) -> Question:  # noqa: ARG002  # has no choice
        """Send the form of its page."""
        headers = (("Content-Type", "application/x-www-form-urlencoded"),)
        form = urlencode({"q": words, "b": "", "l": "wt-wt"}).encode()
        return Question(DUCKDUCKGO, "POST", headers, form, accept=frozenset({"text/html"}))

    async def results(self, reply: Reply) -> list[Result]:
        """Read the page in a program of its own."""
        found = await looked_at("duckduckgo", reply.content, "utf-8")
        listed: Any = found["results"]
        if not listed and found["refused"]:
            raise Unreadable
        return [Result(_unwrapped(r["url"]), r["title"], r["snippet"]) for r in listed]

    def refusals(self) -> Mapping[int, str]:
        """It shows a puzzle with status 202."""
        sentence = (
            "DuckDuckGo wants a person in front of its page now. Try again later, or set knowledge.search to a service "
            "that is made for programs."
        )
        return {202: sentence, 403: sentence}


def service(settings: KnowledgeSettings) -> Service | None:
    """Return the service that the settings name, or None."""
    named: dict[str, Service] = {
        "wikipedia": Wikipedia(settings.search_language),
        "searxng": SearXNG(),
        "brave": Brave(),
        "tavily": Tavily(),
        "duckduckgo": DuckDuckGo(),
    }
    return named.get(settings.search)


def _key(settings: KnowledgeSettings) -> str:
    assert settings.search_key is not None, "the settings see to it"
    return settings.search_key.get_secret_value().strip()


def _listed(reply: Reply, *path: str) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(reply.content)
    except (ValueError, RecursionError):
        raise Unreadable from None
    for key in path:
        if not isinstance(found, dict):
            raise Unreadable
        found = found.get(key, {} if key != path[-1] else [])
    if not isinstance(found, list):
        raise Unreadable
    return [each for each in found if isinstance(each, dict)]


def _results(found: Iterable[Mapping[str, Any]], snippet: str) -> list[Result]:
    return [Result(_text(r, "url"), _text(r, "title"), _text(r, snippet)) for r in found]


def _text(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    return html.unescape(_TAG.sub("", value)) if isinstance(value, str) else ""


def _unwrapped(url: str) -> str:
    """Return where a link of DuckDuckGo leads that goes through its own counter."""
    try:
        parts = urlsplit(url)
        wrapped = parts.netloc == "duckduckgo.com" and parts.path == "/l/"
        return parse_qs(parts.query)["uddg"][0] if wrapped else url
    except (ValueError, KeyError):
        return ""
