"""From rows to cards: every word a person reads about a run."""

from collections.abc import Callable
from typing import Any

from agents import gates
from agents.jobs import ExportFormat, Parity
from bot import (
    blind_cards,
    data_cards,
    data_map,
    made_cards,
    publish_cards,
    question_cards,
    reports,
    status_cards,
    why_cards,
    workflow_cards,
    workflow_questions,
)
from bot.scenes import Scene
from bot.surface import Card, Field, Tone
from bot.text import clip, inline, plain, size
from configs.schema import GateKind
from storage.models import FINAL, Phase, Run, Target

MOST_FINDINGS = 6
MOST_EXAMPLES = 3

PHASES = {
    Phase.PREPARING: "reading the data",
    Phase.PLANNING: "making a plan",
    Phase.APPROVING: "waiting for a yes to the plan",
    Phase.ENRICHING: "making rows",
    Phase.BUILDING: "training",
    Phase.EVALUATING: "measuring base against tuned",
    Phase.REVIEWING: "waiting for a yes to the result",
    Phase.DEBUGGING: "looking for what to improve",
    Phase.DELIVERING: "packing the adapter",
    Phase.EXPORTING: "writing the adapter in another format",
    Phase.PUBLISHING: "publishing it on the Hub",
    Phase.DELIVERED: "done: the adapter is ready",
    Phase.CANCELLED: "cancelled",
    Phase.FAILED: "failed",
}
"""What people are told a run is at."""

PHASES_OF_WORKFLOWS = PHASES | {
    Phase.PREPARING: "reading the workflow and its tests",
    Phase.BUILDING: "looking for changes",
    Phase.EVALUATING: "running proposals beside what stands",
    Phase.REVIEWING: "waiting for a yes to a change",
    Phase.DEBUGGING: "deciding how it goes on",
    Phase.DELIVERING: "the last comparison",
    Phase.DELIVERED: "done: the workflow is ready",
}
"""The same, where a workflow is improved."""
WORDS = {Target.MODEL: (PHASES, "try"), Target.WORKFLOW: (PHASES_OF_WORKFLOWS, "round")}
"""What phases and iterations are called."""
FILES = {Target.MODEL: "data", Target.WORKFLOW: "files"}
"""What uploads are called."""


def render(scene: Scene) -> Card:
    """Return the card of an event as it should look now."""
    return RENDERERS[scene.run.target][scene.event.kind](scene)


def state(run: Run) -> str:
    """Say in a few words where a run is."""
    phases, iteration = WORDS[run.target]
    words = phases[run.phase]
    if run.paused and run.phase not in FINAL:
        return f"paused ({words})"
    return f"{words} ({iteration} {run.iteration})" if run.iteration > 1 else words


def _opened(scene: Scene) -> Card:
    run = scene.run
    tone = {Phase.DELIVERED: Tone.GOOD, Phase.FAILED: Tone.BAD, Phase.CANCELLED: Tone.PLAIN}.get(
        run.phase, Tone.WORKING
    )
    about = "; ".join(f"{plain(u.name, 80)}, {size(u.size_bytes)}" for u in scene.uploads)
    return Card(
        title=f"Run #{run.id}: {state(run)}",
        body=f"**{plain(run.goal)}**",
        fields=(
            Field(FILES[run.target], about or "–"),
            Field("model", plain(run.model, 80)),
            Field("asked for by", plain(run.owner_name or run.owner, 60)),
        ),
        tone=tone,
        footer=scene.marker,
        final=run.phase in FINAL,
    )


def _debug(scene: Scene) -> Card:
    shown = scene.event.payload
    lines = []
    for found in shown["findings"]:
        lines.append(f"• {plain(found['finding'], 500)} → {plain(found['advice'], 400)}.")
        lines.extend(_doubt(example) for example in found.get("examples", ()))
    lines.extend(plain(note, 300) for note in shown["notes"])
    if not shown["findings"]:
        lines.append("The numbers show nothing that I know how to improve.")
    if shown["next"]:
        lines.append(
            f"The plan for try {shown['next']} follows below; reply to it with what else should be different."
        )
    elif shown.get("stopped"):
        lines.append(plain(shown["stopped"], 400))
    drawn = shown.get("map")
    if drawn:
        lines.insert(0, data_map.sentence(drawn))
    return Card(
        title=f"What try {shown['iteration']} tells",
        body="\n".join(lines),
        footer=scene.marker,
        charts=(data_map.chart(drawn),) if drawn else (),
    )


def _doubt(example: dict[str, Any]) -> str:
    """Show a doubtful row: its prompt, its answer, and the answer that would be likelier."""
    row, given = plain(example["row"], 60), inline(example["given"], 80)
    said = f"    {row}: “{plain(example['prompt'], 140)}” is {given}"
    if example["likelier"] is None:
        return said
    chances = f"{100 * example['p_likelier']:.0f} % against {100 * example['p_given']:.0f} %"
    return f"{said}; likelier {inline(example['likelier'], 80)} ({chances})"


def _delivered(scene: Scene) -> Card:
    shown = scene.event.payload
    load = reports.load_snippet(shown)
    about = f"The link works for a limited time; `/finetune download` gives a new one.\n\nAfter unpacking, two lines load it:\n{load}"
    return _handed_over(scene, "adapter", about)


def _handed_over(scene: Scene, what: str, about: str) -> Card:
    """Offer a file that was packed: its link, its size, what to do with it."""
    shown = scene.event.payload
    link = scene.link or "ask for it with `/finetune download`"
    return Card(
        title=f"Your {what} is ready",
        body=f"{link}\n{inline(shown['name'])}, {size(shown['size_bytes'])}. {about}",
        fields=(Field("sha256", inline(shown["sha256"]), inline=False),),
        tone=Tone.GOOD,
        footer=scene.marker,
        attach=shown["sha256"],
        attach_name=shown["name"],
        copyable=(f"curl -O {link}",) if scene.link else (),
        loud=True,
    )


FORMATS = {
    ExportFormat.MERGED: (
        "merged model",
        "Base and adapter as one model, for transformers and vLLM.",
    ),
    ExportFormat.GGUF: ("GGUF", "Base and adapter as one file, for llama.cpp and Ollama."),
    ExportFormat.GGUF_ADAPTER: (
        "adapter as GGUF",
        "The adapter alone, for llama.cpp beside a GGUF of its base.",
    ),
}
"""What formats are called, and what they are for."""


def _exported(scene: Scene) -> Card:
    shown = scene.event.payload
    name, purpose = FORMATS[ExportFormat(shown["format"])]
    if "cause" in shown:
        return Card(
            title=f"No {name}",
            body=f"{plain(shown['cause'], 900)}\nThe adapter itself is untouched.",
            tone=Tone.BAD,
            footer=scene.marker,
            loud=True,
        )
    parity = _parity(Parity.model_validate(shown["parity"]))
    about = f"{purpose} The README inside says how to run it.\n{parity}"
    return _handed_over(scene, name, about)


def _parity(parity: Parity) -> str:
    if parity.same == parity.prompts:
        return f"Checked: it answers all of {parity.prompts} dev prompts with the same tokens as the adapter."
    return (
        f"Checked on {parity.prompts} dev prompts: {parity.same} answers have the same tokens as the adapter's, "
        f"{parity.near_ties} part where the adapter itself was undecided between two tokens."
    )


def _ended(scene: Scene) -> Card:
    shown = scene.event.payload
    if "reason" in shown:
        body = plain(shown["reason"], 1500)
        return Card(
            title="This run has failed",
            body=body,
            tone=Tone.BAD,
            footer=scene.marker,
            loud=True,
        )
    return Card(
        title="This run was cancelled",
        body=f"by {plain(shown['by'], 80)}",
        footer=scene.marker,
    )


def _notice(scene: Scene) -> Card:
    shown = scene.event.payload
    return Card(
        title=plain(shown["title"], 200),
        body=plain(shown["text"], 1500),
        footer=scene.marker,
        notify=tuple(shown.get("notify", ())),
        loud=bool(shown.get("loud")),
    )


OF_MODELS: dict[str, Callable[[Scene], Card]] = {
    "opened": _opened,
    "data": data_cards.data,
    "status": status_cards.status,
    "debug": _debug,
    "delivered": _delivered,
    "exported": _exported,
    "published": publish_cards.published,
    "ended": _ended,
    "notice": _notice,
    "ballot": blind_cards.ballot,
    "explained": why_cards.explained,
    "compared": blind_cards.compared,
    "judged": blind_cards.judged,
    GateKind.READING.value: question_cards.reading,
    GateKind.PLAN.value: question_cards.plan,
    GateKind.CHANGE.value: question_cards.change,
    gates.EVENTS[GateKind.DATA]: made_cards.question,
    GateKind.CHECKPOINT.value: question_cards.checkpoint,
    GateKind.REPORT.value: question_cards.report,
    GateKind.PUBLISH.value: publish_cards.question,
}

OF_WORKFLOWS: dict[str, Callable[[Scene], Card]] = {
    "workflow": workflow_cards.workflow,
    "stands": workflow_cards.stands,
    "round": workflow_cards.round_,
    "delivered": workflow_cards.delivered,
    GateKind.PLAN.value: workflow_questions.plan,
    GateKind.CHANGE.value: workflow_questions.change,
    GateKind.EDIT.value: workflow_questions.edit,
    GateKind.KEEP.value: workflow_questions.keep,
}
"""Cards of a run that improves a workflow, as far as they are other ones."""

RENDERERS = {Target.MODEL: OF_MODELS, Target.WORKFLOW: OF_MODELS | OF_WORKFLOWS}
"""By what a run improves, and what an event is about."""

TITLE_LIMIT = 90


def thread_name(run: Run) -> str:
    """Return the name of a run's thread, at most 100 characters."""
    model = f" · {run.model}" if run.target is Target.MODEL else ""
    return clip(f"#{run.id} {' '.join(run.goal.split())}{model}", TITLE_LIMIT)
