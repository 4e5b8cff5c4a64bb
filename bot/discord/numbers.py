"""1️⃣ to 9️⃣ below the question whether a change stays: each drops an edit as long as somebody who may answer has it there."""

import discord

from bot import rights
from bot.discord.gates import Spot
from bot.discord.host import Host
from bot.discord.people import fetch_person
from bot.discord.reactions import people_behind
from bot.discord.sending import insist
from bot.surface import NUMBERS
from configs.schema import GateKind
from storage import runs
from storage.models import Approval, Run

VARIANT = "\ufe0f"
_NUMBERS = {emoji.replace(VARIANT, ""): number for emoji, number in NUMBERS.items()}


def number_in(emoji: str) -> int | None:
    """Return the edit that a reaction is about; None for any other reaction."""
    return _NUMBERS.get(emoji.replace(VARIANT, ""))


async def taken_away(host: Host, question: Approval, user_id: int, number: int, spot: Spot) -> None:
    """Take an edit again whose number somebody has taken away, unless others who may answer have it there still."""
    run = await _run_of(host, question)
    if run is None or run.guild is None:
        return
    person = await fetch_person(host, int(run.guild), user_id)
    channel = host.get_partial_messageable(spot.channel_id)
    try:
        message = await insist(lambda: channel.fetch_message(spot.message_id))
    except (discord.NotFound, discord.Forbidden):
        return  # a message that is gone takes nobody's number away
    if person is None or await _is_dropped(host, message, run, number):
        return
    await host.gates.toggle(question, person, number, spot, taken=True)


async def count(host: Host, message: discord.Message, question: Approval) -> None:
    """Drop the edits whose numbers stand below a question. A number that is not there may never have been: it says nothing."""
    run = await _run_of(host, question)
    if run is None or run.guild is None:
        return
    spot = Spot(message.channel.id, message.id)
    for reaction in message.reactions:
        number = number_in(str(reaction.emoji))
        if number is None:
            continue
        for user_id in await people_behind(reaction):
            person = await fetch_person(host, int(run.guild), user_id)
            if person is not None:
                await host.gates.toggle(question, person, number, spot, taken=False)


async def _run_of(host: Host, question: Approval) -> Run | None:
    """Return the run of a question whose edits can be chosen among; None of any other."""
    if question.gate != GateKind.KEEP:
        return None
    return await host.app.services.db.read(runs.get, question.run_id)


async def _is_dropped(host: Host, message: discord.Message, run: Run, number: int) -> bool:
    """Tell whether somebody who may answer has a number below a question."""
    assert run.guild is not None
    for reaction in message.reactions:
        if number_in(str(reaction.emoji)) != number:
            continue
        for user_id in await people_behind(reaction):
            person = await fetch_person(host, int(run.guild), user_id)
            if person is not None and rights.may_decide(host.app.settings, person, run):
                return True
    return False
