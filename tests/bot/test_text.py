import re

from hypothesis import example, given
from hypothesis import strategies as st

from bot.text import bar, block, citation, clip, duration, inline, looked_up, plain, size, visible


@given(st.text())
@example("**bold** [x](https://evil.example) <@123> @everyone `a` ||s|| # h\n> q")
@example("\u202egnp.exe \u200b\x1b[31m")
def test_plain_text_has_no_live_markdown_link_or_mention(text):
    shown = plain(text)

    assert "\n" not in shown
    assert "://" not in shown
    assert not re.search(r"(?<!\\)(?:\\\\)*[*_`~|<>@\[\]()#]", shown)
    assert not any(c in shown for c in "\u202e\u200b\x1b\u2066")


@given(st.text())
def test_a_block_cannot_be_left(text):
    shown = block(text)

    assert shown.startswith("```\n")
    assert shown.endswith("\n```")
    assert "```" not in shown[4:-4]


@given(st.text())
def test_inline_code_cannot_be_left(text):
    shown = inline(text)

    assert shown.count("`") == 2
    assert "\n" not in shown


@given(st.text(), st.integers(1, 50))
def test_a_clipped_text_fits_and_says_that_something_is_missing(text, limit):
    shown = clip(text, limit)

    assert len(shown) <= limit
    assert shown == text or shown.endswith("…")


def test_escapes_are_never_cut_in_half():
    assert clip("abc\\", 4) == "abc\\"
    assert clip("abc\\*d", 5) == "abc…"


def test_durations_sizes_and_bars_read_like_words():
    assert [duration(s) for s in (1, 61, 600, 7200)] == [
        "5 seconds",
        "60 seconds",
        "10 minutes",
        "2.0 hours",
    ]
    assert [size(n) for n in (12, 12_345, 18_000_000, 3_000_000_000)] == [
        "12 bytes",
        "12.3 KB",
        "18.0 MB",
        "3.00 GB",
    ]
    assert bar(0.5, 4) == "██░░"
    assert bar(7, 4) == "████"
    assert visible("a\x00b\nc") == "a b\nc"


@given(st.text(), st.text())
@example("[here](https://evil.example)", "https://evil.example/?q=1")
@example("@everyone", "javascript:alert(1)//`")
def test_a_citation_is_one_line_that_nothing_follows(title, url):
    shown = citation(title, url)

    assert "\n" not in shown
    assert "://" not in shown
    assert re.fullmatch(r".*`[^`]+`", shown)


def test_a_citation_can_be_read():
    shown = citation("Refunds", "https://shop.example/refunds")

    assert shown == "Refunds `hxxps[:]//shop[.]example/refunds`"
    assert citation(" ", "https://a.example/") == "`hxxps[:]//a[.]example/`"


def test_what_was_looked_up_is_a_block_without_a_live_address():
    shown = looked_up("see ![x](https://evil.example/p.png)\n```\n@everyone discord.gg/abc")

    assert (
        shown
        == "```\nsee ![x] (hxxps[:]//evil[.]example/p.png)\n'''\n@ everyone discord[.]gg/abc\n```"
    )
