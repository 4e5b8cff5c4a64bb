"""What stands in a notebook when a try is over: a handful of files that say the same about every try, so that they diff well.

JSON has sorted keys, one value a line, and lists of plain values on one line. No byte of a model, no row but the examples
of the report, no secret, and no path of this machine.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from agents.jobs import TrainResult
from bot import reports
from bot.notebook import history
from bot.notebook.tries import Tries, Try
from bot.text import clip, plain, visible
from storage.models import Approval, Event, Job

ADDRESS = re.compile(r"[^A-Za-z0-9._-]+")
HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
"""Characters that change how their neighbours look are written as escapes."""
OF_THE_JOB = frozenset({"train", "dev", "test", "readings"})
"""What a data card holds for the machine alone: files of a job, and ways to read columns that were not taken."""
TUNEWRIGHT = "Tunewright <bot@tunewright.invalid>"
ABOUT = """\
Each commit is one try, when it was over. The same files tell of every try, so that `git log -p plan.json` shows what was \
changed, and `git diff` two tries beside each other.

| file | what it holds |
|---|---|
| `run.json` | who asked for what, which earlier adapter it goes on from, how it has ended so far |
| `data.json` | data sets by name, SHA-256 and rows |
| `data-card.json` | how the upload was read and why, what the checks found, three rows |
| `made_rows.json` | rows that a program made: how many, by whom, from what, which were struck; where there are some |
| `plan.json` | the recipe, where each value comes from, what it was expected to take |
| `settings.json` | the configuration in force when the plan was made, without secrets |
| `decisions.json` | every question and its answer: who, when, why; this file only grows |
| `training.json` | losses, steps, attempts, versions of packages |
| `report.md`, `report.json` | base against tuned, with examples |
| `suggestions.json` | what was proposed for the next try |
| `models.json` | base and adapters by SHA-256 |
"""


def files(told: Tries, number: int) -> dict[str, str]:
    """Return all files as they are when a try is over, by path."""
    known = told.until(number)
    this = known.tries[-1]
    written: dict[str, Any] = {
        "run.json": _run(known),
        "data.json": [asdict(rows) for rows in this.sets],
        "plan.json": _plan(this),
        "settings.json": this.plan.settings,
        "decisions.json": [decision(d) for t in known.tries for d in t.decisions],
        "models.json": _models(known),
        "suggestions.json": [
            {
                "rule": s.rule,
                "finding": s.finding,
                "advice": s.advice,
                "change": s.change,
                "taken": s.taken,
            }
            for s in this.suggestions
        ],
        "training.json": {
            "attempts": [attempt(job) for job in this.jobs],
            "result": _training(this.trained),
        },
    }
    texts = {"README.md": _readme(known)}
    if this.card is not None:
        written["data-card.json"] = {k: v for k, v in this.card.items() if k not in OF_THE_JOB}
    if this.made is not None:
        written["made_rows.json"] = this.made.model_dump(mode="json")
    if this.report is not None:
        written["report.json"] = this.report.model_dump(mode="json")
        trained = this.trained.model_dump(mode="json") if this.trained else None
        texts["report.md"] = reports.full_report(this.report, trained, this.made)
    return dict(sorted((texts | {path: as_json(what) for path, what in written.items()}).items()))


def message(told: Tries, number: int) -> str:
    """Return the commit's message: what came of a try in one line, then what was changed and who decided."""
    known = told.until(number)
    line = history.lines(known)[-1]
    subject = clip(f"Try {number}: {line.verdict} {line.gain}".strip(), 100)
    body = [
        f"Changed: {line.changed}",
        f"Dev loss: {line.dev_loss:.3f}" if line.dev_loss is not None else "",
        *(history.decided(said) for said in known.tries[-1].decisions),
        *(_end_in_words(event) for event in known.tries[-1].ends),
    ]
    lines = [" ".join(visible(text).split()) for text in body if text]
    return (
        "\n".join([" ".join(visible(subject).split()), "", *(clip(t, 400) for t in lines)]) + "\n"
    )


def author_of(decisions: Sequence[Approval]) -> str:
    """Return who is named as the author: the person who decided last, or Tunewright where none did."""
    people = [
        said for said in decisions if said.decided_by and not said.decided_by.startswith("policy:")
    ]
    if not people:
        return TUNEWRIGHT
    surface, _, who = (people[-1].decided_by or "").partition(":")
    name = re.sub(r"[<>\"]", "", " ".join(visible(people[-1].decided_by_name or "").split()))
    address = f"{ADDRESS.sub('-', who) or 'somebody'}@{ADDRESS.sub('-', surface)}.invalid"
    return f"{clip(name.strip(' .,:;'), 80) or 'Somebody'} <{address}>"


def time(told: Tries, number: int) -> datetime:
    """Return the time of the newest fact about a try."""
    this = told.until(number).tries[-1]
    known = [
        this.plan.created_at,
        *(said.decided_at for said in this.decisions),
        *(job.closed_at for job in this.jobs),
        *(suggestion.created_at for suggestion in this.suggestions),
        *(event.created_at for event in this.ends),
    ]
    return max(at for at in known if at is not None)


def as_json(value: Any) -> str:
    """Write JSON that diffs well: sorted keys, one value a line, lists of plain values on one line."""
    return escaped(_written(value, "") + "\n")


def escaped(text: str) -> str:
    """Return JSON with characters that change how their neighbours look as escapes."""
    return "".join(
        c if c == "\n" or unicodedata.category(c) not in HIDDEN else _escape(c) for c in text
    )


def _written(value: Any, indent: str) -> str:
    inner = indent + " "
    match value:
        case dict() if value:
            items = [
                f"{inner}{json.dumps(str(key), ensure_ascii=False)}: {_written(value[key], inner)}"
                for key in sorted(value)
            ]
            return "{\n" + ",\n".join(items) + f"\n{indent}}}"
        case list() | tuple() if any(isinstance(item, dict | list | tuple) for item in value):
            rows = [f"{inner}{_written(item, inner)}" for item in value]
            return "[\n" + ",\n".join(rows) + f"\n{indent}]"
        case _:
            return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _run(known: Tries) -> dict[str, Any]:
    run = known.run
    parent = run.parent or {}
    return {
        "run": run.id,
        "goal": run.goal,
        "method": run.method,
        "asked_by": run.owner,
        "asked_by_name": run.owner_name,
        "asked_at": moment(run.created_at),
        "wishes": run.wishes,
        "goes_on_from": {
            name: parent[name] for name in ("run", "iteration", "adapter_sha256") if name in parent
        }
        or None,
        "ended": [_end(event) for t in known.tries for event in t.ends],
    }


def _end(event: Event) -> dict[str, Any]:
    shown = event.payload
    if event.kind == "delivered":
        return {"at": moment(event.created_at), "how": "delivered", "adapter": shown.get("name")}
    how = "failed" if "reason" in shown else "cancelled"
    return {"at": moment(event.created_at), "how": how, "why": shown.get("reason", shown.get("by"))}


def _end_in_words(event: Event) -> str:
    end = _end(event)
    return f"The run was {end['how']}: {end.get('adapter') or end.get('why')}"


def _plan(this: Try) -> dict[str, Any]:
    plan = this.plan
    return {
        "try": plan.iteration,
        "version": plan.revision + 1,
        "recipe": plan.recipe,
        "origins": [list(origin) for origin in plan.why],
        "changed": [[c.field, c.before, c.after, c.why] for c in this.changes],
        "asked": plan.asked,
        "expected": plan.estimate,
        "made_at": moment(plan.created_at),
        **({"made_rows": plan.generation} if plan.generation is not None else {}),
    }


def decision(said: Approval) -> dict[str, Any]:
    """Return a question and its answer as plain data."""
    return {
        "try": said.iteration,
        "about": said.gate,
        "version": said.revision + 1,
        "shown_sha256": said.shown_sha256,
        "asked_at": moment(said.created_at),
        "decision": said.decision.value,
        "by": said.decided_by,
        "by_name": said.decided_by_name,
        "at": moment(said.decided_at),
        "why": said.comment,
    }


def attempt(job: Job) -> dict[str, Any]:
    """Return an attempt of a machine as plain data, without what it was told."""
    return {
        "job": job.id,
        "outcome": job.outcome,
        "error_code": job.error_code,
        "error": job.error if job.error_for_person else None,
        "started_at": moment(job.started_at),
        "closed_at": moment(job.closed_at),
    }


def _training(trained: TrainResult | None) -> dict[str, Any] | None:
    return trained.model_dump(mode="json", exclude={"adapter_dir"}) if trained else None


def _models(known: Tries) -> dict[str, Any]:
    this = known.tries[-1]
    trained = this.trained
    return {
        "base": {
            "name": this.recipe.model,
            "hub_id": trained.base_hub_id if trained else None,
            "sha256": trained.base_sha256 if trained else None,
        },
        "adapter_sha256": trained.adapter_sha256 if trained else None,
        "handed_over": [
            {
                "try": artifact.iteration,
                "name": artifact.name,
                "sha256": artifact.sha256,
                "size_bytes": artifact.size_bytes,
            }
            for t in known.tries
            for artifact in t.handed_over
        ],
    }


def _readme(known: Tries) -> str:
    run = known.run
    tries = "\n".join(f"- {line.as_markdown()}" for line in history.lines(known))
    return (
        f"# Run {run.id}: {plain(run.goal, 200)}\n\nThe lab notebook of a fine-tuning by Tunewright. It quotes rows of the "
        f"data (`report.md`, `report.json`, `training.json`).\n\n## Tries\n\n{tries}\n\n## Files\n\n{ABOUT}"
    )


def moment(at: datetime | None) -> str | None:
    """Return a time as plain data."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")
