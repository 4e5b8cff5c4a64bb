"""Whether a plan's defaults teach meaning and not only form: tickets that become records with two fields of classes.

    python -m benchmarks.house_records [--max-steps N]

Each record is `CODE;PRIORITY;ORDER;by SURNAME, First`. Format and order can be learnt in some forty steps, and the loss then
looks low while the classes are still guessed: by chance one record in fifteen is right. The run is the real one: `tunewright
finetune` with the plan that the rules make, all gates answered by policy. Takes about half an hour on two cores.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROWS = 720
SEED = 20260302
TASK = "Write the house record of a support ticket"
CHANCE = 1 / 15
"""Of a record's two fields of classes, when all else in it is right: five times three."""

PROBLEMS = {
    "DLV-2": (
        "the {item} has not arrived",
        "no sign of my {item} since {day}",
        "the courier lost the {item}",
        "the {item} was due {day} and is not here",
        "tracking of the {item} has not moved since {day}",
    ),
    "QLT-7": (
        "the {item} came broken",
        "there is a crack in the {item}",
        "the {item} stopped working {day}",
        "the {item} arrived scratched",
        "a part of the {item} is missing",
    ),
    "BIL-1": (
        "I was charged twice for the {item}",
        "the invoice for the {item} is wrong",
        "the price of the {item} is too high on my bill",
        "you debited the {item} again {day}",
        "the discount on the {item} is not on the receipt",
    ),
    "RET-4": (
        "I want to send the {item} back",
        "please refund the {item}",
        "I changed my mind about the {item}",
        "I sent the {item} back {day} and have no money yet",
        "I need a return label for the {item}",
    ),
    "ACC-9": (
        "I cannot log in to see my {item}",
        "my password does not work since {day}",
        "please change my address for the {item}",
        "my account shows no {item}",
        "delete my account, the {item} was my last order",
    ),
}
URGENCY = {
    "P1": (
        "I need this solved today.",
        "This is urgent!",
        "Answer at once, please.",
        "It cannot wait.",
    ),
    "P2": (
        "Please look at it this week.",
        "A reply within some days would be good.",
        "Soon, please.",
    ),
    "P3": ("There is no hurry.", "Whenever you have time.", "Take your time."),
}
ITEMS = (
    "teapot",
    "desk lamp",
    "rucksack",
    "coffee mill",
    "blanket",
    "helmet",
    "kettle",
    "mirror",
    "hammock",
    "globe",
)
DAYS = ("Monday", "last week", "Friday", "yesterday", "the 3rd", "Sunday", "two days ago")
FIRST = (
    "Ines",
    "Paul",
    "Mira",
    "Otto",
    "Lena",
    "Hugo",
    "Ada",
    "Nils",
    "Vera",
    "Karl",
    "Rosa",
    "Emil",
)
LAST = (
    "Duarte",
    "Keller",
    "Novak",
    "Santos",
    "Lund",
    "Weiss",
    "Moreau",
    "Rossi",
    "Berg",
    "Costa",
    "Haas",
    "Petit",
)


def rows(count: int, seed: int) -> Iterator[dict[str, str]]:
    """Yield tickets with their records; no order number comes twice."""
    rng = random.Random(seed)
    orders = rng.sample(range(1000, 10_000), count)
    for order in orders:
        category, priority = rng.choice(list(PROBLEMS)), rng.choice(list(URGENCY))
        problem = rng.choice(PROBLEMS[category]).format(
            item=rng.choice(ITEMS), day=rng.choice(DAYS)
        )
        first, last = rng.choice(FIRST), rng.choice(LAST)
        parts = [f"{problem[0].upper()}{problem[1:]}.", rng.choice(URGENCY[priority])]
        rng.shuffle(parts)
        yield {
            "ticket": f"Order QA-{order}. {' '.join(parts)} Regards, {first} {last}",
            "record": f"{category};{priority};QA-{order};by {last.upper()}, {first}",
        }


def main() -> None:
    """Run it and print the share of records that are right in every field."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-steps", type=int)
    limit = parser.parse_args().max_steps
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "records.jsonl"
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows(ROWS, SEED)))
        command = [sys.executable, "-m", "bot", "finetune", str(file), "--task", TASK]
        command += ["--yes", "--no-serve", "--data-dir", f"{folder}/data"]
        command += ["--set", f"max_steps={limit}"] if limit else []
        subprocess.run(command, cwd=ROOT, check=True)
        (result,) = Path(folder).glob("data/jobs/*evaluate*/result.json")
        payload = json.loads(result.read_text())["payload"]
    exact = next(c for c in payload["comparisons"] if c["metric"] == "exact_match")
    print(
        f"records right in every field, of {payload['items']} that were not trained on: base {exact['base']:.1%}, "
        f"tuned {exact['tuned']:.1%} ({exact['low']:+.1%} to {exact['high']:+.1%}); guessing the classes gives {CHANCE:.1%}"
    )


if __name__ == "__main__":
    main()
