"""Tell the cases at the edge from the ordinary ones: nothing or far too much is said, another language, orders, a failure."""

import re
import unicodedata

from agents.workflow.assertions import Check
from agents.workflow.model import Workflow
from agents.workflow.suite import Scenario

LONG_CHARS = 1000
"""An answer from here on is long."""
MARK = "edge"
"""A description that begins with this word says so itself."""
_ORDERS = re.compile(
    r"(?i)\b(ignore|disregard|forget)\b.{0,40}\b(instructions?|prompts?|rules|above)\b"
)


def is_edge(scenario: Scenario, workflow: Workflow) -> bool:
    """Tell whether a scenario is at the edge of what a workflow has to do with."""
    if scenario.description.strip().lower().startswith(MARK):
        return True
    handlers = {state.on_error for state in workflow.states.values()} - {None}
    wanted = {one.value for one in scenario.assertions if one.check is Check.STATE_REACHED}
    return bool(wanted & handlers) or any(_odd(answer.value) for answer in scenario.answers)


def _odd(text: str) -> bool:
    if not text.strip() or len(text) >= LONG_CHARS or _ORDERS.search(text) is not None:
        return True
    letters = [char for char in text if char.isalpha()]
    foreign = sum("LATIN" not in unicodedata.name(char, "") for char in letters)
    return 2 * foreign > len(letters)
