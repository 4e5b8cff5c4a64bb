"""A job that makes rows, in a folder: what the tests of it have in common."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.generation.generate_job import run
from agents.generation.llm_caller import LLMCaller
from agents.jobs import (
    Fact,
    FileRef,
    GenerateResult,
    GenerateSpec,
    GenerationTerms,
    Left,
    RowsBackend,
    Source,
    Strategy,
    Stratum,
)
from tests.generators import POOL, Generator, chat_of

LABELS = ("card_arrival", "pin_blocked", "exchange_rate")
FACTS = tuple(
    Fact(
        id=f"f{number}", text=text, source=Source(kind="document", name="terms.pdf", where="page 3")
    )
    for number, text in enumerate(
        (
            "A replacement card is sent within three working days. It costs five euros after the first one.",
            "The exchange rate is that of the card network at the time of booking. No margin is added on weekdays.",
            "A blocked PIN is opened again at any cash machine of ours. It takes one attempt with the right code.",
            "Accounts for people under eighteen need the consent of a parent. They have no overdraft at all.",
        ),
        1,
    )
)


def labelled(per_label: int = 5) -> list[dict[str, Any]]:
    """Return training rows of three labels, each with inputs from the end of its pool."""
    rows: list[dict[str, Any]] = []
    for label in LABELS:
        for text in POOL[label][:: len(POOL[label]) // per_label][:per_label]:
            rows.append({"row": len(rows) + 1, "prompt": text, "completion": label})
    return rows


def opened(rows: int = 6) -> list[dict[str, Any]]:
    """Return training rows with free answers."""
    return [
        {
            "row": number,
            "prompt": f"How do I reach branch number {number} on a holiday?",
            "completion": f"Branch {number} is closed on holidays; call the line that is printed on the card.",
        }
        for number in range(1, rows + 1)
    ]


def jsonl(path: Path, rows: Sequence[Any]) -> FileRef:
    """Write lines, and return what names them."""
    lines = [row.model_dump_json() if isinstance(row, Fact) else json.dumps(row) for row in rows]
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(content)
    return FileRef(
        path=str(path), sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content)
    )


def terms(*strategies: Strategy, rows: int = 10, **more: Any) -> GenerationTerms:
    """Return terms for some rows of each label."""
    strata = more.pop("strata", tuple(Stratum(label=label, rows=rows) for label in LABELS))
    told = {"backend": RowsBackend.LLM} | more
    return GenerationTerms(strategies=strategies, strata=strata, **told)


def spec(
    folder: Path, wanted: GenerationTerms, rows: Sequence[Any] | None = None, **more: Any
) -> GenerateSpec:
    """Write the files of a job, and return what it is told."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = more.pop("facts", ())
    return GenerateSpec(
        terms=wanted,
        train=jsonl(folder / "train.jsonl", labelled() if rows is None else rows),
        facts=jsonl(folder / "facts.jsonl", facts) if facts else None,
        journal_dir=str(folder / "paid"),
        **({"surplus": 1.0, "left": Left(calls=500)} | more),
    )


def made(
    folder: Path, told: GenerateSpec, generator: Generator | None = None, chat: Any = None
) -> tuple[GenerateResult, list[dict[str, Any]]]:
    """Do a job with a generator as its language model, and return its result and its drafts; without one nobody is asked."""
    model = chat_of(generator) if generator is not None else chat

    def opening(given: GenerateSpec, purse: Any, _beat: Any) -> LLMCaller | None:
        return None if model is None else LLMCaller(model, "generator", purse, given.at_once)

    result = run(folder, told, opening).payload
    assert isinstance(result, GenerateResult)
    content = (folder / result.drafts.path).read_bytes()
    assert hashlib.sha256(content).hexdigest() == result.drafts.sha256
    drafts = [json.loads(line) for line in content.splitlines()]
    assert len(drafts) == result.rows
    return result, drafts
