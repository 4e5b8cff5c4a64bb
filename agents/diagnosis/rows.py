"""What is wrong with the rows themselves. Most of it was seen when they were read; here it is weighed."""

from agents.diagnosis.evidence import Evidence, named, percent
from agents.diagnosis.findings import Finding
from agents.jobs import DataFinding, FindingKind, Verdict

FEW_ROWS = 200
VERY_FEW_ROWS = 60
"""Below, there is no other finding about a curve that says more."""
SWAPPED = 0.5
"""Share of the rows whose prompt comes with several answers from which on the columns may be swapped."""
SWAPPED_LENGTH = 3
"""Answers are so many times longer than prompts then."""
ASKING = 0.5
"""Share of the answers that are questions, where hardly a prompt is one."""
CONSTANT = 0.99
"""Share of the rows with the same answer."""
DUPLICATES = 0.1
LEAKS = 0.02
"""Share of the test rows."""
CONFLICTS = 0.02
CONFLICTS_OF_TEXTS = 0.1
EMPTIES = 0.02
OTHER_LANGUAGES = 0.02
PRIVATE_ROWS = 3
CONTRADICTED = 0.04
"""Share of the training rows looked at whose label the model is sure is another one."""
FEWEST_CONTRADICTED = 5
KNOWS = 0.5
"""Share of the labels that the model must have right for its doubts to count."""


def swapped_columns(evidence: Evidence) -> Finding | None:
    """Prompts and answers have changed places."""
    data, texts = evidence.data, evidence.texts
    if data is None:
        return None
    conflicts = evidence.check(FindingKind.CONFLICTS)
    longer = data.completion_chars_p95 >= SWAPPED_LENGTH * data.prompt_chars_p95
    if conflicts is not None and conflicts.share >= SWAPPED and longer:
        return Finding(
            "swapped_columns",
            f"Prompt and answer seem to have changed places: '{data.prompt_column}' holds a few short texts, each with many "
            f"answers ({percent(conflicts.share)} of the rows), and '{data.completion_column}' the long ones.",
            "swap the two columns in the file and start a new run",
            rows=conflicts.rows,
            telling=0.94,
        )
    if texts is None or texts.answers_asking < ASKING or texts.prompts_asking > 1 - ASKING:
        return None
    if texts.prompts_asking > texts.answers_asking / SWAPPED_LENGTH:
        return None
    return Finding(
        "swapped_columns",
        f"Prompt and answer seem to have changed places: {percent(texts.answers_asking)} of the answers are questions, and "
        f"{percent(texts.prompts_asking)} of the prompts.",
        "swap the two columns in the file and start a new run",
        telling=0.9,
    )


def constant_answers(evidence: Evidence) -> Finding | None:
    """One answer to everything."""
    data, texts = evidence.data, evidence.texts
    if data is None or texts is None or texts.most_common_answer < CONSTANT:
        return None
    return Finding(
        "constant_answers",
        f"{percent(texts.most_common_answer)} of {texts.rows:,} rows have the same answer: the model learns to say it whatever "
        "it is asked.",
        "add rows with other answers, or none of this needs a model",
        telling=0.93,
    )


def empty_answers(evidence: Evidence) -> Finding | None:
    """Rows in which nothing stands."""
    found = evidence.check(FindingKind.EMPTIES)
    if found is None or found.share < EMPTIES:
        return None
    return Finding(
        "empty_answers",
        f"{found.count:,} rows ({percent(found.share)}) hold a placeholder instead of a prompt or an answer: "
        f"{named(found.rows, found.count)}.",
        "start a new run and reply “drop empty rows”",
        rows=found.rows,
        telling=0.84,
    )


def duplicates(evidence: Evidence) -> Finding | None:
    """Rows that stand there several times."""
    data = evidence.data
    if data is None:
        return None
    near = evidence.check(FindingKind.NEAR_DUPLICATES)
    equal = evidence.check(FindingKind.DUPLICATES)
    count = data.duplicates + (near.count if near else 0)
    share = count / max(1, data.rows_usable)
    if share < DUPLICATES:
        return None
    rows = (near or equal or _none()).rows
    return Finding(
        "duplicates",
        f"{count:,} of {data.rows_usable:,} rows ({percent(share)}) say what another row says, {data.duplicates:,} of them "
        "word for word; these are used once.",
        "start a new run and reply “drop near duplicates”, or add rows that differ",
        rows=rows,
        telling=0.8,
    )


def leak(evidence: Evidence) -> Finding | None:
    """Test rows that resemble rows to learn from."""
    data, found = evidence.data, evidence.check(FindingKind.LEAKS)
    if data is None or found is None or found.count < LEAKS * data.test_rows:
        return None
    return Finding(
        "leak",
        f"{found.count:,} of {data.test_rows:,} test rows resemble rows to learn from: the verdict is better than the model "
        f"({named(found.rows, found.count)}).",
        "start a new run and reply “drop leaks”",
        rows=found.rows,
        telling=0.87,
    )


def conflicting_labels(evidence: Evidence) -> Finding | None:
    """The same prompt with different answers."""
    found = evidence.check(FindingKind.CONFLICTS)
    least = CONFLICTS if evidence.are_labels else CONFLICTS_OF_TEXTS
    if found is None or found.share < least or not found.repairs:
        return None
    return Finding(
        "conflicting_labels",
        f"{found.count:,} rows ({percent(found.share)}) have a prompt that comes with another answer elsewhere: "
        f"{named(found.rows, found.count)}.",
        "start a new run and reply “drop conflicts”, or correct them",
        rows=found.rows,
        telling=0.86,
    )


def label_noise(evidence: Evidence) -> Finding | None:
    """Labels that the model, which knows the task by now, is sure are others."""
    probe = evidence.probe
    if probe is None or not evidence.are_labels or not probe.train_seen:
        return None
    share = probe.contradicted_count / probe.train_seen
    if probe.contradicted_count < FEWEST_CONTRADICTED or share < CONTRADICTED:
        return None
    if probe.train_right < KNOWS * probe.train_seen:
        return None
    return Finding(
        "label_noise",
        f"Of {probe.train_seen:,} training rows looked at, the model is sure of another label in {probe.contradicted_count:,} "
        f"({percent(share)}), while it has {percent(probe.train_right / probe.train_seen)} right: "
        f"{named(probe.contradicted, probe.contradicted_count)}.",
        "look at these rows first: many of their labels are probably wrong",
        rows=probe.contradicted,
        telling=0.82,
    )


def imbalance(evidence: Evidence) -> Finding | None:
    """Labels that hardly occur."""
    found = evidence.check(FindingKind.IMBALANCE)
    if found is None:
        return None
    return Finding(
        "imbalance",
        f"{found.sentence.split('. ')[0]} ({found.example}).",
        "add rows of the rare labels, and judge them apart from the others",
        rows=found.rows,
        telling=0.8,
    )


def mixed_languages(evidence: Evidence) -> Finding | None:
    """Rows in another language than nearly all the rest."""
    found = evidence.check(FindingKind.OTHER_LANGUAGES)
    if found is None or found.share < OTHER_LANGUAGES:
        return None
    return Finding(
        "mixed_languages",
        f"{found.sentence.split('. ')[0].rstrip('.')} ({percent(found.share)} of the rows): "
        f"{named(found.rows, found.count)}.",
        "start a new run and reply “drop other languages”, or add as many rows of each language",
        rows=found.rows,
        telling=0.81,
    )


def personal_data(evidence: Evidence) -> Finding | None:
    """Rows with personal data or keys, which a model can learn by heart."""
    both = [evidence.check(kind) for kind in (FindingKind.SECRETS, FindingKind.PERSONAL_DATA)]
    found = [one for one in both if one is not None]
    count = sum(one.count for one in found)
    if count < PRIVATE_ROWS:
        return None
    rows = tuple(sorted({row for one in found for row in one.rows}))
    what = "keys or passwords" if found[0].kind is FindingKind.SECRETS else "personal data"
    return Finding(
        "personal_data",
        f"{count:,} rows hold {what}, which the model may have learnt by heart: {named(rows, count)}.",
        "start a new run and reply “mask personal data” or “mask keys”",
        rows=rows,
        telling=0.83,
    )


def too_few_rows(evidence: Evidence) -> Finding | None:
    """So few rows that chance decides."""
    rows = evidence.train_rows
    if rows >= FEW_ROWS:
        return None
    return Finding(
        "too_few_rows",
        f"Only {rows} rows to learn from.",
        f"start a new run with more rows: {FEW_ROWS} or more make most tasks steady",
        telling=0.4 if rows >= VERY_FEW_ROWS else 0.66,
    )


def too_few_test_rows(evidence: Evidence) -> Finding | None:
    """A gain was seen that so few sealed rows cannot show."""
    evaluated = evidence.evaluated
    if evaluated is None or evaluated.verdict is not Verdict.CANNOT_TELL:
        return None
    if not evaluated.more_items_needed:
        return None
    return Finding(
        "too_few_test_rows",
        f"{evaluated.items} test rows are too few to be sure of a difference of "
        f"{100 * evaluated.primary.gain:+.1f} points.",
        f"about {evaluated.more_items_needed} more test rows would show a difference of this size",
        telling=0.2,
    )


def _none() -> DataFinding:
    return DataFinding(kind=FindingKind.DUPLICATES, count=0, share=0.0, rows=(), sentence="")
