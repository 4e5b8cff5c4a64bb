"""A channel or thread as readable text: what a person would see, for closing notes and failed tests."""

from collections.abc import Iterator

from tests.wire import limits
from tests.wire.model import (
    PIN_NOTICE,
    SILENT,
    STARTER,
    THREAD_NOTICE,
    Attachment,
    Channel,
    Json,
    Message,
    Reaction,
    User,
    World,
)

_BUTTON, _TEXT = 2, 10
_NOTICES = {
    PIN_NOTICE: "pinned a message",
    THREAD_NOTICE: "started a thread",
    STARTER: "(opening message)",
}


def transcript(world: World, place: Channel) -> str:
    """Everything that stands in a channel or thread, ephemeral answers included, oldest first."""
    held = world.messages.get(place.id, {})
    lines = [_heading(world, place)]
    for key in sorted(held):
        lines += _message(world, held[key])
    return "\n".join(lines)


def _heading(world: World, place: Channel) -> str:
    if place.thread is None:
        return f"# {place.name or 'direct messages'}"
    parent = world.channels[place.thread.parent_id]
    state = [word for word in ("archived", "locked") if getattr(place.thread, word)]
    return f"# {parent.name} > {place.name}{' (' + ', '.join(state) + ')' if state else ''}"


def _message(world: World, message: Message) -> Iterator[str]:
    yield f"[{message.created_at:%H:%M:%S}] {_author(world, message)}:{_remarks(world, message)}"
    if message.type in _NOTICES:
        yield f"    * {_NOTICES[message.type]}"
        return
    yield from _indented(_named(world, message.content))
    for embed in message.embeds:
        yield from _embed(embed)
    for file in message.attachments:
        yield f"    + {_file(file)}"
    yield from _components(message.components)
    if message.reactions:
        yield "    " + "  ".join(_reaction(world, entry) for entry in message.reactions.values())


def _author(world: World, message: Message) -> str:
    name = _name(world.users[message.author_id])
    if message.interaction_id is None:
        return name
    asked = world.interactions[message.interaction_id]
    return f"{name}, to {world.users[asked.user_id].name}'s {asked.name!r}"


def _name(user: User) -> str:
    return f"{user.name} (bot)" if user.bot else user.name


def _remarks(world: World, message: Message) -> str:
    remarks = []
    if message.seen_by is not None:
        remarks.append(f"only {world.users[message.seen_by].name} sees this")
    if message.reference and message.reference[1] and message.type not in _NOTICES:
        target = world.find_message(message.reference[1])
        if target is not None and message.interaction_id is None:
            remarks.append(f"replying to {_name(world.users[target.author_id])}")
    if message.loading:
        remarks.append("thinking")
    if message.flags & SILENT:
        remarks.append("silent")
    if message.edited_at is not None:
        remarks.append(f"edited {len(message.revisions)}x")
    if message.deleted:
        remarks.append("deleted")
    return f" ({'; '.join(remarks)})" if remarks else ""


def _named(world: World, text: str) -> str:
    for user in world.users.values():
        text = text.replace(f"<@{user.id}>", f"@{user.name}").replace(
            f"<@!{user.id}>", f"@{user.name}"
        )
    return text


def _indented(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield f"    {line}"


def _embed(embed: Json) -> Iterator[str]:
    for key in ("title", "description"):
        for line in (embed.get(key) or "").splitlines():
            yield f"    | {'**' + line + '**' if key == 'title' else line}"
    for field in embed.get("fields") or []:
        first, *rest = field["value"].splitlines() or [""]
        yield f"    | {field['name']}: {first}"
        yield from (f"    |   {line}" for line in rest)
    for part in ("image", "thumbnail"):
        if embed.get(part):
            yield f"    | [{part}: {embed[part]['url']}]"
    if embed.get("footer"):
        yield f"    | -- {embed['footer']['text']}"


def _file(file: Attachment) -> str:
    described = f' "{file.description}"' if file.description else ""
    return f"{file.filename} ({file.size} bytes){described}"


def _components(components: list[Json]) -> Iterator[str]:
    for node in limits.walk(components):
        if node["type"] == _TEXT:
            yield from _indented(node["content"])
    buttons = [_button(node) for node in limits.walk(components) if node["type"] == _BUTTON]
    if buttons:
        yield "    " + " ".join(buttons)
    for node in limits.walk(components):
        if "options" in node:
            shown = ", ".join(option["label"] for option in node["options"])
            yield f"    [{node.get('placeholder') or node['custom_id']}: {shown}]"


def _button(node: Json) -> str:
    emoji = (node.get("emoji") or {}).get("name") or ""
    text = f"{emoji} {node.get('label') or ''}".strip()
    link = f" -> {node['url']}" if node.get("url") else ""
    return f"[{text}{link}]" if not node.get("disabled") else f"[{text}: off]"


def _reaction(world: World, entry: Reaction) -> str:
    names = [world.users[key].name for key in entry.normal]
    names += [f"{world.users[key].name} (super)" for key in entry.burst]
    return f"{entry.emoji} {', '.join(names)}"
