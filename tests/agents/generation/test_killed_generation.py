import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_job_killed_at_any_line_that_is_kept_makes_the_same_rows_and_pays_nothing_twice(
    tmp_path, at_once
):
    words = [
        sys.executable,
        "-m",
        "tests.agents.generation.killed_job",
        str(tmp_path),
        str(at_once),
    ]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    whole, lost = found["whole"], 0

    assert len(found["killed"]) == whole["kept"] > 8
    assert len(whole["drafts"]) == 22
    assert any("cannot be used" in text for text in whole["paid"])
    for number, one in enumerate(found["killed"], 1):
        assert one["codes"] == [-9, 0], number
        assert one["drafts"] == whole["drafts"], number
        assert one["counted"] == whole["counted"], number
        # what was kept before the kill is not paid for again; only what was under way can be
        again = Counter(one["paid"]) - Counter(whole["paid"])
        assert again.total() <= at_once - (one["how"] == "after"), number
        assert not Counter(whole["paid"]) - Counter(one["paid"]), number
        lost += again.total()
        # and what was spent is told in full: every call that was made or about to be, also one that was lost
        assert 0 <= one["spent"]["calls"] - len(one["paid"]) < at_once, number
    assert lost
