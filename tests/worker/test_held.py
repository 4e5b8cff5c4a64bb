"""The peak of memory, in a process of its own."""

import subprocess
import sys

PEAKS = """
from agents.worker import held
block = b"x" * 300_000_000
before = held.peak_bytes()
del block
held.forget_peak()
print(before, held.peak_bytes())
block = b"x" * 100_000_000
print(held.peak_bytes())
"""


def test_what_was_held_before_is_forgotten_and_counting_goes_on():
    said = subprocess.run([sys.executable, "-c", PEAKS], check=True, capture_output=True, text=True)

    before, after, again = map(int, said.stdout.split())
    assert before > 300_000_000 > 2 * after
    assert 100_000_000 < again < 200_000_000
    assert not said.stderr
