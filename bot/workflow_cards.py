"""Cards of a run that improves a workflow that only tell: what was read, how it does, what a round came to, what is handed over."""

from typing import Any

from agents.workflow.splitting import Split
from agents.workflow.words import counted
from bot.scenes import Scene
from bot.surface import Card, Field, Tone
from bot.text import block, inline, plain, size
from bot.workflow_numbers import chart, moved, points, rate, spent, strategies, takes

MOST_FINDINGS = 8
MOST_MISSED = 6
MOST_FAILING = 8
MOST_DROPPED = 4
WORDS = {"kept": "✔ better", "rejected": "✘ not kept", "indecisive": "? cannot tell"}
"""What became of a proposal."""


def workflow(scene: Scene) -> Card:
    """Say what was read: the file, what it might say better, its tests, and what each case is for."""
    shown = scene.event.payload
    parts = [
        counted(shown["states"], "state"),
        f"{shown['asking']} for a model",
        f"{shown['inputs']} for a person",
    ]
    lines = [
        f"**{plain(shown['name'], 80)}**: {', '.join(parts)}. The model is {inline(shown['model'], 80)} where a state says "
        f"nothing; a run takes about {shown['calls_per_run']:.1f} calls.",
        *_findings(shown["findings"]),
        *_tests(shown),
        split_words(shown["cases"]),
    ]
    tests = scene.tests if shown["made"] else None
    return Card(
        title="Your workflow",
        body="\n".join(lines),
        footer=scene.marker,
        attach=tests.sha256 if tests else None,
        attach_name=tests.name if tests else "",
    )


def split_words(cases: list[dict[str, Any]]) -> str:
    """Say which cases are for what, and what they make possible."""
    by_part: dict[str, list[str]] = {"shown": [], "validation": [], "sealed": []}
    for case in cases:
        by_part[case["part"]].append(case["name"])
    shown, validation, sealed = (tuple(part) for part in by_part.values())
    return Split(shown, validation, sealed).words


def _findings(findings: list[dict[str, Any]]) -> list[str]:
    if not findings:
        return ["Nothing stands in the file that looks like an oversight."]
    lines = ["What it says and might mean otherwise:"]
    for one in findings[:MOST_FINDINGS]:
        where = f"line {one['line']}: " if one["line"] is not None else ""
        lines.append(f"• {where}{plain(one['text'], 240)} ({inline(one['code'], 40)})")
    more = len(findings) - MOST_FINDINGS
    return [*lines, f"… and {more} more"] if more > 0 else lines


def _tests(shown: dict[str, Any]) -> list[str]:
    """Say where the tests come from and how good they are."""
    count = len(shown["cases"])
    if shown["made"]:
        attached = "it is" if count == 1 else "they are"
        lines = [f"You gave no tests, so I made **{counted(count, 'case')}**; {attached} attached."]
        lines += [plain(shown["words"], 400)] if shown.get("words") else []
    else:
        lines = [f"Your tests have **{counted(count, 'case')}**."]
    if shown["mutants"] and not shown.get("words"):
        lines.append(
            f"The workflow was spoilt in {shown['mutants']} ways to see whether they notice: kills {shown['killed']} of "
            f"{shown['mutants']} mutants."
        )
    if shown["missed"]:
        missed = "; ".join(plain(one, 80) for one in shown["missed"][:MOST_MISSED])
        more = len(shown["missed"]) - MOST_MISSED
        lines.append(f"No case sees: {missed}{f'; and {more} more' if more > 0 else ''}.")
    if shown["dropped"]:
        reasons = sorted(shown["dropped"].items(), key=lambda item: -item[1])[:MOST_DROPPED]
        dropped = ", ".join(f"{number} ({plain(why, 60)})" for why, number in reasons)
        lines.append(f"Cases that were made and are not used: {dropped}.")
    return lines


def stands(scene: Scene) -> Card:
    """Say how the workflow does as it was given, and which cases fail."""
    shown = scene.event.payload
    standing = shown["standing"]
    first_wrong = {one["case"]: one["failed"] for one in standing["failures"]}
    failing = {
        case: scores for case, scores in standing["scores"].items() if min(scores, default=0.0) < 1
    }
    lines = [
        f"{_capital(rate(standing['metrics']))}. A run passes where all that its case says is so; its score is the share that is."
    ]
    for case, scores in list(failing.items())[:MOST_FAILING]:
        passed = sum(score >= 1 for score in scores)
        often = (
            f"passes {passed} of {counted(len(scores), 'time')}"
            if scores
            else "could not be judged"
        )
        why = first_wrong.get(case, ())
        said = f": {plain(why[0], 240)}" if why else ""
        lines.append(f"✘ **{plain(case, 80)}** {often}{said}")
    if len(failing) > MOST_FAILING:
        lines.append(f"… and {len(failing) - MOST_FAILING} more that fail")
    if standing["scores"] and not failing:
        lines.append("Every case passes, each time: from them there is nothing to learn.")
    sealed = sum(case["part"] == "sealed" for case in shown["cases"])
    if sealed:
        lines.append(f"The {sealed} sealed cases were not run; that is for the end.")
    return Card(title="As it stands", body="\n".join(lines), footer=scene.marker)


def round_(scene: Scene) -> Card:
    """Say what became of each proposal of a round, those that were not run included."""
    shown = scene.event.payload
    lines = [f"What stands: {rate(shown['stood'])}."]
    lines += [line for told in shown["measured"] for line in _measured(told)]
    for one in shown["not_run"]:
        barred = ", ".join(inline(where, 60) for where in one["barred"][:4])
        why = (
            f"it would change {barred}, and nobody has said yes to that"
            if barred
            else "nobody has said yes to it"
        )
        lines.append(f"• {inline(one['strategy'], 40)} was not run: {why}.")
    for name, why in shown["refused"]:
        lines.append(f"• {inline(name[:8])} could not be run: {plain(why, 240)}.")
    for strategy, why in shown["given_up"]:
        lines.append(f"• {inline(strategy, 40)} came to nothing: {plain(why, 240)}.")
    if len(lines) == 1:
        lines.append("Nothing was proposed that could be run.")
    if shown["out_of_budget"]:
        lines.append("⚠ The budget ended before everything was measured.")
    if shown["winner"] is None:
        lines.append("Nothing is changed.")
    again = ", your choice of the edits" if shown["measurement"] else ""
    return Card(
        title=f"Round {shown['iteration']}{again}", body="\n".join(lines), footer=scene.marker
    )


def _measured(told: dict[str, Any]) -> list[str]:
    """Say what became of a proposal that was run, and why it was made."""
    gains = f"score {points(told['gain'])}"
    if told["gain_again"] is not None:
        gains += f", again afresh {points(told['gain_again'])}"
    word = WORDS[told["outcome"]]
    lines = [f"**{word}** {inline(told['strategy'], 40)} {gains}: {plain(told['reason'], 120)}"]
    details = [text for text in (moved(told), plain(told.get("why", ""), 200)) if text]
    return [*lines, *(f"    {detail}" for detail in details)]


def delivered(scene: Scene) -> Card:
    """Say what may be claimed, show the rounds, and offer the file."""
    shown = scene.event.payload
    claim = shown["claim"]
    changed = shown["sha256"] != shown["given_sha256"]
    link = scene.link or "ask for it with `/finetune download`"
    lines = [f"**{plain(claim['words'], 500)}**", *_claim_numbers(claim)]
    fared = strategies(shown.get("strategies", {}))
    lines += [_table(shown["rounds"]), *([f"{plain(fared, 400)}."] if fared else [])]
    lines += [f"Used in all: {spent(shown['spent'])}.", link]
    about = f"{inline(shown['name'])}, {size(shown['size_bytes'])}."
    kept = "" if changed else " It is the file that you gave, unchanged."
    lines.append(
        f"{about}{kept} The link works for a limited time; `/finetune download` gives a new one."
    )
    drawn = chart(shown["rounds"], {} if claim["gave_back"] else claim["after_metrics"])
    return Card(
        title="Your workflow is ready" if changed else "No change was kept",
        body="\n".join(lines),
        fields=(Field("sha256", inline(shown["sha256"]), inline=False),),
        tone=Tone.GOOD if claim["claim"] == "better" else Tone.PLAIN,
        footer=scene.marker,
        charts=(drawn,) if drawn else (),
        attach=shown["sha256"],
        attach_name=shown["name"],
        copyable=(f"curl -O {link}",) if scene.link else (),
        loud=True,
    )


def _claim_numbers(claim: dict[str, Any]) -> list[str]:
    """Say the numbers that the claim rests on, and those that it does not rest on."""
    lines = []
    if claim["sealed_cases"]:
        lines.append(
            f"Mean score of the sealed cases: {100 * claim['before']:.0f} % → {100 * claim['after']:.0f} %; the gain lies between "
            f"{points(claim['low'])} and {points(claim['high'])} (95 % interval)."
        )
    if claim["claim"] == "cannot tell" and claim["smallest_gain"] is not None:
        lines.append(f"Gains below about {100 * claim['smallest_gain']:.0f} points these cases could not show.")  # fmt: skip
    if claim["gain_afresh"] is not None:
        lines.append(
            f"Measured afresh on the cases that changes were chosen by, the score differs by {points(claim['gain_afresh'])}. That is no claim about "
            "other cases."
        )
    told = takes(claim["before_metrics"], claim["after_metrics"])
    return [*lines, told] if told else lines


def _table(rounds: list[dict[str, Any]]) -> str:
    """Return the rounds as a table: how what stood did, how much was tried, what was kept."""
    rows = [("round", "passes", "tried", "kept", "score")]
    for one in rounds:
        metrics = one["metrics"]
        passes = f"{100 * metrics['pass_rate']:.0f} %" if metrics.get("runs") else "–"
        kept = (one["strategy"] or "yes") if one["kept"] else "–"
        gain = f"{100 * one['gain']:+.1f}" if one["kept"] and one["gain"] is not None else "–"
        rows.append((str(one["round"]), passes, str(one["proposed"]), kept, gain))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return block("\n".join(lines), 1500)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
