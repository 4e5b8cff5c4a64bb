"""What was found in an upload, and three of its rows as the model will see them, with what is learnt marked."""

from collections.abc import Sequence

from agents.feedback import REPAIRS
from agents.jobs import IntakeResult, Mask, RowShape, Sample, row_name
from agents.planning import FEWEST_ITEMS
from bot.scenes import Scene
from bot.surface import Card, Field
from bot.text import block, clip, inline, plain

SHAPES = {
    RowShape.PROMPT_COMPLETION: "prompts with answers",
    RowShape.TEXT: "plain text",
    RowShape.PREFERENCE: "preferences: a better and a worse answer",
    RowShape.UNPAIRED: "answers with a thumb up or down",
    RowShape.PROMPT_ONLY: "prompts without answers",
    RowShape.STEPWISE: "answers in steps, each judged",
}
MARKS = {Mask.READ: " ", Mask.LEARNT: "▶", Mask.AVOIDED: "✗", Mask.COMPARED: "="}
MEANINGS = {
    Mask.LEARNT: "▶ is learnt",
    Mask.AVOIDED: "✗ is learnt to be avoided",
    Mask.COMPARED: "= is only compared with what the model says",
}
MOST_FINDINGS = 6
SHOWN_ROWS = 5
MOST_EXAMPLES = 3
SAMPLE_CHARS = 400
TURN_CHARS = 120


def data(scene: Scene) -> Card:
    """Tell what was found in an upload."""
    found = IntakeResult.model_validate(scene.event.payload)
    into = inline(found.prompt_column) if found.prompt_column else "–"
    return Card(
        title="Your data, repaired" if found.repaired else "Your data",
        body="\n".join([*(f"• {plain(note, 700)}" for note in _notes(found)), *_findings(found)])
        + f"\n\n{rendered(found.samples)}",
        fields=(
            Field("file", plain(found.format, 120)),
            Field("holds", SHAPES[found.shape]),
            Field("rows", f"{found.rows_usable:,} usable of {found.rows_read:,}"),
            Field("prompt → answer", f"{into} → {inline(found.completion_column or '–')}"),
            Field("to learn from", f"{found.train_rows:,}"),
            Field("to choose by (dev)", f"{found.dev_rows:,}"),
            Field("sealed for the verdict (test)", f"{found.test_rows:,}"),
        ),
        footer=scene.marker,
    )


def rendered(samples: Sequence[Sample]) -> str:
    """Return rows turn by turn, each with a mark for what a training does with it, and what the marks mean."""
    if not samples:
        return ""
    masks = {turn.mask for sample in samples for turn in sample.turns}
    meanings = ", ".join(words for mask, words in MEANINGS.items() if mask in masks)
    rows = "\n".join(block("\n".join(_turns(sample)), SAMPLE_CHARS) for sample in samples)
    return f"As the model will see it ({meanings}; the rest is read):\n{rows}"


def _turns(sample: Sample) -> list[str]:
    room = max(TURN_CHARS, SAMPLE_CHARS // max(1, len(sample.turns)) - 16)
    return [
        f"{MARKS[turn.mask]} {turn.who}: "
        + clip(turn.text, room).replace("\n", f"\n{MARKS[turn.mask]} ")
        for turn in sample.turns
    ]


def _findings(found: IntakeResult) -> list[str]:
    """Say what the checks found, the most serious first, and what to reply to have it repaired."""
    lines = []
    for place, finding in enumerate(found.findings[:MOST_FINDINGS]):
        files = [share.name for share in found.files]
        named = [row_name(row, files) for row in finding.rows[:SHOWN_ROWS]]
        numbers = ", ".join(name if files else name.removeprefix("row ") for name in named)
        more = ", …" if finding.count > SHOWN_ROWS else ""
        where = f" ({'' if files else 'row '}{numbers}{more})" if numbers else ""
        said = [f"⚠ {plain(finding.sentence + where, 360)}"]
        if finding.example and place < MOST_EXAMPLES:
            said.append(f"For example {plain(finding.example, 240)}")
        if finding.repairs:
            offers = " or ".join(f"“{REPAIRS[repair]}”" for repair in finding.repairs)
            said.append(f"→ {offers}")
        lines.append("\n".join(said))
    if len(found.findings) > MOST_FINDINGS:
        lines.append(f"… and {len(found.findings) - MOST_FINDINGS} findings of less weight.")
    if any(finding.repairs for finding in found.findings):
        lines.append("To repair rows, reply to the plan with these words, or with “repair all”.")
    return lines


def _of_files(found: IntakeResult) -> list[str]:
    """Say of each of several files what has become of its rows."""
    return [
        f"{share.name}: {share.rows_usable:,} usable rows of {share.rows_read:,}; {share.train_rows:,} to learn from"
        + (f" (each used {share.weight:g} times on average)" if share.weight != 1 else "")
        + f", {share.dev_rows:,} dev, {share.test_rows:,} test."
        for share in found.files
    ]


def _notes(found: IntakeResult) -> list[str]:
    notes = [found.roles_reason, *_of_files(found), *found.repaired]
    if found.learnt_before:
        notes.append(
            f"{found.learnt_before:,} rows were part of the training that this one goes on from: they are learnt again, "
            "and none of them is in the test set."
        )
    if found.row_error_count:
        files = [share.name for share in found.files]
        listed = "; ".join(f"{row_name(e.row, files)}: {e.reason}" for e in found.row_errors[:5])
        more = f" … and {found.row_error_count - 5:,} more" if found.row_error_count > 5 else ""
        notes.append(f"{found.row_error_count:,} rows were left out ({listed}{more}).")
    if found.test_rows < FEWEST_ITEMS:
        notes.append(
            f"With only {found.test_rows} rows to test on there can be no verdict: "
            f"at least {FEWEST_ITEMS} are needed, which takes about 100 rows in all."
        )
    return notes
