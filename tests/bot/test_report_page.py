"""The report as a page: whole, alone, readable by everybody, and inert whatever stands in the rows."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from agents.jobs import EvaluateResult, Verdict
from bot.page.document import MOST_CHARS, MOST_ITEMS, TEXT_CHARS, document
from bot.page.tables import MOST_ROWS
from tests.bot.told import a_long_training, everything, reported
from tests.facts import an_evaluation

VOID = {"meta", "input"}
LOADS = {
    "link",
    "img",
    "iframe",
    "frame",
    "object",
    "embed",
    "base",
    "audio",
    "video",
    "source",
    "image",
    "use",
    "form",
}
MOST_BYTES = 1_500_000
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "]]><svg onload=alert(1)>",
    "</style><style>body{display:none}</style>",
    "</textarea></title></script><script>alert(1)",
    "<!-- <!doctype html> -->",
    "{{ told.run }}{% raw %}",
    "\u202egnirts\u2066\u200f a\x00b\x1b[31m \ud800",
    "&lt;script&gt; &#60;b&#62;",
    "`code` **bold** \\ [x](http://evil.test)",
)


@dataclass
class Element:
    """A tag with what stands in it."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""
    inside: list[str] = field(default_factory=list)
    """Tags around it."""


class Page(HTMLParser):
    """What a parser makes of a page."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.open: list[Element] = []
        self.comments: list[str] = []
        self.feed(html.decode("utf-8"))
        self.close()
        assert self.open == [], "not all tags are closed"

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"an attribute comes twice in {tag}"
        found = Element(tag, dict(attrs), inside=[e.tag for e in self.open])
        self.elements.append(found)
        if tag not in VOID:
            self.open.append(found)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag, f"</{tag}> closes another tag"

    def handle_data(self, data):
        for element in self.open:
            element.text += data

    def handle_comment(self, data):
        self.comments.append(data)

    def all(self, *tags: str) -> list[Element]:
        return [element for element in self.elements if element.tag in tags]

    def one(self, tag: str) -> Element:
        (found,) = self.all(tag)
        return found

    @property
    def kinds(self) -> set[tuple[str, tuple[str, ...]]]:
        """Tags with the names of their attributes."""
        return {(e.tag, tuple(sorted(e.attributes))) for e in self.elements}


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(document(reported()))


def sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_page_loads_nothing_and_runs_nothing_but_its_own_script(page):
    policy = next(e for e in page.all("meta") if "http-equiv" in e.attributes)
    style, script = page.one("style").text, page.one("script").text

    assert policy.attributes == {
        "http-equiv": "Content-Security-Policy",
        "content": f"default-src 'none'; style-src 'sha256-{sha256(style)}'; script-src 'sha256-{sha256(script)}'; "
        "base-uri 'none'; form-action 'none'",
    }
    assert page.all(*LOADS) == []
    names = {name for element in page.elements for name in element.attributes}
    assert not {n for n in names if n.startswith("on")} | (
        names & {"src", "srcset", "style", "action", "xlink:href", "ping"}
    )
    links = [e.attributes["href"] or "" for e in page.elements if "href" in e.attributes]
    assert len(links) >= 8
    assert all(link.startswith("#") for link in links)
    assert not re.search(r"url\(|@import|expression", style)
    assert not re.search(r"fetch|XMLHttp|import\(|innerHTML|eval|document\.write|https?:", script)


def test_everything_that_is_known_stands_on_the_page_without_a_script(page):
    text = page.one("main").text + page.one("header").text

    for words in (
        "Run #7, try 2",
        "Sort tickets",
        "small",
        "The tuned model is better, at the price of forgetting; but a better prompt does as much.",
        "between +30.0 and +50.0 with 95 % confidence",
        "p-value, corrected for all openings",
        "only tuned right : only base right",
        "9 : 1",
        "It is better than try 1",
        "opinions of the language model a judge",
        "Tuning changed 812 of the 1,000 answers: 600 score higher, 40 lower, 172 the same.",
        "surprise at the right answer (bits per byte) (lower is better)",
        "always the most frequent value",
        "Label by label, the worst first",
        "What the tuned model takes for what",
        "too few rows",
        "arithmetic",
        "the base with 6 examples in its prompt",
        "row 9 to learn from",
        "With one word changed",
        "14 of 40",
        "row 31, he → she: north → south",
        "3 candidates for learning_rate, compared by dev loss:",
        "Loss jumped at step 12",
        "McNemar",
        "2.13.0",
    ):
        assert words in " ".join(text.split()), words
    assert not re.search(r"\*\*|\\", text)  # no mark of a card's language is left
    hiding = re.findall(r"[^{}]*\{[^{}]*display: none[^{}]*\}", page.one("style").text)
    assert len(hiding) == 2
    assert all(
        ":checked" in rule or "nav" in rule for rule in hiding
    )  # only on request, or on paper


def test_examples_stand_side_by_side_with_the_words_that_are_not_as_they_should_be(page):
    items = page.all("article")
    marked = [e.text for e in page.all("mark")]

    assert len(items) == 9
    for title in ("Best", "Worst", "Changed, with the same score"):
        assert title in [e.text for e in page.all("h3")]
    first = " ".join(items[0].text.split())
    assert first == (
        "row 10 question 10 base · score 0.00base answer 10 tuned · score 1.00tuned answer 10 "
        "earlier adapter · score 0.00earlier answer 10 referenceright answer 10"
    )
    assert marked[:2] == ["base", "tuned"]


def test_old_results_and_short_ones_make_a_page_too():
    old = an_evaluation(Verdict.CANNOT_TELL).model_dump(mode="json")
    for name in ("changed", "changes"):
        del old[name]

    page = Page(document(reported(result=EvaluateResult.model_validate(old), training=None)))

    text = page.one("main").text
    assert "I cannot tell whether the tuned model is better" in text
    assert "Not looked for by the version that measured this." in text
    assert "Training" not in [e.text for e in page.all("h2")]
    assert len(page.all("svg")) == 1


def test_headings_tables_and_charts_can_be_found_without_seeing_them(page):
    levels = [int(e.tag[1]) for e in page.elements if re.fullmatch(r"h[1-6]", e.tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids)) >= 15
    for element in page.elements:
        for name in ("aria-labelledby", "for"):
            assert element.attributes.get(name) in {None, *ids}
    assert {e.attributes["href"][1:] for e in page.all("a")} <= set(ids)
    tables = page.all("table")
    assert len(tables) == len(page.all("caption")) >= 9
    heads = page.all("th")
    assert len(heads) > 50
    assert {e.attributes.get("scope") for e in heads} == {"col", "row"}
    assert all(e.text.strip() for e in heads)
    bars, curves = page.all("svg")
    assert "answers exactly right: base 50.0 %, tuned 90.0 %" in bars.attributes["aria-label"]
    assert "Dev loss" in curves.attributes["aria-label"]
    reached = [e for e in page.all("g") if e.attributes.get("tabindex") == "0"]
    assert [e.attributes["aria-label"].partition(":")[0] for e in reached] == [
        "answers exactly right ★",
        "words in common (token F1)",
        "phrases in common (BLEU)",
        "Kept",
    ]
    assert all(e.attributes["role"] == "img" for e in reached)
    assert page.one("html").attributes["lang"] == "en"


def test_each_box_hides_what_it_is_called(page):
    style = page.one("style").text
    boxes = [e.attributes for e in page.all("input")]
    classes = {c for e in page.elements for c in (e.attributes.get("class") or "").split()}

    assert [box["id"] for box in boxes] == [
        "show-base",
        "show-tuned",
        "show-interval",
        "show-training",
        "show-dev",
    ]
    assert {e.attributes["for"] for e in page.all("label")} == {box["id"] for box in boxes}
    for box in boxes:
        hidden = "of-" + box["id"].removeprefix("show-")
        assert f"#{box['id']}:not(:checked) ~ .scroll .{hidden}" in style
        assert hidden in classes
        assert "checked" in box


def test_columns_are_sorted_by_numbers_and_not_by_how_they_look(page):
    cells = [e for e in page.all("td", "th") if "data-value" in e.attributes]

    values = {e.text: float(e.attributes["data-value"]) for e in cells}
    assert values["50.0 %"] == 0.5
    assert values["+30.0 … +50.0"] == pytest.approx(0.3)
    assert values["34"] == 34
    assert {e.attributes["class"] for e in page.all("table")} == {"sortable"}
    assert "dataset.value" in page.one("script").text


def test_the_page_is_light_dark_and_printable(page):
    style = page.one("style").text

    assert "@media (prefers-color-scheme: dark)" in style
    assert "@media print" in style
    names = set(re.findall(r"var\((--[a-z]+)\)", style))
    light, dark = (set(re.findall(r"(--[a-z]+):", part)) for part in style.split("@media")[:2])
    assert names == light == dark


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_is_only_ever_text(text, page):
    hostile = Page(document(reported(lambda said: f"{said} {text}")))

    assert hostile.kinds == page.kinds
    assert hostile.comments == []
    assert len(hostile.all("script")) == len(hostile.all("style")) == 1
    assert hostile.one("style").text == page.one("style").text
    assert not re.search(
        r"[\u202a-\u202e\u2066-\u2069\u200e\u200f\x00\x1b]", hostile.one("html").text
    )
    if text.startswith("<script>"):
        assert hostile.one("main").text.count(text) >= 20
        assert text in hostile.one("h1").text
    if text.startswith("{{"):
        assert text in hostile.one("main").text


def test_a_page_never_becomes_large_whatever_it_is_made_of():
    def endless(_said: str) -> str:
        return "<&>" + "x" * 100_000

    result, training = everything(endless, rows=300), a_long_training(endless, points=5000)
    html = document(reported(endless, result=result, training=training))

    page = Page(html)
    assert len(html) < MOST_BYTES
    assert len(page.all("article")) == 3 * MOST_ITEMS
    assert {len(e.text) for e in page.all("dd") if e.attributes.get("class") == "text"} == {
        TEXT_CHARS
    }
    assert max(map(len, re.findall("x+", page.one("html").text))) < MOST_CHARS
    assert "… and 400 more; report.json has all." in page.one("main").text
    rows = [len(e.text.splitlines()) for e in page.all("tbody")]
    assert max(rows) <= MOST_ROWS + 1
    assert rows.count(max(rows)) >= 5
    assert max(len(row.text) for row in page.all("td")) < 300


def test_a_thousand_rows_make_a_page_that_every_chat_takes():
    html = document(reported())

    assert len(html) < 400_000
