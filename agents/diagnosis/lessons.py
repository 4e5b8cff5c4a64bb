"""What was to be learnt, and how it was asked: masks, ends, cuts, templates, formats."""

from agents.diagnosis.evidence import Evidence, difference, named, percent
from agents.diagnosis.findings import Finding
from agents.recipe import RecipeChange

LEFT_OUT = 0.05
"""Share of the rows of which nothing can be learnt."""
ENDED = 0.5
"""Share of the uncut rows that must teach when to stop."""
CUT = 0.05
"""Share of the rows whose end is cut off."""
CUT_CHARS = 40
"""Answers of the same length are no sign of a cut when the longest is shorter."""
CUT_WORDS = 5
"""Words of an answer on average, below which they are codes of one length, not cut texts."""
MARKED = 0.05
"""Share of the rows with marks of a chat template."""
OTHERWISE = 0.2
"""Share of right answers that two askings may differ by, beyond chance."""
MIXED = 0.05
"""Share of the answers in the rarer of two formats."""
DRIFTED = 0.8
"""Share of the answers that should be JSON and must be."""
FEWEST_JSON = 5


def masked_labels(evidence: Evidence) -> Finding | None:
    """Rows of which nothing is learnt, because their prompts leave no room for an answer."""
    measured = evidence.measured
    if measured is None or measured.rows_left_out_count < LEFT_OUT * max(1, evidence.train_rows):
        return None
    count = measured.rows_left_out_count
    if not count:
        return None
    change = _longer(evidence)
    return Finding(
        "masked_labels",
        f"Nothing could be learnt from {count:,} of {evidence.train_rows:,} training rows: their prompts alone fill the "
        f"{measured.limit_tokens:,} tokens that a row may have ({named(measured.rows_left_out, count)}).",
        f"cut rows at {change.value:,} tokens instead" if change else "shorten these prompts",
        change,
        rows=measured.rows_left_out,
        telling=0.9,
    )


def missing_end(evidence: Evidence) -> Finding | None:
    """Answers whose end is not learnt: the model does not know when to stop."""
    targets = evidence.targets
    if targets is None or not targets.rows:
        return None
    uncut = targets.rows - targets.rows_cut
    if not uncut or targets.rows_ended >= ENDED * uncut:
        return None
    probe = evidence.probe
    ended = (
        f" Of {probe.train_asked + probe.dev_asked} answers tried, {probe.ended} came to an end."
        if probe
        else ""
    )
    return Finding(
        "missing_end",
        f"The model is not taught to stop: an end of the answer is learnt in {targets.rows_ended:,} of {targets.rows:,} "
        f"rows.{ended}",
        "use a chat template that closes the answer with the model's own end token",
        telling=0.92,
    )


def truncation(evidence: Evidence) -> Finding | None:
    """Answers that are cut off: by the limit of tokens, or before they came here."""
    return _cut_here(evidence) or _cut_before(evidence)


def _cut_here(evidence: Evidence) -> Finding | None:
    targets, measured = evidence.targets, evidence.measured
    if targets is None or measured is None or targets.rows_cut < CUT * targets.rows:
        return None
    if not targets.rows_cut:
        return None
    change = _longer(evidence)
    return Finding(
        "truncation",
        f"{targets.rows_cut:,} of {targets.rows:,} rows were cut off at {measured.limit_tokens:,} tokens; the longest has "
        f"{measured.tokens_max:,}.",
        f"cut rows at {change.value:,} tokens instead" if change else "shorten these rows",
        change,
        telling=0.88,
    )


def _cut_before(evidence: Evidence) -> Finding | None:
    texts, data = evidence.texts, evidence.data
    if texts is None or data is None or evidence.are_labels:
        return None
    if texts.same_length < CUT * texts.rows or texts.longest_chars < CUT_CHARS:
        return None
    if data.completion_words_mean < CUT_WORDS or data.distinct_completions < 2:
        return None
    if texts.most_common_answer * texts.rows > texts.same_length / 2:  # one text, often
        return None
    return Finding(
        "truncation",
        f"{texts.same_length:,} of {texts.rows:,} answers have exactly {texts.longest_chars:,} characters, as many as the "
        "longest: an export has probably cut them off.",
        "export the answers in full and start a new run",
        telling=0.88,
    )


def template_mismatch(evidence: Evidence) -> Finding | None:
    """The rows bring a chat template along, or the model was asked otherwise than it was taught."""
    texts = evidence.texts
    if texts is not None and texts.marked_count and texts.marked_count >= MARKED * texts.rows:
        marks = ", ".join(texts.marks)
        return Finding(
            "template_mismatch",
            f"{texts.marked_count:,} of {texts.rows:,} rows hold marks of a chat template ({marks}), and the model's own is "
            f"written around them again: {named(texts.marked, texts.marked_count)}.",
            "upload prompts and answers without such marks",
            rows=texts.marked,
            telling=0.9,
        )
    return _asked_in_another(evidence) or _asked_otherwise(evidence)


def _asked_in_another(evidence: Evidence) -> Finding | None:
    """The chat templates of training and evaluation are known, and are two."""
    taught = evidence.trained.template_sha256 if evidence.trained else None
    asked = evidence.evaluated.template_sha256 if evidence.evaluated else None
    if taught is None or asked is None or taught == asked:
        return None
    scores = f" ({told})" if (told := _both(evidence)) else ""
    return Finding(
        "template_mismatch",
        f"The sealed rows were asked in another chat template (sha256 {asked[:8]}…) than the rows to learn from were written "
        f"in ({taught[:8]}…): the verdict is of a model that nobody will use so{scores}.",
        "give the model's folder the chat template back that it had at the training, then evaluate again",
        telling=0.94,
    )


def _asked_otherwise(evidence: Evidence) -> Finding | None:
    gap = _test_over_dev(evidence)
    if gap is None or gap[2] >= -OTHERWISE:
        return None
    return Finding(
        "template_mismatch",
        f"The sealed rows were answered much worse than the dev rows ({_both(evidence)}): the model was probably asked in "
        "another template than it was taught in, or the rows are of another kind.",
        "check that the model's folder has not changed since the training, then evaluate again",
        telling=0.9,
    )


def format_drift(evidence: Evidence) -> Finding | None:
    """Answers in two formats, or a format that was not kept."""
    texts, probe = evidence.texts, evidence.probe
    if texts is not None and MIXED <= texts.json_answers <= 1 - MIXED:
        return Finding(
            "format_drift",
            f"The answers have two formats: {percent(texts.json_answers)} of {texts.rows:,} are JSON, the others are not. "
            "A model cannot know which one is wanted.",
            "bring all answers into one format",
            telling=0.85,
        )
    if probe is None or probe.dev_json_wanted < FEWEST_JSON:
        return None
    if probe.dev_json_given >= DRIFTED * probe.dev_json_wanted:
        return None
    return Finding(
        "format_drift",
        f"Only {probe.dev_json_given} of {probe.dev_json_wanted} answers tried were JSON, although the right ones are.",
        "add rows in which the format is the same each time, or train longer",
        telling=0.5,
    )


def _longer(evidence: Evidence) -> RecipeChange | None:
    """Return a limit of tokens that fits the longest row, as far as the model can read it."""
    measured = evidence.measured
    if measured is None:
        return None
    wanted = measured.tokens_max
    if measured.rows_left_out_count:  # how long those are is not known
        wanted = max(wanted, 2 * evidence.recipe.max_length_tokens)
    wanted = min(wanted, measured.context_tokens)
    if wanted <= evidence.recipe.max_length_tokens:
        return None
    return RecipeChange(field="max_length_tokens", value=wanted)


def _test_over_dev(evidence: Evidence) -> tuple[float, float, float] | None:
    probe, test = evidence.probe, evidence.test_exact
    if probe is None or test is None or not probe.dev_asked:
        return None
    return difference(test, (probe.dev_same, probe.dev_asked))


def _both(evidence: Evidence) -> str:
    probe, test = evidence.probe, evidence.test_exact
    if probe is None or test is None:
        return ""
    return (
        f"{percent(test[0] / test[1])} of {test[1]} word for word, against "
        f"{percent(probe.dev_same / max(1, probe.dev_asked))} of {probe.dev_asked}"
    )
