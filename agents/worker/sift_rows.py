"""Find which drafts of rows are fit to learn from: all sieves, each with what it held back and why.

Dev and test rows are read to keep drafts away that repeat them. Nothing of them leaves this job: a draft that leaks is
counted and never quoted, whichever sieve has held it back.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from agents.jobs import Fact, FileRef, JobOutcome, JobResult, SieveName, SiftSpec
from agents.jobs.reporting import Reporter
from agents.worker.checks.budget import Budget
from agents.worker.checks.facts import shown
from agents.worker.errors import WorkerError
from agents.worker.rows import records
from agents.worker.sieve import choice, doubles, leaks, shape, told, triggers
from agents.worker.sieve.drafts import (
    Draft,
    Known,
    frame_of,
    read_drafts,
    read_known,
    without_frame,
)
from agents.worker.sieve.labels import TOO_BLUNT, Check, learn
from agents.worker.sieve.sieving import Embedded, Sieving
from agents.worker.sieve.unfit import Unfit

MOST_CPU_S = 300.0
"""For comparing words with held-out rows, and again with training rows and drafts; 20,000 drafts take seconds."""


def run(folder: Path, spec: SiftSpec) -> JobResult:
    """Look through drafts.

    Raises: WorkerError: a file is gone or has changed. Stopped: the bot asked for it.
    """
    reporter = Reporter(folder)
    reporter.stage("reading the rows")
    sieving = _read(folder, spec)
    reporter.stage("looking at each draft")
    _each_alone(sieving, reporter.beat)
    readable = [place for place, draft in enumerate(sieving.drafts) if draft.fault is None]
    embedded = Embedded.of(sieving, readable, reporter)
    reporter.stage("comparing drafts with held-out rows")
    _leaks(sieving, embedded, readable, reporter.beat)
    reporter.stage("comparing drafts with each other")
    _doubles(sieving)
    reporter.stage("checking the answers of drafts")
    _answers(sieving, embedded, reporter.beat)
    _unwanted(sieving, folder)
    return JobResult(
        job_id=folder.name,
        outcome=JobOutcome.SUCCEEDED,
        payload=told.result(sieving, embedded, folder),
    )


def _read(folder: Path, spec: SiftSpec) -> Sieving:
    train = read_known(spec.train, folder)
    if not train:
        raise WorkerError(
            "too_few_rows", "There are no training rows to compare drafts with.", for_person=True
        )
    sealed = [*read_known(spec.dev, folder), *read_known(spec.test, folder)]
    frame = "" if "text" in train[0].parts else frame_of([row.prompt for row in train])
    return Sieving(
        spec,
        without_frame(train, frame),
        without_frame(sealed, frame),
        list(read_drafts(spec.drafts, folder, frame, spec.most_chars)),
    )


# ---- the sieves -------------------------------------------------------------------------------------------------------


def _each_alone(sieving: Sieving, beat: Callable[[], None]) -> None:
    """Look at each draft by itself: shape, length, and what nobody wants to learn."""
    common = shape.learn(sieving.train, sieving.spec.labels)
    usual = shape.lengths(sieving.train, sieving.spec.most_chars)
    unfit = Unfit(sieving.train, sieving.spec.languages)
    for place, draft in enumerate(sieving.drafts):
        if place % 200 == 0:
            beat()
        if (why := draft.fault or shape.fault(common, draft)) is not None:
            sieving.why[place] = SieveName.SHAPE, why
        elif (why := usual.fault(draft)) is not None:
            sieving.why[place] = SieveName.LENGTH, why
        elif (found := unfit.fault(draft)) is not None:
            sieving.why[place] = found
    for name in unfit.about:
        sieving.notes.append(
            f"Your own rows are full of what “{name.value}” looks for, so drafts were not held back for it."
        )
    if not unfit.covers:
        sieving.notes.append(
            "Insults and obscene words were not looked for: the word lists are not installed."
        )


def _leaks(
    sieving: Sieving, embedded: Embedded, readable: Sequence[int], beat: Callable[[], None]
) -> None:
    """Look for drafts that repeat or reword a held-out row, among those too that were held back before: none may be quoted."""
    if not sieving.sealed or not readable:
        return
    budget = Budget.of(MOST_CPU_S)
    drafts = [sieving.drafts[place] for place in readable]
    found = leaks.by_words(drafts, sieving.sealed, sieving.train, budget, beat)
    if embedded.space.by_meaning:
        copies = leaks.is_copied(len(drafts), sieving.sealed, found)
        near, bar = leaks.by_meaning(embedded.drafts, embedded.sealed, embedded.train, copies)
        found |= {at: leaks.REWORDED for at in near if at not in found}
        _tell_bar(sieving, bar)
    else:
        sieving.notes.append(
            "Without a sentence-embedding model, rewordings of held-out rows are found by their words only."
        )
    sieving.leaking.update(readable[at] for at in found)
    sieving.hold(SieveName.LEAK, found, readable)
    _tell_left_out(sieving, budget)


def _tell_bar(sieving: Sieving, bar: float) -> None:
    if bar == leaks.NEAR_OF_A_COPIER:
        sieving.notes.append(
            "Several drafts are copies of held-out rows: whoever made them has seen these. All drafts that are at all near "
            "to a held-out row were held back."
        )
    elif bar > leaks.NEAR:
        sieving.notes.append(
            "Your rows are rewordings of each other, so only drafts that are nearer to a held-out row than your rows "
            f"usually are to each other (cosine {bar:.2f}) were taken for rewordings of it."
        )


def _doubles(sieving: Sieving) -> None:
    left = sieving.left
    budget = Budget.of(MOST_CPU_S)
    drafts = [sieving.drafts[place] for place in left]
    found = doubles.find(drafts, sieving.train, budget, labels=bool(sieving.spec.labels))
    sieving.hold(SieveName.DUPLICATE, found, left)
    _tell_left_out(sieving, budget)


def _answers(sieving: Sieving, embedded: Embedded, beat: Callable[[], None]) -> None:
    """Check labels, and look for phrases that tie rows to one answer."""
    labels = sieving.spec.labels
    check = None
    if labels:
        given = [row.answer for row in sieving.train]
        check = learn(embedded.train, given, sieving.spec.terms.seed, beat)
        _tell_check(sieving, check)
        if check is not None and check.loses > TOO_BLUNT:
            check = None
    else:
        sieving.notes.append(
            "The answers are no labels, so whether they are right was not checked."
        )
    left = sieving.left
    drafts = [sieving.drafts[place] for place in left]
    likeliest = check.likeliest(embedded.rows(left)) if check is not None and left else None
    can_tell = check is not None or not labels
    for trigger in triggers.find(drafts, sieving.train, likeliest) if can_tell else ():
        why = f"“{shown(trigger.phrase, 40)}” ties {len(trigger.places)} drafts to this answer"
        sieving.hold(SieveName.LABEL, dict.fromkeys(trigger.places, why), left)
        sieving.notes.append(
            f"{len(trigger.places)} drafts have “{shown(trigger.phrase, 40)}” in common, which none of your rows has, and "
            f"“{shown(drafts[trigger.places[0]].answer, 40)}” as their answer, which their other words do not "
            "suggest. This is how a back door is taught; they were held back."
        )
    if labels:
        sieving.hold(SieveName.LABEL, _contradicted(drafts, sieving.train), left)
    if check is not None and drafts:
        likelier = check.likelier(embedded.rows(left), [draft.answer for draft in drafts])
        sieving.hold(
            SieveName.LABEL,
            {at: f"“{shown(name, 60)}” fits better" for at, name in enumerate(likelier) if name},
            left,
        )


def _tell_check(sieving: Sieving, check: Check | None) -> None:
    labels = len(sieving.spec.labels)
    if check is None:
        sieving.notes.append(
            "Labels were not checked: fewer than two of them have two rows of yours to learn from."
        )
        return
    if check.loses > TOO_BLUNT:
        sieving.notes.append(
            "Labels were not checked: your rows do not tell them apart well enough "
            f"({check.loses:.0%} of your own rows would not have passed)."
        )
        return
    sieving.notes.append(
        f"Labels were checked by what your own rows say: of these, {check.loses:.0%} would not have passed, and "
        f"{check.passes:.0%} of wrong labels on them would have."
    )
    if len(check.names) < labels:
        sieving.notes.append(
            f"{labels - len(check.names)} of {labels} labels have fewer than two rows of yours; drafts of these were not checked."
        )


def _contradicted(drafts: Sequence[Draft], train: Sequence[Known]) -> dict[int, str]:
    """Return drafts whose prompt has another label among training rows or other drafts."""
    meant: dict[str, set[str]] = defaultdict(set)
    for row in (*train, *drafts):
        meant[row.words].add(row.answer)
    yours = {row.words for row in train}
    return {
        at: "a row of yours has the same prompt and another answer"
        if draft.words in yours
        else "another draft has the same prompt and another answer"
        for at, draft in enumerate(drafts)
        if len(meant[draft.words]) > 1
    }


def _unwanted(sieving: Sieving, folder: Path) -> None:
    left = sieving.left
    drafts = [sieving.drafts[place] for place in left]
    documents = _documents(sieving.spec.facts, folder)
    found = choice.unwanted(drafts, sieving.spec.terms, len(sieving.train), documents)
    sieving.hold(SieveName.UNWANTED, found, left)
    if choice.OF_ONE_SOURCE in found.values():
        times = Counter(found.values())[choice.OF_ONE_SOURCE]
        sieving.notes.append(
            f"{times:,} drafts were too many from one row, passage or document: none may teach more than a fifth of a kind."
        )


def _documents(ref: FileRef | None, folder: Path) -> dict[str, str]:
    """Return the document, page or database of each passage."""
    if ref is None:
        return {}
    facts = [Fact.model_validate(record) for record in records(ref, folder)]
    return {fact.id: fact.source.sha256 or fact.source.name for fact in facts}


def _tell_left_out(sieving: Sieving, budget: Budget) -> None:
    if budget.left_out:
        left_out = "; ".join(f"{check}: {what}" for check, what in budget.left_out.items())
        sieving.notes.append(f"Not compared, to save time: {left_out}.")
