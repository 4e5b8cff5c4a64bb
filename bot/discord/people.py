"""Who and where: between Discord's ids and ours."""

import discord

from bot.surface import Person
from bot.text import clip, visible

NAME = "discord"
"""First part of every person and place of this surface."""

UNKNOWN_MEMBER, UNKNOWN_USER = 10007, 10013


def place_of(channel_id: int) -> str:
    """Return our name of a channel or thread."""
    return f"{NAME}:{channel_id}"


def person_id_of(user_id: int) -> str:
    """Return our name of a user."""
    return f"{NAME}:{user_id}"


def number_of(name: str) -> int:
    """Return Discord's id of a place or person of ours.

    Raises: ValueError: it belongs to another surface.
    """
    surface, _, number = name.partition(":")
    if surface != NAME:
        raise ValueError(f"{name} is not on {NAME}")
    return int(number)


def person_of(member: discord.Member) -> Person:
    """Return a member with the roles that they have now."""
    name = " ".join(clip(visible(member.display_name), 60).split())
    roles = frozenset(str(role.id) for role in member.roles)
    return Person(person_id_of(member.id), name or member.name, roles)


async def fetch_person(client: discord.Client, guild_id: int, user_id: int) -> Person | None:
    """Ask Discord who somebody is in a server now; None when they are not there or are a bot.

    The cache is not asked: somebody may have lost a role or left while nobody was listening.
    """
    guild = client.get_guild(guild_id) or await client.fetch_guild(guild_id)
    try:
        member = await guild.fetch_member(user_id)
    except discord.NotFound as error:
        if error.code not in (UNKNOWN_MEMBER, UNKNOWN_USER):
            raise
        return None
    return None if member.bot else person_of(member)


async def known_channel(client: discord.Client, channel_id: int) -> object:
    """Return a channel or thread with all that is known of it; it is asked for where it is not at hand."""
    return client.get_channel(channel_id) or await client.fetch_channel(channel_id)


def home_of(channel: discord.abc.Snowflake) -> str:
    """Return where the card of a run asked for in this channel goes.

    Threads cannot hold threads, so a run asked for in one has its home in the channel above; a forum takes no
    messages, so there the home is the post itself.
    """
    if isinstance(channel, discord.Thread) and isinstance(channel.parent, discord.TextChannel):
        return place_of(channel.parent.id)
    return place_of(channel.id)
