"""Options that several commands for workflows take."""

from pathlib import Path
from typing import Annotated

import typer

OllamaUrl = Annotated[
    str | None,
    typer.Option(
        "--ollama-url",
        "-u",
        metavar="URL",
        help="Use Ollama at this address, whatever is configured.",
    ),
]
ModelScript = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Take replies from a script, not from a model."),
]
