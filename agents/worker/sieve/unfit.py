"""Drafts that nobody wants to learn from whatever the task is: secrets, personal data, bad words, another language, orders.

An upload that is full of such things itself (a list of contacts to read, abuse to recognise) is about them, and its drafts
are not held back for them.
"""

from collections.abc import Callable, Iterable, Sequence

from agents.jobs import SieveName
from agents.worker.checks import injections, languages, personal_data, secrets
from agents.worker.sieve.bad_words import BadWords
from agents.worker.sieve.drafts import Draft, Known

Look = Callable[[str], str | None]
"""Says what is wrong with a text; None where nothing is."""
ABOUT = 0.1
"""Share of the upload's rows with something from which on the upload is about it."""


class Unfit:
    """What is looked for in each draft, and what the upload is about."""

    def __init__(self, rows: Sequence[Known], told: Iterable[str]) -> None:
        """Learn from the rows of the upload; `told` are its languages, none where they are not known."""
        speaks = frozenset(told)
        words = BadWords.of(speaks, rows)
        looks: dict[SieveName, Look] = {
            SieveName.SECRETS: _secret,
            SieveName.PERSONAL: _personal,
            SieveName.HARMFUL: words.fault,
            SieveName.LANGUAGE: lambda text: _foreign(text, speaks),
            SieveName.INSTRUCTIONS: _order,
        }
        self.about = tuple(
            name
            for name, look in looks.items()
            if name is not SieveName.SECRETS
            and sum(look(f"{row.prompt}\n{row.answer}") is not None for row in rows)
            > ABOUT * len(rows)
        )
        """What is let pass because the upload itself is full of it."""
        self.looks = {name: look for name, look in looks.items() if name not in self.about}
        self.covers = words.languages
        """Languages whose bad words are known."""

    def fault(self, draft: Draft) -> tuple[SieveName, str] | None:
        """Say which of these a draft fails at first, and why; None where it passes."""
        for name, look in self.looks.items():
            texts = (draft.own,) if name is SieveName.LANGUAGE else (draft.own, draft.answer)
            for text in texts:
                if (why := look(text)) is not None:
                    return name, why
        return None


def _secret(text: str) -> str | None:
    found = secrets.marks(text)
    return f"it holds what looks like a live {_kind(found[0].kind)}" if found else None


def _personal(text: str) -> str | None:
    found = personal_data.marks(text)
    return f"it holds personal data ({_kind(found[0].kind)})" if found else None


def _kind(kind: str) -> str:
    return kind.replace("_", " ").lower()


def _foreign(text: str, speaks: frozenset[str]) -> str | None:
    language = languages.language_of(text) if speaks else None
    if language is None or language in speaks:
        return None
    return f"it seems to be in another language ({language}) than your rows"


def _order(text: str) -> str | None:
    return "it reads like an order to a model" if injections.gives_orders(text) else None
