"""Filling in and submitting a modal."""

from collections.abc import Mapping
from typing import Any

from tests.wire import limits
from tests.wire.asking import Filled, Impossible
from tests.wire.model import Json

_ROW, _STRING_SELECT, _TEXT_INPUT, _TEXT, _LABEL = 1, 3, 4, 10, 18
_FILE_UPLOAD, _RADIO, _CHECKBOXES, _CHECKBOX = 19, 21, 22, 23


def submission(modal: Json, filled: Filled, given: Mapping[str, Any]) -> Json:
    """The `data` of a submitted modal.

    Args:
        given: values by custom id or label: a text, a list of option values, a list of (name, bytes)
            files, a bool; fields not named keep their preset value.

    Raises: Impossible: for a field that is unknown or required and empty.
    """
    unused = dict(given)
    rows = [
        _row(number, node, filled, unused) for number, node in enumerate(modal["components"], 1)
    ]
    if unused:
        raise Impossible(f"the modal has no field {sorted(unused)}; it has {_names(modal)}")
    data: Json = {"custom_id": modal["custom_id"], "components": rows}
    if filled.resolved:
        data["resolved"] = filled.resolved
    return data


def _names(modal: Json) -> list[str]:
    return [node["custom_id"] for node in limits.walk(modal["components"]) if "custom_id" in node]


def _row(number: int, node: Json, filled: Filled, unused: dict[str, Any]) -> Json:
    if node["type"] == _TEXT:
        return {"type": _TEXT, "id": number}
    if node["type"] == _LABEL:
        entry = _field(node["component"], node["label"], filled, unused)
        return {"type": _LABEL, "id": number, "component": entry}
    entries = [
        _field(child, child.get("label", ""), filled, unused) for child in node["components"]
    ]
    return {"type": _ROW, "id": number, "components": entries}


def _field(node: Json, label: str, filled: Filled, unused: dict[str, Any]) -> Json:
    kind, custom_id = node["type"], node["custom_id"]
    value = unused.pop(custom_id, None)
    if value is None:
        value = unused.pop(label, None)
    if value is None:
        value = _preset(node)
    if node.get("required", True) and kind != _CHECKBOX and not value:
        raise Impossible(f"the modal requires {label or custom_id!r}")
    entry: Json = {"type": kind, "custom_id": custom_id, "id": 0}
    if kind == _TEXT_INPUT:
        _check_length(node, str(value))
        return {**entry, "value": value}
    if kind in (_RADIO, _CHECKBOX):
        return {**entry, "value": value}
    if kind == _FILE_UPLOAD:
        return {**entry, "values": [str(filled.file(*file).id) for file in value]}
    return {**entry, "values": list(value)}


def _check_length(node: Json, text: str) -> None:
    low, high = node.get("min_length") or 0, node.get("max_length") or 4000
    if text and not low <= len(text) <= high:
        raise Impossible(f"{node['custom_id']!r} takes {low} to {high} characters, not {len(text)}")


def _preset(node: Json) -> Any:
    if node["type"] == _TEXT_INPUT:
        return node.get("value") or ""
    if node["type"] == _CHECKBOX:
        return bool(node.get("default"))
    if node["type"] == _RADIO:
        return next((o["value"] for o in node["options"] if o.get("default")), None)
    return [o["value"] for o in node.get("options") or [] if o.get("default")]
