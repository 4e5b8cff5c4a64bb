"""Pages that want something, from the server to the text that is given on. What models make of the text is tested elsewhere."""

import json
import subprocess
import sys

import pytest

from agents.knowledge import page_program, pages
from agents.knowledge.defanging import defanged
from agents.knowledge.fetching import Fetcher
from agents.knowledge.pages import read_page
from configs.schema import KnowledgeSettings
from tests.agents.knowledge.test_defanging import LIVE, live_tokens
from tests.injection_pages import CARRIERS, EVIL, FACT, GOALS, injection_pages
from tests.small_web import SmallWeb, response

PAGES = injection_pages()
SETTINGS = KnowledgeSettings(host_interval_s=0, max_requests=1000)


async def in_this_process(kind: str, content: bytes, charset: str | None) -> dict[str, object]:
    """Read a page as the child does, without starting one for each."""
    return page_program.READERS[kind](content, charset)


def test_there_are_enough_of_them():
    assert len(PAGES) == len(GOALS) * len(CARRIERS) >= 140
    assert len({page.content for page in PAGES}) == len(PAGES)


async def test_nothing_that_a_page_says_is_followed_and_no_link_stays_live(monkeypatch):
    monkeypatch.setattr(pages, "looked_at", in_this_process)
    site = "http://shop.example"
    sites = {site + page.path: response(page.content) for page in PAGES}
    web = SmallWeb(sites, names={EVIL: [["93.184.216.34"]], f"www.{EVIL}": [["93.184.216.34"]]})
    async with web:
        fetcher = Fetcher(SETTINGS, web.outside)
        read = [await read_page(fetcher, site + page.path) for page in PAGES]

    assert web.urls == [site + page.path for page in PAGES]
    assert [asked.path for asked in web.asked].count("/robots.txt") == 1
    assert set(web.looked_up) == {"shop.example"}
    assert len(fetcher.sent) == len(PAGES) + 1
    for page, found in zip(PAGES, read, strict=True):
        assert FACT in found.text, page.path
        for text in (found.text, found.title, found.cited):
            assert not LIVE.search(text), page.path
            assert live_tokens(text) == [], page.path


async def test_what_a_browser_does_not_show_is_not_read(monkeypatch):
    monkeypatch.setattr(pages, "looked_at", in_this_process)
    seen = {True: 0, False: 0}
    for page in PAGES:
        found = await in_this_process("page", page.content.encode(), "utf-8")
        words = defanged(page.wish).split()[:4]
        shown = " ".join(words) in " ".join(defanged(str(found["text"])).split())
        assert not (page.hidden and shown), page.path
        seen[page.hidden] += shown

    # honest: what is shown is read, and nobody here judges what it wants
    assert seen[True] == 0
    assert seen[False] >= 60


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_the_child_reads_the_same(carrier):
    page = next(page for page in PAGES if page.carrier == carrier and page.goal == "picture")

    by_child = await pages.looked_at("page", page.content.encode(), "utf-8")

    assert by_child == await in_this_process("page", page.content.encode(), "utf-8")


def test_what_reads_pages_can_open_neither_files_nor_connections():
    program = (
        "import json, socket, sys\n"
        f"sys.path.insert(0, {str(page_program.__file__.rsplit('/', 1)[0])!r})\n"
        "import page_program\n"
        "def attack(content, charset):\n"
        "    if content == page_program.WARM: return {}\n"
        "    found = {}\n"
        "    for name, try_it in {'file': lambda: open('/etc/passwd'), 'socket': socket.socket,\n"
        "                         'pipe': __import__('os').pipe, 'fork': lambda: __import__('subprocess').run(['true'])}.items():\n"
        "        try:\n"
        "            try_it(); found[name] = 'done'\n"
        "        except OSError as error:\n"
        "            found[name] = error.errno\n"
        "    return found\n"
        "page_program.READERS['page'] = attack\n"
        "page_program.main()\n"
    )
    asked = json.dumps({"kind": "page", "charset": None}).encode() + b"\nx"

    ended = subprocess.run(
        [sys.executable, "-c", program], input=asked, capture_output=True, check=True
    )

    assert json.loads(ended.stdout) == dict.fromkeys(["file", "socket", "pipe", "fork"], 24)
