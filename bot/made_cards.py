"""The question whether made rows may be learnt from."""

from typing import Any

from agents.jobs import SampleRow, SieveName, Source
from bot import question_cards
from bot.made_plans import counts
from bot.made_report import WHO, named_source
from bot.scenes import Scene
from bot.surface import Card
from bot.text import inline, plain

ATTACHED = "made-rows.jsonl"
MOST_SAMPLES = 20
MOST_SOURCES = 8
MOST_REQUESTS = 5
PROMPT_CHARS, ANSWER_CHARS = 140, 60
HELD_BACK = {
    SieveName.SHAPE: "not of the shape of your rows",
    SieveName.LENGTH: "too short or too long",
    SieveName.SECRETS: "with keys or passwords",
    SieveName.PERSONAL: "with personal data",
    SieveName.HARMFUL: "harmful",
    SieveName.LANGUAGE: "in another language",
    SieveName.INSTRUCTIONS: "that look like orders to a language model",
    SieveName.LEAK: "that repeat or reword a dev or test row",
    SieveName.DUPLICATE: "that repeat a training row or another draft",
    SieveName.LABEL: "whose answer is probably another one",
    SieveName.UNWANTED: "more than wanted of their kind",
}
"""Why drafts are held back, for people."""


def question(scene: Scene) -> Card:
    """Ask whether made rows may be learnt from: a sample, what was held back and why, and where they are from."""
    shown = scene.event.payload
    approval = scene.approval
    again = f", version {approval.revision + 1}" if approval and approval.revision else ""
    of_try = f" of try {shown['iteration']}" if shown["iteration"] > 1 else ""
    lines = [_made(shown), f"By kind: {counts(shown['strata'])}."]
    lines += _said(shown)
    lines += _sample(shown)
    lines += _held_back(shown["sifted"])
    lines += _spread(shown)
    lines += _sources(shown)
    lines += [plain(note, 300) for note in shown["notes"]]
    lines.append(f"{ATTACHED} has all of them, each with its number.")
    card = Card(
        title=f"The made rows{of_try}{again}",
        body="\n".join(lines),
        attach=shown["rows_sha256"],
        attach_name=ATTACHED,
    )
    hint = "Or strike single rows by number: “strike 2, 5 and 7”."
    if shown["backend"] != "rules":
        hint += " Or say how they should be, for another batch: “less formal”, “more typos”."
    return question_cards.ask(
        scene, card, yes="learn from them", no="go on without made rows", hint=hint
    )


def _made(shown: dict[str, Any]) -> str:
    who = f"{WHO[shown['backend']]}" + (f" ({plain(shown['model'], 80)})" if shown["model"] else "")
    batch = f" This is batch {shown['batch']}." if shown["batch"] > 1 else ""
    return (
        f"**{shown['rows']:,} rows** were made {who}, where {shown['wanted']:,} were wanted; {shown['drafts']:,} drafts were "
        f"looked at.{batch} May they be learnt from?"
    )


def _said(shown: dict[str, Any]) -> list[str]:
    lines = []
    if shown["words"]:
        words = " ".join(f"“{plain(text, 200)}”" for text in shown["words"])
        lines.append(f"Made by what you said: {words}")
    if shown["later"]:
        words = " ".join(f"“{plain(text, 200)}”" for text in shown["later"])
        lines.append(f"Remembered for the next batch: {words} (“make them again” makes one now).")
    if shown["struck"]:
        struck = ", ".join(f"{one['number']} ({plain(one['by'], 40)})" for one in shown["struck"])
        lines.append(f"Struck: {struck}.")
    return lines


def _sample(shown: dict[str, Any]) -> list[str]:
    """List rows by their kind, each under the number by which it can be struck."""
    rows = [SampleRow.model_validate(one) for one in shown["sample"]]
    rows.sort(key=lambda one: (one.stratum, one.number))
    return [
        f"**{one.number}.** {plain(one.prompt, PROMPT_CHARS)} → {inline(one.completion, ANSWER_CHARS)} "
        f"({one.strategy.value.replace('_', ' ')}"
        + (f", from {len(one.facts)} passages" if len(one.facts) > 1 else "")
        + ")"
        for one in rows[:MOST_SAMPLES]
    ]


def _held_back(sifted: list[dict[str, Any]]) -> list[str]:
    if not sifted:
        return ["No draft was held back."]
    lines = ["Held back:"]
    for one in sifted:
        lines.append(f"• {one['rows']:,} {HELD_BACK[SieveName(one['sieve'])]}")
        if one["examples"] and one["sieve"] != SieveName.UNWANTED:
            first = one["examples"][0]
            # what repeats a sealed row is not shown
            shown = f"as “{plain(first['excerpt'], 100)}”: " if first["excerpt"] else ""
            lines[-1] += f" ({shown}{plain(first['why'], 120)})"
    return lines


def _spread(shown: dict[str, Any]) -> list[str]:
    said = []
    for name, what in (("distinct_2", "different pairs of words"), ("spread", "mean distance")):
        made, mine = shown[name]
        if made is not None and mine is not None:
            said.append(f"{what} {made:.2f} (yours: {mine:.2f})")
    return [f"How different they are among themselves: {', '.join(said)}."] if said else []


def _sources(shown: dict[str, Any]) -> list[str]:
    """Say where passages are from and what was asked for them; no address is a live link."""
    lines = []
    found = [Source.model_validate(one) for one in shown["sources"]]
    if found:
        named = "; ".join(named_source(source) for source in found[:MOST_SOURCES])
        more = f"; and {len(found) - MOST_SOURCES} more" if len(found) > MOST_SOURCES else ""
        lines.append(f"Made from: {named}{more}.")
    if shown["requests"]:
        asked = "; ".join(plain(address, 120) for address in shown["requests"][:MOST_REQUESTS])
        lines.append(f"Asked on the web: {asked}.")
    lines += [
        f"Asked of the database {plain(name, 60)}: {inline(sql, 300)}"
        for name, sql in shown["queries"]
    ]
    if shown["refused"]:
        lines.append(f"Not read: {plain('; '.join(shown['refused']), 300)}.")
    return lines
