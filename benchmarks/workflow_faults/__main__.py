"""How often the loop that improves workflows mends a planted fault, in five rounds, and what else it breaks.

    python -m benchmarks.workflow_faults              every fault once
    python -m benchmarks.workflow_faults --seeds 1 2  and again with other luck
    python -m benchmarks.workflow_faults --show       fault by fault

Four good workflows with eight to ten cases each are spoilt in one place at a time (`agents.workflow.mutants`). Their model does
what prompts say, and errs in 3 % of its replies. The analyst is scripted: where the strategy of a proposal has the edits for
it, he proposes what mends the fault in 7 of 10 tries; 4 of 10 of his other proposals break something. Everything between, the
checks, the choice of strategies, the measurements and the rule, is the product's own.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from agents.workflow.mutants import Fault, mutants
from benchmarks.workflow_faults.mending import Mended, counted, mend_one
from benchmarks.workflow_faults.works import HERE, REACH, WORKS

LEAST_FIXED = 0.8
FEWEST_FAULTS = 40


def main() -> None:
    """Mend every fault, print the table, and fail where a bar is missed."""
    arguments = _arguments()
    began_s = time.monotonic()
    cases = [
        (place, number, seed)
        for seed in arguments.seeds
        for place, work in enumerate(WORKS)
        for number in range(len(mutants(work.text, HERE, REACH)))
    ]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        found = list(pool.map(mend_one, cases))
    if arguments.show:
        for (place, _number, seed), one in zip(cases, found, strict=True):
            print(_line(WORKS[place].name, seed, one))
    print(table(found))
    print(
        f"{sum(one.runs for one in found):,} runs of workflows, {time.monotonic() - began_s:.0f} s"
    )
    total = counted(found)
    kept = total["fixed"] >= LEAST_FIXED * total["noticed"] and not total["lost"]
    if total["noticed"] < FEWEST_FAULTS or not kept:
        sys.exit("The loop of this version mends too little, or breaks what worked.")


def table(found: Sequence[Mended]) -> str:
    """Return the figures by kind of fault, as Markdown."""
    lines = [
        "| fault | planted | noticed by the cases | mended | rounds, mean | broke a case |",
        "|---|---|---|---|---|---|",
    ]
    kinds: list[tuple[str, list[Mended]]] = [
        (fault.value, [one for one in found if one.fault.fault is fault]) for fault in Fault
    ]
    for name, some in [*kinds, ("all", list(found))]:
        total = counted(some)
        rounds = [one.rounds for one in some if one.noticed and one.fixed]
        mean = f"{sum(rounds) / len(rounds):.1f}" if rounds else "–"
        lines.append(
            f"| `{name}` | {total['planted']} | {total['noticed']} | {total['fixed']} | {mean} | {total['lost']} |"
        )
    total = counted(found)
    share = 100 * total["fixed"] / max(1, total["noticed"])
    return "\n".join([*lines, "", f"Mended: {share:.1f} % of {total['noticed']}."])


def _line(work: str, seed: int, one: Mended) -> str:
    state = "fixed" if one.fixed else "left" if one.noticed else "not noticed"
    lost = f" LOST {', '.join(one.lost)}" if one.lost else ""
    return f"{state:<12}{work} {one.fault.name} (seed {seed}): {one.rounds} rounds, {one.kept} kept{lost}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--show", action="store_true", help="fault by fault")
    return parser.parse_args()


if __name__ == "__main__":
    main()
