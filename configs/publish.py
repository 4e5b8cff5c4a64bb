"""Write what is derived from the schema: `python -m configs.publish`, run in a checkout after a change of `schema.py`.

configs/default_config.json   every setting with its default
docs/config.schema.json       the JSON Schema, for editors
docs/models.schema.json       the same for the files in `configs/models`
docs/configuration.md         the table of settings, between its markers
"""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from configs import shape
from configs.load import DEFAULT_CONFIG
from configs.read import SHORT_NAMES, variable_of
from configs.registry import Family
from configs.schema import Settings

CHECKOUT = Path(__file__).parents[1]
SCHEMA_FILE = CHECKOUT / "docs" / "config.schema.json"
MODELS_SCHEMA_FILE = CHECKOUT / "docs" / "models.schema.json"
TABLE_FILE = CHECKOUT / "docs" / "configuration.md"
BEGIN = "<!-- settings: written by `python -m configs.publish` -->"
END = "<!-- settings: end -->"


def default_config() -> str:
    """Return the text of `default_config.json`."""
    return _json(Settings().model_dump(mode="json"))


def json_schema() -> str:
    """Return the text of the published JSON Schema."""
    return _json(shape.published())


def models_schema() -> str:
    """Return the text of the JSON Schema of a file of the registry of models."""
    schema = Family.model_json_schema()
    return _json({"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema)


def with_table(page: str) -> str:
    """Return a page with the table of settings between its markers.

    Raises: ValueError: the page has no such markers.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{settings_table()}\n{END}{after}"


def settings_table() -> str:
    """Describe every setting: path, default, what it means and takes, and its variable."""
    lines: list[str] = []
    for section, rows in groupby(shape.settings(), key=lambda setting: setting[0][:-1]):
        if section:
            about = _node(section)["description"]
            lines += [f"### `{_dotted(section)}`", "", about, ""]
        lines += ["| setting | default | meaning | takes | variable |", "|---|---|---|---|---|"]
        lines += [_row(place, node) for place, node in rows]
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Bring all four files up to date."""
    DEFAULT_CONFIG.write_text(default_config(), encoding="utf-8")
    SCHEMA_FILE.write_text(json_schema(), encoding="utf-8")
    MODELS_SCHEMA_FILE.write_text(models_schema(), encoding="utf-8")
    page = TABLE_FILE.read_text(encoding="utf-8")
    TABLE_FILE.write_text(with_table(page), encoding="utf-8")


def _row(place: shape.Place, node: shape.Node) -> str:
    default = json.dumps(node.get("default"), ensure_ascii=False)
    meaning = node["description"].replace("\n", " ").replace("None", "`null`")
    cells = [f"`{_dotted(place)}`", f"`{default}`", meaning, shape.described(node)]
    return "| " + " | ".join([*cells, ", ".join(_variables(place, node))]) + " |"


def _variables(place: shape.Place, node: shape.Node) -> Iterator[str]:
    for name in [*(n for n, p in SHORT_NAMES.items() if p == place), variable_of(place)]:
        yield f"`{name}`"
        if shape.is_secret(node):
            yield f"`{name}_FILE`"


def _dotted(place: shape.Place) -> str:
    return ".".join(place)


def _node(section: shape.Place) -> shape.Node:
    """Look a section up, with a made-up name where any may stand."""
    node = shape.node_at(tuple("0" if key == shape.ANY_NAME else key for key in section))
    if node is None:
        raise LookupError(f"no section {_dotted(section)}")
    return node


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
