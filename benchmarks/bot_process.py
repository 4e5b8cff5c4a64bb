"""Start time, idle memory and acknowledgement latency of the real bot process while a real training runs.

    python -m benchmarks.bot_process [--acks 100]

The bot speaks to the wire server on loopback; the training is a real one in a worker of its own on all cores.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.wire.bot_process import RealBot
from tests.wire.server import WireServer
from tests.wire.thread import PLAN, Thread, thread_of_run

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "examples" / "tickets.csv"
TASK = "Turn a support ticket into our short house code"
STARTS = 5
IDLE_AFTER_S = 5.0
PACE_S = 0.3


async def measure(acks: int) -> dict[str, float]:
    """Return the figures; seconds and MiB in their names."""
    starts_s = [await _start_once() for _time in range(STARTS)]
    with tempfile.TemporaryDirectory() as folder:
        async with WireServer() as server, RealBot(server, Path(folder)) as bot:
            assert bot.pid is not None
            await asyncio.sleep(IDLE_AFTER_S)
            idle_bytes = psutil.Process(bot.pid).memory_info().rss
            quiet = await _latencies(server, acks)
            await _start_training(server)
            busy = await _latencies(server, acks)
            busy_bytes = psutil.Process(bot.pid).memory_info().rss
            await server.person("ada").slash("finetune cancel", run=1)
            await asyncio.to_thread(_wait_for_workers, bot.pid)
    return {
        "start_median_s": statistics.median(starts_s),
        "idle_memory_mib": idle_bytes / 2**20,
        "training_memory_mib": busy_bytes / 2**20,
        "ack_idle_median_s": statistics.median(quiet),
        "ack_idle_p99_s": _p99(quiet),
        "ack_training_median_s": statistics.median(busy),
        "ack_training_p99_s": _p99(busy),
        "acks": float(acks),
    }


async def _start_once() -> float:
    with tempfile.TemporaryDirectory() as folder:
        async with WireServer() as server:
            bot = RealBot(server, Path(folder))
            began_s = time.perf_counter()
            async with bot:
                return time.perf_counter() - began_s


async def _start_training(server: WireServer) -> None:
    """Start a run by command, approve its plan by reaction, and wait until steps are being made."""
    ada = server.person("ada")
    await ada.slash("finetune start", dataset=("tickets.csv", DATA.read_bytes()), task=TASK)
    thread = await thread_of_run(server)
    await ada.react(await thread.question(PLAN, 600), "✅")
    await server.until(lambda: _trains(thread), 600, poll_s=0.5)


def _trains(thread: Thread) -> bool:
    return thread.find("Training$") is not None and " % " in thread.body("Training$")


async def _latencies(server: WireServer, count: int) -> list[float]:
    ada = server.person("ada")
    found = []
    for _time in range(count):
        asked = await ada.slash("finetune status")
        found.append((await asked.ack()).latency_s)
        await asyncio.sleep(PACE_S)
    return found


def _wait_for_workers(bot_pid: int) -> None:
    """Give cancelled workers the time they are allowed to end in."""
    psutil.wait_procs(psutil.Process(bot_pid).children(recursive=True), timeout=60)


def _p99(values: list[float]) -> float:
    return sorted(values)[max(round(0.99 * len(values)) - 1, 0)]


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--acks", type=int, default=100)
    figures = asyncio.run(measure(parser.parse_args().acks))
    json.dump({name: round(value, 4) for name, value in figures.items()}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
