"""Events are plain data, for whoever follows a run."""

import json
from typing import get_args

from agents.workflow.events import Event, as_json
from tests.agents.workflow.worlds import FakeTools, Given, ran

EVERYTHING = """
    name: T
    start_state: who
    states:
      who: {type: input, prompt: Who?, save_as: who, next: use}
      use:
        type: prompt
        prompt: "For {{who}}"
        mcp_servers: [calc]
        files: [{path: none.txt, optional: true}]
        next_options: [{state: fail, description: a}, {state: end, description: b}]
      fail: {type: prompt, prompt: Fail, on_error: end}
    mcp_servers: {calc: {command: calc, env: {API_KEY: sk-secret-12345}}}
"""


def test_every_kind_of_event_is_plain_data_with_its_type_and_without_keys(tmp_path):
    rules = [
        {"state": "use", "purpose": "answer", "tool_calls": [{"name": "add"}], "reply": "done"},
        {"state": "fail", "error": "away"},
    ]

    seen = ran(
        tmp_path, EVERYTHING, Given({"rules": rules}, {"who": ["Ada"]}), tools=FakeTools(add=3)
    )

    lines = [json.dumps(as_json(event), allow_nan=False) for event in seen.events]
    kinds = {kind.type for kind in get_args(Event)}
    assert len(kinds) == 15
    assert {json.loads(line)["type"] for line in lines} == kinds
    assert "sk-secret-12345" not in "".join(lines)
