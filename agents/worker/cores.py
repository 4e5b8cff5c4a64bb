"""Parts of a work at the same time, each on cores of its own: small matrices leave half of two cores idle when both work on each."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch


@contextmanager
def shared_out(wanted: int) -> Iterator[Any]:
    """Provide a `map` over parts that uses as many threads as there are cores for, each with its share of them."""
    cores = torch.get_num_threads()
    workers = min(wanted, cores)
    if workers == 1:
        yield map
        return
    with ThreadPoolExecutor(workers, initializer=partial(_share, cores // workers)) as threads:
        try:
            yield threads.map
        finally:
            # what a thread sets is also what later threads start with
            torch.set_num_threads(cores)


def _share(cores: int) -> None:
    # A thread takes over the common number at its first look, which must not come after it was given its own.
    torch.get_num_threads()
    torch.set_num_threads(cores)
