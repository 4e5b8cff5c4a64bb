"""Fixtures for tests over the wire."""

from collections.abc import AsyncIterator

import pytest

from tests.wire.server import WireServer


@pytest.fixture
async def wire() -> AsyncIterator[WireServer]:
    """A server of this test's own; afterwards nothing may have broken Discord's rules."""
    async with WireServer() as server:
        yield server
        assert server.violations == []
        assert server.rest.own_mistakes == []


@pytest.fixture
def judged_wire(wire: WireServer) -> WireServer:
    """As `wire`, and every answer of the server itself is held against Discord's response schemas."""
    wire.rest.check_answers = True
    return wire
