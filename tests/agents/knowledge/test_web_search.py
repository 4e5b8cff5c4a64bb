"""Services that search, each as a stand-in that is strict about what it is asked; pages behind results."""

import json
import logging
from urllib.parse import parse_qs, urlsplit

import pytest

from agents.knowledge import page_program, pages, search_services
from agents.knowledge.fetching import Fetcher
from agents.knowledge.refusals import KnowledgeError
from agents.knowledge.web_search import look_up, search
from configs.schema import KnowledgeSettings
from tests.small_web import Asked, SmallWeb, response

KEY = "canary-search-key"
RESULTS = [
    {"url": "https://a.example/one", "title": "One <b>&amp;</b> only", "text": "The <strong>first</strong> &lt;b&gt;"},
    {"url": "https://a.example/one", "title": "Again", "text": "the same page"},
    {"url": "http://127.0.0.1/admin", "title": "Inside", "text": "see ![x](https://evil.example/p.png)"},
    {"url": "javascript:alert(1)", "title": "Script", "text": ""},
    {"url": "http://2130706433/", "title": "Number", "text": ""},
    {"url": "https://user:pw@b.example/", "title": "Password", "text": ""},
    {"url": "https://b.example/two", "title": "@everyone https://evil.example", "text": None},
]  # fmt: skip
WIKI = [{"title": "Tax (law)", "snippet": "A <span class='searchmatch'>tax</span> is", "pageid": 1}]
PUZZLE = "<form id='challenge-form' action='//duckduckgo.com/anomaly.js'>Are you human?</form>"


def json_reply(value: object) -> bytes:
    return response(json.dumps(value), "application/json; charset=utf-8")


def listed(snippet: str) -> list[dict[str, object]]:
    return [{"url": r["url"], "title": r["title"], snippet: r["text"]} for r in RESULTS]


def duckduckgo_page() -> str:
    wrapped = "//duckduckgo.com/l/?uddg=https%3A%2F%2Fb.example%2Ftwo&rut=1"
    found = [
        f'<div class="result web-result"><h2><a class="result__a" href="{url}">{r["title"]}</a></h2>'
        f'<a class="result__snippet" href="{url}">{r["text"] or ""}</a></div>'
        for r in RESULTS
        for url in [wrapped if r["url"] == "https://b.example/two" else r["url"]]
    ]
    advert = '<div class="result result--ad"><a class="result__a" href="https://ad.example/">Buy</a></div>'
    return f"<html><body>{advert}{''.join(found)}</body></html>"


SERVICES = {
    "wikipedia": ("https://en.wikipedia.org/w/api.php", json_reply({"query": {"search": WIKI}})),
    "searxng": ("http://searx.home:8080/search", json_reply({"results": listed("content")})),
    "brave": (search_services.BRAVE, json_reply({"web": {"results": listed("description")}})),
    "tavily": (search_services.TAVILY, json_reply({"results": listed("content"), "answer": "x"})),
    "duckduckgo": (search_services.DUCKDUCKGO, response(duckduckgo_page())),
}
CERTIFIED = (
    "en.wikipedia.org", "api.search.brave.com", "api.tavily.com", "html.duckduckgo.com", "a.example", "b.example",
)  # fmt: skip


def settings(service: str, **changed) -> KnowledgeSettings:
    asked = {"search_key": KEY, "searxng_url": "http://searx.home:8080", "host_interval_s": 0}
    return KnowledgeSettings(**{**asked, "search": service, **changed})


def web_of(service: str, reply: bytes | None = None) -> SmallWeb:
    url, normal = SERVICES[service]
    names = {"searx.home": [["192.168.1.9"]]}
    return SmallWeb({url: reply or normal}, names, certified=CERTIFIED)


def words_asked(asked: Asked) -> str:
    query = parse_qs(urlsplit(asked.path).query)
    if asked.method == "POST":
        body = asked.body.decode()
        query = json.loads(body) if body.startswith("{") else parse_qs(body)
    found = query.get("q") or query.get("query") or query.get("srsearch")
    return found if isinstance(found, str) else found[0]


async def test_searching_is_off_unless_somebody_turned_it_on():
    assert KnowledgeSettings().search == "none"
    async with SmallWeb() as web:
        fetcher = Fetcher(KnowledgeSettings(), web.outside)
        with pytest.raises(KnowledgeError, match=r"is off.*knowledge\.search"):
            await search(fetcher, KnowledgeSettings(), "refunds")

    assert (web.looked_up, fetcher.sent) == ([], [])


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_gets_the_words_and_its_results_are_safe_to_show(service):
    async with web_of(service) as web:
        fetcher = Fetcher(settings(service), web.outside)
        hits = await search(fetcher, settings(service), "  tax & <law>\n\u202eß ")

    (asked,) = web.asked
    assert words_asked(asked) == "tax & <law> ß"
    assert [sent.url for sent in fetcher.sent] == [asked.url]
    if service == "wikipedia":
        assert [hit.url for hit in hits] == ["https://en.wikipedia.org/wiki/Tax_%28law%29"]
        assert hits[0].snippet == "A tax is"
        return
    assert [hit.url for hit in hits] == [
        "https://a.example/one",
        "http://127.0.0.1/admin",
        "https://b.example/two",
    ]
    assert (hits[0].title, hits[0].snippet) == ("One & only", "The first <b>")
    assert hits[0].cited == "hxxps[:]//a[.]example/one"
    assert hits[1].snippet == "see ![x] (hxxps[:]//evil[.]example/p.png)"
    assert hits[2].title == "@ everyone hxxps[:]//evil[.]example"


@pytest.mark.parametrize("service", SERVICES)
async def test_a_key_goes_to_its_service_only_and_into_no_log(service, caplog):
    caplog.set_level(logging.DEBUG)
    async with web_of(service) as web:
        fetcher = Fetcher(settings(service), web.outside)
        await search(fetcher, settings(service), "tax")

    (asked,) = web.asked
    carried = [value for value in asked.headers.values() if KEY in value]
    assert len(carried) == (service in {"brave", "tavily"})
    assert KEY not in asked.path + asked.body.decode()
    assert KEY not in caplog.text + repr(fetcher.sent) + repr(settings(service))


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "status", [202, 302, 400, 401, 402, 403, 404, 418, 422, 429, 432, 500, 503]
)
async def test_a_refusal_is_explained(service, status):
    reply = response(f"secret {KEY}", "text/html", f"{status} Oh", Location="https://evil.example/")
    async with web_of(service, reply) as web:
        with pytest.raises(KnowledgeError) as caught:
            await search(Fetcher(settings(service), web.outside), settings(service), "tax")

    sentence = str(caught.value)
    assert search_services.service(settings(service)).title in sentence
    assert sentence.endswith(".")
    assert KEY not in sentence
    assert len(web.asked) == 1
    if (service, status) == ("searxng", 403):
        assert "search.formats" in sentence
    if status == 429:
        assert "Try again later" in sentence


DEEP = b"[" * 200_000
STRANGE = [
    b"",
    b"{",
    b"[]",
    b'"x"',
    b"null",
    b'{"results": 3, "web": 3, "query": 3}',
    b"\xff\xfe",
    DEEP,
]


@pytest.mark.parametrize("service", ["wikipedia", "searxng", "brave", "tavily"])
@pytest.mark.parametrize("body", STRANGE, ids=range(len(STRANGE)))
async def test_a_reply_in_another_form_is_said_to_be_one(service, body):
    async with web_of(service, response(body, "application/json")) as web:
        with pytest.raises(KnowledgeError, match="in a form that cannot be read"):
            await search(Fetcher(settings(service), web.outside), settings(service), "tax")


@pytest.mark.parametrize("service", ["wikipedia", "searxng", "brave", "tavily"])
async def test_results_of_strange_types_are_left_out(service):
    strange = [None, 3, "x", {"url": 3, "title": []}, {"url": "https://b.example/", "title": None}]
    body = {"results": strange, "web": {"results": strange}, "query": {"search": strange}}
    async with web_of(service, json_reply(body)) as web:
        hits = await search(Fetcher(settings(service), web.outside), settings(service), "tax")

    expected = [] if service == "wikipedia" else ["https://b.example/"]
    assert [hit.url for hit in hits if "wikipedia" not in hit.url] == expected


async def test_nothing_found_is_an_answer_and_a_puzzle_is_none():
    async with web_of("duckduckgo", response("<html><p>No results.</p></html>")) as web:
        fetcher = Fetcher(settings("duckduckgo"), web.outside)
        assert await search(fetcher, settings("duckduckgo"), "tax") == []
        web.put({SERVICES["duckduckgo"][0]: response(PUZZLE)})
        with pytest.raises(KnowledgeError, match="in a form that cannot be read"):
            await search(fetcher, settings("duckduckgo"), "tax")


async def test_results_are_at_most_as_many_as_the_settings_say():
    many = [{"url": f"https://a.example/{n}", "title": "x", "content": "y"} for n in range(50)]
    async with web_of("searxng", json_reply({"results": many})) as web:
        fetcher = Fetcher(settings("searxng"), web.outside)
        hits = await search(fetcher, settings("searxng", max_results=3), "tax")

    assert [hit.url for hit in hits] == [f"https://a.example/{n}" for n in range(3)]


async def test_pages_behind_results_are_read_and_what_cannot_be_is_said():
    article = "<html><title>One</title><article><p>A refund takes five working days.</p></article>"
    async with web_of("searxng") as web:
        web.put({"https://a.example/one": response(article)})
        web.put({"https://b.example/two": response("x", status="404 Gone")})
        fetcher = Fetcher(settings("searxng"), web.outside)
        found = await look_up(fetcher, settings("searxng"), "refunds", max_pages=3)

    (page,) = found.pages
    assert page.text == "A refund takes five working days."
    assert page.cited == "One (hxxps[:]//a[.]example/one)"
    assert [why.partition(": ")[0] for why in found.left_out] == [
        "hxxp[:]//127[.]0[.]0[.]1/admin",
        "hxxps[:]//b[.]example/two",
    ]
    assert "not on the public internet" in found.left_out[0]
    assert "404" in found.left_out[1]
    assert len(web.urls) == 3


async def test_a_page_of_text_is_read_without_a_program():
    async with web_of("searxng") as web:
        web.put(
            {"https://a.example/one": response("Text\r\nwith https://evil.example", "text/plain")}
        )
        web.put({"https://b.example/two": response(b"\x00\x01\x02", "text/plain")})
        fetcher = Fetcher(settings("searxng"), web.outside)
        found = await look_up(fetcher, settings("searxng"), "refunds", max_pages=3)

    assert [page.text for page in found.pages] == ["Text\nwith hxxps[:]//evil[.]example"]
    assert "is none" in found.left_out[1]


# ---- what a page may be made of -------------------------------------------------------------------------------------

NESTED = "<div>" * 50_000 + "deep" + "</div>" * 50_000
ATTRIBUTES = "<p " + " ".join(f"a{n}='{n}'" for n in range(3_000)) + ">x</p>"
ENTITIES = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]><p>&b;</p>"
TABLES = "<table><tr><td>" * 3000 + "x"
OUTSIDE = "<!DOCTYPE x [<!ENTITY f SYSTEM 'file:///etc/passwd'>]><p>&f; text</p>"


@pytest.mark.parametrize(
    "page",
    [
        NESTED,
        ATTRIBUTES,
        ENTITIES,
        TABLES,
        OUTSIDE,
        "",
        "\0",
        "<",
        "<html hidden>all hidden",
        "<p>two words",
    ],
    ids=[
        "nested",
        "attributes",
        "entities",
        "tables",
        "outside",
        "empty",
        "nul",
        "cut",
        "hidden",
        "short",
    ],
)
async def test_a_page_made_to_be_too_much_is_read_or_refused_in_words(page):
    async with web_of("searxng") as web:
        web.put({"https://a.example/one": response(page)})
        fetcher = Fetcher(settings("searxng"), web.outside)
        found = await look_up(fetcher, settings("searxng"), "refunds", max_pages=1)

    assert len(found.pages) + len(found.left_out) == 1
    assert "root:" not in repr(found)
    if page == "<p>two words":
        assert found.pages[0].text == "two words"


async def test_a_page_that_takes_too_long_to_read_is_given_up(monkeypatch):
    monkeypatch.setattr(pages, "READ_S", 0.01)

    with pytest.raises(KnowledgeError, match="takes too long to read"):
        await pages.looked_at("page", b"<p>x", None)


async def test_a_page_that_says_a_wrong_encoding_is_read_as_well_as_can_be():
    html = "<html><title>Über</title><article><p>Größe und Maß der Straße.</p></article>"
    for charset, body in [("latin-1", html.encode("latin-1")), ("klingon", html.encode())]:
        found = page_program.page(body, charset)
        assert "Größe und Maß" in found["text"]
