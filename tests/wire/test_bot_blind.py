"""Answers compared without knowing whose they are, over the wire: reactions, buttons, replies, also while nobody listened."""

from pathlib import Path

from storage import blind
from storage.models import Choice, Vote
from tests.fakes import StubLauncher
from tests.flows.test_blind import said
from tests.wire.in_process import InProcess, bot_in_process
from tests.wire.model import Message
from tests.wire.server import WireServer
from tests.wire.thread import CSV, PLAN, TASK, VERDICT, Thread, thread_of_run

LETTERS = {"🅰️", "🅱️", "🤝"}
SLOW_S = 60.0


def which(number: int, count: int) -> str:
    return rf"Which answer is better\? \({number} of {count}\)"


def bot_with(wire: WireServer, folder: Path, count: int):
    return bot_in_process(wire, folder, launcher=StubLauncher(said=said(count, equal=0)))


async def at_the_report(wire: WireServer) -> Thread:
    ada = wire.person("ada")
    await (await ada.slash("finetune start", dataset=CSV, task=TASK)).ack()
    thread = await thread_of_run(wire)
    await ada.react(await thread.question(PLAN, SLOW_S), "✅")
    await thread.question(VERDICT, SLOW_S)
    return thread


async def compare(wire: WireServer) -> None:
    answer = await (await wire.person("ada").slash("finetune compare", run=1)).answer()
    assert answer.ephemeral
    assert answer.content.startswith("Which answer is better?")


async def ballot(wire: WireServer, thread: Thread, title: str) -> Message:
    """Wait for a ballot with its reactions."""

    def ready() -> Message | None:
        found = thread.find(title)
        return found if found and found.components and set(found.reactions) >= LETTERS else None

    return await wire.until(ready, SLOW_S, f"a ballot “{title}”")


def letter(message: Message, side: str) -> str:
    """Return what somebody presses who can tell whose answer it is."""
    first = next(f for f in message.embeds[0]["fields"] if f["name"] == "🅰️")
    return "🅰️" if side in first["value"] else "🅱️"


def button(message: Message, answer: str) -> str:
    """Return the id of a button."""
    row = message.components[0]["components"]
    return next(str(b["custom_id"]) for b in row if str(b["custom_id"]).endswith(f":{answer}"))


async def votes(bot: InProcess) -> list[Vote]:
    return await bot.app.services.db.read(lambda session: blind.votes(session, 1))


async def test_by_reaction_button_and_reply_to_a_result_in_the_thread(
    wire: WireServer, tmp_path: Path
) -> None:
    ada, ben = wire.person("ada"), wire.person("ben")
    async with bot_with(wire, tmp_path, 5) as bot:
        thread = await at_the_report(wire)
        await compare(wire)
        first = await ballot(wire, thread, which(1, 5))
        assert len(first.components[0]["components"]) == 4

        await ada.react(first, letter(first, "tuned"))
        second = await ballot(wire, thread, which(2, 5))
        pressed = await ben.press(second, button(second, "a"))
        assert "Only Ada can answer this" in (await pressed.answer()).content
        await ada.press(second, button(second, "a" if letter(second, "base") == "🅰️" else "b"))
        third = await ballot(wire, thread, which(3, 5))
        await ada.reply(third, "nonsense")
        await wire.until(
            lambda: any("“stop”" in m.content for m in wire.messages(thread.place)), SLOW_S, "help"
        )
        await ada.reply(third, "tie")
        fourth = await ballot(wire, thread, which(4, 5))
        await ada.react(fourth, "🅰️", burst=True)
        await ada.react(fourth, "🤝")
        await ballot(wire, thread, which(5, 5))
        await ada.reply(await ballot(wire, thread, which(5, 5)), "stop")

        await thread.card("What people preferred", SLOW_S)
        assert "**1 : 1** (2 ties)" in thread.body("What people preferred")
        await wire.until(
            lambda: "preferred the tuned answers **1 : 1**" in thread.body(VERDICT),
            SLOW_S,
            "a line",
        )
        assert len(await votes(bot)) == 4
        status = await (await ada.slash("finetune status", run=1)).answer()
        assert "preferred the tuned answers **1 : 1**" in status.content


async def test_votes_given_while_the_bot_was_down_count_once(
    wire: WireServer, tmp_path: Path
) -> None:
    ada, ben = wire.person("ada"), wire.person("ben")
    async with bot_with(wire, tmp_path, 3):
        thread = await at_the_report(wire)
        await compare(wire)
        first = await ballot(wire, thread, which(1, 3))
        await ada.press(first, button(first, "a" if letter(first, "tuned") == "🅰️" else "b"))
        second = await ballot(wire, thread, which(2, 3))

    await ben.react(second, letter(second, "base"))
    await ada.react(second, letter(second, "tuned"))
    await ada.react(
        first, letter(first, "base")
    )  # she has voted there: which came last cannot be told

    async with bot_with(wire, tmp_path, 3) as bot:
        third = await ballot(wire, thread, which(3, 3))
        wanted = [letter(message, "tuned") for message in (first, second)]
        assert [vote.choice for vote in await votes(bot)] == [
            {"🅰️": Choice.A, "🅱️": Choice.B}[emoji] for emoji in wanted
        ]
        await ada.reply(third, "🤝")
        await thread.card("What people preferred", SLOW_S)

    assert "**2 : 0** (1 tie)" in thread.body("What people preferred")
    footers = [m.embeds[0]["footer"]["text"] for m in thread.cards()]
    assert len(footers) == len(set(footers))
