"""Discord's limits as the server enforces them: each excess is named where it is."""

from typing import Any

import pytest

from tests.wire import limits
from tests.wire.errors import ApiError

MIB = 1024 * 1024


def button(**changes: Any) -> dict[str, Any]:
    return {"type": 2, "style": 1, "label": "Start", "custom_id": "ok"} | changes


def row(*components: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": list(components)}


def where(error: ApiError) -> str:
    """The dotted path of the first complaint."""
    node: dict[str, Any] = error.errors
    path: list[str] = []
    while "_errors" not in node:
        key = next(iter(node))
        node, path = node[key], [*path, key]
    return ".".join(path)


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ({"content": "x" * 2001}, "content"),
        ({"content": "x", "nonce": "n" * 26}, "nonce"),
        ({"embeds": [{"title": "x"}] * 11}, "embeds"),
        ({"embeds": [{"title": "x" * 257}]}, "embeds.0.title"),
        ({"embeds": [{"footer": {"text": "x" * 2049}}]}, "embeds.0.footer.text"),
        ({"embeds": [{"fields": [{"name": "", "value": "x"}]}]}, "embeds.0.fields.0.name"),
        ({"embeds": [{"fields": [{"name": "x", "value": "x"}] * 26}]}, "embeds.0.fields"),
        ({"embeds": [{"description": "x" * 4000}, {"description": "x" * 2001}]}, "embeds.1"),
        ({"attachments": [{"id": 0, "description": "x" * 1025}]}, "attachments.0.description"),
        ({"allowed_mentions": {"parse": ["users"], "users": ["1"]}}, "allowed_mentions"),
        ({"components": [row(button())] * 6}, "components"),
        ({"components": [row()]}, "components.0.components"),
        ({"components": [button()]}, "components.0"),
        ({"components": [row(button(), button())]}, "components"),
        ({"components": [row(button(custom_id="x" * 101))]}, "components.custom_id"),
        ({"components": [row(button(label=None))]}, "components"),
        ({"components": [row(button(style=5))]}, "components"),
        ({"flags": 1 << 15, "content": "x"}, "content"),
        ({"flags": 1 << 15, "components": [{"type": 10, "content": "x" * 4001}]}, "components"),
    ],
)
def test_a_message_beyond_a_limit_is_refused_there(payload: dict[str, Any], path: str) -> None:
    with pytest.raises(ApiError) as refused:
        limits.check_message(payload, [], 10 * MIB)

    assert (refused.value.code, where(refused.value)) == (50035, path)


def test_a_message_at_its_limits_passes() -> None:
    buttons = [row(*(button(custom_id=f"{r}{c}") for c in range(5))) for r in range(5)]
    payload = {
        "content": "x" * 2000,
        "nonce": "n" * 25,
        "embeds": [{"description": "x" * 4096}, {"description": "x" * 1904}],
        "components": buttons,
        "allowed_mentions": {"parse": [], "users": ["1"]},
    }
    limits.check_message(payload, [10 * MIB], 10 * MIB)


def test_files_beyond_the_limit_are_too_large() -> None:
    for sizes in ([10 * MIB + 1], [9 * MIB] * 3):
        with pytest.raises(ApiError) as refused:
            limits.check_message({}, sizes, 10 * MIB)
        assert (refused.value.status, refused.value.code) == (413, 40005)


@pytest.mark.parametrize(
    ("modal", "path"),
    [
        ({"title": "x" * 46, "custom_id": "m", "components": [row()]}, "data.title"),
        ({"title": "x", "custom_id": "m", "components": []}, "data.components"),
        (
            {
                "title": "x",
                "custom_id": "m",
                "components": [
                    {"type": 18, "label": "x" * 46, "component": {"type": 4, "custom_id": "t"}}
                ],
            },
            "data.components.0.label",
        ),
    ],
)
def test_a_modal_beyond_a_limit_is_refused_there(modal: dict[str, Any], path: str) -> None:
    with pytest.raises(ApiError) as refused:
        limits.check_modal(modal)

    assert where(refused.value) == path


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ({"name": "Start", "description": "x"}, "0.name"),
        ({"name": "start", "description": ""}, "0.description"),
        (
            {"name": "start", "description": "x", "options": [{"name": "a b", "description": "x"}]},
            "0.options.0.name",
        ),
        ({"name": "x" * 33, "type": 3}, "0.name"),
    ],
)
def test_a_command_beyond_a_limit_is_refused_there(command: dict[str, Any], path: str) -> None:
    with pytest.raises(ApiError) as refused:
        limits.check_commands([command])

    assert where(refused.value) == path


def test_choices_and_thread_names_have_limits() -> None:
    limits.check_choices([{"name": "x", "value": "y"}] * 25)
    limits.check_thread({"name": "x" * 100, "auto_archive_duration": 10080})
    for refuse in (
        lambda: limits.check_choices([{"name": "x", "value": "y"}] * 26),
        lambda: limits.check_choices([{"name": "x" * 101, "value": "y"}]),
        lambda: limits.check_thread({"name": "x" * 101}),
        lambda: limits.check_thread({"auto_archive_duration": 30}),
    ):
        with pytest.raises(ApiError):
            refuse()
