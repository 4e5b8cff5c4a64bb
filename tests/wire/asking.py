"""Interactions as a client makes them: slash options, autocomplete, menus, buttons, modals.

A client refuses what its form does not allow (an unknown option, a disabled button); so do these
functions, with `Impossible`.
"""

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.wire import bodies, cdn, limits, message_json, render, rights
from tests.wire.model import (
    COMMAND_REPLY,
    DM,
    MENU_REPLY,
    Attachment,
    Channel,
    Event,
    Interaction,
    Json,
    Message,
    Role,
    User,
    World,
)

File = tuple[str, bytes]

_SUB, _GROUP, _STRING, _INTEGER, _BOOLEAN = 1, 2, 3, 4, 5
_USER, _CHANNEL, _ROLE, _MENTIONABLE, _NUMBER, _ATTACHMENT = 6, 7, 8, 9, 10, 11
_PYTHON_TYPES: dict[int, tuple[type, ...]] = {
    _STRING: (str,),
    _INTEGER: (int,),
    _BOOLEAN: (bool,),
    _USER: (User,),
    _CHANNEL: (Channel,),
    _ROLE: (Role,),
    _MENTIONABLE: (User, Role),
    _NUMBER: (int, float),
    _ATTACHMENT: (tuple,),
}


class Impossible(AssertionError):
    """A person cannot do this in a client; the message says why."""


def begin(
    world: World,
    kind: int,
    user_id: int,
    place: Channel,
    data: Json,
    **about: Any,
) -> Interaction:
    """Create an interaction and send INTERACTION_CREATE. `about` fills further fields of the record."""
    interaction = Interaction(
        id=world.snowflake(),
        token=secrets.token_urlsafe(48),
        type=kind,
        user_id=user_id,
        channel_id=place.id,
        created_at_s=world.now_s(),
        created_mono_s=time.monotonic(),
        **about,
    )
    world.interactions[interaction.id] = interaction
    world.emit(Event("INTERACTION_CREATE", _payload(world, interaction, place, data)))
    return interaction


def _payload(world: World, interaction: Interaction, place: Channel, data: Json) -> Json:
    body: Json = {
        "id": str(interaction.id),
        "application_id": str(world.application_id),
        "type": interaction.type,
        "token": interaction.token,
        "version": 1,
        "data": data,
        "channel_id": str(place.id),
        "channel": render.channel(world, place),
        "locale": world.users[interaction.user_id].locale,
        "entitlements": [],
        "authorizing_integration_owners": {"0": str(place.guild_id or 0)},
        "app_permissions": str(rights.granted(world, place, world.bot_id)),
    }
    if interaction.message_id is not None:
        message = world.message(place.id, interaction.message_id)
        body["message"] = message_json.message(world, message)
    if place.guild_id is None:
        user = render.user(world.users[interaction.user_id])
        return body | {"context": 1, "user": user, "attachment_size_limit": 10 * 1024 * 1024}
    guild = world.guilds[place.guild_id]
    member = render.member(world, guild.members[interaction.user_id])
    member["permissions"] = str(rights.granted(world, place, interaction.user_id))
    return body | {
        "context": 0,
        "guild_id": str(guild.id),
        "guild": {"id": str(guild.id), "locale": "en-US", "features": []},
        "guild_locale": "en-US",
        "member": member,
        "attachment_size_limit": guild.upload_limit_bytes,
    }


# --- commands


def command_named(world: World, place: Channel, kind: int, name: str) -> Json:
    """The registered command of a guild, or the global one.

    Raises: Impossible: naming those that are registered.
    """
    known = [*world.commands.get(place.guild_id, []), *world.commands[None]]
    for command in known:
        if command["type"] == kind and command["name"] == name:
            return command
    names = sorted(command["name"] for command in known if command["type"] == kind)
    raise Impossible(f"no command {name!r} of type {kind} is registered; there are {names}")


def check_command_rights(world: World, command: Json, place: Channel, user_id: int) -> None:
    """Raises: Impossible: where the client would not offer the command."""
    if place.thread is not None and place.thread.archived:
        raise Impossible(f"{place.name!r} is archived: commands are off")
    if not rights.may(world, place, user_id, "use_application_commands"):
        raise Impossible(f"user {user_id} may not use commands in {place.name!r}")
    needed = int(command["default_member_permissions"] or 0)
    if rights.granted(world, place, user_id) & needed != needed:
        raise Impossible(f"user {user_id} may not use {command['name']!r}")
    contexts = command["contexts"]
    if contexts is not None and (1 if place.type == DM else 0) not in contexts:
        raise Impossible(f"{command['name']!r} is not offered here")


def leaf(command: Json, path: Iterable[str]) -> Json:
    """The subcommand at the end of a path of names.

    Raises: Impossible: naming the subcommands there are.
    """
    node = command
    for name in path:
        subs = [o for o in node.get("options") or [] if o["type"] in (_SUB, _GROUP)]
        found = next((o for o in subs if o["name"] == name), None)
        if found is None:
            names = [o["name"] for o in subs]
            raise Impossible(f"{node['name']!r} has no subcommand {name!r}; it has {names}")
        node = found
    if any(o["type"] in (_SUB, _GROUP) for o in node.get("options") or []):
        raise Impossible(f"{node['name']!r} needs a subcommand")
    return node


@dataclass
class Filled:
    """A filled-in form: option values as sent, and the objects they point to."""

    world: World
    place: Channel
    options: list[Json] = field(default_factory=list)
    resolved: dict[str, dict[str, Json]] = field(default_factory=dict)

    def data(self, command: Json, path: list[str]) -> Json:
        """The `data` of the interaction: the options, nested in their subcommands."""
        options, node, kinds = self.options, command, []
        for name in path:
            node = next(o for o in node["options"] if o["name"] == name)
            kinds.append(node["type"])
        for name, kind in zip(reversed(path), reversed(kinds), strict=True):
            options = [{"name": name, "type": kind, "options": options}]
        data: Json = {"id": command["id"], "name": command["name"], "type": command["type"]}
        data["options"] = options
        if "guild_id" in command:
            data["guild_id"] = command["guild_id"]
        if self.resolved:
            data["resolved"] = self.resolved
        return data

    def file(self, name: str, content: bytes) -> Attachment:
        """Upload a file with the form."""
        stored = bodies.store_file(self.world, self.place, name, content, ephemeral=True)
        self._resolve("attachments", stored.id, cdn.attachment(self.world, stored))
        return stored

    def _resolve(self, kind: str, key: int, body: Json) -> None:
        self.resolved.setdefault(kind, {})[str(key)] = body

    def wire_value(self, value: Any) -> Any:
        """A value as sent: a snowflake for a user, channel, role or file."""
        if isinstance(value, tuple):
            return str(self.file(*value).id)
        if isinstance(value, User):
            self._resolve("users", value.id, render.user(value))
            members = self.world.guilds[self.place.guild_id].members if self.place.guild_id else {}
            if value.id in members:
                body = render.member(self.world, members[value.id], with_user=False)
                self._resolve("members", value.id, {**body, "permissions": "0"})
            return str(value.id)
        if isinstance(value, Channel):
            permissions = str(rights.granted(self.world, value, self.world.bot_id))
            body = {**render.channel(self.world, value), "permissions": permissions}
            self._resolve("channels", value.id, body)
            return str(value.id)
        if isinstance(value, Role):
            self._resolve("roles", value.id, render.role(value))
            return str(value.id)
        return value


def fill(world: World, place: Channel, node: Json, given: Mapping[str, Any]) -> Filled:
    """Fill in a command's form.

    Raises: Impossible: for an option that is unknown, missing, or has a value the form refuses.
    """
    declared = {option["name"]: option for option in node.get("options") or []}
    for name in given:
        if name not in declared:
            raise Impossible(f"{node['name']!r} has no option {name!r}; it has {sorted(declared)}")
    for name, option in declared.items():
        if option.get("required") and name not in given:
            raise Impossible(f"{node['name']!r} requires the option {name!r}")
    filled = Filled(world, place)
    for name, value in given.items():
        _check_value(declared[name], value)
        entry = {"name": name, "type": declared[name]["type"], "value": filled.wire_value(value)}
        filled.options.append(entry)
    return filled


def _check_value(option: Json, value: Any) -> None:
    name, kind = option["name"], option["type"]
    if not isinstance(value, _PYTHON_TYPES[kind]) or (kind != _BOOLEAN and isinstance(value, bool)):
        raise Impossible(f"option {name!r} of type {kind} does not take {value!r}")
    choices = [choice["value"] for choice in option.get("choices") or []]
    if choices and value not in choices:
        raise Impossible(f"option {name!r} offers {choices}, not {value!r}")
    size = len(value) if isinstance(value, str) else value
    low, high = (
        ("min_length", "max_length") if isinstance(value, str) else ("min_value", "max_value")
    )
    if low in option and size < option[low]:
        raise Impossible(f"option {name!r} must be at least {option[low]}")
    if high in option and size > option[high]:
        raise Impossible(f"option {name!r} must be at most {option[high]}")


def menu_data(world: World, command: Json, place: Channel, target: Message | User) -> Json:
    """The `data` of a context menu command: the target, resolved in full."""
    filled = Filled(world, place)
    if isinstance(target, User):
        filled.wire_value(target)
    else:
        filled.resolved["messages"] = {str(target.id): message_json.message(world, target)}
    data: Json = {key: command[key] for key in ("id", "name", "type", "guild_id") if key in command}
    return data | {"target_id": str(target.id), "resolved": filled.resolved}


def reply_type(command: Json) -> int:
    return COMMAND_REPLY if command["type"] == 1 else MENU_REPLY


# --- components


def component(message: Message, wanted: str) -> Json:
    """A button or menu by its custom id or label.

    Raises: Impossible: when it is not there or disabled.
    """
    nodes = [n for n in limits.walk(message.components) if n.get("custom_id") or n.get("url")]
    for node in nodes:
        if wanted in (node.get("custom_id"), node.get("label")):
            if node.get("disabled"):
                raise Impossible(f"{wanted!r} is disabled")
            if not node.get("custom_id"):
                raise Impossible(f"{wanted!r} is a link, not a button")
            return node
    offered = [node.get("label") or node.get("custom_id") for node in nodes]
    raise Impossible(f"no component {wanted!r}; there are {offered}")


def component_data(node: Json, values: list[str] | None) -> Json:
    data: Json = {"custom_id": node["custom_id"], "component_type": node["type"], "id": node["id"]}
    if values is not None:
        offered = [option["value"] for option in node.get("options") or []]
        if any(value not in offered for value in values):
            raise Impossible(f"{node['custom_id']!r} offers {offered}, not {values}")
        data["values"] = values
    return data
