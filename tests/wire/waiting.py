"""Waiting for the world to change, without polling."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from tests.wire.model import World

T = TypeVar("T")


async def until(
    world: World,
    predicate: Callable[[], T | None],
    timeout_s: float = 10.0,
    what: str = "",
    poll_s: float | None = None,
) -> T:
    """Wait until `predicate` is true; it is asked again after every change of the world.

    Args:
        what: names the thing waited for in the error.
        poll_s: also ask this often, for predicates about things outside the server (a file, a row).

    Returns: what the predicate returned, which is neither None nor false.

    Raises: AssertionError: when it is still false after `timeout_s`.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + timeout_s
    while True:
        changed = world.changed
        if found := predicate():
            return found
        left_s = deadline_s - loop.time()
        if left_s <= 0:
            raise AssertionError(f"waited {timeout_s} s in vain for {what or 'a change'}")
        try:
            await asyncio.wait_for(changed.wait(), min(left_s, poll_s or left_s))
        except TimeoutError:
            continue
