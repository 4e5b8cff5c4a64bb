"""A run's thread as people see it: which message asks, and what to do until the end."""

import re
from dataclasses import dataclass

from tests.wire.model import Channel, Message
from tests.wire.people import Person
from tests.wire.server import WireServer

CSV = ("tickets.csv", b"text,label\n" + b"".join(b"ticket %d,a\n" % n for n in range(100)))
TASK = "Classify support tickets"


@dataclass
class Thread:
    """Where a run is told about: its thread, or its channel where there is none."""

    server: WireServer
    place: Channel

    def cards(self) -> list[Message]:
        """The bot's cards, oldest first."""
        own = [
            m for m in self.server.messages(self.place) if m.author_id == self.server.world.bot_id
        ]
        return [m for m in own if m.embeds]

    def titles(self) -> list[str]:
        return [title_of(m) for m in self.cards()]

    def find(self, title: str) -> Message | None:
        """The newest card whose title matches a regex from its start."""
        found = [m for m in self.cards() if re.match(title, title_of(m))]
        return found[-1] if found else None

    def body(self, title: str) -> str:
        found = self.find(title)
        assert found is not None
        return str(found.embeds[0].get("description") or "")

    async def card(self, title: str, timeout_s: float = 15.0) -> Message:
        """Wait for a card."""
        return await self.server.until(lambda: self.find(title), timeout_s, f"a card “{title}”")

    async def question(self, title: str, timeout_s: float = 15.0) -> Message:
        """Wait for a card that asks, with its reactions."""

        def asking() -> Message | None:
            found = self.find(title)
            ready = found and found.components and {"✅", "❌"} <= set(found.reactions)
            return found if ready else None

        return await self.server.until(asking, timeout_s, f"a question “{title}”")

    async def answered(self, message: Message, *words: str) -> None:
        """Wait until a question shows its answer and has no buttons any more."""

        def closed() -> bool:
            body = message.embeds[0].get("description") or ""
            return not message.components and all(word in body for word in words)

        await self.server.until(closed, 15.0, f"“{title_of(message)}” answered with {words}")

    async def approve_all(self, person: Person, *titles: str) -> None:
        """Answer questions with ✅ as they come."""
        for title in titles:
            await person.react(await self.question(title), "✅")


PLAN, VERDICT, DELIVERED = "The plan", "Verdict", "Your adapter is ready"
"""How the titles of the cards begin that every run comes to."""


def title_of(message: Message) -> str:
    return str(message.embeds[0].get("title") or "")


async def thread_of_run(server: WireServer, number: int = 1) -> Thread:
    """Wait for the thread of a run."""
    place = await server.until(
        lambda: next((t for t in server.threads() if t.name.startswith(f"#{number} ")), None),
        15.0,
        f"the thread of run {number}",
    )
    assert place is not None
    return Thread(server, place)
