"""Which parts of the answers are right: field by field, label by label, and against always saying the same."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agents.jobs import Confusion, FieldScore, LabelScore
from agents.worker import paired, verdict
from agents.worker.checks.masks import safe
from agents.worker.metrics.items import Numbers, ratio
from agents.worker.metrics.labels import MacroF1
from agents.worker.metrics.structure import WHOLE, Fields, Form, read
from agents.worker.metrics.words import plain

MOST_FIELDS = 40
MOST_CONFUSIONS = 10
SHOWN_CHARS = 60
ABSENT = ("",)
"""What a field holds that is not there; no value is an empty tuple of values."""


def field_scores(
    form: Form | None,
    said: tuple[Sequence[str], Sequence[str]],
    references: Sequence[str],
    training: Sequence[str],
) -> tuple[FieldScore, ...]:
    """Return how often base and tuned (`said`) get each field right. `training` are answers that were learnt from."""
    meant = [read(form, text) for text in references]
    base, tuned = ([read(form, text) for text in texts] for texts in said)
    known = [fields for text in training if (fields := read(form, text))]
    learnt = known or [fields for fields in meant if fields]
    names = form.names if form else (WHOLE,)
    scores = (_field(name, meant, (base, tuned), learnt) for name in names[:MOST_FIELDS])
    return tuple(score for score in scores if score is not None)


def _field(
    name: str,
    meant: Sequence[Fields | None],
    said: tuple[Sequence[Fields | None], Sequence[Fields | None]],
    learnt: Sequence[Fields],
) -> FieldScore | None:
    having = [i for i, fields in enumerate(meant) if fields and name in fields.names]
    if not having:
        return None
    wanted = [_value(meant[i], name) for i in having]
    base, tuned = (
        np.array(
            [_value(fields[i], name) == right for i, right in zip(having, wanted, strict=True)]
        )
        for fields in said
    )
    usual = Counter(_value(fields, name) for fields in learnt if name in fields.names)
    most_frequent = usual.most_common(1)[0][0] if usual else ABSENT
    always = np.array([right == most_frequent for right in wanted])
    return FieldScore(
        name=_shown(name),
        items=len(having),
        base=float(base.mean()),
        tuned=float(tuned.mean()),
        always=float(always.mean()),
        most_frequent=_shown(", ".join(most_frequent)),
        is_guessed=_is_guessed(tuned, always),
    )


def _is_guessed(tuned: NDArray[np.bool_], always: NDArray[np.bool_]) -> bool:
    """Tell whether answers are not shown to be better than always the same one, by the interval of the difference."""
    n = len(tuned)
    if n < verdict.FEWEST_ITEMS or tuned.all():
        return False
    gained, lost = int((tuned & ~always).sum()), int((always & ~tuned).sum())
    return paired.bonett_price(gained, lost, n)[0] <= 0


def _value(fields: Fields | None, name: str) -> tuple[str, ...]:
    return (fields.of(name) or ABSENT) if fields else ABSENT


def label_scores(
    macro: MacroF1, base: Numbers, tuned: Numbers, references: Sequence[str]
) -> tuple[LabelScore, ...]:
    """Return how each label does, the worst first, from the totals of `MacroF1`."""
    spelt = _spellings(references)
    counts = [np.split(totals.sum(axis=0), 3) for totals in (base, tuned)]
    f1s = [ratio(2 * hits, uses + times) for hits, uses, times in counts]
    recalls = [ratio(hits, times) for hits, _uses, times in counts]
    scores = [
        LabelScore(
            label=_shown(spelt[label]),
            items=int(counts[0][2][place]),
            found_by_base=float(recalls[0][place]),
            found=float(recalls[1][place]),
            base=float(f1s[0][place]),
            tuned=float(f1s[1][place]),
        )
        for place, label in enumerate(macro.labels)
    ]
    return tuple(sorted(scores, key=lambda score: (score.tuned, -score.items)))


def confusions(tuned: Sequence[str], references: Sequence[str]) -> tuple[Confusion, ...]:
    """Return what tuned most often said instead of a label."""
    spelt = _spellings([*references, *tuned])
    wrong = Counter(
        (plain(meant), plain(said))
        for meant, said in zip(references, tuned, strict=True)
        if plain(meant) != plain(said)
    )
    return tuple(
        Confusion(meant=_shown(spelt[meant]), said=_shown(spelt[said]), times=times)
        for (meant, said), times in wrong.most_common(MOST_CONFUSIONS)
    )


def _spellings(texts: Sequence[str]) -> dict[str, str]:
    """Return how each text was first written, by its levelled form."""
    found: dict[str, str] = {}
    for text in texts:
        found.setdefault(plain(text), " ".join(text.split()))
    return found


def _shown(text: str) -> str:
    return safe(text)[:SHOWN_CHARS]
