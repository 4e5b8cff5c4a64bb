"""Requests to one host keep a distance in time."""

import asyncio
from collections import defaultdict


class Pace:
    """When each host was last asked. One for all runs of a process, so that they are polite together."""

    def __init__(self) -> None:
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._asked_at_s: dict[str, float] = {}

    async def turn(self, host: str, interval_s: float) -> None:
        """Wait until a host may be asked again.

        Args:
            host: Whose turns are counted.
            interval_s: Least time between the last request and this one.
        """
        loop = asyncio.get_running_loop()
        async with self._turns[host]:
            last_s = self._asked_at_s.get(host)
            if last_s is not None:
                await asyncio.sleep(max(last_s + interval_s - loop.time(), 0))
            self._asked_at_s[host] = loop.time()
