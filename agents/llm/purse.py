"""The account of a program that asks by itself: what it was handed, and in a file what it has used of it.

A line is written before a question is sent, and one after it: what a killed attempt had set aside counts for the next one too.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from agents.llm.accounts import Prices, Room, Spent, Tokens
from agents.llm.errors import OutOfRoom


class Purse:
    """Pays from an allowance. For one process at a time."""

    def __init__(self, path: Path, room: Room, prices: Prices) -> None:
        """Go on from what the file says, or begin anew; a torn last line counts for nothing, as nothing was sent after it."""
        self._path = path
        self._room = room
        self._prices = prices
        self._set_aside: dict[int, Tokens] = {}
        self._used: dict[int, Tokens] = {}
        for line in path.read_bytes().splitlines() if path.exists() else ():
            with suppress(ValueError, KeyError):
                self._count(json.loads(line))
        torn = path.exists() and not path.read_bytes().endswith(b"\n")
        if torn and path.stat().st_size:
            with path.open("ab") as file:
                file.write(b"\n")

    @property
    def spent(self) -> Spent:
        """Return what was used; what was never settled as it was set aside."""
        counted = [self._used.get(number, most) for number, most in self._set_aside.items()]
        return Spent(
            len(counted),
            sum(tokens.asked for tokens in counted),
            sum(tokens.replied for tokens in counted),
        )

    @property
    def left(self) -> Room:
        """Return what may still be used."""
        spent, room = self.spent, self._room
        used = Tokens(spent.asked, spent.replied)
        return Room(
            None if room.calls is None else room.calls - spent.calls,
            None if room.tokens is None else room.tokens - used.total,
            None if room.money is None else room.money - self._prices.of(used),
        )

    async def reserve(self, most: Tokens) -> int:
        """Set aside what a question may cost. Raises: OutOfRoom: there is no room for it."""
        if not self.left.holds(most.total, self._prices.of(most)):
            raise OutOfRoom("what this job may use of the language model is used up")
        number = len(self._set_aside)
        self._write({"number": number, "most": [most.asked, most.replied]})
        return number

    async def settle(self, number: int, used: Tokens) -> None:
        """Replace what was set aside by what was used."""
        self._write({"number": number, "used": [used.asked, used.replied]})

    def _write(self, line: dict[str, Any]) -> None:
        with self._path.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
        self._count(line)

    def _count(self, line: dict[str, Any]) -> None:
        for kind, told in (("most", self._set_aside), ("used", self._used)):
            if kind in line:
                asked, replied = line[kind]
                told[line["number"]] = Tokens(int(asked), int(replied))
