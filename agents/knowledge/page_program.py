"""Prints what a page says: a child program under limits.

    python -I page_program.py < question

The question is a line of JSON (`kind`, `charset`) and the bytes of a page; the answer is JSON. Pages may be made to use
up memory or time, or to find a hole in who reads them, so this process has nothing: no environment, no file and no
connection, which the system itself denies once the readers are loaded. Nothing of the project is imported.
"""

import json
import resource
import sys
from typing import Any

MAX_MEMORY_BYTES = 2 * 1024**3
MAX_CPU_S = 15
MAX_CHARS = 400_000
"""Of a page; more is cut."""
MAX_TITLE_CHARS = 300
MAX_RESULTS = 40
WARM = b"<html><head><title>x</title></head><body><p>One sentence to load what is loaded late.</p></body></html>"
NOT_INSTALLED = 3
"""Exit code where what reads pages is missing."""


def main() -> None:
    """Read a question from stdin and print the answer."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    head = json.loads(sys.stdin.buffer.readline())
    content = sys.stdin.buffer.read()
    try:
        read = READERS[head["kind"]]
        read(WARM, None)
    except ImportError:
        sys.exit(NOT_INSTALLED)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # no file and no socket from here on
    json.dump(read(content, head["charset"]), sys.stdout)


def page(content: bytes, charset: str | None) -> dict[str, Any]:
    """Return title and text of a page: what is shown, as Markdown, without links and pictures."""
    import trafilatura
    from trafilatura.metadata import extract_title

    decoded = _decoded(content, charset)
    tree = trafilatura.load_html(decoded)
    if tree is None:
        tree = _short(decoded)
    if tree is None:
        return {"title": "", "text": ""}
    title = extract_title(tree) or ""
    _without_what_is_hidden(tree)
    text = trafilatura.extract(
        tree,
        output_format="markdown",
        include_comments=False,
        include_images=False,
        include_links=False,
        include_tables=True,
        include_formatting=True,
    )
    text = text or trafilatura.html2txt(tree)  # a page of a few words has no main part
    return {"title": title[:MAX_TITLE_CHARS], "text": text[:MAX_CHARS]}


def duckduckgo(content: bytes, charset: str | None) -> dict[str, Any]:
    """Return the results on a page of DuckDuckGo's search without scripts; advertisements are left out."""
    from lxml import html

    tree = html.fromstring(_decoded(content, charset) or "<p>")
    found = []
    for result in tree.xpath("//div[contains(concat(' ', @class, ' '), ' result ')]")[:MAX_RESULTS]:
        links = result.xpath(".//a[contains(@class, 'result__a')]")
        if not links or "result--ad" in result.get("class", ""):
            continue
        said = result.xpath(".//*[contains(@class, 'result__snippet')]")
        found.append(
            {
                "title": links[0].text_content(),
                "url": links[0].get("href", ""),
                "snippet": said[0].text_content() if said else "",
            }
        )
    refused = bool(tree.xpath("//form[contains(@id, 'challenge')]"))
    return {"results": found, "refused": refused}


READERS = {"page": page, "duckduckgo": duckduckgo}


def _short(decoded: Any) -> Any:
    """Read what is too short to look like a page, or return None where there is nothing."""
    from lxml import etree, html

    try:
        return html.document_fromstring(decoded)
    except (etree.ParserError, ValueError):
        return None


def _decoded(content: bytes, charset: str | None) -> Any:
    """Return text where the server says in which encoding it is, else bytes: their reader finds out."""
    if charset is None:
        return content
    try:
        return content.decode(charset, "replace")
    except (LookupError, ValueError):
        return content


def _without_what_is_hidden(tree: Any) -> None:
    """Drop what a browser does not show. What has the colour of its background cannot be told here."""
    for element in tree.xpath(
        "//*[@hidden or @aria-hidden='true'] | //template | //noscript | //script | //style | //svg | //iframe | //object"
    ):
        _dropped(element)
    for element in tree.xpath("//*[@style]"):
        style = "".join(element.get("style", "").lower().split()) + ";"
        if any(hiding in style for hiding in HIDING):
            _dropped(element)


def _dropped(element: Any) -> None:
    if element.getparent() is not None:  # a page that hides all of itself is read as it is
        element.drop_tree()


HIDING = (
    "display:none", "visibility:hidden", "visibility:collapse", "opacity:0;", "font-size:0", "font-size:1px", "text-indent:-",
    "left:-999", "top:-999", "clip:rect(0", "clip-path:inset(100", "width:0;", "height:0;", "max-height:0", "transform:scale(0)",
)  # fmt: skip

if __name__ == "__main__":
    main()
