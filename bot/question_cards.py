"""Cards that ask: plan, change, half-time, report; and what they say once somebody has answered."""

from dataclasses import replace
from typing import Any

from agents import readings
from agents.hyperparameters import gigabytes
from agents.jobs import Reading, Sample
from agents.planning import Estimate
from agents.recipe import Recipe
from agents.rewards import Judge
from bot import blind_cards, candidate_cards, data_cards, llm_lines, made_plans, reports
from bot.scenes import Scene
from bot.status_cards import progress
from bot.surface import Card, Question, Tone
from bot.text import duration, inline, plain
from configs.schema import CheckpointMode
from storage.models import Approval, Decision

DEFAULT_AFTER_SILENCE = "Training goes on while this question stands; no answer means “go on”."

MOST_OFFERED = 8
ROWS_NAMED = 5
ROWS_OF_CHANGE = 12


def reading(scene: Scene) -> Card:
    """Ask how the columns of a file are to be read."""
    shown = scene.event.payload
    choices = [Reading.model_validate(choice) for choice in shown["readings"]]
    samples = [Sample.model_validate(sample) for sample in shown["samples"]]
    lines = [f"⚠ {plain(shown['note'], 400)}"] if shown["note"] else []
    lines += [
        f"{number}. {inline(readings.say(choice), 160)} {plain(choice.reason, 160)}"
        for number, choice in enumerate(choices, start=1)
    ]
    columns = plain(", ".join(shown["columns"]), 300)
    body = f"The columns are: {columns}. They can be read in more than one way:\n" + "\n".join(
        lines
    )
    return ask(
        scene,
        Card(
            title="How should I read your file?",
            body=f"{body}\n\nBy the first:\n{data_cards.rendered(samples[:2])}",
        ),
        yes="the first one",
        no="end this run",
        hint=f"Or reply with a number, or say it yourself, for example “{readings.EXAMPLE}”.",
    )


def plan(scene: Scene) -> Card:
    """Ask whether a plan may be carried out."""
    shown = scene.event.payload
    recipe = Recipe.model_validate(shown["recipe"])
    guess = Estimate(**shown["estimate"])
    made = shown.get("generation")
    lines = [
        f"Teach **{plain(recipe.model, 80)}** with {made_plans.mine_and_made(guess, made)}, {recipe.epochs:g} times over"
        f" ({guess.steps:,} steps), then let base and tuned answer {guess.test_rows:,} rows neither has seen.",
        *candidate_cards.planned(recipe, guess),
        *made_plans.planned(made, guess),
        *_parent_sentences(shown.get("parent")),
        f"Takes about **{duration(guess.total_s)}** on this machine (measured: {guess.step_s:.1f} s a step).",
        *_cost_sentence(guess),
        *_memory_sentences(guess),
        *_judge_sentences(guess, recipe),
        _gain_sentence(guess, recipe),
        *baseline_sentences(shown.get("baseline")),
        *selection_lines(shown.get("selection")),
        *long_row_sentences(shown.get("long_rows")),
        *_amendments(shown),
        *row_sentences(shown.get("rows")),
    ]
    origins = "\n".join(
        f"• {inline(f'{name} = {value}')} {plain(why, 160)}"
        for name, value, why in shown["why"][:12]
    )
    title = "The plan" if shown["iteration"] == 1 else f"Plan for try {shown['iteration']}"
    if shown["revision"]:
        title += f", version {shown['revision'] + 1}"
    return ask(
        scene,
        Card(
            title=title,
            body="\n".join(lines)
            + f"\n\nWhy these settings:\n{origins}"
            + llm_lines.advice(scene.advice),
        ),
        yes="carry it out",
        no="don't",
        hint="Or reply with what should be different, for example “3 epochs, lr 1e-4, use 200 rows”.",
    )


def _parent_sentences(found: dict[str, Any] | None) -> list[str]:
    """Say which earlier adapter is trained further, and what that means for the verdict."""
    if found is None:
        return []
    again = f", try {found['try']}" if found["try"] > 1 else ""
    return [
        f"Goes on from the adapter of **run #{found['run']}**{again} instead of from nothing, and keeps its shape. The "
        "verdict is against the base model as always; the report says as well how it does against that adapter."
    ]


def _cost_sentence(guess: Estimate) -> list[str]:
    if guess.cost is None:
        return []
    return [f"Costs about **{guess.cost:.2f} {plain(guess.currency, 8)}** at the configured price."]


def _judge_sentences(guess: Estimate, recipe: Recipe) -> list[str]:
    """Say which language model is asked about answers, how often, and what is sent to it."""
    if guess.judge is None:
        return []
    criteria = [reward.criterion for reward in recipe.rewards if isinstance(reward, Judge)]
    quoted = " and ".join(f"“{plain(criterion, 200)}”" for criterion in criteria)
    return [
        f"⚠ The language model **{plain(guess.judge, 80)}** judges answers by {quoted}. It is asked up to about "
        f"**{guess.questions:,} times**: about answers tried out in training, at each look at the dev rows, and of base and "
        "tuned in the end. Your rows (prompts and references) and the answers are sent to it, none of them before you "
        "say yes. The time and money that it takes are not in this estimate."
    ]


def _memory_sentences(guess: Estimate) -> list[str]:
    if guess.memory_bytes is None:
        return []
    text = f"Needs about **{gigabytes(guess.memory_bytes)}** of memory by formula"
    if guess.measured_memory_bytes is not None:
        text += f"; one step on the longest rows, tried out, took {gigabytes(guess.measured_memory_bytes)}"
    if guess.memory_limit_bytes:
        text += f". This machine has {gigabytes(guess.memory_limit_bytes)}"
    lines = [text + "."]
    if not guess.fits:
        lines.append(
            "⚠ That will hardly fit. Reply with a smaller model, or with shorter rows (“context 256”)."
        )
    return lines


def baseline_sentences(found: dict[str, Any] | None) -> list[str]:
    """Say what the base does without training, and whether that may be enough."""
    if found is None:
        return []
    lines = [
        f"Without training, with a good prompt and {found['shots']} examples in it, the base gets "
        f"**{100 * found['score']:.0f} %** ({plain(found['metric'].replace('_', ' '), 30)}, {found['items']} dev rows, "
        f"95 % interval {100 * found['low']:.0f} to {100 * found['high']:.0f})."
    ]
    if found["enough"]:
        lines.append(
            f"⚠ That may be as good as it gets: {100 * found['target']:.0f} % lies within the interval. "
            "A prompt may be all you need; train only if it is too long or too slow for you."
        )
    return lines


def long_row_sentences(found: dict[str, Any] | None) -> list[str]:
    """Say which rows are longer than the model reads here."""
    if found is None:
        return []
    said = [f"⚠ Of rows longer than {found['limit_tokens']:,} tokens"]
    if found["cut"]:
        said.append(f"{found['cut']:,} are cut at their end")
    if found["left_out"]:
        rows = ", ".join(f"{row:,}" for row in found["rows"][:ROWS_NAMED])
        more = ", …" if found["left_out"] > ROWS_NAMED else ""
        said.append(
            f"{found['left_out']:,} are left out (row {rows}{more}), as nothing of their answers would be left"
        )
    return [f"{said[0]}, {' and '.join(said[1:])}."]


def selection_lines(found: dict[str, Any] | None) -> list[str]:
    """List the models that were compared and why one was taken."""
    if found is None:
        return []
    lines = [f"You named no model, so I compared: {plain(found['why'], 200)}."]
    for candidate in found["candidates"][:8]:
        facts = []
        if candidate.get("bits_per_byte") is not None:
            facts.append(
                f"{candidate['bits_per_byte']:.2f} bits per byte on {candidate['rows']} rows"
            )
        if candidate.get("prompted"):
            facts.append(f"{100 * candidate['prompted']['score']:.0f} % with examples")
        if candidate["out"]:
            facts.append(f"out: {plain(candidate['out'], 120)}")
        lines.append(f"• {inline(candidate['name'])} {', '.join(facts)}")
    return lines


def row_sentences(found: dict[str, Any] | None) -> list[str]:
    """Say which training rows are left out or get another label, and how to have it otherwise."""
    if found is None:
        return []
    done = []
    if found["dropped"]:
        done.append(f"**{found['dropped']:,}** are left out")
    if found["relabelled"]:
        done.append(f"**{found['relabelled']:,}** get the likelier label")
    names = [name.removeprefix("row ") for name in found["named"][:ROWS_OF_CHANGE]]
    more = ", …" if found["dropped"] + found["relabelled"] > len(names) else ""
    return [
        f"Of your rows to learn from {' and '.join(done)} (row {', '.join(names)}{more}). They are kept beside, your file and "
        "the dev and test rows stay as they are, and “keep all rows” takes it back. Or reply “keep row 12”, “only 20”, "
        "“relabel them”, “drop them”."
    ]


def _gain_sentence(guess: Estimate, recipe: Recipe) -> str:
    if guess.smallest_gain is None:
        return f"⚠ With {guess.test_rows} test rows no verdict is possible; at least 20 are needed."
    sentence = (
        f"With {guess.test_rows:,} test rows I can only show gains above about "
        f"**{100 * guess.smallest_gain:.0f} points**; smaller ones may stay unproven."
    )
    asked = recipe.target_gain_points
    if asked is None:
        return sentence
    few = " ⚠ These are too few rows to be sure of it." if asked < 100 * guess.smallest_gain else ""
    return f"{sentence} A gain below the {asked:g} points that you asked for is called smaller than asked.{few}"


def _amendments(shown: dict[str, Any]) -> list[str]:
    lines = []
    seen = [s["finding"] for s in shown["suggestions"] if not s.get("said")]
    lines += [plain(s["finding"], 500) for s in shown["suggestions"] if s.get("said")]
    if seen:
        lines.append("From the last try: " + " ".join(plain(finding, 300) for finding in seen))
    lines += _offers(shown["suggestions"])
    if shown["asked"]:
        lines.append(f"You said: “{plain(shown['asked'], 300)}”")
    if shown["changes"]:
        changes = ", ".join(
            f"{inline(name)} {plain(old, 40)} → **{plain(new, 40)}**"
            for name, old, new in shown["changes"]
        )
        lines.append(f"Changed: {changes}")
    lines.extend(plain(note, 300) for note in shown["notes"])
    return lines


def _offers(suggestions: list[dict[str, Any]]) -> list[str]:
    """List the debugger's changes by number where a person may choose among them."""
    offered = [s for s in suggestions if s.get("number")]
    if all(s["taken"] for s in offered):
        return []
    others = [s["number"] for s in offered if not s["taken"]]
    several = f", “take {offered[0]['number']} and {others[-1]}”" if len(offered) > 1 else ""
    lines = ["What could be changed (✔: this plan does; one at a time tells what helped):"]
    lines += [
        f"{s['number']}. {'✔ ' if s['taken'] else ''}{plain(s['advice'], 200)}"
        for s in offered[:MOST_OFFERED]
    ]
    return [*lines, f"For another choice reply “take {others[0]}”{several} or “take none”."]


def change(scene: Scene) -> Card:
    """Ask what should be different about a refused plan."""
    by = plain(scene.event.payload["by"] or "somebody", 60)
    body = f"{by} said no to the plan. What should be different? Reply to this message, for example “2 epochs” or “use 300 rows”."
    return ask(
        scene,
        Card(title="What should be different?", body=body),
        yes="the plan was fine after all",
        no="end this run",
    )


def checkpoint(scene: Scene) -> Card:
    """Ask at half-time whether training goes on."""
    shown = scene.event.payload
    share = f"{100 * shown['fraction']:.0f} %"
    lines = [f"{share} of the training is done. Go on?", progress(scene)]
    hold = shown["mode"] == CheckpointMode.HOLD
    lines.append("Training is paused and waits for your answer." if hold else DEFAULT_AFTER_SILENCE)
    return ask(
        scene,
        Card(title=f"{share} done, continue?", body="\n".join(lines)),
        yes="go on",
        no="stop here and measure what there is",
    )


def report(scene: Scene) -> Card:
    """Show a verdict and ask whether it is good enough."""
    training = scene.job.payload if scene.job else None
    card = reports.report_card(scene.event.payload, training, scene.made)
    told = blind_cards.opinions(scene.opinions)
    reported = reports.reported(scene.run, scene.event, scene.job, scene.made)
    used = llm_lines.used(scene.expenses)
    return ask(
        scene,
        replace(
            card,
            body="\n".join([card.body, *told, *used]) + llm_lines.advice(scene.advice),
            report=(card.report or "") + "".join(f"\n{line}\n" for line in used),
            reported=reported,
        ),
        yes="hand it over",
        no="not good enough, look for what to improve",
        hint="Or reply with what is wrong, for example “answers are too long”, “it confuses refund and chargeback”, “row 17 is "
        "wrong”, or with what to change: “lr 1e-4”.",
    )


def ask(  # what both answers do, and what may be chosen among
    scene: Scene,
    card: Card,
    *,
    yes: str,
    no: str,
    hint: str = "",
    taken: tuple[bool, ...] = (),
) -> Card:
    """Turn a card into a question, or, once answered, into the record of who decided and when."""
    approval = scene.approval
    assert approval is not None
    assert approval.id is not None
    if approval.decision is not Decision.OPEN:
        body = f"{card.body}\n\n{answered(approval)}"
        return replace(card, body=body, tone=Tone.PLAIN, footer=scene.marker, final=True)
    question = Question(
        approval_id=approval.id,
        shown_sha256=approval.shown_sha256,
        yes=yes,
        no=no,
        taken=taken,
    )
    body = f"{card.body}\n\n✅ {yes} · ❌ {no}" + (f"\n{hint}" if hint else "")
    return replace(
        card,
        body=body,
        tone=Tone.QUESTION,
        footer=scene.marker,
        question=question,
        notify=(scene.run.owner,),
        loud=True,
        final=False,
    )


def answered(approval: Approval) -> str:
    """Say who decided what, and when."""
    words = {
        Decision.APPROVE: "✅ Approved",
        Decision.REJECT: "❌ Refused",
        Decision.REVISE: "✏ Changes asked for",
        Decision.EXPIRED: "⌛ No longer needs an answer",
    }
    text = words[approval.decision]
    who = approval.decided_by or ""
    if who.startswith("policy:"):
        text += f" automatically ({plain(who.removeprefix('policy:'), 80)})"
    elif approval.decided_by_name:
        text += f" by {plain(approval.decided_by_name, 60)}"
    if approval.decided_at is not None:
        text += f", {approval.decided_at:%Y-%m-%d %H:%M} UTC"
    return f"**{text}**" + (f": “{plain(approval.comment, 300)}”" if approval.comment else "")
