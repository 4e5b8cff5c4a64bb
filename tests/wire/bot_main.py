"""The bot as a process for tests over the wire: everything real but the worker.

    python -m tests.wire.bot_main

reads the environment like `tunewright run`; STUB_SCRIPT holds a JSON object, job id → what happens instead of success.
"""

import asyncio
import json
import logging
import os
import sys

from bot.service import serve
from bot.surface import CannotConnect
from configs.load import load
from tests.fakes import StubLauncher

EXIT_CONFIG = 78


def main() -> None:
    settings = load(os.environ).settings
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s"
    )
    for chatty in ("apscheduler", "aiosqlite"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    launcher = StubLauncher(script=json.loads(os.environ.get("STUB_SCRIPT", "{}")))
    try:
        asyncio.run(serve(settings, launcher=launcher))
    except CannotConnect as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_CONFIG)


if __name__ == "__main__":
    main()
