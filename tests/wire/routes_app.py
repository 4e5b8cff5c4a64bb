"""REST operations on the app itself, guilds, members, commands, and links to files."""

from tests.wire import cdn, intents, limits, render, rights
from tests.wire.calls import Call, Route
from tests.wire.errors import ApiError
from tests.wire.model import DM, Channel, Guild, Json, World

_LIMITED_FLAGS = (
    (intents.GUILD_PRESENCES, 1 << 13),
    (intents.GUILD_MEMBERS, 1 << 15),
    (intents.MESSAGE_CONTENT, 1 << 19),
)


def app_flags(world: World) -> int:
    """Application flags; the GATEWAY_*_LIMITED ones tell which privileged intents are switched on."""
    return sum(flag for intent, flag in _LIMITED_FLAGS if world.privileged_intents & intent)


def me(call: Call) -> Json:
    return render.own_user(call.world)


def application(call: Call) -> Json:
    world = call.world
    return {
        "id": str(world.application_id),
        "name": world.bot.name,
        "description": "",
        "icon": None,
        "type": None,
        "bot": render.user(world.bot),
        "bot_public": False,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "flags": app_flags(world),
        "flags_new": str(app_flags(world)),
        "owner": render.user(next(user for user in world.users.values() if not user.bot)),
        "team": None,
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "approximate_guild_count": len(world.guilds),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "eligible_oauth2_scopes": [],
    }


def gateway(call: Call) -> Json:
    return {"url": gateway_url(call.world)}


def gateway_url(world: World) -> str:
    return world.base_url.replace("http://", "ws://") + "/gateway"


def gateway_bot(call: Call) -> Json:
    left = call.world.identifies_left
    budget = {"total": 1000, "remaining": left, "reset_after": 86400000, "max_concurrency": 1}
    return {"url": gateway_url(call.world), "shards": 1, "session_start_limit": budget}


# --- users, guilds, members


def get_user(call: Call) -> Json:
    if call.id("user") not in call.world.users:
        raise ApiError(10013)
    return render.user(call.world.users[call.id("user")])


def open_dm(call: Call) -> Json:
    key = int(call.json.get("recipient_id") or 0)
    if key not in call.world.users:
        raise ApiError(10013)
    return render.channel(call.world, dm_with(call.world, key))


def dm_with(world: World, user_id: int) -> Channel:
    """The direct channel between the bot and a user."""
    for place in world.channels.values():
        if place.type == DM and place.recipient_ids == [user_id]:
            return place
    place = Channel(world.snowflake(), DM, "", None, recipient_ids=[user_id])
    world.channels[place.id] = place
    return place


def _guild(call: Call) -> Guild:
    return call.world.guild(call.id("guild"))


def get_guild(call: Call) -> Json:
    guild = _guild(call)
    counts = {"approximate_member_count": len(guild.members), "approximate_presence_count": 1}
    return render.guild(call.world, guild) | (counts if call.query.get("with_counts") else {})


def get_guild_channels(call: Call) -> list[Json]:
    guild = _guild(call)
    found = [c for c in call.world.channels.values() if c.guild_id == guild.id and not c.thread]
    seen = [c for c in found if rights.may(call.world, c, call.world.bot_id, "view_channel")]
    return [render.channel(call.world, c) for c in seen]


def get_roles(call: Call) -> list[Json]:
    return [render.role(role) for role in _guild(call).roles.values()]


def get_member(call: Call) -> Json:
    guild = _guild(call)
    if call.id("user") not in guild.members:
        raise ApiError(10007 if call.id("user") in call.world.users else 10013)
    return render.member(call.world, guild.members[call.id("user")])


def get_members(call: Call) -> list[Json]:
    if not call.world.privileged_intents & intents.GUILD_MEMBERS:
        raise ApiError(50001)
    limit, after = call.number("limit", 1, 1, 1000), call.snowflake("after") or 0
    members = _guild(call).members
    keys = sorted(key for key in members if key > after)[:limit]
    return [render.member(call.world, members[key]) for key in keys]


def search_members(call: Call) -> list[Json]:
    query, limit = call.query.get("query", "").lower(), call.number("limit", 1, 1, 1000)
    members = _guild(call).members.values()
    found = [m for m in members if call.world.users[m.user_id].name.lower().startswith(query)]
    return [render.member(call.world, m) for m in found[:limit]]


# --- commands


def _scope(call: Call) -> int | None:
    """The guild whose commands are meant; None for the global ones."""
    if call.id("application") != call.world.application_id:
        raise ApiError(50001)
    return _guild(call).id if "guild_id" in call.params else None


def get_commands(call: Call) -> list[Json]:
    return call.world.commands.get(_scope(call), [])


def put_commands(call: Call) -> list[Json]:
    """Replace all commands; one that keeps its type and name keeps its id."""
    scope = _scope(call)
    listed = call.body if isinstance(call.body, list) else []
    limits.check_commands(listed)
    old = {_identity(command): command for command in call.world.commands.get(scope, [])}
    call.world.commands[scope] = [
        _registered(call.world, command, scope, old.get(_identity(command))) for command in listed
    ]
    return call.world.commands[scope]


def create_command(call: Call) -> Json:
    scope = _scope(call)
    limits.check_commands([call.json])
    held = call.world.commands.setdefault(scope, [])
    old = next((c for c in held if _identity(c) == _identity(call.json)), None)
    made = _registered(call.world, call.json, scope, old)
    call.world.commands[scope] = [c for c in held if c is not old] + [made]
    return made


def delete_command(call: Call) -> None:
    scope = _scope(call)
    held = call.world.commands.get(scope, [])
    kept = [command for command in held if command["id"] != call.params["command_id"]]
    if len(kept) == len(held):
        raise ApiError(10063)
    call.world.commands[scope] = kept


def _identity(command: Json) -> tuple[int, str]:
    return command.get("type", 1), command["name"]


def _registered(world: World, command: Json, scope: int | None, old: Json | None) -> Json:
    made: Json = {
        "default_member_permissions": None,
        "nsfw": False,
        "contexts": None,
        "integration_types": [0],
        "type": 1,
        "description": "",
        **{key: value for key, value in command.items() if value is not None},
        "id": old["id"] if old else str(world.snowflake()),
        "application_id": str(world.application_id),
        "version": str(world.snowflake()),
    }
    if made["default_member_permissions"] is not None:
        made["default_member_permissions"] = str(made["default_member_permissions"])
    if scope is None:
        made.setdefault("dm_permission", True)
    else:
        made["guild_id"] = str(scope)
    return made


# --- links to files


def refresh_urls(call: Call) -> Json:
    """Undocumented, but open to bots: fresh links for old ones."""
    urls = call.json.get("attachment_urls") or []
    refreshed = [{"original": url, "refreshed": cdn.refreshed(call.world, url)} for url in urls]
    return {"refreshed_urls": refreshed}


_COMMANDS = "/applications/{application_id}/commands"
_GUILD_COMMANDS = "/applications/{application_id}/guilds/{guild_id}/commands"

ROUTES = [
    Route("GET", "/users/@me", me),
    Route("POST", "/users/@me/channels", open_dm),
    Route("GET", "/users/{user_id}", get_user),
    Route("GET", "/oauth2/applications/@me", application),
    Route("GET", "/applications/@me", application),
    Route("GET", "/gateway", gateway, authorized=False),
    Route("GET", "/gateway/bot", gateway_bot),
    Route("GET", "/guilds/{guild_id}", get_guild),
    Route("GET", "/guilds/{guild_id}/channels", get_guild_channels),
    Route("GET", "/guilds/{guild_id}/roles", get_roles),
    Route("GET", "/guilds/{guild_id}/members", get_members),
    Route("GET", "/guilds/{guild_id}/members/search", search_members),
    Route("GET", "/guilds/{guild_id}/members/{user_id}", get_member),
    Route("GET", _COMMANDS, get_commands),
    Route("PUT", _COMMANDS, put_commands),
    Route("POST", _COMMANDS, create_command),
    Route("DELETE", _COMMANDS + "/{command_id}", delete_command),
    Route("GET", _GUILD_COMMANDS, get_commands),
    Route("PUT", _GUILD_COMMANDS, put_commands),
    Route("POST", _GUILD_COMMANDS, create_command),
    Route("DELETE", _GUILD_COMMANDS + "/{command_id}", delete_command),
    Route("POST", "/attachments/refresh-urls", refresh_urls),
]
