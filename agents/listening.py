"""From a reply to a report to findings: what it says about the answers, counted, with what follows from it."""

import asyncio
import json
from dataclasses import dataclass, replace

from agents import feedback, remarks
from agents.diagnosis.findings import Finding
from agents.jobs import Answered, Doubt, IntakeResult
from agents.llm import LLM
from agents.recipe import Recipe
from agents.remark_changes import finding
from agents.remark_facts import Facts
from agents.remarks import Heard, Length, Names, Remark
from agents.row_changes import RowsChange
from agents.services import Services
from storage.models import Dataset

MOST_LABELS = 100
ROWS_PER_LABEL = 2
"""References are names that a person may use when each comes this often on average."""

CAUSES: dict[str, frozenset[str]] = {
    "too long": frozenset({"missing_end", "underfit", "nothing_learnt", "learning_rate_too_low"}),
    "too short": frozenset({"truncation", "masked_labels", "memorising"}),
    "confusion": frozenset(
        {"wrong_labels", "label_noise", "conflicting_labels", "underfit", "nothing_learnt"}
    ),
    "wrong": frozenset(
        {"wrong_labels", "label_noise", "imbalance", "mixed_languages", "underfit", "truncation"}
    ),
    "phrase": frozenset({"constant_answers", "overfit", "learning_rate_too_high", "imbalance"}),
    "rows": frozenset({"wrong_labels", "doubtful_labels", "label_noise", "spike"}),
}
"""What may lie behind a remark: findings of these rules come first where the remark was measured to be true."""
FITS = " That may be behind what you said."


@dataclass(frozen=True)
class Said:
    """What a reply says about the answers."""

    findings: tuple[Finding, ...]
    rest: str
    """The words without it."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Known:
    """What words are measured by."""

    recipe: Recipe
    data: IntakeResult | None
    learnt: Dataset | None
    dev: Dataset | None
    answers: Dataset | None
    doubts: tuple[Doubt, ...]
    doubts_hold: bool
    """Leaving them out was seen to help."""
    carried: RowsChange


async def listen(services: Services, llm: LLM | None, words: str, known: Known) -> Said:
    """Return findings about what a reply says of the answers; rules read it, a language model only what they do not."""
    if not words.strip():
        return Said((), "")
    answers = await asyncio.to_thread(_answers, services, known.answers)
    names = _names(known.data, answers)
    heard = await _hear(words, names, services, llm)
    if not heard.remarks:
        return Said((), heard.rest, heard.notes)
    facts = await asyncio.to_thread(_facts, services, known, answers)
    return Said(tuple(_finding(remark, facts) for remark in heard.remarks), heard.rest, heard.notes)


def weighed(said: tuple[Finding, ...], others: list[Finding]) -> list[Finding]:
    """Put what may lie behind a remark that was measured before the rest of what the debugger has found."""
    causes = frozenset[str]().union(*(_causes(f) for f in said if _is_shown(f)))
    first = [replace(f, finding=f.finding + FITS) for f in others if f.rule in causes]
    return [*first, *(f for f in others if f.rule not in causes)]


def is_certain(found: Finding) -> bool:
    """Tell whether a remark is borne out, or about rows that can be changed: it comes before what nobody has complained of."""
    return (found.said or {}).get("is_shown") is not False


def _finding(remark: Remark, facts: Facts) -> Finding:
    found, measured = finding(remark, facts)
    evidence = {"remark": remark.model_dump(mode="json"), **measured.model_dump(mode="json")}
    return replace(found, said=evidence)


def _causes(found: Finding) -> frozenset[str]:
    remark = (found.said or {})["remark"]
    kind = f"too {remark['too']}" if remark["kind"] == Length(too="long").kind else remark["kind"]
    return CAUSES[kind]


def _is_shown(found: Finding) -> bool:
    return bool((found.said or {}).get("is_shown"))


async def _hear(words: str, names: Names, services: Services, llm: LLM | None) -> Heard:
    heard = remarks.by_rules(words, names)
    if heard.remarks or heard.notes or llm is None:
        return heard
    models = sorted(services.settings.models.catalogue)
    if feedback.by_rules(words, models) or feedback.asks_for_repairs(words):
        return heard
    return await remarks.by_model(words, names, llm)


def _names(data: IntakeResult | None, answers: tuple[Answered, ...]) -> Names:
    references = tuple(dict.fromkeys(answer.reference for answer in answers))
    few = len(references) <= min(MOST_LABELS, len(answers) / ROWS_PER_LABEL)
    known = data.labels if data is not None else ()
    labels = tuple(dict.fromkeys((*known, *(references if few else ()))))
    return Names(
        labels=labels,
        languages=frozenset(answer.language for answer in answers if answer.language),
        files=tuple(file.name for file in data.files) if data is not None else (),
    )


def _facts(services: Services, known: Known, answers: tuple[Answered, ...]) -> Facts:
    learnt = _rows(services, known.learnt)
    return Facts(
        answers=answers,
        learnt=tuple((row, answer) for row, answer in learnt if answer is not None),
        dev=frozenset(row for row, _answer in _rows(services, known.dev)),
        carried=known.carried,
        doubts=known.doubts,
        doubts_hold=known.doubts_hold,
        epochs=None if known.recipe.max_steps is not None else known.recipe.epochs,
    )


def _answers(services: Services, kept: Dataset | None) -> tuple[Answered, ...]:
    if kept is None:
        return ()
    lines = services.files.path(kept.sha256).read_bytes().splitlines()
    return tuple(Answered.model_validate_json(line) for line in lines)


def _rows(services: Services, rows: Dataset | None) -> list[tuple[int, str | None]]:
    """Return the number of each row and its answer, where that is a text."""
    if rows is None:
        return []
    found: list[tuple[int, str | None]] = []
    for line in services.files.path(rows.sha256).read_bytes().split(b"\n"):
        if line.strip():
            row = json.loads(line)
            answer = row.get("completion")
            if isinstance(answer, dict):
                answer = answer.get("content")
            found.append((row["row"], answer if isinstance(answer, str) else None))
    return found
