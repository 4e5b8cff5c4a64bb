"""What comes back: how much, for how long, of which kind; and how politely it is asked for."""

import asyncio
import gzip
import hashlib
import zlib
from time import monotonic

import pytest

from agents.knowledge.fetching import Fetcher
from agents.knowledge.refusals import FetchRefused
from configs.schema import KnowledgeSettings
from tests.small_web import PUBLIC, SmallWeb, redirect, response

PAGE = "http://site.example/page"
ROBOTS = "http://site.example/robots.txt"
KB = 1024


def settings(**changed) -> KnowledgeSettings:
    return KnowledgeSettings(**{"host_interval_s": 0, "page_timeout_s": 20, **changed})


async def refused(web: SmallWeb, url: str = PAGE, **changed) -> FetchRefused:
    with pytest.raises(FetchRefused) as caught:
        await Fetcher(settings(**changed), web.outside).page(url)
    return caught.value


async def test_a_page_comes_with_where_when_and_its_hash():
    sites = {PAGE: redirect("/other"), "http://site.example/other": response("<p>hello")}
    async with SmallWeb(sites) as web:
        fetcher = Fetcher(settings(), web.outside)
        page = await fetcher.page(PAGE)

    assert (page.url, page.content) == ("http://site.example/other", b"<p>hello")
    assert (page.content_type, page.charset) == ("text/html", "utf-8")
    assert page.sha256 == hashlib.sha256(b"<p>hello").hexdigest()
    assert [sent.url for sent in fetcher.sent] == [ROBOTS, PAGE, "http://site.example/other"]
    assert {sent.addresses for sent in fetcher.sent} == {(PUBLIC,)}


async def test_nothing_is_sent_but_what_a_page_needs():
    async with SmallWeb({PAGE: response("hello", Set_Cookie="a=b")}) as web:
        fetcher = Fetcher(settings(contact="https://us.example/bot"), web.outside)
        await fetcher.page(PAGE)
        await fetcher.page(PAGE)

    assert len(web.asked) == 3
    for asked in web.asked:
        assert asked.method == "GET"
        assert asked.body == b""
        names = {"host", "connection", "user-agent", "accept", "accept-encoding"}
        assert set(asked.headers) == names
        assert asked.headers["user-agent"] == "Tunewright (+https://us.example/bot)"


# ---- size -----------------------------------------------------------------------------------------------------------


async def endless(asked, write):
    await write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    while True:
        await write(b"x" * 64 * KB)


async def endless_chunks(asked, write):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    await write(head)
    while True:
        await write(b"10000\r\n" + b"x" * 65536 + b"\r\n")


async def endless_bomb(asked, write):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n"
    await write(head)
    packer = zlib.compressobj(9, wbits=31)
    first, more = (packer.compress(bytes(2**24)) + packer.flush(zlib.Z_SYNC_FLUSH) for _ in "ab")
    await write(first)
    while True:
        await write(more)


async def endless_head(asked, write):
    await write(b"HTTP/1.1 200 OK\r\n")
    while True:
        await write(b"X-Header: " + b"x" * 1000 + b"\r\n")


BOMB = gzip.compress(bytes(200 * 2**20))
MANY_MEMBERS = gzip.compress(b"x" * 40 * KB) * 100


@pytest.mark.parametrize(
    ("site", "code"),
    [
        (response("x" * (100 * KB + 1)), "size"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99999999999\r\n\r\nx",
            "size",
        ),
        (endless, "size"),
        (endless_chunks, "size"),
        (endless_bomb, "size"),
        (response(BOMB, content_encoding="gzip"), "size"),
        (response(MANY_MEMBERS, content_encoding="gzip"), "size"),
        (endless_head, "network"),
    ],
    ids=["long", "announced", "endless", "chunks", "endless bomb", "bomb", "members", "head"],
)
async def test_what_is_too_large_is_not_read_to_its_end(site, code):
    async with SmallWeb({PAGE: site}) as web:
        began_s = monotonic()
        error = await refused(web, max_page_bytes=100 * KB, robots=False)

    assert error.code == code
    assert monotonic() - began_s < 15


async def test_a_page_of_just_the_size_comes():
    async with SmallWeb({PAGE: response("x" * 100 * KB)}) as web:
        page = await Fetcher(settings(max_page_bytes=100 * KB), web.outside).page(PAGE)

    assert len(page.content) == 100 * KB


async def test_a_packed_page_is_unpacked_and_a_damaged_one_refused():
    packed = gzip.compress(b"<p>one") + gzip.compress(b"two")
    async with SmallWeb({PAGE: response(packed, content_encoding="gzip")}) as web:
        page = await Fetcher(settings(), web.outside).page(PAGE)
        web.put({PAGE: response(packed[:-9], content_encoding="gzip")})
        cut = await refused(web)
        web.put({PAGE: response(b"no gzip", content_encoding="gzip")})
        broken = await refused(web)

    assert page.content == b"<p>onetwo"
    assert (cut.code, broken.code) == ("encoding", "encoding")


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "compress", "x"])
async def test_a_packing_that_nobody_asked_for_is_refused(encoding):
    async with SmallWeb({PAGE: response(b"xx", content_encoding=encoding)}) as web:
        assert (await refused(web)).code == "encoding"


# ---- time -----------------------------------------------------------------------------------------------------------


async def silent(asked, write):
    await asyncio.sleep(60)


async def slow_head(asked, write):
    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000:
        await write(bytes([byte]))
        await asyncio.sleep(0.05)


async def slow_body(asked, write):
    await write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n")
    while True:
        await write(b"x")
        await asyncio.sleep(0.05)


async def only_hints(asked, write):
    while True:
        await write(b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n")
        await asyncio.sleep(0.01)


async def slow_redirects(asked, write):
    await asyncio.sleep(0.3)
    await write(redirect("/page?more"))


@pytest.mark.parametrize("site", [silent, slow_head, slow_body, only_hints, slow_redirects])
async def test_a_page_that_takes_too_long_is_given_up(site):
    async with SmallWeb({PAGE: site}) as web:
        began_s = monotonic()
        error = await refused(web, page_timeout_s=0.5, robots=False)

    assert error.code == "time"
    assert monotonic() - began_s < 5


async def test_a_name_that_takes_too_long_to_resolve_is_given_up():
    async with SmallWeb({PAGE: response("x")}) as web:

        async def slow(host: str, port: int) -> list[str]:
            await asyncio.sleep(60)
            return [PUBLIC]

        object.__setattr__(outside := web.outside, "resolve", slow)
        with pytest.raises(FetchRefused) as caught:
            await Fetcher(settings(page_timeout_s=0.2, robots=False), outside).page(PAGE)

    assert caught.value.code == "time"


# ---- kind -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        "application/pdf",
        "image/svg+xml",
        "application/octet-stream",
        "application/json",
        "",
        "text/css",
    ],
)
async def test_what_is_no_page_is_not_taken(content_type):
    async with SmallWeb({PAGE: response("x", content_type)}) as web:
        error = await refused(web)
        if content_type:
            page = await Fetcher(settings(), web.outside).page(PAGE, accept={content_type})
            assert page.content == b"x"

    assert error.code == "type"


@pytest.mark.parametrize(
    "status", ["204 No", "206 Part", "304 Same", "401 Who", "404 No", "429 Slow", "500 Oh"]
)
async def test_a_page_that_is_not_there_is_refused_with_its_status(status):
    async with SmallWeb({PAGE: response("", status=status)}) as web:
        error = await refused(web, robots=False)

    assert (error.code, status[:3] in str(error)) == ("status", True)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
    ],
)
async def test_what_answers_in_no_form_of_the_web_is_refused(answer):
    async with SmallWeb({PAGE: answer}) as web:
        assert (await refused(web, robots=False)).code == "network"
