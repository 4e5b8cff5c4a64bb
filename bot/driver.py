"""Drives runs that have been woken: one run at a time is driven once at a time, different runs side by side."""

import asyncio
from collections.abc import Awaitable, Callable


class Driver:
    """Remembers who was woken and drives them; a wake during a drive means one more drive after it."""

    def __init__(self, advance: Callable[[int], Awaitable[None]]) -> None:
        self._advance = advance
        self._due: set[int] = set()
        self._driving: dict[int, asyncio.Task[None]] = {}

    def wake(self, run_id: int) -> None:
        """Have a run driven on soon. To be called from the event loop's thread."""
        self._due.add(run_id)
        if run_id not in self._driving:
            self._driving[run_id] = asyncio.create_task(self._drive(run_id), name=f"run {run_id}")

    async def settle(self) -> None:
        """Wait until nothing is being driven."""
        while self._driving:
            await asyncio.wait(self._driving.values())

    async def close(self) -> None:
        """Stop driving; whatever was under way is found again by the next start."""
        tasks = list(self._driving.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _drive(self, run_id: int) -> None:
        try:
            while run_id in self._due:
                self._due.discard(run_id)
                await self._advance(run_id)
        finally:
            self._driving.pop(run_id, None)
