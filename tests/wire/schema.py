"""Discord's own API description as a judge of every request, and of our answers.

The document is read from `../shared/discord/openapi.json` beside the repository; where it is absent
nothing is checked. JSON Schema validators are built on first use and kept.
"""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError, best_match

from tests.wire.model import Json

DESCRIPTION = Path(__file__).resolve().parents[3] / "shared" / "discord" / "openapi.json"

_CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"
_CALLBACK_SCHEMAS = {
    4: "CreateMessageInteractionCallbackRequest",
    5: "CreateMessageInteractionCallbackRequest",
    6: "UpdateMessageInteractionCallbackRequest",
    7: "UpdateMessageInteractionCallbackRequest",
    8: "ApplicationCommandAutocompleteCallbackRequest",
    9: "ModalInteractionCallbackRequest",
}


class Description:
    """The OpenAPI document, or nothing."""

    def __init__(self, path: Path = DESCRIPTION) -> None:
        self.present = path.exists()
        if self.present:
            self._document = _load(path)

    def knows(self, method: str, template: str) -> bool:
        return self._operation(method, template) is not None

    def _operation(self, method: str, template: str) -> Json | None:
        paths = self._document["paths"] if self.present else {}
        operation = paths.get(template, {}).get(method.lower())
        return operation if isinstance(operation, dict) else None

    def request_problem(self, method: str, template: str, body: Any, multipart: bool) -> str | None:
        """What Discord's schema has against a request body; None when it is fine or undescribed."""
        operation = self._operation(method, template)
        if operation is None or body is None:
            return None
        pointer = self._request_schema(method, template, body, operation)
        if pointer is None:
            return f"Discord expects no JSON body for {method} {template}"
        if multipart and "multipart/form-data" not in operation["requestBody"]["content"]:
            return f"Discord expects no files for {method} {template}"
        return self._judge(pointer, _tolerated(body))

    def _request_schema(self, method: str, template: str, body: Any, operation: Json) -> str | None:
        """The JSON pointer of the schema for a body; for unions the branch that the body means.

        Unions are `anyOf` without a discriminator: judged as they are, any object fits one of them.
        """
        if (
            template == _CALLBACK
            and isinstance(body, dict)
            and body.get("type") in _CALLBACK_SCHEMAS
        ):
            return f"/components/schemas/{_CALLBACK_SCHEMAS[body['type']]}"
        if (method, template) == ("PATCH", "/channels/{channel_id}"):
            return "/components/schemas/UpdateThreadRequestPartial"
        if (method, template) == ("POST", "/channels/{channel_id}/threads"):
            kind = "CreateForumThread" if "message" in body else "CreateTextThreadWithoutMessage"
            return f"/components/schemas/{kind}Request"
        if "requestBody" not in operation:
            return None
        return f"{_pointer(method, template)}/requestBody/content/application~1json/schema"

    def response_problem(self, method: str, template: str, status: int, body: Any) -> str | None:
        """What Discord's schema has against an answer of ours; None when it is fine or undescribed."""
        operation = self._operation(method, template)
        if operation is None or status >= 400:
            return None
        described = operation["responses"].get(str(status))
        if described is None:
            return f"Discord never answers {status} to {method} {template}"
        if "content" not in described:
            return (
                None
                if body is None
                else f"Discord sends no body with {status} for {method} {template}"
            )
        pointer = (
            f"{_pointer(method, template)}/responses/{status}/content/application~1json/schema"
        )
        return self._judge(pointer, body)

    def _judge(self, pointer: str, body: Any) -> str | None:
        validator = self._validator(pointer)
        if validator.is_valid(body):
            return None
        error = best_match(validator.iter_errors(body))
        return f"{error.json_path}: {error.message[:300]}"

    @functools.cache  # noqa: B019  # one description lives as long as the test process
    def _validator(self, pointer: str) -> Any:
        node: Any = self._document
        for part in pointer.split("/")[1:]:
            node = node[part.replace("~1", "/").replace("~0", "~")]
        return _Validator(node)


def _one_of(
    validator: Any, branches: list[Json], instance: Any, schema: Json
) -> Iterator[ValidationError]:
    """Discord's `oneOf`: told apart by the `type` of the instance, so that a mistake is named inside
    the branch that is meant; without such a `type` any branch will do."""
    kind = instance.get("type") if isinstance(instance, dict) else None
    meant = [branch for branch in branches if kind in _kinds(branch)] or branches
    problems = []
    for branch in meant:
        found = list(validator.descend(instance, branch))
        if not found:
            return
        problems += found
    if len(meant) == 1:
        yield from problems
    else:
        yield ValidationError(f"{instance!r} fits none of {len(meant)} forms", context=problems)


def _kinds(branch: Json) -> list[Any]:
    kinds = branch.get("properties", {}).get("type", {}).get("enum", [])
    return kinds if isinstance(kinds, list) else []


_Validator = validators.extend(Draft202012Validator, {"oneOf": _one_of})


@functools.cache
def _load(path: Path) -> Json:
    """The document with every `$ref` replaced by what it names: looking them up took most of the time."""
    document: Json = json.loads(path.read_text(encoding="utf-8"))
    _inline(document, document["components"]["schemas"])
    return document


def _inline(node: Any, schemas: Json) -> None:
    entries = node.items() if isinstance(node, dict) else enumerate(node)
    for key, child in list(entries):
        if isinstance(child, dict) and "$ref" in child:
            name = child["$ref"].removeprefix("#/components/schemas/")
            node[key] = schemas.get(name, {})
        elif isinstance(child, dict | list):
            _inline(child, schemas)


def _pointer(method: str, template: str) -> str:
    return f"/paths/{template.replace('~', '~0').replace('/', '~1')}/{method.lower()}"


def _tolerated(body: Any) -> Any:
    """The body with those habits of discord.py ironed out that Discord accepts against its own schema."""
    if isinstance(body, list):
        return [_tolerated(entry) for entry in body]
    if not isinstance(body, dict):
        return body
    return {key: _tolerate(key, _tolerated(value)) for key, value in body.items()}


def _tolerate(key: str, value: Any) -> Any:
    # discord.py numbers new attachments 0, 1, ... and sends ids as integers; Discord takes both.
    if key == "attachments" and isinstance(value, list):
        return [{**entry, "id": str(entry.get("id"))} for entry in value]
    if key in _ID_KEYS and isinstance(value, int):
        return str(value)
    if key in _ID_LISTS and isinstance(value, list):
        return [str(entry) if isinstance(entry, int) else entry for entry in value]
    return value


_ID_KEYS = ("message_id", "channel_id", "guild_id", "recipient_id")
_ID_LISTS = ("users", "roles", "applied_tags", "messages")
