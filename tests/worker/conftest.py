"""The training stack, imported once for all tests that train."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.forkserver import ForkServer


@pytest.fixture(scope="session")
def worker() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def tiny(worker: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return worker.build(tmp_path_factory.mktemp("model") / "tiny")
