"""Rows in another language than the rest, told offline by py3langid; only where one language clearly dominates."""

import random
from collections import Counter
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from agents.jobs import DataFinding, FindingKind, Repair
from agents.worker.checks.facts import Facts, counted

CHECK = "languages"
SAMPLED_ROWS = 20_000
SEED = 17
CHUNK = 200
LEAST_LETTERS = 40
"""Shorter texts are not judged."""
LEAST_WORDS = 6
MOST_CHARS = 1000
SURE = 0.995
"""How sure the model must be that a row is in another language."""
DOMINATES = 0.9
"""Share of the judged rows from which on a language is the one of the data."""
FEWEST = 20
"""Judged rows; of fewer nothing is said."""


def check(facts: Facts) -> DataFinding | None:
    """Report rows in another language than nearly all the rest."""
    found, main = _others(facts)
    if not found:
        return None
    times = Counter(found.values())
    named = ", ".join(f"{count:,} × {language}" for language, count in times.most_common(4))
    sampled = ""
    if len(facts.pairs) > SAMPLED_ROWS:
        sampled = f" {SAMPLED_ROWS:,} rows were looked at, drawn by chance."
    what = counted(len(found), "row seems", "rows seem")
    places = sorted(found)
    return facts.finding(
        FindingKind.OTHER_LANGUAGES,
        places,
        f"{what} to be in another language ({named}) than the rest ({main}).{sampled}",
        example=facts.quoted(places[0]),
        repairs=(Repair.DROP_OTHER_LANGUAGES,),
    )


def places(facts: Facts) -> list[int]:
    """Return the places of such rows."""
    return sorted(_others(facts)[0])


def _others(facts: Facts) -> tuple[dict[int, str], str]:
    """Return the places of such rows with their language, and the language of the rest."""
    looked_at: list[int] = list(range(len(facts.pairs)))
    if len(looked_at) > SAMPLED_ROWS:
        looked_at = random.Random(SEED).sample(looked_at, SAMPLED_ROWS)
    told: dict[int, tuple[str, float]] = {}
    for number, place in enumerate(looked_at):
        if number % CHUNK == 0 and facts.budget.spent():
            facts.budget.stop(CHECK, f"all but {number:,} rows")
            break
        text = facts.pairs[place].prompt[:MOST_CHARS]
        if _is_enough(text):
            told[place] = _language(text)
    if len(told) < FEWEST:
        return {}, ""
    main, times = Counter(language for language, _ in told.values()).most_common(1)[0]
    if times < DOMINATES * len(told):
        return {}, main
    others = {
        place: language
        for place, (language, sure) in told.items()
        if language != main and sure >= SURE
    }
    return others, main


def language_of(text: str) -> str | None:
    """Return the language of a text by its two letters; None where that is not sure."""
    text = text[:MOST_CHARS]
    if not _is_enough(text):
        return None
    language, sure = _language(text)
    return language if sure >= SURE else None


def _is_enough(text: str) -> bool:
    return sum(map(str.isalpha, text)) >= LEAST_LETTERS and _words(text) >= LEAST_WORDS


def _words(text: str) -> int:
    # scripts without spaces: a word is about two letters
    return len(text.split()) if text.isascii() else max(len(text.split()), len(text) // 10)


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _language(text: str) -> tuple[str, float]:
    language, sure = _identifier().classify(text.casefold())
    return str(language), float(sure)
