"""What `tunewright doctor` says about one thing that it has looked at."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool
    found: str
    fix: str = ""
    optional: bool = False
    """Tunewright works without it; a failure is a hint."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)
