"""Write scenarios as a test file that says the same when it is read."""

from collections.abc import Iterable
from typing import Any

from agents.workflow import yaml_write
from agents.workflow.assertions import NEEDS_NO_TARGET, Assertion, Check
from agents.workflow.suite import Scenario


def as_yaml(workflow: str, scenarios: Iterable[Scenario], comments: Iterable[str] = ()) -> str:
    """Return the text of a test file.

    Args:
        workflow: What it is for, as it is to be written: a path from the test file.
        scenarios: What it holds. What models make up beforehand and whom they play is not written.
        comments: Stand at the top, a line each.
    """
    tree = {"workflow": workflow, "test_scenarios": [_scenario(one) for one in scenarios]}
    lines = [f"# {' '.join(comment.split())}" for comment in comments]
    return "\n".join([*lines, *yaml_write.entries(tree, 0)]) + "\n"


def _scenario(scenario: Scenario) -> dict[str, Any]:
    found: dict[str, Any] = {"name": scenario.name}
    if scenario.description:
        found["description"] = scenario.description
    if scenario.answers:
        found["inputs"] = [{"state": one.state, "value": one.value} for one in scenario.answers]
    if scenario.mocks:
        found["mocks"] = [
            {"state": state, "response": reply}
            for state, replies in scenario.mocks.items()
            for reply in replies
        ]
    found["assertions"] = [_assertion(one) for one in scenario.assertions]
    return found


def _assertion(assertion: Assertion) -> dict[str, Any]:
    found: dict[str, Any] = {"type": assertion.check.value}
    if assertion.target is not None and assertion.check not in NEEDS_NO_TARGET:
        found["target"] = assertion.target
    found["value"] = assertion.value
    if not assertion.case_sensitive:
        found["case_sensitive"] = False
    if assertion.regex and assertion.check in {Check.CONTAINS, Check.NOT_CONTAINS}:
        found["regex"] = True
    if assertion.description:
        found["description"] = assertion.description
    return found
