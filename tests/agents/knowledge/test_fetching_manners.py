"""How politely sites are asked, and how services are."""

import asyncio
import gzip
import logging
from time import monotonic

import pytest

from agents.knowledge.fetching import Fetcher, Question
from agents.knowledge.pace import Pace
from agents.knowledge.refusals import FetchRefused
from configs.schema import KnowledgeSettings
from tests.small_web import SmallWeb, redirect, response

PAGE = "http://site.example/page"
ROBOTS = "http://site.example/robots.txt"
KB = 1024


def settings(**changed) -> KnowledgeSettings:
    return KnowledgeSettings(**{"host_interval_s": 0, "page_timeout_s": 20, **changed})


async def refused(web: SmallWeb, url: str = PAGE, **changed) -> FetchRefused:
    with pytest.raises(FetchRefused) as caught:
        await Fetcher(settings(**changed), web.outside).page(url)
    return caught.value


# ---- manners --------------------------------------------------------------------------------------------------------

RULES = """
User-agent: *
Disallow: /

User-agent: Tunewright
Disallow: /private/
Disallow: /*?session=
Allow: /private/open
"""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/page", True),
        ("/private/x", False),
        ("/private/open", True),
        ("/list?session=1", False),
        ("/list?page=1", True),
        ("/priv%61te/x", False),
    ],
)
async def test_a_site_s_robots_txt_is_obeyed(path, allowed):
    url = f"http://site.example{path}"
    async with SmallWeb({ROBOTS: response(RULES, "text/plain"), url: response("x")}) as web:
        if allowed:
            assert (await Fetcher(settings(), web.outside).page(url)).content == b"x"
        else:
            assert (await refused(web, url)).code == "robots"

    assert web.urls == ([url] if allowed else [])


@pytest.mark.parametrize(
    ("found", "allowed"),
    [
        (response("", status="404 No"), True),
        (response("", status="410 Gone"), True),
        (response("", status="403 No"), True),
        (response("", status="500 Oh"), False),
        (response("", status="503 Oh"), False),
        (response("<html>Welcome</html>"), True),
        (response(b"\xff\xfe\x00", "text/plain"), True),
        (redirect("/robots.txt"), True),
        (response("User-agent: *\nDisallow: /\n" + "# x\n" * 500_000, "text/plain"), False),
        (
            response(
                gzip.compress(b"User-agent: *\nDisallow: /\n" + bytes(2**24)),
                content_encoding="gzip",
            ),
            False,
        ),
    ],
    ids=["404", "410", "403", "500", "503", "page", "bytes", "circle", "long", "bomb"],
)
async def test_what_stands_for_a_robots_txt_means_what_the_standard_says(found, allowed):
    async with SmallWeb({ROBOTS: found, PAGE: response("x")}) as web:
        if allowed:
            assert (await Fetcher(settings(), web.outside).page(PAGE)).content == b"x"
        else:
            assert (await refused(web)).code == "robots"


async def test_a_robots_txt_is_read_once_per_site_and_also_where_a_redirect_leads():
    sites = {
        PAGE: redirect("http://other.example/page"),
        "http://other.example/page": response("x"),
        "http://other.example/robots.txt": response("User-agent: *\nDisallow: /", "text/plain"),
        "http://site.example/fine": response("fine"),
    }
    async with SmallWeb(sites) as web:
        fetcher = Fetcher(settings(), web.outside)
        with pytest.raises(FetchRefused, match=r"other\.example does not want"):
            await fetcher.page(PAGE)
        await fetcher.page("http://site.example/fine")

    assert [asked.url for asked in web.asked] == [
        ROBOTS,
        PAGE,
        "http://other.example/robots.txt",
        "http://site.example/fine",
    ]


async def test_robots_txt_of_one_s_own_sites_can_be_left_out():
    rules = response("User-agent: *\nDisallow: /", "text/plain")
    async with SmallWeb({ROBOTS: rules, PAGE: response("x")}) as web:
        await Fetcher(settings(robots=False), web.outside).page(PAGE)

    assert [asked.url for asked in web.asked] == [PAGE]


async def test_a_host_is_asked_at_a_distance_in_time_and_others_meanwhile():
    sites = {PAGE: response("x"), "http://other.example/page": response("y")}
    async with SmallWeb(sites) as web:
        pace = Pace()
        slow = settings(host_interval_s=60, robots=False)
        one, other = (Fetcher(slow, web.outside, pace) for _ in range(2))
        await one.page(PAGE)
        again = asyncio.create_task(other.page(PAGE))
        await one.page("http://other.example/page")
        waits = not again.done()
        again.cancel()
        await asyncio.wait([again])

    assert waits
    assert web.urls == [PAGE, "http://other.example/page"]


async def test_a_turn_comes_when_its_time_is_over():
    pace = Pace()
    began_s = monotonic()
    for _ in range(3):
        await pace.turn("a", 0.1)

    assert monotonic() - began_s >= 0.2


async def test_a_site_that_wants_more_time_gets_it_and_one_that_wants_too_much_is_left_alone():
    rules = "User-agent: *\nCrawl-delay: {}\n"
    async with SmallWeb({ROBOTS: response(rules.format("0.3")), PAGE: response("x")}) as web:
        fetcher = Fetcher(settings(), web.outside)
        began_s = monotonic()
        await fetcher.page(PAGE)
        await fetcher.page(PAGE)
        waited_s = monotonic() - began_s
        web.put({ROBOTS: response(rules.format("3600"))})
        error = await refused(web)

    assert waited_s >= 0.6  # after robots.txt, and after the first page
    assert error.code == "robots"


async def test_a_run_sends_so_many_requests_and_no_more():
    async with SmallWeb({PAGE: response("x")}) as web:
        fetcher = Fetcher(settings(max_requests=3), web.outside)
        await fetcher.page(PAGE)
        await fetcher.page(PAGE)
        with pytest.raises(FetchRefused) as caught:
            await fetcher.page(PAGE)

    assert caught.value.code == "requests"
    assert len(web.asked) == len(fetcher.sent) == 3


# ---- services -------------------------------------------------------------------------------------------------------

KEY = ("Authorization", "Bearer canary-key")


async def test_a_service_gets_its_key_and_nobody_else_does(caplog):
    caplog.set_level(logging.DEBUG)
    sites = {
        "https://a.example/search": redirect("https://b.example/search"),
        "https://b.example/search": b"",
    }
    async with SmallWeb(sites) as web:
        fetcher = Fetcher(settings(), web.outside)
        reply = await fetcher.ask(Question("https://a.example/search", "POST", (KEY,), b"{}"))

    assert reply.status == 302
    assert [(asked.method, asked.url, asked.body) for asked in web.asked] == [
        ("POST", "https://a.example/search", b"{}")
    ]
    assert web.asked[0].headers["authorization"] == KEY[1]
    assert "canary-key" not in caplog.text
    assert "canary-key" not in repr(fetcher.sent)
    assert "httpcore2" in caplog.text


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://a.example/search", "scheme"),
        ("https://a.example:8443/search", "port"),
        ("https://127.0.0.1/search", "address"),
        ("https://inside.example/search", "address"),
    ],
)
async def test_a_service_of_the_internet_is_asked_there_and_encrypted(url, code):
    async with SmallWeb(names={"inside.example": [["10.0.0.1"]]}) as web:
        everything = settings(private_networks=["10.0.0.0/8", "127.0.0.0/8"])
        with pytest.raises(FetchRefused) as caught:
            await Fetcher(everything, web.outside).ask(Question(url))

    assert caught.value.code == code
    assert web.dialled == []


@pytest.mark.parametrize(
    ("address", "asked"), [("127.0.0.1", 1), ("192.168.1.5", 1), ("169.254.169.254", 0)]
)
async def test_a_service_of_the_house_may_be_in_the_house(address, asked):
    url = "http://searx:8080/search"
    sites = {url: response("{}", "application/json")}
    async with SmallWeb(sites, {"searx": [[address]]}) as web:
        fetcher = Fetcher(settings(), web.outside)
        if asked:
            assert (await fetcher.ask(Question(url, at_home=True))).content == b"{}"
        else:
            with pytest.raises(FetchRefused, match="not on the public internet"):
                await fetcher.ask(Question(url, at_home=True))

    assert len(web.asked) == asked
