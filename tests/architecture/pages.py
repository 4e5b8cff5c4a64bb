"""The pages as data, for tests that compare them with the code."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
RULE = re.compile(r"[-| ]+")


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(text: str) -> str:
    """Return a text as one line."""
    return " ".join(text.split())


def coded(text: str) -> set[str]:
    """Return what stands between backticks outside of fences."""
    return set(re.findall(r"`([^`\n]+)`", FENCE.sub("", text)))


def fences(text: str, language: str) -> list[str]:
    """Return the contents of the fences in a language."""
    return [content for found, content in FENCE.findall(text) if found == language]


def table_rows(text: str) -> dict[str, list[str]]:
    """Return the further cells of every table row by its first cell, headings left out."""
    lines = text.splitlines()
    rows = {}
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("|") and not RULE.fullmatch(line) and not RULE.fullmatch(after):
            first, *others = line.removeprefix("|").removesuffix("|").split("|")
            rows[first.strip(" `")] = [cell.strip() for cell in others]
    return rows


def section(text: str, heading: str) -> str:
    """Return what stands below a heading of the second level."""
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE
    )
    assert found is not None, heading
    return found[1]
