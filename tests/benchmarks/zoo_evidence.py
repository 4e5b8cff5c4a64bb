"""What the plays of the published score left to the rules, kept so that every change of a rule is scored in seconds.

    python -m benchmarks.zoo --cache DIR --publish      plays what is missing in DIR, and writes the page
    python -m tests.benchmarks.zoo_evidence DIR         keeps what was played

Numbers have six digits. It says nothing of a worker that has changed since: that is what playing anew is for.
"""

import json
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents.diagnosis import Evidence
from benchmarks.zoo import keeping, playing
from benchmarks.zoo.scoring import SCORE_SEEDS
from benchmarks.zoo.situations import ALL, Situation

KEPT = Path(__file__).with_name("zoo_evidence.json.xz")


def read() -> Iterator[tuple[Situation, int, Evidence]]:
    """Yield each play with what is known after it."""
    by_name = {situation.name: situation for situation in ALL}
    for line in lzma.decompress(KEPT.read_bytes()).splitlines():
        name, seed, evidence = json.loads(line)
        yield by_name[name], seed, playing.from_json(json.dumps(evidence))


def packed(cache: Path) -> bytes:
    """Return what a cache holds of the published score, of the worker as it is now."""
    lines = []
    for seed in SCORE_SEEDS:
        for situation in ALL:
            text = (cache / keeping.name(situation, seed, {}, real=False)).read_text()
            line = [situation.name, seed, _short(json.loads(text))]
            lines.append(json.dumps(line, separators=(",", ":")))
    return lzma.compress("\n".join(lines).encode(), preset=9 | lzma.PRESET_EXTREME)


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _short(inner) for key, inner in value.items()}
    return [_short(inner) for inner in value] if isinstance(value, list) else value


if __name__ == "__main__":
    KEPT.write_bytes(packed(Path(sys.argv[1])))
