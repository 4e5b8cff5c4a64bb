"""Who has reacted to a message."""

import discord

from bot.discord.sending import insist

KINDS = (discord.ReactionType.normal, discord.ReactionType.burst)


async def people_behind(reaction: discord.Reaction) -> list[int]:
    """Return who reacted, ourselves and other bots left out."""
    if reaction.count <= (1 if reaction.me else 0):
        return []
    found: dict[int, None] = {}
    for kind in KINDS:

        async def behind(kind: discord.ReactionType = kind) -> list[discord.User | discord.Member]:
            return [user async for user in reaction.users(type=kind)]

        for user in await insist(behind):
            if not user.bot:
                found.setdefault(user.id)
    return list(found)
