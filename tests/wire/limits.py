"""Discord's limits on what is sent, answered with its own error codes (50035, 50006, 40005)."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.wire.errors import ApiError, invalid_form
from tests.wire.model import COMPONENTS_V2, Json

Problems = dict[str, tuple[str, str]]

CONTENT, EMBEDS, EMBED_TOTAL, FILES, ROWS, NONCE = 2000, 10, 6000, 10, 5, 25
REQUEST_BYTES = 25 * 1024 * 1024
REACTIONS, PINS = 20, 250
ARCHIVE_MINUTES = (60, 1440, 4320, 10080)
V2_COMPONENTS, V2_TEXT = 40, 4000

_EMBED_TEXTS = (
    ("title", 256),
    ("description", 4096),
    ("author.name", 256),
    ("footer.text", 2048),
)
_COMPONENT_TEXTS = (
    ("custom_id", 100),
    ("label", 80),
    ("placeholder", 150),
)
_ROW, _BUTTON, _STRING_SELECT, _TEXT_INPUT, _LABEL = 1, 2, 3, 4, 18
_LINK, _PREMIUM = 5, 6


def too_long(problems: Problems, path: str, value: object, most: int, least: int = 0) -> None:
    """Note a text (or list) that is longer or shorter than allowed."""
    size = len(value) if isinstance(value, str | list) else 0
    if least and not least <= size <= most:
        problems[path] = ("BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")
    elif size > most:
        problems[path] = ("BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")


def _raise(problems: Problems) -> None:
    if problems:
        raise invalid_form(problems)


def check_message(payload: Json, file_sizes: Sequence[int], upload_limit_bytes: int) -> None:
    """Check the body of a new or edited message.

    Raises: ApiError: 50035 with the place of every excess, or 40005.
    """
    if any(size > upload_limit_bytes for size in file_sizes) or sum(file_sizes) > max(
        REQUEST_BYTES, upload_limit_bytes
    ):
        raise ApiError(40005)
    problems: Problems = {}
    too_long(problems, "content", payload.get("content"), CONTENT)
    too_long(problems, "embeds", payload.get("embeds"), EMBEDS)
    too_long(problems, "nonce", payload.get("nonce"), NONCE)
    too_long(problems, "attachments", payload.get("attachments"), FILES)
    _check_embeds(problems, payload.get("embeds") or [])
    _check_attachments(problems, payload.get("attachments") or [], len(file_sizes))
    _check_mentions(problems, payload.get("allowed_mentions") or {})
    if int(payload.get("flags") or 0) & COMPONENTS_V2:
        _check_v2(problems, payload)
    else:
        _check_rows(problems, payload.get("components") or [])
    _check_components(problems, "components", payload.get("components") or [])
    _raise(problems)


def _check_embeds(problems: Problems, embeds: Sequence[Json]) -> None:
    total = 0
    for number, embed in enumerate(embeds):
        path = f"embeds.{number}"
        for name, most in _EMBED_TEXTS:
            text = _dig(embed, name)
            total += len(text)
            too_long(problems, f"{path}.{name}", text, most)
        fields = embed.get("fields") or []
        too_long(problems, f"{path}.fields", fields, 25)
        for index, field in enumerate(fields):
            for name, most in (("name", 256), ("value", 1024)):
                total += len(field.get(name) or "")
                too_long(
                    problems, f"{path}.fields.{index}.{name}", field.get(name) or "", most, least=1
                )
    if total > EMBED_TOTAL:
        sentence = f"Embed size exceeds maximum size of {EMBED_TOTAL}"
        problems[f"embeds.{len(embeds) - 1}"] = ("MAX_EMBED_SIZE_EXCEEDED", sentence)


def _dig(node: Json, path: str) -> str:
    """The text at a dotted path; "" where something on the way is missing."""
    value: object = node
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _check_attachments(problems: Problems, listed: Sequence[Json], files: int) -> None:
    for number, entry in enumerate(listed):
        too_long(problems, f"attachments.{number}.description", entry.get("description"), 1024)
    if files > FILES:
        problems["attachments"] = ("BASE_TYPE_MAX_LENGTH", f"Must be {FILES} or fewer in length.")


def _check_mentions(problems: Problems, allowed: Json) -> None:
    for kind in ("users", "roles"):
        if allowed.get(kind) and kind in (allowed.get("parse") or ()):
            sentence = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            problems["allowed_mentions"] = ("MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", sentence)


def _check_v2(problems: Problems, payload: Json) -> None:
    for name in ("content", "embeds", "poll", "sticker_ids"):
        if payload.get(name):
            sentence = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
            problems[name] = ("MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", sentence)
    every = list(walk(payload.get("components") or []))
    if len(every) > V2_COMPONENTS:
        problems["components"] = ("COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", "Too many components.")
    if sum(len(node.get("content") or "") for node in every) > V2_TEXT:
        problems["components"] = ("COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", "Too much text.")


def _check_rows(problems: Problems, rows: Sequence[Json]) -> None:
    if len(rows) > ROWS:
        problems["components"] = (
            "BASE_TYPE_BAD_LENGTH",
            f"Must be between 1 and {ROWS} in length.",
        )
    for number, row in enumerate(rows):
        if row.get("type") != _ROW:
            problems[f"components.{number}"] = (
                "UNION_TYPE_CHOICES",
                "Value of field 'type' must be 1.",
            )
        elif not 1 <= len(row.get("components") or []) <= ROWS:
            path = f"components.{number}.components"
            problems[path] = ("BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {ROWS} in length.")


def walk(components: Sequence[Json]) -> Iterator[Json]:
    """Every component, nested ones included."""
    for node in components:
        yield node
        for key in ("components", "items"):
            yield from walk([child for child in node.get(key) or [] if "type" in child])
        for key in ("accessory", "component"):
            if isinstance(node.get(key), dict):
                yield from walk([node[key]])


def _check_components(problems: Problems, path: str, components: Sequence[Json]) -> None:
    ids: Counter[str] = Counter()
    for node in walk(components):
        kind = node.get("type")
        for name, most in _COMPONENT_TEXTS:
            # A Label's own label is limited by modals, not as a button's.
            if kind != _LABEL:
                too_long(problems, f"{path}.{name}", node.get(name), most)
        too_long(problems, f"{path}.options", node.get("options"), 25)
        if "custom_id" in node:
            ids[node["custom_id"]] += 1
        if kind == _BUTTON and not _button_is_whole(node):
            problems[path] = (
                "BUTTON_COMPONENT_INVALID",
                "A button needs a label or emoji and one target.",
            )
    if any(count > 1 for count in ids.values()):
        problems[path] = (
            "COMPONENT_CUSTOM_ID_DUPLICATED",
            "Component custom id cannot be duplicated",
        )


def _button_is_whole(node: Json) -> bool:
    if node.get("style") == _PREMIUM:
        return bool(node.get("sku_id"))
    target, other = ("url", "custom_id") if node.get("style") == _LINK else ("custom_id", "url")
    shown = bool(node.get("label") or node.get("emoji"))
    return shown and bool(node.get(target)) and not node.get(other)


def check_modal(data: Json) -> None:
    """Raises: ApiError: 50035 where a modal exceeds its limits."""
    problems: Problems = {}
    too_long(problems, "data.title", data.get("title") or "", 45, least=1)
    too_long(problems, "data.custom_id", data.get("custom_id") or "", 100, least=1)
    components = data.get("components") or []
    too_long(problems, "data.components", components, 5, least=1)
    for number, node in enumerate(components):
        path = f"data.components.{number}"
        if node.get("type") == _LABEL:
            too_long(problems, f"{path}.label", node.get("label") or "", 45, least=1)
            too_long(problems, f"{path}.description", node.get("description"), 100)
    for node in walk(components):
        if node.get("type") == _TEXT_INPUT:
            too_long(problems, "data.components.label", node.get("label"), 45)
            too_long(problems, "data.components.placeholder", node.get("placeholder"), 100)
            too_long(problems, "data.components.value", node.get("value"), 4000)
    _check_components(problems, "data.components", components)
    _raise(problems)


def check_choices(choices: Sequence[Json]) -> None:
    """Raises: ApiError: 50035 where autocomplete offers too much."""
    problems: Problems = {}
    too_long(problems, "data.choices", list(choices), 25)
    for number, choice in enumerate(choices):
        too_long(problems, f"data.choices.{number}.name", choice.get("name") or "", 100, least=1)
        if isinstance(choice.get("value"), str):
            too_long(problems, f"data.choices.{number}.value", choice["value"], 100)
    _raise(problems)


def check_thread(payload: Json) -> None:
    """Raises: ApiError: 50035 for a bad thread name or archive duration."""
    problems: Problems = {}
    if "name" in payload:
        too_long(problems, "name", payload["name"] or "", 100, least=1)
    duration = payload.get("auto_archive_duration")
    if duration is not None and duration not in ARCHIVE_MINUTES:
        problems["auto_archive_duration"] = (
            "BASE_TYPE_CHOICES",
            f"Value must be one of {ARCHIVE_MINUTES}.",
        )
    _raise(problems)


_COMMAND_NAME = re.compile(r"^[-_'\w]{1,32}$")


def check_commands(commands: Sequence[Json]) -> None:
    """Raises: ApiError: 50035 for commands that Discord would not register."""
    problems: Problems = {}
    for kind, most in ((1, 100), (2, 15), (3, 15)):
        if sum(1 for command in commands if command.get("type", 1) == kind) > most:
            problems["0"] = (
                "APPLICATION_COMMANDS_MAX_EXCEEDED",
                f"Max {most} commands of type {kind}.",
            )
    for number, command in enumerate(commands):
        if command.get("type", 1) == 1:
            _check_slash(problems, str(number), command)
            if _text_size(command) > 8000:
                problems[str(number)] = (
                    "APPLICATION_COMMAND_TOO_LARGE",
                    "Command exceeds 8000 characters.",
                )
        else:
            too_long(problems, f"{number}.name", command.get("name") or "", 32, least=1)
    names = Counter((command.get("type", 1), command.get("name")) for command in commands)
    if any(count > 1 for count in names.values()):
        sentence = "Application command names must be unique"
        problems["name"] = ("APPLICATION_COMMANDS_DUPLICATE_NAME", sentence)
    _raise(problems)


def _check_slash(problems: Problems, path: str, node: Json) -> None:
    name = node.get("name") or ""
    if not _COMMAND_NAME.match(name) or name != name.lower():
        problems[f"{path}.name"] = ("APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
    too_long(problems, f"{path}.description", node.get("description") or "", 100, least=1)
    options = node.get("options") or []
    too_long(problems, f"{path}.options", options, 25)
    too_long(problems, f"{path}.choices", node.get("choices") or [], 25)
    for number, option in enumerate(options):
        _check_slash(problems, f"{path}.options.{number}", option)


def _text_size(node: Json) -> int:
    own = len(node.get("name") or "") + len(node.get("description") or "")
    choices = sum(
        len(str(c.get("name"))) + len(str(c.get("value"))) for c in node.get("choices") or []
    )
    return own + choices + sum(_text_size(option) for option in node.get("options") or [])
