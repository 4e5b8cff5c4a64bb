"""The bench of planted faults: its good workflows are good, its faults show, and the loop mends them."""

import pytest

from agents.workflow.mutants import mutants
from benchmarks.workflow_faults.__main__ import table
from benchmarks.workflow_faults.mending import counted, mend, repair, truth
from benchmarks.workflow_faults.works import HERE, REACH, WORKS, Work


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
async def test_a_good_workflow_passes_all_its_cases(work: Work):
    found = await truth(work, work.loaded)

    assert len(found) >= 8
    assert min(found.values()) == 1


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_every_fault_can_be_mended_by_edits_and_a_good_workflow_needs_none(work: Work):
    faults = mutants(work.text, HERE, REACH)

    assert len(faults) >= 20
    assert repair(work.loaded, work.loaded) == []
    assert all(repair(work.loaded, fault.loaded) for fault in faults)


async def test_the_loop_mends_faults_and_says_what_it_took():
    work = WORKS[0]
    faults = {fault.name: fault for fault in mutants(work.text, HERE, REACH)}
    names = ("blank-prompt:greet", "wrong-save-as:who")

    found = [await mend(work, faults[name], 7) for name in names]

    assert [one.noticed for one in found] == [True, True]
    assert counted(found)["fixed"] == 2
    assert counted(found)["lost"] == 0
    assert all(one.kept >= 1 and one.runs > 100 for one in found)
    assert "| `all` | 2 | 2 | 2 |" in table(found)
    assert "Mended: 100.0 % of 2." in table(found)
