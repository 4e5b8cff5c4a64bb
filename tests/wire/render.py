"""JSON of users, roles, members, channels, threads and guilds, as Discord sends it."""

from datetime import datetime

from tests.wire import rights
from tests.wire.model import (
    DM,
    FORUM,
    Channel,
    Guild,
    Json,
    Member,
    Reaction,
    Role,
    User,
    World,
)


def stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def user(person: User) -> Json:
    return {
        "id": str(person.id),
        "username": person.name,
        "global_name": None if person.bot else person.name.title(),
        "discriminator": "0000" if person.bot else "0",
        "avatar": None,
        "bot": person.bot,
        "public_flags": 0,
        "flags": 0,
        "primary_guild": None,
    }


def own_user(world: World) -> Json:
    """The bot as `GET /users/@me` and READY show it."""
    return {
        **user(world.bot),
        "mfa_enabled": True,
        "verified": True,
        "locale": "en-US",
        "email": None,
    }


def role(rank: Role) -> Json:
    return {
        "id": str(rank.id),
        "name": rank.name,
        "description": None,
        "permissions": str(rank.permissions),
        "position": rank.position,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": rank.managed,
        "mentionable": rank.mentionable,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }


def member(world: World, who: Member, with_user: bool = True) -> Json:
    body: Json = {
        "avatar": None,
        "banner": None,
        "communication_disabled_until": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "joined_at": stamp(who.joined_at),
        "nick": who.nick,
        "pending": False,
        "premium_since": None,
        "roles": [str(role_id) for role_id in who.role_ids],
    }
    if with_user:
        body["user"] = user(world.users[who.user_id])
    return body


def channel(world: World, place: Channel) -> Json:
    if place.thread is not None:
        return thread(world, place)
    body: Json = {
        "id": str(place.id),
        "type": place.type,
        "flags": 0,
        "last_message_id": _maybe(place.last_message_id),
    }
    if place.type == DM:
        body["recipients"] = [user(world.users[key]) for key in place.recipient_ids]
        return body
    body |= {
        "guild_id": str(place.guild_id),
        "name": place.name,
        "position": place.position,
        "parent_id": None,
        "topic": place.topic,
        "nsfw": False,
        "rate_limit_per_user": place.slowmode_s,
        "permission_overwrites": _overwrites(world, place),
    }
    if place.type == FORUM:
        body |= {"available_tags": place.tags, "default_reaction_emoji": None}
        body |= {"default_sort_order": None, "default_forum_layout": 0}
    return body


def _overwrites(world: World, place: Channel) -> list[Json]:
    assert place.guild_id is not None
    roles = world.guilds[place.guild_id].roles
    return [
        {"id": str(key), "type": 0 if key in roles else 1, "allow": str(allow), "deny": str(deny)}
        for key, (allow, deny) in place.overwrites.items()
    ]


def _maybe(snowflake: int | None) -> str | None:
    return None if snowflake is None else str(snowflake)


def thread(world: World, place: Channel) -> Json:
    meta = place.thread
    assert meta is not None
    body: Json = {
        "id": str(place.id),
        "type": place.type,
        "guild_id": str(place.guild_id),
        "parent_id": str(meta.parent_id),
        "owner_id": str(meta.owner_id),
        "name": place.name,
        "flags": 0,
        "last_message_id": _maybe(place.last_message_id),
        "rate_limit_per_user": place.slowmode_s,
        "message_count": len(world.history(place.id)),
        "member_count": min(len(meta.members), 50),
        "total_message_sent": meta.sent,
        "applied_tags": [str(tag) for tag in meta.tag_ids],
        "thread_metadata": {
            "archived": meta.archived,
            "locked": meta.locked,
            "archive_timestamp": stamp(meta.archived_at),
            "auto_archive_duration": meta.auto_archive_min,
            "create_timestamp": stamp(meta.created_at),
        },
    }
    if world.bot_id in meta.members:
        body["member"] = thread_member(place, world.bot_id)
    return body


def thread_member(place: Channel, user_id: int) -> Json:
    assert place.thread is not None
    joined = stamp(place.thread.members[user_id])
    return {"id": str(place.id), "user_id": str(user_id), "join_timestamp": joined, "flags": 0}


_GUILD_NULLS = (
    "icon",
    "description",
    "home_header",
    "splash",
    "discovery_splash",
    "banner",
    "application_id",
    "afk_channel_id",
    "system_channel_id",
    "widget_channel_id",
    "max_presences",
    "vanity_url_code",
    "rules_channel_id",
    "safety_alerts_channel_id",
    "public_updates_channel_id",
    "incidents_data",
)
_GUILD_ZEROS = (
    "system_channel_flags",
    "verification_level",
    "default_message_notifications",
    "mfa_level",
    "explicit_content_filter",
    "premium_subscription_count",
    "nsfw_level",
)


def guild(world: World, place: Guild) -> Json:
    nothing = dict.fromkeys(_GUILD_NULLS)
    zero = dict.fromkeys(_GUILD_ZEROS, 0)
    return {
        **nothing,
        **zero,
        "id": str(place.id),
        "name": place.name,
        "owner_id": str(place.owner_id),
        "region": "deprecated",
        "afk_timeout": 300,
        "widget_enabled": False,
        "features": [],
        "roles": [role(rank) for rank in place.roles.values()],
        "emojis": [],
        "stickers": [],
        "max_members": 500000,
        "max_video_channel_users": 25,
        "max_stage_video_channel_users": 50,
        "premium_tier": place.premium_tier,
        "preferred_locale": "en-US",
        "premium_progress_bar_enabled": False,
        "nsfw": False,
    }


def guild_create(world: World, place: Guild, all_members: bool) -> Json:
    """The body of GUILD_CREATE; without the members intent only the bot itself is listed."""
    visible = [
        c
        for c in world.channels.values()
        if c.guild_id == place.id and rights.may(world, c, world.bot_id, "view_channel")
    ]
    members = place.members.values() if all_members else [place.members[world.bot_id]]
    return {
        **guild(world, place),
        "joined_at": stamp(place.members[world.bot_id].joined_at),
        "large": False,
        "unavailable": False,
        "member_count": len(place.members),
        "members": [member(world, who) for who in members],
        "channels": [channel(world, c) for c in visible if c.thread is None],
        "threads": [thread(world, c) for c in visible if c.thread and not c.thread.archived],
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def emoji(key: str) -> Json:
    name, _, number = key.partition(":")
    return {"id": number or None, "name": name}


def reaction(world: World, entry: Reaction) -> Json:
    return {
        "emoji": emoji(entry.emoji),
        "count": len(entry.normal) + len(entry.burst),
        "count_details": {"burst": len(entry.burst), "normal": len(entry.normal)},
        "burst_colors": ["#77b255"] if entry.burst else [],
        "me": world.bot_id in entry.normal,
        "me_burst": world.bot_id in entry.burst,
    }
