import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_a_job_killed_at_any_step_comes_to_the_same_and_pays_nothing_twice(tmp_path):
    words = [sys.executable, "-m", "tests.agents.workflow.killed_job", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    for name, found in json.loads(done.stdout).items():
        whole, lost = found["whole"], 0
        assert len(found["killed"]) == whole["kept"] > 5, name
        for number, one in enumerate(found["killed"], 1):
            assert one["codes"] == [-9, 0], (name, number)
            assert one["payload"] == whole["payload"], (name, number)
            # what was kept before the kill is not paid for again; only the thing under way can be
            again = Counter(map(str, one["paid"])) - Counter(map(str, whole["paid"]))
            assert again.total() <= (one["how"] != "after"), (name, number)
            lost += again.total()
            # and what was spent is told in full: every call that was made, also one that was lost
            assert one["spent"]["calls"] == len(one["paid"]), (name, number)
        assert lost, name
