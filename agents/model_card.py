"""The README of what is handed over: metadata by the rules of model hubs, what was measured, how to run it.

Nothing that a person wrote gets into the metadata, and the sentence of a task is shown as code: a card may be published,
and must hold no live link or picture that its author did not know of.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from agents import model_card_rows
from agents.continuing import Parent
from agents.jobs import EvaluateResult, ExportFormat, Kept, TrainResult, Verdict
from agents.made_rows import MadeRows
from agents.recipe import Method, Recipe, TargetModules, Tuning
from configs.registry import ModelFacts
from configs.schema import Backend
from storage.models import Run

DEQUANTISED = (
    "\nThey are 4-bit weights that were turned back into 32-bit ones: on the original weights of the same model the "
    "adapter works, but its figures were not measured there."
)

PROGRAMS = {Backend.TRL: "TRL", Backend.AUTOTRAIN: "AutoTrain"}
VERDICTS = {
    Verdict.BETTER: "better than its base",
    Verdict.SMALLER_THAN_ASKED: "better than its base, by less than was asked for",
    Verdict.WORSE: "worse than its base",
    Verdict.CANNOT_TELL: "not shown to differ from its base",
}

BETTER = {"higher": "", "lower": " (lower is better)", "near 1": " (1 is best)"}
HUB_LICENCES = {
    "Apache-2.0": "apache-2.0",
    "MIT": "mit",
    "LicenseRef-gemma": "gemma",
    "LicenseRef-llama3.1": "llama3.1",
    "LicenseRef-llama3.2": "llama3.2",
}
"""Licences of the registry under the names that the Hub has for them; one that it has none for is `other`."""
LICENCE_FILE = "LICENSE.md"

LIBRARIES = {
    None: "peft",
    ExportFormat.MERGED: "transformers",
    ExportFormat.GGUF: "gguf",
    ExportFormat.GGUF_ADAPTER: "gguf",
}
WHAT: dict[Tuning, dict[ExportFormat | None, str]] = {
    Tuning.LORA: {
        None: "A LoRA adapter",
        ExportFormat.MERGED: "A model with its LoRA adapter merged in",
        ExportFormat.GGUF: "A GGUF file with its LoRA adapter merged in",
        ExportFormat.GGUF_ADAPTER: "A LoRA adapter as GGUF",
    },
    Tuning.FULL: {
        None: "All layers of a model, fully fine-tuned, as an adapter for PEFT that puts them in the place of the base's",
        ExportFormat.MERGED: "A fully fine-tuned model",
        ExportFormat.GGUF: "A fully fine-tuned model as a GGUF file",
    },
}
SYNTHETIC = "synthetic-data"
"""Tag of what has learnt from made rows."""
TAGS = {Tuning.LORA: "lora", Tuning.FULL: "full-fine-tuning"}
LAYERS = {
    TargetModules.ALL_LINEAR: "all linear layers",
    TargetModules.ATTENTION: "the attention layers",
    TargetModules.MLP: "the MLP layers",
}


@dataclass(frozen=True)
class Parcel:
    """What goes into a delivery, read from rows."""

    run: Run
    recipe: Recipe
    trained: TrainResult
    evaluated: EvaluateResult
    adapter_job_id: str
    data_sha256: dict[str, str]
    rows: dict[str, int]
    dequantised: bool
    """The base weights came with a Python package, as 4-bit ones."""
    facts: ModelFacts | None = None
    """What the registry knows of the base."""
    parent: Parent | None = None
    """The adapter of an earlier run that the training started from."""
    weights: dict[str, float] = field(default_factory=dict)
    """How much of each file was used, by role, where there are several."""
    made: MadeRows | None = None
    """What is known of made rows that the adapter has learnt."""
    unused: MadeRows | None = None
    """The same of made rows that the training was no better with."""

    @property
    def base(self) -> str:
        """What the base is called: a model hub's id or the catalogue name."""
        return self.base_hub_id or self.recipe.model

    @property
    def base_hub_id(self) -> str | None:
        """Name of the base on a model hub, where it has one."""
        return self.trained.base_hub_id or (self.facts.hub_id if self.facts else None)

    @property
    def scores(self) -> bool:
        """It is a reward model: it scores answers and gives none."""
        return self.recipe.method is Method.REWARD


def model_card(parcel: Parcel, name: str, run_it: str, form: ExportFormat | None = None) -> str:
    """Return the README of an adapter, or of a format that it was written in.

    `run_it` is Markdown: how this is loaded. `name` is that of the tuned model.
    """
    facts = "\n".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in metadata(parcel, name, form).items()
    )
    return f"---\n{facts}\n---\n\n{_text(parcel, run_it, form)}"


def metadata(parcel: Parcel, name: str, form: ExportFormat | None = None) -> dict[str, Any]:
    """Return what the Hub reads of a card. What is not known is left out: no data set, as none is published."""
    adapter = form in {None, ExportFormat.GGUF_ADAPTER}
    found: dict[str, Any] = dict(_licence_fields(parcel))
    if parcel.base_hub_id is not None:
        found["base_model"] = parcel.base_hub_id
        found["base_model_relation"] = "adapter" if adapter else "finetune"
    task = "text-classification" if parcel.scores else "text-generation"
    found["library_name"] = LIBRARIES[form]
    found["pipeline_tag"] = task
    found["tags"] = [TAGS[parcel.recipe.tuning], parcel.recipe.method.value, "tunewright"]
    if parcel.made is not None:
        found["tags"].append(SYNTHETIC)
    # a test set that was opened more than once has helped to choose what it then judges
    if parcel.evaluated.openings == 1:
        found["model-index"] = [_results(parcel.evaluated, name, task)]
    return found


def licence_name(facts: ModelFacts | None) -> str | None:
    """Return what the licence of a base is called; None where it is not known."""
    return None if facts is None else facts.licence_name or facts.licence


def licence_text(parcel: Parcel) -> str | None:
    """Return the text of `LICENSE.md`, which the metadata refers to where the Hub has no name for a licence."""
    if _licence_fields(parcel).get("license_link") != LICENCE_FILE:
        return None
    return (
        f"The base, {parcel.base}, is under the {licence_name(parcel.facts)}. Its text lies beside the base, where "
        "that is downloaded. Read it before you use this or pass it on.\n"
    )


def _licence_fields(parcel: Parcel) -> dict[str, str]:
    """Return what the metadata says of the licence: that of the base, which what is made of it stays under."""
    facts = parcel.facts
    if facts is None or facts.licence is None:
        return {"license": "unknown"}
    if facts.licence in HUB_LICENCES:
        return {"license": HUB_LICENCES[facts.licence]}
    own_name = re.sub(r"[^a-z0-9.]+", "-", facts.licence.removeprefix("LicenseRef-").casefold())
    return {"license": "other", "license_name": own_name, "license_link": LICENCE_FILE}


def _results(result: EvaluateResult, name: str, task: str) -> dict[str, Any]:
    return {
        "name": name,
        "results": [
            {
                "task": {"type": task},
                "dataset": {
                    "type": "private",
                    "name": f"{result.items} sealed rows of a private data set",
                    "split": "test",
                },
                "metrics": [
                    {
                        "type": comparison.metric.value,
                        "name": comparison.metric.value.replace("_", " "),
                        "value": round(comparison.tuned, 4),
                        "verified": False,
                    }
                    for comparison in result.comparisons
                ],
            }
        ],
    }


def _text(parcel: Parcel, run_it: str, form: ExportFormat | None) -> str:
    trained, result, recipe = parcel.trained, parcel.evaluated, parcel.recipe
    primary = result.primary
    rows = "\n".join(
        f"| {c.metric.value}{BETTER[c.metric.better]} | {c.base:.3f} | {c.tuned:.3f} | {c.gain:+.3f} [{c.low:+.3f}, {c.high:+.3f}] |"
        for c in result.comparisons
    )
    exported = "" if form is None else "\nThese figures are those of the adapter with PEFT.\n"
    return f"""# {"Adapter for" if form is None else "Tuned"} {parcel.base}

{WHAT[recipe.tuning][form]}, tuned with Tunewright on {parcel.rows.get("train", 0):,} rows for this task:

```text
{_one_line(parcel.run.goal)}
```

## Is it better?

By the rule it is **{VERDICTS[result.verdict]}**: {primary.metric.value} went from {primary.base:.3f} to \
{primary.tuned:.3f}, a gain of {primary.gain:+.3f} (95 % interval {primary.low:+.3f} to {primary.high:+.3f}, p = \
{result.adjusted_p_value:.2g}) on {result.items} test rows that were never trained on. The test set was opened \
{result.openings} time{"s" if result.openings > 1 else ""}.

| metric | base | tuned | gain [95 % interval] |
|---|---|---|---|
{rows}
{exported}
## How to run it

{run_it.strip()}

## How it was made

Method {recipe.method.value} by {PROGRAMS[recipe.backend]}, {_what_was_trained(recipe)}, learning rate {recipe.learning_rate:g}, batch \
{recipe.batch_size}, {trained.steps_done} of {trained.steps_planned} steps; the adapter of step \
{trained.best_step} {_chosen(trained)}. `run.lock.json` has data hashes, seeds and versions.
{_started_from(parcel)}The base weights it was trained on have SHA-256 `{trained.base_sha256}`.{DEQUANTISED if parcel.dequantised else ""}

{model_card_rows.made_rows(parcel.made, parcel.unused, trained)}The rows it was trained and measured on are private and not part of this.

## Licence

{_about_licence(parcel)}

## Limits

Measured on {result.items} rows of one data set with greedy answers. Nothing is said about other tasks, languages or
safety. {_forgot(result)}{_depends(result)}{_judged_by(result)}
"""


def _what_was_trained(recipe: Recipe) -> str:
    if recipe.tuning is Tuning.FULL:
        return "full fine-tuning of all linear layers and norms (the tables of the vocabulary are the base's)"
    return (
        f"LoRA rank {recipe.lora_r}, alpha {recipe.lora_alpha} on {LAYERS[recipe.target_modules]}"
    )


def _forgot(result: EvaluateResult) -> str:
    found = result.forgetting
    if found is None:
        return "General abilities may have suffered; they were not measured."
    said = {
        Kept.HELD: "were kept",
        Kept.NOT_SHOWN: "may have suffered",
        Kept.HARMED: "have suffered",
    }[found.outcome]
    changes = " and ".join(
        f"by {100 * score.low:+.1f} to {100 * score.high:+.1f} points in {score.measure.words}"
        for score in found.scores
    )
    return (
        f"General abilities {said}: {found.items} everyday questions (suite {found.suite}) changed {changes}, with 95 % "
        "confidence."
    )


def _depends(result: EvaluateResult) -> str:
    """Say on what answers were seen to depend that must not matter; without a word of the rows, which are private."""
    found = result.swaps.biased if result.swaps else ()
    return "".join(
        f" Answers depend on {one.attribute.words}: with that changed, {one.tuned.flipped} of {one.tuned.pairs} were others, with a "
        f"word that changes nothing {one.control.flipped} of {one.control.pairs}."
        for one in found
    )


def _judged_by(result: EvaluateResult) -> str:
    if result.judge is None:
        return ""
    return (
        f" The rewards are opinions of the language model {_one_line(result.judge)}, which also judged in training: answers "
        "can learn to please a judge without being better."
    )


def _started_from(parcel: Parcel) -> str:
    """Say where the adapter started, and how it compares with that; nothing where it is the first."""
    parent, against = parcel.parent, parcel.evaluated.against_parent
    if parent is None:
        return ""
    text = (
        f"It was trained further from the adapter of run {parent.run}, try {parent.iteration} "
        f"(SHA-256 `{parent.adapter_sha256}`), which it replaces: load one of the two.\n"
    )
    if against is not None:
        text += (
            f"Against that adapter, on the same test rows: {against.metric.value} {against.parent:.3f} to {against.tuned:.3f}, "
            f"{against.gain:+.3f} (95 % interval {against.low:+.3f} to {against.high:+.3f}).\n"
        )
    return text


def _about_licence(parcel: Parcel) -> str:
    name = licence_name(parcel.facts)
    if parcel.facts is None or name is None:
        return (
            f"The licence of the base, {parcel.base}, is not known here. Find it out before you use this or pass it on; "
            "what it asks for holds for what is made of it too."
        )
    conditions = {
        "yes": "",
        "with_conditions": " It sets conditions to commercial use.",
        "no": " It does not allow commercial use.",
        None: " What it says about commercial use is not known here.",
    }[parcel.facts.commercial_use]
    return (
        f"The base, {parcel.base}, is under the {name}, and what is made of it stays under its terms.{conditions} Whether "
        "the rows that it was trained on allow passing it on, only their owner knows."
    )


def _chosen(trained: TrainResult) -> str:
    if trained.dev_losses:
        return "had the lowest dev loss and is this one"
    return "is this one, the last"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500].replace("```", "'''") or " "
