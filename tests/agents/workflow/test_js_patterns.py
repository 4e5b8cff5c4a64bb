import json
import random
import shutil
import subprocess

import pytest

from agents.workflow.js_patterns import NotPossible, TooSlow, check, found, quoted

FITS = [
    (r"artificial\s+intelligence", "artificial\u00a0intelligence", True),
    (r"^\d+$", "12", True),
    (r"^\d+$", "٣", False),
    (r"^\d+$", "12\n", False),
    (r"\bÄ", "Ä", False),
    (r"\w", "é", False),
    (r"(?<year>\d{4})-\k<year>", "2024-2024", True),
    (r"(?<=a+)b", "aab", True),
    (r"a.b", "a\rb", False),
    (r"[^\S\n]x", " x", True),
    (r"[^\S\n]x", "\nx", False),
    (r"[\Da]", "b", True),
    (r"[]", "x", False),
    (r"[^]", "\n", True),
    (r"a{,2}", "a{,2}", True),
    (r"(?:dog){e<=1}", "do", False),
    (r"x]}", "x]}", True),
    (r"\A", "A", True),
    (r"[[]", "[", True),
    (r"\u00e9\x41\/", "éA/", True),
    (r"\ud83d\ude00", "😀", True),
]
"""What JavaScript finds; Python's `re` says otherwise in more than half of them, or nothing at all."""


@pytest.mark.parametrize(("pattern", "text", "fits"), FITS)
def test_a_pattern_finds_what_javascript_finds(pattern, text, fits):
    assert found(pattern, text) is fits


def test_case_can_be_left_out():
    assert found("AI|ÉTÉ", "été", case_sensitive=False)
    assert not found("AI|ÉTÉ", "été")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(?i)x", "does not know"),
        ("(?P<n>x)", "does not know"),
        ("a++", "nothing to repeat"),
        (r"\p{L}", "flag of its own"),
        (r"\u{61}", "flag of its own"),
        (r"\ud83d", "half a character"),
        (r"\01", "an old way"),
        ("(a", "is no pattern"),
        ("[a", "without what belongs after it"),
        ("a\\", "without what belongs after it"),
        ("[z-a]", "is no pattern"),
        ("((a{1000}){1000}){1000}", "repeats too much"),
        ("a" * 2001, "is longer than"),
    ],
)
def test_what_python_cannot_search_for_is_refused_with_a_reason(pattern, why):
    with pytest.raises(NotPossible, match=why):
        check(pattern)


def test_a_pattern_that_would_take_for_ever_is_given_up():
    with pytest.raises(TooSlow, match="takes longer than"):
        found(r"^(a|aa)+$", "a" * 60 + "b", timeout_s=0.05)


def test_a_quoted_text_fits_itself_only():
    text = r"1+1 (a) [b] {c} \d ^$ x.y/z|?*"

    assert found("^" + quoted(text) + "$", text)
    assert not found("^" + quoted("a.c") + "$", "abc")


# fmt: off
PIECES = [
    *"abA1_ -.^$|()[]{}*+?,/é\n\r", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", "[a-c]", r"[^\s]", r"[\D1]", r"[^\W]", "{2}",
    "{1,2}", "(?:", "(?=", "(?!", "(?<=", "(?<n>", r"\n", r"\t", r"\x41", r"\u0061", r"\cA", r"\-", "[^]", "[]", "+?", "\xa0",
]
# fmt: on


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not at hand")
def test_random_patterns_find_what_node_finds_in_random_texts():
    chance = random.Random(7)
    cases = []
    for _ in range(1500):
        pattern = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 6)))
        texts = [
            "".join(chance.choice("abcABC1_ -.,/[]{}^$|é٣\n\r\t\xa0\u2028\x01") for _ in range(5))
            for _ in range(6)
        ]
        cases.append((pattern, texts))
    program = (
        "const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        "const run = ([p, ts]) => { try { const r = new RegExp(p); return ts.map(t => r.test(t)) }"
        " catch (e) { return null } };"
        "console.log(JSON.stringify(cases.map(run)))"
    )
    ran = subprocess.run(
        ["node", "-e", program], input=json.dumps(cases), capture_output=True, text=True, check=True
    )

    compared, different = 0, []
    for (pattern, texts), expected in zip(cases, json.loads(ran.stdout), strict=True):
        if expected is None:
            continue
        try:
            ours = [found(pattern, text) for text in texts]
        except NotPossible:
            continue
        compared += 1
        if ours != expected:
            different.append(pattern)

    assert compared >= 400
    assert different == []
