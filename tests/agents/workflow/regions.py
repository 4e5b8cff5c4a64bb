"""Which lines of a workflow's text belong to which state, found without the code that edits: by a reader of its own."""

import re

from ruamel.yaml import YAML

ROUND_TRIP = YAML(typ="rt", pure=True)


def lines_of(text: str) -> list[str]:
    """Return the lines with their ends, as YAML counts them."""
    return re.findall(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z", text)


def regions(text: str) -> dict[str, str]:
    """Return the text of every state: from its name to the last line that is further in, comments between included."""
    tree = ROUND_TRIP.load(text.removeprefix("\ufeff"))
    lines = lines_of(text)
    key = "states" if "states" in tree else "steps"
    found = {}
    if key == "states":
        starts = {str(name): tree[key].lc.key(name) for name in tree[key]}
    else:
        items = [tree[key].lc.item(n) for n in range(len(tree[key]))]
        # what is told is the place behind the dash
        starts = {f"step_{n}": (line, column - 2) for n, (line, column) in enumerate(items)}
    order = sorted(line for line, _ in starts.values())
    for name, (line, column) in starts.items():
        following = [other for other in order if other > line]
        last = line + 1
        for number in range(line + 1, following[0] if following else len(lines)):
            content = lines[number]
            indent = len(content) - len(content.lstrip(" "))
            if content.strip() and indent <= column and not content.strip().startswith("#"):
                break
            if content.strip() and indent > column:
                last = number + 1
        block = "".join(lines[line:last])
        found[name] = block.rstrip("\r\n")
    return found
