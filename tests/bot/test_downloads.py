import asyncio
import logging
import re
import shutil
import string
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from bot.downloads import (
    CannotListen,
    DamagedKey,
    Expired,
    Links,
    Unknown,
    application,
    clean_name,
    load_key,
    saving_headers,
    serve,
)
from configs.schema import DownloadSettings
from storage.files import FileStore

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CONTENT = bytes(range(256)) * 4000
NASTY_NAMES = [
    "../../etc/passwd",
    "a/b\\c",
    'quo"te',
    "semi;colon",
    "new\r\nSet-Cookie: a=b",
    "nul\x00byte",
    "right\u202eto-left.zip",
    "Gewürz – 香料.zip",
    "%2f..%2f",
    "CON",
    ".hidden",
    "...",
    "",
    "x" * 300 + ".zip",
]


class FrozenClock:
    def __init__(self, now):
        self.time = now

    def now(self):
        return self.time


class Installation:
    """A file behind a link on a running server."""

    session: aiohttp.ClientSession

    def __init__(self, folder, options):
        self.files = FileStore(folder / "files")
        self.settings = DownloadSettings(port=0, **options)
        self.links = Links(self.settings, load_key(folder), self.files)
        self.clock = FrozenClock(NOW)
        self.sha256 = self.files.put(CONTENT).sha256

    def link(self, name="adapter.zip"):
        return self.links.link(self.sha256, name, 7, NOW)

    def token(self):
        return self.link().split("/d/")[1].split("/")[0]


@asynccontextmanager
async def running(folder, **options):
    installation = Installation(folder, options)
    server = await serve(application(installation.links, installation.clock), installation.settings)
    installation.links.use_port(server.port)
    async with aiohttp.ClientSession() as session:
        installation.session = session
        try:
            yield installation
        finally:
            await server.close()


@pytest.fixture
def installation(tmp_path):
    return Installation(tmp_path, {})


# ---- tokens -----------------------------------------------------------------------------------------------------------


def test_a_link_leads_to_its_file_until_it_expires(installation):
    token, day = installation.token(), timedelta(hours=24)

    target = installation.links.open(token, NOW + day - timedelta(seconds=1))

    assert (target.sha256, target.name) == (installation.sha256, "adapter.zip")
    assert target.path.read_bytes() == CONTENT
    with pytest.raises(Expired):
        installation.links.open(token, NOW + day)


def test_the_same_run_and_moment_give_the_same_link(installation):
    assert installation.link() == installation.link()


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.integers(0, 10_000),
    char=st.sampled_from(string.ascii_letters + string.digits + "-_.=~é\ud800"),
)
def test_no_changed_character_of_a_token_is_accepted(installation, place, char):
    token = installation.token()
    place %= len(token)
    changed = token[:place] + char + token[place + 1 :]

    if changed != token:
        with pytest.raises(Unknown):
            installation.links.open(changed, NOW)


def test_every_single_bit_of_a_token_counts(installation):
    token, tried = installation.token(), 0

    for place in range(len(token)):
        for bit in range(7):
            changed = token[:place] + chr(ord(token[place]) ^ 1 << bit) + token[place + 1 :]
            with pytest.raises(Unknown):
                installation.links.open(changed, NOW)
            tried += 1

    assert tried == 7 * len(token) > 1000


@given(cut=st.integers(0, 400), more=st.text(max_size=5))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_beginning_and_no_extension_of_a_token_is_accepted(installation, cut, more):
    token = installation.token()
    changed = token[:cut] + more

    if changed != token:
        with pytest.raises(Unknown):
            installation.links.open(changed, NOW)


def test_parts_of_two_good_tokens_make_no_third(installation):
    other = installation.files.put(b"of somebody else").sha256
    mine, theirs = installation.token(), installation.links.link(other, "other.zip", 8, NOW)
    their_payload, their_signature = theirs.split("/d/")[1].split("/")[0].rsplit(".", 1)
    payload, signature = mine.rsplit(".", 1)

    for swapped in (f"{payload}.{their_signature}", f"{their_payload}.{signature}"):
        with pytest.raises(Unknown):
            installation.links.open(swapped, NOW)


def test_a_signature_made_for_another_purpose_or_with_another_key_is_refused(
    installation, tmp_path
):
    payload = [installation.sha256, "adapter.zip", 7, int(NOW.timestamp()) + 1000]
    foreign = [
        URLSafeSerializer(installation.links.key, salt="sessions"),
        URLSafeSerializer(b"k" * 32),
    ]

    for serializer in foreign:
        with pytest.raises(Unknown):
            installation.links.open(str(serializer.dumps(payload)), NOW)


def test_the_key_is_made_once_private_and_never_half(tmp_path):
    key = load_key(tmp_path)

    assert (len(key), load_key(tmp_path)) == (32, key)
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]

    (tmp_path / "secret.key").write_bytes(key[:5])
    with pytest.raises(DamagedKey, match="Delete it"):
        load_key(tmp_path)


# ---- over the wire ----------------------------------------------------------------------------------------------------


async def test_a_whole_file_comes_with_the_headers_that_keep_it_private(tmp_path):
    async with (
        running(tmp_path) as installation,
        installation.session.get(installation.link()) as reply,
    ):
        body, headers = await reply.read(), reply.headers

    assert (reply.status, body) == (200, CONTENT)
    assert headers["ETag"] == f'"{installation.sha256}"'
    assert headers["Content-Disposition"].startswith('attachment; filename="adapter.zip"')
    assert headers["Cache-Control"] == "private, no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Accept-Ranges"] == "bytes"


async def test_the_name_in_the_path_is_decoration(tmp_path):
    async with running(tmp_path) as installation:
        root = installation.link().rsplit("/", 1)[0]
        for link in (root, f"{root}/anything.exe", f"{root}/..%2f..%2fetc%2fpasswd"):
            async with installation.session.get(link) as reply:
                assert (reply.status, await reply.read()) == (200, CONTENT)
                assert 'filename="adapter.zip"' in reply.headers["Content-Disposition"]


async def test_head_tells_the_size_without_the_content(tmp_path):
    async with (
        running(tmp_path) as installation,
        installation.session.head(installation.link()) as reply,
    ):
        assert (reply.status, reply.headers["Content-Length"]) == (200, str(len(CONTENT)))
        assert await reply.read() == b""


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, CONTENT[:10]),
        ("bytes=1023000-", 206, CONTENT[1023000:]),
        ("bytes=-5", 206, CONTENT[-5:]),
        ("bytes=9999999-", 416, b""),
        ("bytes=0-1,5-6", 416, b""),
    ],
)
async def test_a_download_that_broke_off_goes_on_where_it_stopped(tmp_path, asked, status, part):
    async with running(tmp_path) as installation:
        headers = {"Range": asked, "If-Range": f'"{installation.sha256}"'}
        async with installation.session.get(installation.link(), headers=headers) as reply:
            assert reply.status == status
            assert await reply.read() == part


async def test_a_range_of_another_content_gets_the_whole_file(tmp_path):
    async with running(tmp_path) as installation:
        headers = {"Range": "bytes=10-", "If-Range": '"something else"'}
        async with installation.session.get(installation.link(), headers=headers) as reply:
            assert (reply.status, await reply.read()) == (200, CONTENT)


@pytest.mark.parametrize("tag", ['"{sha256}"', 'W/"{sha256}"', '"x", "{sha256}"', "*"])
async def test_who_has_the_file_already_gets_nothing_again(tmp_path, tag):
    async with running(tmp_path) as installation:
        headers = {"If-None-Match": tag.format(sha256=installation.sha256)}
        async with installation.session.get(installation.link(), headers=headers) as reply:
            assert (reply.status, await reply.read()) == (304, b"")
            assert reply.headers["ETag"] == f'"{installation.sha256}"'


async def test_bad_unknown_and_deleted_links_get_one_and_the_same_answer(tmp_path):
    async with running(tmp_path) as installation:
        gone = installation.files.put(b"soon gone")
        links = [
            installation.links.link(gone.sha256, "a.zip", 1, NOW),
            installation.links.link("0" * 64, "a.zip", 1, NOW),
            installation.links.root() + "/d/nonsense",
            installation.links.root() + "/d/%ff%00",
            installation.link()[:-20],
        ]
        gone.path.unlink()
        answers = set()
        for link in links:
            async with installation.session.get(link) as reply:
                answers.add((reply.status, await reply.text()))

    assert answers == {(404, "There is nothing behind this link.\n")}


async def test_an_expired_link_says_how_to_get_a_new_one(tmp_path):
    async with running(tmp_path, expires_after_h=1) as installation:
        installation.clock.time = NOW + timedelta(hours=2)
        async with installation.session.get(installation.link()) as reply:
            text = await reply.text()

    assert reply.status == 410
    assert "/finetune download" in text
    assert "<" not in text


async def test_the_host_header_has_no_say(tmp_path):
    async with running(tmp_path, public_url="https://tune.example") as installation:
        url = installation.link().replace(
            "https://tune.example", f"http://127.0.0.1:{installation.links._port}"
        )
        async with installation.session.get(url, headers={"Host": "evil.example"}) as reply:
            assert reply.status == 200
            assert "evil" not in str(reply.headers)

        assert installation.link().startswith("https://tune.example/d/")


async def test_a_free_port_is_found_and_named_in_links(tmp_path):
    async with running(tmp_path) as installation:
        assert re.match(r"http://127\.0\.0\.1:[1-9]\d+/d/", installation.link())
        async with installation.session.get(installation.links.root() + "/healthz") as reply:
            assert (reply.status, await reply.text()) == (200, "ok\n")


async def test_a_port_in_use_is_an_error_and_leaves_nothing_open(tmp_path):
    async with running(tmp_path) as installation:
        taken = installation.settings.model_copy(update={"port": installation.links._port})

        with pytest.raises(CannotListen, match="in use"):
            await serve(application(installation.links, installation.clock), taken)


async def test_no_log_line_tells_a_token(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    async with running(tmp_path) as installation:
        for link in (installation.link(), installation.link() + "x"):
            async with installation.session.get(link) as reply:
                await reply.read()
        token = installation.token()

    assert token not in caplog.text


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
async def test_curl_saves_the_file_under_its_name_and_resumes(tmp_path):
    async with running(tmp_path) as installation:
        (tmp_path / "adapter.zip").write_bytes(CONTENT[:1000])
        command = ["curl", "-sS", "-f", "-C", "-", "-O", installation.link()]
        curl = await asyncio.create_subprocess_exec(*command, cwd=tmp_path)

        assert await asyncio.wait_for(curl.wait(), 20) == 0

    assert (tmp_path / "adapter.zip").read_bytes() == CONTENT


@pytest.mark.parametrize("name", NASTY_NAMES)
async def test_a_nasty_name_harms_neither_header_nor_path(tmp_path, name):
    async with running(tmp_path) as installation:
        link = installation.link(name)
        async with installation.session.get(link) as reply:
            assert (reply.status, len(await reply.read())) == (200, len(CONTENT))
            assert "Set-Cookie" not in reply.headers

    assert re.fullmatch(r"http://[^/]+/d/[^/]+/[A-Za-z0-9._~%-]+", link)
    assert re.fullmatch(
        r"attachment; filename=\"[A-Za-z0-9._-]+\"; filename\*=UTF-8''[A-Za-z0-9._~%-]+",
        saving_headers(name)["Content-Disposition"],
    )


@given(name=st.text(max_size=200))
def test_a_clean_name_is_one_path_segment_and_cleaning_it_again_changes_nothing(name):
    clean = clean_name(name)

    assert 0 < len(clean) <= 120
    assert clean not in {".", ".."}
    assert clean.isprintable()
    assert not set(clean) & set('/\\:*?"<>|')
    assert clean_name(clean) == clean
