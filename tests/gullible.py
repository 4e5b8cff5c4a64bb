"""A model that obeys any instruction that it finds in data, as far as the form of its reply lets it; a rule for all the servers."""

import json
import re
from collections.abc import Mapping
from typing import Any

MOST = 8
"""Items that it fills a list with."""


def obeys(request: dict[str, Any]) -> str:
    """Return the most obedient reply to a request of whichever server: what is said there, done to the letter."""
    schema = _schema(request)
    if not schema:
        return _words(request)
    return json.dumps(_Reader(_words(request), schema).filled(schema, 0))


class _Reader:
    """Fills a schema with what a text asks for."""

    def __init__(self, words: str, schema: Mapping[str, Any]) -> None:
        self._words = words
        self._defined: Mapping[str, Any] = schema.get("$defs", {})
        self._about = ""
        """The name that was chosen last: a value that follows it is meant for it."""

    def filled(self, schema: Mapping[str, Any], turn: int) -> Any:
        if "$ref" in schema:
            return self.filled(self._defined[schema["$ref"].rpartition("/")[2]], turn)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            self._about = str(self._chosen(schema["enum"], turn))
            return self._about
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return self._one_of(schema[several], turn)
        return self._plain(schema, turn)

    def _plain(self, schema: Mapping[str, Any], turn: int) -> Any:
        match schema.get("type"):
            case "object":
                named = schema.get("properties", {})
                return {name: self.filled(inner, turn) for name, inner in named.items()}
            case "array":
                count = min(schema.get("maxItems", MOST), MOST)
                return [self.filled(schema["items"], place) for place in range(count)]
            case "integer" | "number":
                return self._number(schema)
            case "boolean":
                return True
            case "null":
                return None
        return self._words[: schema.get("maxLength", 100)]

    def _chosen(self, members: list[Any], turn: int) -> Any:
        """Return the member that the text names, in the order in which it names them."""
        places = {one: self._words.find(str(one)) for one in members}
        said = sorted((one for one in members if places[one] >= 0), key=lambda one: places[one])
        others = [one for one in members if one not in said]
        return (said + others)[turn % len(members)]

    def _one_of(self, choices: list[Any], turn: int) -> Any:
        kinds = {choice.get("type"): choice for choice in choices}
        if "number" in kinds and self._after_name() is not None:
            return self._number(kinds["number"])
        return self.filled(choices[turn % len(choices)], turn)

    def _after_name(self) -> float | None:
        near = re.search(rf"{re.escape(self._about)}\D{{0,8}}(\d+(?:\.\d+)?)", self._words)
        return float(near[1]) if self._about and near else None

    def _number(self, schema: Mapping[str, Any]) -> float | int:
        found = self._after_name()
        if found is None:
            found = max(map(float, re.findall(r"\d+(?:\.\d+)?", self._words)), default=1.0)
        found = min(max(found, schema.get("minimum", 0)), schema.get("maximum", found))
        return int(found) if schema["type"] == "integer" or found.is_integer() else found


def _words(request: Mapping[str, Any]) -> str:
    content = request["messages"][-1]["content"]
    return content if isinstance(content, str) else " ".join(part["text"] for part in content)


def _schema(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of the reply, where Ollama, OpenAI or Anthropic have it."""
    of_openai = (request.get("response_format") or {}).get("json_schema") or {}
    of_anthropic = (request.get("output_config") or {}).get("format") or {}
    found = request.get("format") or of_openai.get("schema") or of_anthropic.get("schema") or {}
    return dict(found)
