"""Cards of a run that improves a workflow that ask: the plan, a proposal that says too much, whether a change stays."""

from typing import Any

from agents.jobs import Approve, WorkflowTerms
from agents.workflow.claims import FEWEST_CASES
from agents.workflow.goals import measured as goals_in
from agents.workflow.words import counted
from bot.question_cards import ask
from bot.scenes import Scene
from bot.surface import NUMBERS, Card
from bot.text import block, duration, inline, plain
from bot.workflow_cards import split_words
from bot.workflow_numbers import moved, points, rate, spent, takes
from storage.models import Decision, Suggestion

ROOM = 3500
"""Characters of a body that a message has room for, with what the question itself adds."""
LEAST_DIFF = 300
LEAST_SIDE = 120
"""Of a value before or after, where many are to be shown."""
DETAIL_CHARS = 90
DIFF_FILE, WHOLE_FILE = "change.diff", "what-needs-a-yes.txt"
ASKED = {
    Approve.AUTO: "Nobody is asked: what is measured to be better is kept.",
    Approve.EVIDENCE: "You are asked before a change that was measured to be better is kept.",
    Approve.EACH: "You are asked before a proposal is run, and before a better one is kept.",
}
"""When people are asked, in words."""
NEVER_ALONE = "What a language model may not decide (programs, servers, paths, models) is not run"
CHANGED = {"max_calls": "calls", "analysis_model": "model that proposes", "approve": "asking"}


def plan(scene: Scene) -> Card:
    """Ask whether the rounds may begin: how many, how large, what they cost, what they can show."""
    shown = scene.event.payload
    terms = WorkflowTerms.model_validate(shown["recipe"])
    guess = shown["estimate"]
    measured = "measured" if guess["measured"] else "a guess: no call was made yet"
    barred = "without your ✅" if terms.approve is not Approve.AUTO else "at all"
    lines = [
        f"Up to **{counted(terms.rounds, 'round')}**. In each, {inline(terms.analysis_model, 80)} is shown what fails and proposes "
        f"**{counted(terms.proposals, 'change')}**; they run beside what stands, each case **{counted(terms.repeats, 'time')}**, and a better one runs "
        "once more, afresh.",
        f"{ASKED[terms.approve]} {NEVER_ALONE} {barred}.",
        f"Takes about **{duration(guess['total_s'])}** and {guess['calls']:,} calls for the first round, up to "
        f"**{duration(guess['all_s'])}** and {guess['all_calls']:,} calls for all ({measured}). It ends at {terms.max_calls:,} "
        "calls.",
        *_over_budget(terms, guess),
        *_goal(terms),
        split_words(shown["cases"]),
        *_sealed(shown["cases"]),
        *_amendments(shown),
    ]
    if shown["tests_made"]:
        lines.append("⚠ No person wrote the tests: look at them before you trust what they say.")
    title = "The plan" + (f", version {shown['revision'] + 1}" if shown["revision"] else "")
    return ask(
        scene,
        Card(title=title, body="\n".join(lines)),
        yes="begin",
        no="don't",
        hint="Or reply with what should be different: “3 rounds, 5 repeats, 500 calls”, “without asking”, or a goal in words, "
        "for example “answers should be polite”.",
    )


def _over_budget(terms: WorkflowTerms, guess: dict[str, Any]) -> list[str]:
    if guess["all_calls"] <= terms.max_calls:
        return []
    return [
        "⚠ That is less than all rounds may take: it may end early, with what was kept until then."
    ]


def _goal(terms: WorkflowTerms) -> list[str]:
    if not terms.goal:
        return []
    goals = goals_in(terms.goal)
    meant = (
        f"Measured for it: {plain(goals.words, 300)}"
        if goals
        else "The model that proposes is told; nothing that is measured stands for it."
    )
    return [f"Beside the cases: “{plain(terms.goal, 300)}”. {meant}"]


def _sealed(cases: list[dict[str, Any]]) -> list[str]:
    """Say what the sealed cases can show at most."""
    sealed = sum(case["part"] == "sealed" for case in cases)
    if sealed < FEWEST_CASES:
        return []
    return [
        f"With {sealed} sealed cases I can say “better” only where at least {FEWEST_CASES} of them come out better, and hardly "
        "any worse."
    ]


def _amendments(shown: dict[str, Any]) -> list[str]:
    lines = [f"You said: “{plain(shown['asked'], 300)}”"] if shown["asked"] else []
    if shown["changes"]:
        changes = ", ".join(
            f"{inline(CHANGED.get(name, name).replace('_', ' '))} {plain(old, 80) or '–'} → **{plain(new, 80)}**"
            for name, old, new in shown["changes"]
        )
        lines.append(f"Changed: {changes}")
    return lines


def change(scene: Scene) -> Card:
    """Ask what should be different about a refused plan."""
    by = plain(scene.event.payload["by"] or "somebody", 60)
    body = (
        f"{by} said no to the plan. What should be different? Reply to this message, for example “2 rounds”, “500 calls”, or "
        "with what you want of the workflow."
    )
    return ask(
        scene,
        Card(title="What should be different?", body=body),
        yes="the plan was fine after all",
        no="end this run",
    )


def edit(scene: Scene) -> Card:
    """Ask whether a proposal may be run that a language model's word is not enough for: what it may not decide comes first."""
    shown = scene.event.payload
    head, cut = _barred(shown["barred"], ROOM * 3 // 4)
    rest = [
        f"**Why it was proposed** ({inline(shown['strategy'], 40)}): {plain(shown['reason'], 400) or '–'}"
    ]
    body, diff_cut = _with_diff([*head, *rest], shown["diff"])
    texts = ((WHOLE_FILE, _barred_text(shown["barred"])),) if cut else ()
    if diff_cut:
        texts = (*texts, (DIFF_FILE, shown["diff"]))
    return ask(
        scene,
        Card(
            title=f"May this be run? Proposal {shown['number']} of round {shown['iteration']}",
            body=body,
            texts=texts,
        ),
        yes="run it on the cases",
        no="don't run it",
    )


def keep(scene: Scene) -> Card:
    """Ask whether a change that was measured to be better stays, all of it or some of its edits."""
    shown = scene.event.payload
    told = shown["measured"]
    taken = tuple(one.taken for one in scene.edits)
    head, cut = _barred(shown["barred"], ROOM // 2)
    lines = [f"⚠ {plain(shown['note'], 300)}"] if shown["note"] else []
    lines += head
    lines.append(f"{plain(shown['reason'], 500) or '–'} ({inline(shown['strategy'], 40)})")
    if shown["aims_at"]:
        lines.append(f"Aims at: **{plain(shown['aims_at'], 120)}**")
    lines.append(f"What stands: {rate(shown['stood'])}.")
    lines.append(_gains(told))
    lines += [text for text in (moved(told), takes(shown["stood"], told["metrics"])) if text]
    lines.append(f"Used so far: {spent(shown['spent'])}.")
    lines += _edits(scene.edits, is_open=_is_open(scene))
    body, diff_cut = _with_diff(lines, shown["diff"])
    texts = ((WHOLE_FILE, _barred_text(shown["barred"])),) if cut else ()
    if diff_cut:
        texts = (*texts, (DIFF_FILE, shown["diff"]))
    return ask(
        scene,
        Card(title=f"Keep this change? Round {shown['iteration']}", body=body, texts=texts),
        yes=_yes(taken),
        no="keep what stands",
        hint="Or reply “without 2”, “only 1 and 3”, or with what should be different: the next proposals are told."
        if len(taken) > 1
        else "Or reply with what should be different: the next proposals are told.",
        taken=taken,
    )


def _is_open(scene: Scene) -> bool:
    return scene.approval is not None and scene.approval.decision is Decision.OPEN


def _gains(told: dict[str, Any]) -> str:
    again = told["gain_again"]
    if again is None:
        return f"Its score: {points(told['gain'])} in one measurement."
    return f"Its score: {points(told['gain'])} in the first measurement, {points(again)} in a second one, afresh."


def _yes(taken: tuple[bool, ...]) -> str:
    """Say what ✅ does with the edits as they are taken."""
    if all(taken):
        return "keep it"
    if not any(taken):
        return "keep none of it"
    numbers = [str(number) for number, one in enumerate(taken, 1) if one]
    if len(numbers) == 1:
        return f"measure edit {numbers[0]} alone and keep it if better"
    return f"measure edits {', '.join(numbers)} alone and keep them if better"


def _edits(edits: tuple[Suggestion, ...], *, is_open: bool) -> list[str]:
    """List the edits by number, each with whether it is taken."""
    if not edits:
        return ["It was replied as a whole file, so that it can only be kept or not as a whole."]
    emojis = {number: emoji for emoji, number in NUMBERS.items()}
    how = f" ({emojis[1]} drops edit 1, taking {emojis[1]} back takes it again)" if is_open else ""
    lines = [f"What it changes{how}:"]
    for number, one in enumerate(edits, 1):
        mark = "☑ taken" if one.taken else "☐ dropped"
        lines.append(f"{mark} · **{number}** {plain(one.advice, 80)}{_detail(one.change or {})}")
    return lines


def _detail(change_: dict[str, Any]) -> str:
    """Say in short what an edit writes."""
    told = [f"{name}: {value}" for name, value in change_.items() if name not in {"op", "state"}]
    return f" {inline('; '.join(told), DETAIL_CHARS)}" if told else ""


def _barred(barred: list[dict[str, Any]], room: int) -> tuple[list[str], bool]:
    """Show each difference that needs a person's yes, before and after, and tell whether something had to be cut."""
    if not barred:
        return [], False
    side = max(LEAST_SIDE, room // (2 * len(barred)) - 120)
    lines = [f"⚠ **It also changes what no language model may decide** ({len(barred)}):"]
    cut = False
    for one in barred:
        lines.append(f"{inline(one['where'], 120)}: {plain(one['why'], 160)}")
        for mark, value in (("before", one["before"]), ("after", one["after"])):
            text = "(not there)" if value is None else value
            cut = cut or len(text) > side
            lines.append(f"{mark}\n{block(text, side)}")
    if sum(map(len, lines)) > room:
        cut = True
    if cut:
        lines.insert(1, f"⚠ Not all of it fits here: {inline(WHOLE_FILE)} has it in full.")
    return lines, cut


def _barred_text(barred: list[dict[str, Any]]) -> str:
    return "\n\n".join(
        f"{one['where']}: {one['why']}\n--- before\n{one['before'] if one['before'] is not None else '(not there)'}\n"
        f"--- after\n{one['after'] if one['after'] is not None else '(not there)'}"
        for one in barred
    )


def _with_diff(lines: list[str], diff: str) -> tuple[str, bool]:
    """Put the diff below the lines, as far as there is room, and tell whether it had to be cut."""
    said = "\n".join(lines)
    room = max(LEAST_DIFF, ROOM - len(said))
    cut = len(diff) > room
    note = f"\nThe whole change is in {inline(DIFF_FILE)}." if cut else ""
    return f"{said}\n{block(diff, room, 'diff')}{note}", cut
