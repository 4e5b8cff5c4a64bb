"""Texts with what must not be shown covered."""

from agents.worker.checks import personal_data, secrets
from agents.worker.checks.marks import covered


def without_secrets(text: str) -> str:
    """Return a text with keys, tokens and passwords masked."""
    return covered(text, secrets.marks(text))


def without_personal_data(text: str) -> str:
    """Return a text with personal data masked."""
    return covered(text, personal_data.marks(text))


def safe(text: str) -> str:
    """Return a text that may be shown to a room."""
    return covered(text, [*secrets.marks(text), *personal_data.marks(text)])
