"""Cards of answers that are compared without knowing whose they are, and what people and judges prefer.

A card of an open comparison says nothing from which the lots could be told: neither whose answer is which, nor how the
votes stand.
"""

from typing import Any

from agents.counts import Tally
from agents.preferences import FEWEST_VOTES, Judgement, Licence, People
from bot.scenes import Asked, Opinions, Scene
from bot.surface import Card, Field, Tone
from bot.text import block, plain, visible

SHOWN_PROMPT, SHOWN_ANSWER = 350, 550
"""Characters; whole where Discord shows a card without an embed, in 2000 characters. The rest is attached."""


def ballot(scene: Scene) -> Card:
    """Show two answers to one question and ask which is better."""
    asked = scene.asked
    assert asked is not None
    first, second = _in_order(asked)
    return Card(
        title=f"Which answer is better? ({asked.ballot.position} of {asked.of})",
        body=f"{block(_end(asked.ballot.prompt), SHOWN_PROMPT)}\n{_how(asked)}",
        fields=(
            Field("🅰️", block(first, SHOWN_ANSWER)),
            Field("🅱️", block(second, SHOWN_ANSWER)),
        ),
        tone=Tone.QUESTION if asked.is_open else Tone.PLAIN,
        footer=scene.marker,
        ballot=asked.ballot.id if asked.is_open else None,
        report=_whole(asked),
        final=not (asked.is_open and asked.is_newest),
    )


def _how(asked: Asked) -> str:
    if not asked.is_open:
        return "The result of this comparison has been told."
    voted = {0: "", 1: " 1 vote so far."}.get(asked.votes, f" {asked.votes} votes so far.")
    return (
        "One answer is the base model's, the other the tuned one's; which is which was drawn by lot. "
        f"🅰️ · 🅱️ · 🤝 no difference · 🏁 show the result.{voted}"
    )


def _in_order(asked: Asked) -> tuple[str, str]:
    base, tuned = asked.ballot.base, asked.ballot.tuned
    return (tuned, base) if asked.ballot.tuned_first else (base, tuned)


def _end(prompt: str) -> str:
    """Return the end of a prompt, where the question usually stands."""
    text = visible(prompt).strip()
    return text if len(text) <= SHOWN_PROMPT else "…" + text[-(SHOWN_PROMPT - 1) :]


def _whole(asked: Asked) -> str | None:
    """Return all of it as a file, where the card shows only a part."""
    first, second = _in_order(asked)
    limits = ((asked.ballot.prompt, SHOWN_PROMPT), (first, SHOWN_ANSWER), (second, SHOWN_ANSWER))
    if all(len(text) <= limit for text, limit in limits):
        return None
    parts = zip(("Question", "🅰️", "🅱️"), (text for text, _ in limits), strict=True)
    return "\n\n".join(f"## {name}\n\n{block(text, len(text) + 1)}" for name, text in parts) + "\n"


def compared(scene: Scene) -> Card:
    """Tell what people preferred."""
    shown = scene.event.payload
    tally = Tally(shown["wins"], shown["losses"], shown["ties"])
    people = People(tally, shown["votes"], shown["voters"], shown["equal"], shown["told"])
    lines = [
        of_people(people),
        "The verdict stays what it is: it rests on the numbers of all test rows.",
        "`/finetune compare` goes on with further items, if there are any.",
    ]
    return Card(
        title=f"What people preferred{_try(shown)}", body="\n".join(lines), footer=scene.marker
    )


def judged(scene: Scene) -> Card:
    """Tell what a language model preferred."""
    shown = scene.event.payload
    return Card(
        title=f"What the judging model preferred{_try(shown)}",
        body="\n".join(of_judge(_judgement(shown), Licence(**shown["licence"]))),
        footer=scene.marker,
    )


def _judgement(shown: dict[str, Any]) -> Judgement:
    counts = {name: Tally(**shown["judgement"][name]) for name in ("tally", "matched")}
    return Judgement(**(shown["judgement"] | counts))


def opinions(found: Opinions) -> list[str]:
    """Return the lines of a report about what people and language models prefer; none where nobody was asked."""
    lines = [of_people(found.people)] if found.people is not None else []
    for judgement, licence in found.judgements:
        lines += of_judge(judgement, licence)
    return lines


def of_people(found: People) -> str:
    """Say what people preferred, with what may be chance."""
    tally = found.tally
    if not tally.items:
        return "Nobody has voted in the blind comparison."
    who = "1 person" if found.voters == 1 else f"{found.voters} people"
    text = (
        f"{who} compared blindly and preferred the tuned answers **{tally.wins} : {tally.losses}** "
        f"({_ties(tally)}): {_chance(tally)}"
    )
    if found.equal:
        rows = "1 row" if found.equal == 1 else f"{found.equal:,} rows"
        text += f" Not asked about: {rows} with equal answers."
    if found.told > 1:
        text += f" The result was shown {found.told} times; the p-value holds for one look."
    return text


def of_judge(found: Judgement, licence: Licence) -> list[str]:
    """Say what a language model preferred, and whether that counts for anything."""
    name, tally = plain(found.judge, 80), found.tally
    unread = f" {found.unread} items with unreadable replies do not count." if found.unread else ""
    flips = f"the order of the answers decided {_percent(found.flip_rate)} of {tally.items} items"
    if not found.is_measurement:
        return [f"The judging model {name} gave no measurement: {flips}.{unread}"]
    low, high = tally.win_rate_interval
    text = (
        f"The judging model {name} prefers the tuned answers {tally.wins} : {tally.losses} ({_ties(tally)}), a win rate of "
        f"{_percent(tally.win_rate)}, between {_percent(low)} and {_percent(high)} with 95 % confidence (sign test p = "
        f"{tally.p_value:.2g}); {flips}.{unread}"
    )
    matched = found.matched
    text += f" Of {matched.items} items with answers of about equal length: {matched.wins} : {matched.losses} ({_ties(matched)})."
    if licence.why_not is not None:
        return [text, f"That is **advisory only**: {licence.why_not}."]
    agreed = f"κ = {licence.kappa:.2f} with people on {licence.votes} votes"
    return [text, f"It counts as evidence beside the verdict: {agreed}, {FEWEST_VOTES} are needed."]


def _chance(tally: Tally) -> str:
    if not tally.wins + tally.losses:
        return "no difference was seen."
    low, high = tally.share
    return (
        f"{_percent(tally.wins / (tally.wins + tally.losses))} of those decided, between {_percent(low)} and {_percent(high)} "
        f"with 95 % confidence; sign test p = {tally.p_value:.2g}."
    )


def _ties(tally: Tally) -> str:
    return "1 tie" if tally.ties == 1 else f"{tally.ties} ties"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _try(shown: dict[str, Any]) -> str:
    return f" (try {shown['iteration']})" if shown["iteration"] > 1 else ""
