import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from agents.knowledge.defanging import defanged

# fmt: off
PIECES = [
    "http", "https", "HTTP", "://", ":", "//", "/", "\\", "www.", "evil.example", "discord.gg/", "x", "[", "]", "(", ")", "<",
    ">", "!", " ", "\n", "\u200b", "@", "everyone", "&", "123", ".", "javascript:", "data:", "mailto:", "#", "?q=", "`", "a.b",
    "[:]", "ftp", "\t",
]
# fmt: on
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
LIVE = re.compile(
    r"(?<![a-z])https?:|\w://|(?<![\w\]])//[\w-]+\.\w|\bwww\.\w|discord\.gg/\w|(?<![a-z])(javascript|data|vbscript|mailto):[^\s:]|@everyone|@here|<@[!&\d]",
    re.IGNORECASE,
)


def live_tokens(text: str) -> list[str]:
    """Return what a reader of Markdown would follow or load."""
    tokens = MarkdownIt("commonmark").parse(text)
    every = [each for token in tokens for each in [token, *(token.children or [])]]
    return [str(each.attrs) for each in every if each.type in {"link_open", "image"}]


@given(TEXTS)
@example("![a](https://evil.example/p.png?q=1)")
@example("[a][b]\n\n[b]: https://evil.example")
@example("<https://evil.example>")
@example("> [b]: /x\n\n[b]")
@example("ht\u200btps://evil.example")
@example("[a]\\(x) [a](b)(c)")
@example("]discord.gg/0")
def test_no_reader_finds_a_link_in_it(text):
    safe = defanged(text)

    assert not LIVE.search(safe)
    assert live_tokens(safe) == []


@given(TEXTS)
def test_what_is_defanged_stays_as_it_is(text):
    assert defanged(defanged(text)) == defanged(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://evil.example/x?q=1", "see hxxps[:]//evil[.]example/x?q=1"),
        ("![a](http://e.example/p.png)", "![a] (hxxp[:]//e[.]example/p.png)"),
        ("<https://a.example>", "<hxxps[:]//a[.]example>"),
        ("www.evil.example", "www[.]evil[.]example"),
        ("discord.gg/abc", "discord[.]gg/abc"),
        ("//evil.example/x", "//evil[.]example/x"),
        ("javascript:alert(1)", "javascript[:]alert(1)"),
        ("steam://run/1 tg://join", "steam[:]//run/1 tg[:]//join"),
        ("http:\\\\evil.example", "hxxp[:]\\\\evil.example"),
        ("@everyone and <@123>", "@ everyone and <@ 123>"),
    ],
)
def test_an_address_can_still_be_read(text, shown):
    assert defanged(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "At 12:30, e.g. in the U.S., and/or by file.txt.",
        "std::vector<int> a = {1, 2};  // a comment",
        "Data: three of four. Ratio 3:4.",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "x[0] + y[1]\tz",
        "Write to me@example.org, please.",
    ],
)
def test_other_text_stays_as_it_is(text):
    assert defanged(text) == text
