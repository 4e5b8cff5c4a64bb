"""A workflow with a fault, its tests, and a script in which models do what prompts say: for runs that mend it."""

import hashlib
import json
from pathlib import Path

from agents.jobs import FileRef

WORKFLOW = """\
# Sorts what people write.
name: Sorter
description: Says what a message is about.
default_model: small   # any will do
start_state: get_message
states:
  get_message:
    type: input
    prompt: What do you want to tell us?
    save_as: message
    next: sort

  sort:
    # the heart of it
    type: prompt
    prompt: "What is this about? {{message}}"
    save_as: topic
    next: thank

  thank:
    type: prompt
    prompt: "Thank the person who wrote: {{message}}"
    save_as: thanks
    next: end
"""
TOPICS = {"parcel": "delivery", "charged": "payment", "password": "login", "cancel": "ending"}
WORDS = ("my {} is a mess", "about the {}", "{} please", "no idea about {}")
ONE_WORD = (
    "Reply with one word: delivery, payment, login or ending. What is this about? {{message}}"
)
SHORT_THANKS = "Say thank you for: {{message}}"


def suite_text(cases: int, workflow: str = "sorter.yaml") -> str:
    """Return a suite: so many messages, each with its topic."""
    lines = [f"workflow: {workflow}", "test_scenarios:"]
    for number in range(cases):
        word = list(TOPICS)[number % len(TOPICS)]
        said = WORDS[number // len(TOPICS) % len(WORDS)].format(word)
        lines += [
            f"  - name: case {number + 1}",
            "    inputs:",
            "      - state: get_message",
            f"        value: {said}",
            "    assertions:",
            "      - type: equals",
            "        target: topic",
            f"        value: {TOPICS[word]}",
            "      - type: contains",
            "        target: thanks",
            "        value: thank",
        ]
    return "\n".join(lines) + "\n"


def mending() -> list[dict[str, str]]:
    """Return the edits that mend it, and one that changes nothing that matters."""
    return [
        {"op": "set_prompt", "state": "sort", "prompt": ONE_WORD},
        {"op": "set_prompt", "state": "thank", "prompt": SHORT_THANKS},
    ]


def reply(edits: list[dict[str, str]], reason: str = "say which words there are") -> str:
    """Return an analyst's reply."""
    return json.dumps({"analysis": "", "reason": reason, "aims_at": "case 1", "edits": edits})


def script(edits: list[dict[str, str]] | None = None, **more: object) -> dict[str, object]:
    """Return the script: the topic is said in one word only where the prompt asks for that."""
    rules: list[dict[str, object]] = [
        {
            "model": "analyst",
            "prompt": "You improve a workflow",
            "reply": reply(edits or mending()),
        },
        {"model": "analyst", "prompt": "You write test cases", "reply": drafted()},
    ]
    for word, topic in TOPICS.items():
        rules.append(
            {
                "state": "sort",
                "prompt": word,
                "contains": "one word",
                "reply": topic,
                "otherwise": f"I think that it is about {topic}.",
            }
        )
    rules.append({"state": "thank", "reply": "We thank you very much."})
    return {"rules": rules, "default": "hm", **more}


def ref(path: Path) -> FileRef:
    """Return what names a file."""
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    return FileRef(path=str(path), sha256=sha256, size_bytes=len(content), name=path.name)


def drafted() -> str:
    """Return a reply of a model that is asked for tests: a topic should be one word, which it is not yet."""
    return json.dumps(
        {
            "scenarios": [
                {
                    "name": f"says {topic}",
                    "inputs": [{"state": "get_message", "value": f"about the {word}"}],
                    "assertions": [{"type": "equals", "target": "topic", "value": topic}],
                }
                for word, topic in TOPICS.items()
            ]
        }
    )


def write(folder: Path, cases: int = 16, told: dict[str, object] | None = None) -> Path:
    """Write workflow, tests and script into a folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sorter.yaml").write_text(WORKFLOW)
    (folder / "sorter.test.yaml").write_text(suite_text(cases))
    (folder / "script.json").write_text(json.dumps(told or script()))
    return folder
