"""Votes on two answers, by reaction, button or reply; what becomes of them shows in the thread or is told to the voter."""

import re
from dataclasses import dataclass
from typing import Any, Self

import discord

from bot.app import App
from bot.blind import Heard, Said
from bot.discord import interactions
from bot.discord.gates import Gates, Spot
from bot.discord.people import number_of, person_of
from bot.discord.sending import Sentence, say
from bot.surface import CHOICES, ENOUGH, Person
from storage.models import Choice, Event

VARIANT = "\ufe0f"
BUTTONS = {"a": "🅰️", "b": "🅱️", "tie": "🤝", "end": ENOUGH}
LABELS = {"a": "this one", "b": "this one", "tie": "no difference", "end": "show the result"}
_CHOICES = {emoji.replace(VARIANT, ""): choice for emoji, choice in CHOICES.items()}


def choice_of(emoji: str) -> Choice | None:
    """Return what a reaction votes for; None for any other."""
    return _CHOICES.get(emoji.replace(VARIANT, ""))


def ballot_in(event: Event | None) -> int | None:
    """Return the number of the ballot that an event shows."""
    return None if event is None else event.payload.get("ballot_id")


@dataclass(frozen=True)
class Ballots:
    """Open and closed ballots, as messages."""

    client: discord.Client
    app: App
    gates: Gates

    async def shown_by(
        self, channel_id: int, message_id: int, message: discord.Message | None = None
    ) -> int | None:
        """Return the ballot that a message of ours shows; None for any other message."""
        return ballot_in(await self.gates.shown_by(channel_id, message_id, message))

    async def vote(
        self, ballot_id: int, person: Person, choice: Choice, spot: Spot, *, only_first: bool
    ) -> None:
        """Count a reaction, and tell the person where it does not count."""
        blind = self.app.commands.blind
        said = await blind.vote(ballot_id, person, choice, only_first=only_first)
        await self._tell(said, ballot_id, person, spot)

    async def reply(self, ballot_id: int, person: Person, words: str, spot: Spot) -> None:
        """Count a vote in words, or end the comparison."""
        said = await self.app.commands.blind.reply(ballot_id, person, words)
        await self._tell(said, ballot_id, person, spot)

    async def _tell(self, said: Said, ballot_id: int, person: Person, spot: Spot) -> None:
        if said.heard is not Heard.REFUSED or said.text is None:
            return
        key = f"ballot:{ballot_id}:{person.id}"
        sentence = Sentence(
            text=said.text,
            key=f"{key}:{spot.message_id}" if spot.is_reply else key,
            to=number_of(person.id),
            reply_to=spot.message_id if spot.is_reply else None,
            since=spot.message_id,
        )
        await say(self.client, spot.channel_id, sentence)


class BallotButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=r"tw:ballot:(?P<ballot>[0-9]{1,12}):(?P<answer>a|b|tie|end)",
):
    """One answer at one ballot, or the end of it. The number says nothing about whose answer is which."""

    def __init__(self, ballot_id: int, answer: str) -> None:
        self.ballot_id, self.answer = ballot_id, answer
        super().__init__(
            discord.ui.Button(
                label=LABELS[answer],
                emoji=BUTTONS[answer],
                style=discord.ButtonStyle.secondary,
                custom_id=f"tw:ballot:{ballot_id}:{answer}",
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
        return cls(int(match["ballot"]), match["answer"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Count the press; the thread shows what comes next, a refusal only the person sees."""
        host = interaction.client
        app: App | None = getattr(host, "app", None)
        if app is not None and host.is_new(interaction.id):
            await interactions.answer(interaction, self._press(app, interaction))

    async def _press(self, app: App, interaction: discord.Interaction[Any]) -> str | None:
        assert isinstance(interaction.user, discord.Member)
        person, blind = person_of(interaction.user), app.commands.blind
        if self.answer == "end":
            return (await blind.end(self.ballot_id, person)).text
        return (await blind.vote(self.ballot_id, person, Choice(self.answer))).text


def view(ballot_id: int) -> discord.ui.View:
    """Return the buttons below a ballot."""
    made = discord.ui.View(timeout=None)
    for answer in BUTTONS:
        made.add_item(BallotButton(ballot_id, answer))
    return made
