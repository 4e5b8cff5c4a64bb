"""Where the fetcher goes: each case is tried on the fetcher as it runs, with sockets; only the internet is on loopback."""

import re
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.knowledge.addresses import NEVER, is_never, is_public, may_connect
from agents.knowledge.fetching import Fetcher
from agents.knowledge.refusals import FetchRefused
from configs.schema import HOME_NETWORKS, KnowledgeSettings
from tests.small_web import OTHER, PUBLIC, SmallWeb, redirect, response

PAGE = "http://site.example/page"
EVERYWHERE = tuple(map(str, HOME_NETWORKS))


def settings(**changed) -> KnowledgeSettings:
    return KnowledgeSettings(**{"host_interval_s": 0, "page_timeout_s": 20, **changed})


async def refused(web: SmallWeb, url: str, **changed) -> str:
    with pytest.raises(FetchRefused) as caught:
        await Fetcher(settings(**changed), web.outside).page(url)
    return caught.value.code


# fmt: off
NUMBERS = [
    "http://2130706433/", "http://0x7f000001/", "http://017700000001/", "http://0177.0.0.1/", "http://0x7f.0.0.1/",
    "http://127.1/", "http://127.0.1/", "http://127.0.0.1.", "http://00000177.0.0.1/", "http://0/", "http://3232235521/",
    "http://192.168.257/", "http://0xa9fea9fe/", "http://2852039166/", "http://169.0xfe.169.254/", "http://[::ffff:0x7f.1]/",
    "http://4294967297/", "http://1.2.3.4.5/", "http://256.256.256.256/", "http://site.0x7f/", "http://①②⑦.0.0.1/",
    "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/", "http://127。0。0。1/", "http://0x/",
]
LITERALS = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.0.1", "100.64.0.1",
    "100.100.100.200", "169.254.169.254", "169.254.170.2", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1",
    "198.51.100.7", "203.0.113.9", "192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "[::]", "[::1]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[::ffff:93.184.216.34]",
    "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::93.184.216.34]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]", "[2001::1]", "[2001:0:5ef5:79fd:0:0:80ff:fffe]", "[2001:10::1]", "[2001:db8::1]", "[3fff::1]",
    "[100::1]", "[fc00::1]", "[fd00::1]", "[fd00:ec2::254]", "[fd20:ce::254]", "[fe80::1]", "[fec0::1]", "[ff02::1]",
    "[4000::1]", "[e000::1]", "[5f00::1]",
]
MALFORMED = [
    "http://user@site.example/page", "http://user:pass@site.example/page", "http://site.example@127.0.0.1/",
    "http://site.example\\@127.0.0.1/", "http://127.0.0.1\\.site.example/", "http://site.example#@127.0.0.1/\r\nX: y",
    "http://site.example/\r\nHost: 127.0.0.1", "http://site.example/\nX: y", "http://site.example/\tx", "http://site.example/ x",
    "http://site.example%00.evil.example/", "http://site.example\0.evil.example/", "http://site%2eexample/",
    "http://[fe80::1%25lo]/", "http://[::1", "http://::1/", "http://[site.example]/", "http://site..example/",
    "http://.site.example/", "http://-site.example/", "http:///page", "http://", "http:site.example", "//site.example/page",
    "http://site.example:99999/", "http://site.example:port/", "http://ex℀mple.example/", "http://site\u200b.example/",
    "http://site.example/\u202egnp.exe", "http://" + "a" * 64 + ".example/", "http://" + "a." * 130 + "example/",
    "http://site.example/" + "x" * 2000, "",
]
SECRETS = [
    "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254",
    "fe80::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "0.0.0.0", "255.255.255.255",
]
SCHEMES = [
    "file:///etc/passwd", "ftp://site.example/", "gopher://site.example:70/_x", "dict://127.0.0.1:11211/stats",
    "data:text/html,hello", "javascript:alert(1)", "ldap://site.example/", "jar:http://site.example!/", "ws://site.example/",
    "HTTPX://site.example/", "unix:///var/run/docker.sock", "about:blank",
]
# fmt: on


@pytest.mark.parametrize("url", NUMBERS)
async def test_a_host_that_is_a_number_in_some_form_is_not_asked(url):
    async with SmallWeb() as web:
        code = await refused(web, url)

    assert code in {"url", "address"}
    assert (web.looked_up, web.dialled, web.asked) == ([], [], [])


@pytest.mark.parametrize("host", LITERALS)
async def test_an_address_that_is_not_public_is_not_asked(host):
    async with SmallWeb() as web:
        code = await refused(web, f"http://{host}/")

    assert code == "address"
    assert web.dialled == []


@pytest.mark.parametrize("host", LITERALS)
async def test_a_name_with_an_address_that_is_not_public_is_not_asked(host):
    async with SmallWeb(names={"site.example": [[host.strip("[]")]]}) as web:
        code = await refused(web, PAGE)

    assert code == "address"
    assert web.looked_up == ["site.example"]
    assert web.dialled == []


@pytest.mark.parametrize("url", MALFORMED)
async def test_what_is_no_plain_address_is_not_asked(url):
    async with SmallWeb(sites={PAGE: response("hello")}) as web:
        code = await refused(web, url)

    assert code in {"url", "scheme"}
    assert (web.looked_up, web.dialled) == ([], [])


@pytest.mark.parametrize("url", SCHEMES)
async def test_only_the_web_is_asked(url):
    async with SmallWeb() as web:
        assert await refused(web, url) in {"scheme", "url"}

    assert (web.looked_up, web.dialled) == ([], [])


@pytest.mark.parametrize("name", ["localhost", "localhost.", "LOCALHOST", "a.localhost", "router"])
async def test_a_name_of_this_machine_or_house_is_judged_by_its_address(name):
    plain = name.lower().rstrip(".")
    async with SmallWeb(names={plain: [["127.0.0.1"]]}) as web:
        assert await refused(web, f"http://{name}/") == "address"

    assert web.dialled == []


@pytest.mark.parametrize("port", [0, 1, 22, 25, 6379, 8080, 11211, 65535])
async def test_only_ports_of_the_web_are_asked(port):
    async with SmallWeb(sites={PAGE: response("hello")}) as web:
        assert await refused(web, f"http://site.example:{port}/page") == "port"
        allowed = settings(ports=[8080], robots=False)
        web.put({"http://site.example:8080/page": response("there")})
        page = await Fetcher(allowed, web.outside).page("http://site.example:8080/page")

    assert page.content == b"there"
    assert web.dialled == [(PUBLIC, 8080)]
    assert web.asked[0].headers["host"] == "site.example:8080"


async def test_one_address_among_many_that_is_not_public_is_enough_to_refuse():
    async with SmallWeb(names={"site.example": [[PUBLIC, OTHER, "10.0.0.7"]]}) as web:
        assert await refused(web, PAGE) == "address"

    assert web.dialled == []


async def test_a_name_that_changes_its_address_between_check_and_connection_gains_nothing():
    answers = [[PUBLIC], ["127.0.0.1"], ["169.254.169.254"]]
    async with SmallWeb(sites={PAGE: response("hello")}, names={"site.example": answers}) as web:
        page = await Fetcher(settings(robots=False), web.outside).page(PAGE)

    assert page.content == b"hello"
    assert web.looked_up == ["site.example"]
    assert web.dialled == [(PUBLIC, 80)]


async def test_a_name_that_changes_its_address_after_robots_txt_is_refused():
    answers = [[PUBLIC], ["127.0.0.1"]]
    async with SmallWeb(sites={PAGE: response("hello")}, names={"site.example": answers}) as web:
        assert await refused(web, PAGE) == "address"

    assert web.dialled == [(PUBLIC, 80)]
    assert [asked.path for asked in web.asked] == ["/robots.txt"]


async def test_a_name_that_changes_its_address_at_a_redirect_is_refused():
    sites = {PAGE: redirect("/next"), "http://site.example/next": response("inside")}
    answers = [[PUBLIC], ["192.168.0.1"]]
    async with SmallWeb(sites=sites, names={"site.example": answers}) as web:
        assert await refused(web, PAGE, robots=False) == "address"

    assert web.urls == [PAGE]


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://127.0.0.1/", "address"),
        ("http://169.254.169.254/latest/meta-data/", "address"),
        ("http://[::1]/", "address"),
        ("//10.0.0.1/", "address"),
        ("http://2130706433/", "url"),
        ("http://user:pass@site.example/", "url"),
        ("http://inside.example/", "address"),
        ("http://site.example:6379/", "port"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://127.0.0.1:6379/_FLUSHALL", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("http://nowhere.example/", "name"),
        ("http://[::1", "url"),
        ("/a b", "url"),
        ("", "redirects"),
    ],
)
async def test_a_redirect_is_checked_like_any_address(location, code):
    names = {"inside.example": [["10.1.2.3"]]}
    async with SmallWeb(sites={PAGE: redirect(location)}, names=names) as web:
        assert await refused(web, PAGE) == code

    assert web.urls == [PAGE]
    assert {address for address, _ in web.dialled} == {PUBLIC}


async def test_an_encrypted_page_does_not_lead_to_one_that_is_not():
    sites = {"https://a.example/": redirect("http://site.example/page"), PAGE: response("hello")}
    async with SmallWeb(sites=sites) as web:
        assert await refused(web, "https://a.example/") == "redirects"

    assert web.urls == ["https://a.example/"]


@pytest.mark.parametrize(("redirects", "arrives"), [(5, True), (6, False)])
async def test_five_redirects_are_followed_and_no_sixth(redirects, arrives):
    chain = {f"http://site.example/{n}": redirect(f"/{n + 1}") for n in range(redirects)}
    async with SmallWeb(
        sites={**chain, f"http://site.example/{redirects}": response("end")}
    ) as web:
        fetcher = Fetcher(settings(), web.outside)
        if arrives:
            assert (await fetcher.page("http://site.example/0")).url == "http://site.example/5"
        else:
            assert await refused(web, "http://site.example/0") == "redirects"

    assert len(web.urls) == 6


async def test_a_circle_of_redirects_ends():
    async with SmallWeb(sites={PAGE: redirect(PAGE)}) as web:
        assert await refused(web, PAGE) == "redirects"


async def test_a_page_of_the_house_is_fetched_where_a_setting_names_its_network():
    sites = {"http://wiki/page": response("ours")}
    async with SmallWeb(sites=sites, names={"wiki": [["192.168.7.9"]]}) as web:
        page = await Fetcher(settings(private_networks=["192.168.7.0/24"]), web.outside).page(
            "http://wiki/page"
        )
        web.names["wiki"] = [["192.168.8.9"]]
        code = await refused(web, "http://wiki/page", private_networks=["192.168.7.0/24"])

    assert page.content == b"ours"
    assert code == "address"
    assert {address for address, _ in web.dialled} == {"192.168.7.9"}


@pytest.mark.parametrize("address", SECRETS)
async def test_where_clouds_tell_secrets_is_never_asked_whatever_is_allowed(address):
    async with SmallWeb(names={"site.example": [[address]]}) as web:
        assert await refused(web, PAGE, private_networks=EVERYWHERE, robots=False) == "address"

    assert web.dialled == []


@pytest.mark.parametrize(
    "network", ["0.0.0.0/0", "::/0", "169.254.0.0/16", "8.8.8.0/24", "10.0.0.0/7", "x", "fe80::/10"]
)
def test_no_setting_allows_more_than_networks_of_a_house(network):
    with pytest.raises(ValueError, match="private_networks"):
        KnowledgeSettings(private_networks=[network])


@given(st.ip_addresses())
def test_an_address_is_public_or_of_a_house_or_never_asked(address):
    at_home = any(address in each for each in HOME_NETWORKS)

    assert is_public(address) + (at_home and not is_never(address)) <= 1
    assert may_connect(address, HOME_NETWORKS) == (
        is_public(address) or (at_home and not is_never(address))
    )
    if is_public(address):
        assert address.is_global


def test_public_addresses_are_public():
    for address in ["8.8.8.8", "1.1.1.1", PUBLIC, OTHER, "2a00:1450:4001:80b::200e"]:
        assert is_public(ip_address(address)), address
    assert len(NEVER) >= 20


async def test_a_dead_address_is_left_for_the_next_one():
    names = {"site.example": [[OTHER, PUBLIC]]}
    async with SmallWeb({PAGE: response("hello")}, names, dead=frozenset({OTHER})) as web:
        page = await Fetcher(settings(robots=False), web.outside).page(PAGE)
        web.dead = frozenset({OTHER, PUBLIC})
        code = await refused(web, PAGE, robots=False)

    assert page.content == b"hello"
    assert web.dialled[:2] == [(OTHER, 80), (PUBLIC, 80)]
    assert code == "network"


async def test_a_certificate_is_for_the_name_and_not_for_the_address():
    sites = {"https://a.example/": response("hello"), "https://wrong.example/": response("x")}
    async with SmallWeb(sites=sites) as web:
        page = await Fetcher(settings(robots=False), web.outside).page("https://a.example/")
        code = await refused(web, "https://wrong.example/", robots=False)

    assert page.content == b"hello"
    assert web.server_names == ["a.example", "wrong.example"]
    assert web.dialled == [(PUBLIC, 443), (PUBLIC, 443)]
    assert web.asked[0].headers["host"] == "a.example"
    assert code == "certificate"
    assert web.urls == ["https://a.example/"]


async def test_an_international_name_is_asked_in_its_plain_form():
    url = "http://xn--bcher-kva.example/%C3%BC?q=%C3%A4"
    async with SmallWeb(sites={url: response("hello")}) as web:
        page = await Fetcher(settings(), web.outside).page("http://BÜCHER.example/ü?q=ä#x")

    assert page.url == url
    assert web.urls == [url]


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with SmallWeb(sites={PAGE: response("hello")}) as web:
        await Fetcher(settings(), web.outside).page(PAGE)

    assert {address for address, _ in web.dialled} == {PUBLIC}


async def test_what_a_person_is_told_names_the_host_and_what_to_do():
    async with SmallWeb(names={"site.example": [["10.0.0.1"]]}) as web:
        with pytest.raises(FetchRefused) as caught:
            await Fetcher(settings(), web.outside).page(PAGE + "?token=canary")

    assert re.match(
        r"site\.example is not on the public internet\..*private_networks", str(caught.value)
    )
    assert "canary" not in str(caught.value)
