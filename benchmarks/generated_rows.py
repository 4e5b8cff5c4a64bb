"""Does a training with made rows do better where rows are few, and what do the sieves stop of a maker that does harm?

    python -m benchmarks.generated_rows               BANKING77, five rows for each of ten labels
    python -m benchmarks.generated_rows --sieve-only  without the trainings: a minute

BANKING77 lies beside the project. The upload are five training rows and five dev rows of each of ten labels, drawn by a seed;
the sealed rows are all of these labels in the test file. No language model writes here: what a maker hands in is scripted.

able      other rows of the training file, which the upload does not have: what a model could write that knows the task well
harmful   of ten drafts four with a wrong label, two that are test rows (as they are, in disguise, typed wrong, in other
          words), and four that are right

Drafts go through the job `sift`, what is left through the job `train`, with and without it, and both adapters through the
job `evaluate`, the second one against the answers of the first.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.jobs import (
    MADE_ROWS,
    AgainstTry,
    EvaluateResult,
    EvaluateSpec,
    FileRef,
    GenerationTerms,
    JobSpec,
    ModelRef,
    Payload,
    Provenance,
    Rival,
    RowsBackend,
    SiftResult,
    SiftSpec,
    Strategy,
    Stratum,
    TrainResult,
    TrainSpec,
    read_result,
    write_spec,
)
from agents.recipe import Recipe
from benchmarks.makers import DRAFTS_EACH, Made, Text, Upload, able, harmful, upload
from benchmarks.sides import ROOT, SHARED
from configs.schema import EMBEDDED_MODEL, ModelSettings

TASK = "Say what the customer of a bank wants"
TEST_EACH = 20


# ---- jobs -------------------------------------------------------------------------------------------------------------


def write(path: Path, records: Sequence[dict[str, Any]]) -> FileRef:
    """Write lines of JSON and describe the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = "".join(json.dumps(record) + "\n" for record in records).encode()
    path.write_bytes(raw)
    return FileRef(path=str(path), sha256=hashlib.sha256(raw).hexdigest(), size_bytes=len(raw))


def prepared(rows: Sequence[Text], first: int = 2) -> list[dict[str, Any]]:
    """Return rows as intake prepares them."""
    return [_pair(row.text, row.label, number) for number, row in enumerate(rows, start=first)]


def _pair(text: str, label: str, number: int) -> dict[str, Any]:
    return {"prompt": f"{TASK}\n\n{text}", "completion": label, "row": number}


def drafts(made: Sequence[Made]) -> list[dict[str, Any]]:
    """Return drafts as the job `generate` hands them over."""
    provenance = Provenance(
        backend=RowsBackend.LLM,
        strategy=Strategy.FROM_LABEL,
        model="scripted",
        made_at="2026-01-01T00:00:00Z",
    ).model_dump(mode="json")
    return [
        _pair(one.text, one.label, MADE_ROWS + number) | {"made": provenance}
        for number, one in enumerate(made, start=1)
    ]


def sift_spec(rows: Upload, made: Sequence[Made], folder: Path, **changes: Any) -> SiftSpec:
    """Describe the job that looks through drafts."""
    terms = GenerationTerms(
        backend=RowsBackend.LLM,
        strategies=(Strategy.FROM_LABEL,),
        strata=tuple(Stratum(label=label, rows=2 * DRAFTS_EACH) for label in rows.labels),
        most_share=0.9,
    )
    spec = SiftSpec(
        terms=terms,
        drafts=write(folder / "drafts.jsonl", drafts(made)),
        train=write(folder / "train.jsonl", prepared(rows.train)),
        dev=write(folder / "dev.jsonl", prepared(rows.dev, 1002)),
        test=write(folder / "test.jsonl", prepared(rows.test, 2002)),
        labels=rows.labels,
        languages=("en",),
        threads=1,
    )
    return spec.model_copy(update=changes)


def worked(folder: Path, spec: Any) -> Payload:
    """Do a job in a worker of its own and return its payload."""
    write_spec(folder, JobSpec(job_id=folder.name, spec=spec))
    with (folder / "log.txt").open("ab") as log:
        words = [sys.executable, "-m", "agents.worker", str(folder)]
        subprocess.run(words, cwd=ROOT, check=True, stdout=log, stderr=log)
    result = read_result(folder)
    if result is None or result.payload is None:
        raise SystemExit(f"{folder.name} failed: {result.error if result else 'no result'}")
    return result.payload


@dataclass(frozen=True)
class Sieve:
    """What became of drafts whose faults are known."""

    kept: list[dict[str, Any]]
    stopped: dict[str, tuple[int, int]]
    """Of each fault: how many were held back by a sieve, of how many. Good ones: "none"."""
    notes: tuple[str, ...]

    @property
    def bad(self) -> tuple[int, int]:
        """The same of all bad ones."""
        every = [pair for fault, pair in self.stopped.items() if fault != "none"]
        return sum(pair[0] for pair in every), sum(pair[1] for pair in every)


def sifted(rows: Upload, made: Sequence[Made], folder: Path, **changes: Any) -> Sieve:
    """Have drafts looked through: as many are wanted as there are, so that what is held back is held back for a fault."""
    told = worked(folder / "sift", sift_spec(rows, made, folder, **changes))
    assert isinstance(told, SiftResult)
    kept = _lines(folder / "sift", told.kept)
    passed = {line["row"] - MADE_ROWS - 1 for line in kept}
    of = Counter(one.fault or "none" for one in made)
    stopped = Counter(one.fault or "none" for place, one in enumerate(made) if place not in passed)
    return Sieve(
        kept, {fault: (stopped[fault], count) for fault, count in sorted(of.items())}, told.notes
    )


def _lines(folder: Path, ref: FileRef) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / ref.path).read_text().splitlines()]


@dataclass(frozen=True)
class Outcome:
    """A training with and without, and what the sealed rows say."""

    trained: TrainResult
    against: AgainstTry
    """With the rows against without them."""
    without: EvaluateResult
    with_made: EvaluateResult


def trained(rows: Upload, sieve: Sieve, folder: Path, arguments: argparse.Namespace) -> Outcome:
    """Train with and without what was kept, and have both answer the sealed rows."""
    recipe = Recipe(
        model=EMBEDDED_MODEL,
        epochs=50,
        max_steps=arguments.steps,
        max_new_tokens=16,
    )
    model = ModelRef(
        name=EMBEDDED_MODEL,
        source=ModelSettings().catalogue[EMBEDDED_MODEL],
        cache_dir=str(arguments.cache.resolve()),
    )
    few = prepared(rows.train)
    kept = [{name: line[name] for name in ("prompt", "completion", "row")} for line in sieve.kept]
    spec = TrainSpec(
        model=model,
        train=write(folder / "learnt.jsonl", [*few, *kept]),
        without=write(folder / "few.jsonl", few),
        dev=write(folder / "dev.jsonl", prepared(rows.dev, 1002)),
        recipe=recipe,
        save_steps=arguments.steps,
        checkpoint_fraction=0.5,
        hold_at_checkpoint=False,
        checkpoints_dir=str(folder / "checkpoints"),
        threads=arguments.threads,
    )
    result = worked(folder / "train", spec)
    assert isinstance(result, TrainResult)
    test = write(folder / "sealed.jsonl", prepared(_spread(rows.test), 2002))
    evaluated: dict[str, EvaluateResult] = {}
    for name in ("without", "with"):
        ask = EvaluateSpec(
            model=model,
            adapter_dir=str(_best(folder / "checkpoints" / name)),
            test=test,
            recipe=recipe,
            threads=arguments.threads,
        )
        if evaluated:
            first = evaluated["without"]
            ask = ask.model_copy(
                update={
                    "known_answers": _at(folder / "evaluate-without", first.known_answers),
                    "rival": Rival(
                        iteration=1,
                        metric=first.primary.metric,
                        answers=_at(folder / "evaluate-without", first.answers),
                    ),
                }
            )
        told = worked(folder / f"evaluate-{name}", ask)
        assert isinstance(told, EvaluateResult)
        evaluated[name] = told
    against = evaluated["with"].against_try
    assert against is not None
    return Outcome(result, against, evaluated["without"], evaluated["with"])


def _spread(rows: Sequence[Text]) -> list[Text]:
    """Return the first few sealed rows of each label."""
    seen: Counter[str] = Counter()
    found = []
    for row in rows:
        seen[row.label] += 1
        if seen[row.label] <= TEST_EACH:
            found.append(row)
    return found


def _best(checkpoints: Path) -> Path:
    from agents.worker.checkpoints import MANIFEST, Manifest

    found = [
        (manifest.standing.dev_loss, path.parent)
        for path in checkpoints.glob(f"checkpoint-*/{MANIFEST}")
        if (manifest := Manifest.model_validate_json(path.read_bytes())).standing.dev_loss
    ]
    return min(found)[1]


def _at(folder: Path, ref: FileRef | None) -> FileRef:
    assert ref is not None
    return ref.model_copy(update={"path": str(folder / ref.path)})


# ---- telling ----------------------------------------------------------------------------------------------------------


def main() -> None:
    """Run both makers and print tables."""
    arguments = _arguments()
    if not (SHARED / "banking77_train.csv").exists():
        print("BANKING77 does not lie beside the project")
        return
    if arguments.folder is not None:
        _run(arguments.folder.resolve(), arguments)
        return
    with tempfile.TemporaryDirectory() as scratch:
        _run(Path(scratch), arguments)


def _run(root: Path, arguments: argparse.Namespace) -> None:
    rows = upload(arguments.seed, arguments.dev_each)
    before: Path | None = None
    for name, maker in (("able", able), ("harmful", harmful)):
        folder = root / name
        sieve = sifted(rows, maker(rows, arguments.seed), folder)
        _tell_sieve(name, sieve)
        if arguments.sieve_only:
            continue
        if before is not None:  # without made rows it is the same training, to the bit
            same = "checkpoints/without"
            shutil.copytree(before / same, folder / same, dirs_exist_ok=True)
        _tell_training(name, sieve, trained(rows, sieve, folder, arguments))
        before = folder


def _tell_sieve(name: str, sieve: Sieve) -> None:
    print(f"\n{name}: held back by the sieves", flush=True)
    for fault, (stopped, of) in sieve.stopped.items():
        print(f"  {fault:<28}{stopped:>5} of {of:<5}{stopped / of:>7.1%}")
    stopped, of = sieve.bad
    if of:
        print(f"  {'all bad ones':<28}{stopped:>5} of {of:<5}{stopped / of:>7.1%}")
    print(f"  kept: {len(sieve.kept)}")
    for note in sieve.notes:
        print(f"  {note}")


def _tell_training(name: str, sieve: Sieve, outcome: Outcome) -> None:
    trial, against = outcome.trained.trial, outcome.against
    assert trial is not None
    low, high = (f"{end:+.3f}" if end is not None else "–" for end in (trial.low, trial.high))
    print(
        f"{name}: {trial.steps} steps each, {len(sieve.kept)} made rows\n"
        f"  dev loss {trial.loss_without:.3f} without, {trial.loss_with:.3f} with: gain {trial.gain:+.3f} [{low}, {high}], "
        f"p {trial.p:.2g}, {trial.dev_rows} dev rows, {'helped' if trial.helped else 'dropped'}\n"
        f"  sealed rows: {outcome.without.items}, base {outcome.without.primary.base:.1%}, "
        f"without {against.other:.1%}, with {against.tuned:.1%}, "
        f"gain {100 * against.gain:+.1f} points [{100 * against.low:+.1f}, {100 * against.high:+.1f}], p {against.p_value:.2g}: "
        f"{against.verdict.value}",
        flush=True,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Made rows: what the sieves stop, and what helps")
    parser.add_argument("--steps", type=int, default=80, help="of each training")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--dev-each", type=int, default=5, help="dev rows of each label")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--folder", type=Path, help="where jobs are kept: those that are done stay done"
    )
    parser.add_argument("--sieve-only", action="store_true")
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "data" / "models", help="converted models"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
