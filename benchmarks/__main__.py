"""All benchmarks, one after the other: `make bench`. They report; only the last one fails on a figure."""

import subprocess
import sys

BENCHMARKS = (
    "benchmarks.bot_process",
    "benchmarks.training_speed",
    "benchmarks.evaluation_speed",
    "benchmarks.house_records",
    "benchmarks.generated_rows",
    "benchmarks.workflow_faults",
)


def main() -> None:
    """Run each in a process of its own."""
    for name in BENCHMARKS:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", name], check=True)


if __name__ == "__main__":
    main()
