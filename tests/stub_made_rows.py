"""What the programs that make rows would have left: drafts that say what they were asked for, held against nothing real."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.jobs import (
    MADE_ROWS,
    FileRef,
    GatherResult,
    GatherSpec,
    GenerateResult,
    GenerateSpec,
    Provenance,
    RowsTrial,
    SampleRow,
    SieveName,
    Sifted,
    SiftResult,
    SiftSpec,
    Source,
    Strategy,
)

MODEL = "scribe"
"""Language model that has made rows, where one was asked."""
SAMPLE = 12
MADE_AT = "2026-11-22T12:00:00Z"


@dataclass(frozen=True)
class MadePlay:
    """What comes of made rows in a test."""

    drafts: tuple[str, ...] = ()
    """Prompts of the drafts, in order; usual ones where these are too few."""
    fit: int | None = None
    """Drafts that are fit, at most; None: as many as are wanted."""
    helped: bool = True
    """What the comparison of trainings says."""
    sources: tuple[Source, ...] = ()
    """Where facts are from."""


def played(
    folder: Path, spec: GatherSpec | GenerateSpec | SiftSpec, play: MadePlay
) -> GatherResult | GenerateResult | SiftResult:
    match spec:
        case GatherSpec():
            return gathered(folder, spec, play)
        case GenerateSpec():
            return generated(folder, spec, play)
        case SiftSpec():
            return sifted(folder, spec, play)


def gathered(folder: Path, _spec: GatherSpec, play: MadePlay) -> GatherResult:
    facts = [
        {"id": f"f{n}", "text": f"fact {n}", "source": source.model_dump(mode="json")}
        for n, source in enumerate(play.sources)
    ]
    return GatherResult(
        facts=_written(folder, "facts", facts),
        count=len(facts),
        sources=play.sources,
        requests=tuple(s.where for s in play.sources if s.kind == "page"),
    )


def generated(folder: Path, spec: GenerateSpec, play: MadePlay) -> GenerateResult:
    facts = [] if spec.facts is None else Path(spec.facts.path).read_text().splitlines()
    wanted = [
        s.label or "a" for s in spec.terms.strata for _row in range(round(s.rows * spec.surplus))
    ]
    said = f" ({spec.notes[-1]})" if spec.notes else ""
    strategy = Strategy.FROM_FACTS if facts else spec.terms.strategies[0]
    drafts = [
        {
            "row": MADE_ROWS + number,
            "prompt": play.drafts[number - 1]
            if number <= len(play.drafts)
            else f"made {number} of seed {spec.terms.seed}{said}",
            "completion": label,
            "made": Provenance(
                backend=spec.terms.backend,
                strategy=strategy,
                model=None if spec.llm is None else MODEL,
                seeds=(1,),
                facts=(json.loads(facts[number % len(facts)])["id"],) if facts else (),
                made_at=MADE_AT,
            ).model_dump(mode="json"),
        }
        for number, label in enumerate(wanted, start=1)
    ]
    return GenerateResult(
        drafts=_written(folder, "drafts", drafts),
        rows=len(drafts),
        by_strategy=((strategy, len(drafts)),),
        model=None if spec.llm is None else MODEL,
    )


def sifted(folder: Path, spec: SiftSpec, play: MadePlay) -> SiftResult:
    drafts = [json.loads(line) for line in Path(spec.drafts.path).read_text().splitlines()]
    left = {stratum.label or "a": stratum.rows for stratum in spec.terms.strata}
    kept: list[dict[str, Any]] = []
    for draft in drafts:
        if left.get(draft["completion"], 0) and (play.fit is None or len(kept) < play.fit):
            left[draft["completion"]] -= 1
            kept.append(draft)
    over = [draft for draft in drafts if draft not in kept]
    strata = {draft["completion"]: 0 for draft in kept}
    for draft in kept:
        strata[draft["completion"]] += 1
    return SiftResult(
        kept=_written(folder, "kept", kept),
        rows=len(kept),
        strata=tuple(strata.items()),
        sifted=(
            Sifted(
                sieve=SieveName.LEAK,
                rows=len(over),
                examples=tuple((d["row"], d["prompt"], "like test row 3") for d in over[:5]),
            ),
        ),
        sample=tuple(
            SampleRow(
                number=number,
                row=draft["row"],
                stratum=draft["completion"],
                prompt=draft["prompt"],
                completion=draft["completion"],
                strategy=draft["made"]["strategy"],
                facts=tuple(draft["made"]["facts"]),
            )
            for number, draft in enumerate(kept[:SAMPLE], start=1)
        ),
    )


def a_trial(helped: bool, **facts: Any) -> RowsTrial:
    """Return what a training with made rows against one without would have shown."""
    gain = 0.12 if helped else -0.03
    found: dict[str, Any] = {
        "rows": 80,
        "steps": 10,
        "loss_with": 1.0 - gain,
        "loss_without": 1.0,
        "gain": gain,
        "low": gain - 0.05,
        "high": gain + 0.05,
        "p": 0.01 if helped else 0.6,
        "dev_rows": 10,
        "helped": helped,
    }
    return RowsTrial(**(found | facts))


def _written(folder: Path, name: str, rows: list[dict[str, Any]]) -> FileRef:
    path = folder / "artifacts" / f"{name}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    raw = path.read_bytes()
    return FileRef(
        path=f"artifacts/{name}.jsonl",
        sha256=hashlib.sha256(raw).hexdigest(),
        size_bytes=len(raw),
    )
