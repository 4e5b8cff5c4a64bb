"""The ✅ and ❌ of a question as buttons. They hold no state but their id, so they outlive every restart."""

import re
from collections.abc import Iterable
from typing import Any, Self

import discord

from bot.discord import interactions, render
from bot.discord.host import Host
from bot.discord.people import person_of
from bot.discord.sending import insist
from bot.surface import DECISIONS, Question
from storage.models import Decision

HASH_CHARS = 12
"""Of the hash of what the question showed: the press is bound to it."""
ANSWERS = {"yes": "✅", "no": "❌"}


class GateButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=r"tw:gate:(?P<approval>[0-9]{1,12}):(?P<shown>[0-9a-f]{12}):(?P<answer>yes|no)",
):
    """One answer to one question."""

    def __init__(self, approval_id: int, shown_prefix: str, answer: str, words: str = "") -> None:
        self.approval_id = approval_id
        self.shown_prefix = shown_prefix
        self.decision: Decision = DECISIONS[ANSWERS[answer]]
        yes = answer == "yes"
        super().__init__(
            discord.ui.Button(
                label=render.label(words) or answer,
                emoji=ANSWERS[answer],
                style=discord.ButtonStyle.success if yes else discord.ButtonStyle.danger,
                custom_id=f"tw:gate:{approval_id}:{shown_prefix}:{answer}",
            )
        )

    @classmethod
    async def from_custom_id(
        cls,
        interaction: discord.Interaction[Any],  # noqa: ARG003  # discord.py's signature
        item: discord.ui.Item[Any],  # noqa: ARG003  # the same
        match: re.Match[str],
        /,
    ) -> Self:
        """Return the button that a press was about."""
        return cls(int(match["approval"]), match["shown"], match["answer"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Count the press; the card itself shows what came of it, a refusal only the person sees."""
        host = interaction.client
        if isinstance(host, Host) and host.is_new(interaction.id):
            await interactions.answer(interaction, self._press(host, interaction))

    async def _press(self, host: Host, interaction: discord.Interaction[Any]) -> str | None:
        assert isinstance(interaction.user, discord.Member)
        reaction = await host.app.commands.decide(
            self.approval_id, self.shown_prefix, person_of(interaction.user), self.decision
        )
        return reaction.text


def view(question: Question | None) -> discord.ui.View | None:
    """Return the buttons below a question; None takes them away."""
    if question is None:
        return None
    made = discord.ui.View(timeout=None)
    prefix = question.shown_sha256[:HASH_CHARS]
    made.add_item(GateButton(question.approval_id, prefix, "yes", question.yes))
    made.add_item(GateButton(question.approval_id, prefix, "no", question.no))
    return made


async def offer_reactions(
    message: discord.Message | discord.PartialMessage, emojis: Iterable[str] = DECISIONS
) -> None:
    """Put ✅ and ❌, or other reactions, below a question; once is enough, twice does not hurt."""
    for emoji in emojis:
        await insist(lambda emoji=emoji: message.add_reaction(emoji))  # type: ignore[misc]  # a lambda's default
