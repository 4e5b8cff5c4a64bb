"""Good workflows with their cases, and a model that does what prompts say and nothing that they leave out."""

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.workflow.load import Loaded, load_text
from agents.workflow.problems import Problem, WorkflowError
from agents.workflow.reach import Reach
from agents.workflow.scripted import Rule, ScriptedModels
from agents.workflow.suite import Scenario
from agents.workflow.suite_file import suite_of
from agents.workflow.yaml_source import parse

HERE = Path(__file__).with_name("work.yaml")
"""Where the workflows would stand; they name no files."""
REACH = Reach(cwd=None)
WRONG_BY_CHANCE = 0.03
"""Share of replies that are wrong although the prompt is right."""
NONSENSE = "I do not know."
BROKEN = "broken"
"""Name of a model that is never there."""

Act = Callable[[str, str], str]
"""What a model replies in a state to a prompt."""


@dataclass(frozen=True)
class Work:
    """A workflow that is good, its cases, and the world it works in."""

    name: str
    text: str
    cases: str
    """As a test file, without its first line."""
    act: Act

    @property
    def loaded(self) -> Loaded:
        """Return it as it can be run."""
        return load_text(self.text, HERE, REACH)

    @property
    def scenarios(self) -> dict[str, Scenario]:
        """Return its cases by name."""
        problems: list[Problem] = []
        source = parse(f"workflow: work.yaml\n{self.cases}", f"{self.name}.test.yaml")
        suite = suite_of(source, problems)
        if suite is None or problems:
            raise WorkflowError(problems)
        return {one.name: one for one in suite.scenarios}


class Models(ScriptedModels):
    """Reply as a work says, but for chance, heat and a length that cuts a reply."""

    def __init__(self, act: Act, wrong: float = WRONG_BY_CHANCE) -> None:
        super().__init__()
        self._act = act
        self._wrong = wrong

    def rule(self, asked: Mapping[str, Any]) -> Rule | None:
        """Return what is replied to one call."""
        if asked["model"] == BROKEN:
            return Rule(error="the model is not there")
        parameters = asked["parameters"]
        chance = random.Random(f"{parameters.get('seed')} {asked['text']}")
        hot = float(parameters.get("temperature", 0)) > 1.5
        if chance.random() < (0.5 if hot else self._wrong):
            return Rule(reply=NONSENSE)
        if asked["schema"] is not None:
            return Rule(reply={"choice": way_out(asked["last"])})
        return Rule(reply=self._act(str(asked["state"]), asked["last"]))


def way_out(asked: str) -> int:
    """Return the number of the first way out that shares a telling word with what is shown; else the last."""
    shown, _, rest = asked.partition("Options:")
    ways = re.findall(r"^(\d+)\. (.*)$", rest, re.MULTILINE)
    said = set(words(shown))
    fits = [int(number) for number, description in ways if said & set(words(description))]
    return fits[0] if fits else int(ways[-1][0])


PLAIN = frozenset(
    [
        "the",
        "a",
        "an",
        "is",
        "of",
        "to",
        "in",
        "it",
        "no",
        "reply",
        "says",
        "about",
        "message",
        "and",
        "all",
        "other",
        "cases",
        "else",
        "data",
    ]
)


def words(text: str) -> list[str]:
    """Return the words that tell something."""
    return [word for word in re.findall(r"[a-z]+", text.lower()) if word not in PLAIN]


def cases(*each: tuple[str, Mapping[str, str], list[dict[str, str]]]) -> str:
    """Write cases as a test file: name, answers by state, assertions."""
    told = [
        {
            "name": name,
            "inputs": [{"state": state, "value": value} for state, value in answers.items()],
            "assertions": assertions,
        }
        for name, answers, assertions in each
    ]
    return f"test_scenarios: {json.dumps(told)}\n"  # JSON is YAML


def reached(state: str) -> dict[str, str]:
    """Assert that a state was entered."""
    return {"type": "state_reached", "value": state}


def contains(target: str, value: str) -> dict[str, str]:
    """Assert that a value holds a text."""
    return {"type": "contains", "target": target, "value": value}


def between(text: str, before: str, after: str) -> str:
    """Return what stands between two texts; nothing where one is missing."""
    found = re.search(f"{before}\\s*(.*?)\\s*{after}", text, re.DOTALL)
    return found[1] if found else ""


# ---- a letter: two prompts in a row, a default, a form --------------------------------------------------------------


def _letter(state: str, prompt: str) -> str:
    if state == "greet":
        name = between(prompt, "Greet", r"\.")
        text = f"Dear {name}, welcome" if name and "warm" in prompt else NONSENSE
        return text.upper() if "capital letters" in prompt else text
    greeting = between(prompt, "greeting:", "Sign")
    return f"{greeting}\nThe Team" if greeting and "as The Team" in prompt else NONSENSE


NAMES = ("Ada", "Bo", "Chen", "Dora", "Eli", "Fatima", "Gus", "Hana", "Ivo")
LETTER = Work(
    "letter",
    """\
name: Letter
start_state: who
states:
  who: {type: input, prompt: "Your name?", save_as: name, default_value: friend, next: greet}
  # the greeting itself
  greet:
    type: prompt
    prompt: |
      Greet {{name}}.
      Be warm.
      Reply in capital letters.
    save_as: greeting
    next: sign
  sign:
    type: prompt
    prompt: |
      Put a signature below this greeting:
      {{greeting}}
      Sign as The Team.
    save_as: letter
    next: end
""",
    cases(
        *(
            (
                name,
                {"who": name},
                [contains("letter", f"DEAR {name.upper()}"), contains("letter", "The Team")],
            )
            for name in NAMES
        ),
        ("nobody", {"who": ""}, [contains("letter", "DEAR FRIEND"), reached("end")]),
    ),
    _letter,
)


# ---- a desk: one prompt decides which way it goes -------------------------------------------------------------------


def _desk(state: str, prompt: str) -> str:
    message = between(prompt, "customer:", "Reply").lower()
    if state == "sort":
        if not message or "one word" not in prompt:
            return "Somebody wrote something to us."
        return next((topic for topic in ("refund", "login") if topic in message), "other")
    facts = {"refund": "within 14 days", "login": "a new password", "other": "a colleague"}
    return f"Thank you. You get {facts[state]}." if facts[state] in prompt else NONSENSE


MESSAGES = (
    ("I want a refund for my shoes", "refund"),
    ("Refund please, it is broken", "refund"),
    ("When is my refund here?", "refund"),
    ("My login does not work", "login"),
    ("I forgot my login", "login"),
    ("Login fails since Monday", "login"),
    ("Do you sell hats?", "other"),
    ("Where is your shop?", "other"),
    ("Thank you, all is well", "other"),
)
DESK_FACTS = {"refund": "within 14 days", "login": "a new password", "other": "a colleague"}
DESK = Work(
    "desk",
    """\
name: Desk
start_state: ask
states:
  ask: {type: input, prompt: "How can we help?", save_as: wish, next: sort}
  sort:
    type: prompt
    prompt: |
      What does this customer want?
      customer: {{wish}}
      Reply with one word: refund, login or other.
    save_as: topic
    next_options:
      - {state: refund, description: "the reply says refund"}
      - {state: login, description: "the reply says login"}
      - {state: other, description: "in all other cases"}
  refund: {type: prompt, prompt: "Say that the money is back within 14 days.", save_as: answer, next: end}
  login: {type: prompt, prompt: "Say that they get a new password.", save_as: answer, next: end}
  other: {type: prompt, prompt: "Say that a colleague will answer.", save_as: answer, next: end}
""",
    cases(
        *(
            (message, {"ask": message}, [reached(topic), contains("answer", DESK_FACTS[topic])])
            for message, topic in MESSAGES
        )
    ),
    _desk,
)


# ---- an order: a record, a check that leads back, a sentence --------------------------------------------------------


def _order(state: str, prompt: str) -> str:
    if state == "read":
        order = between(prompt, "order:", "Reply")
        count = re.search(r"[0-9]+", order)
        item = re.search(r"apples|pears|plums", order)
        if not order or "JSON" not in prompt or item is None:
            return "There is an order."
        return json.dumps({"item": item[0], "count": int(count[0]) if count else 1})
    if state == "check":
        return "complete" if '"count"' in prompt and "one word" in prompt else "missing"
    record = between(prompt, "record:", "In")
    known = '"item"' in record and "a sentence" in prompt
    return f"We send {' '.join(re.findall(r'[a-z]+|[0-9]+', record))}." if known else NONSENSE


ORDERS = (
    "3 apples",
    "12 pears",
    "7 plums",
    "apples, 4 of them",
    "I need 2 pears",
    "plums: 9",
    "send 5 apples",
)
ORDER = Work(
    "order",
    """\
name: Order
start_state: take
variables: {shop: The Orchard}
states:
  take: {type: input, prompt: "Your order for {{shop}}?", save_as: order, default_value: 1 apples, next: read}
  read:
    type: prompt
    prompt: |
      Read this order.
      order: {{order}}
      Reply with JSON that has the keys item and count.
    save_as: record
    next: check
  check:
    type: prompt
    prompt: |
      Is anything missing here?
      {{record}}
      Reply with one word: complete or missing.
    save_as: verdict
    next_options:
      - {state: confirm, description: "the reply says complete"}
      - {state: sorry, description: "the reply says missing"}
  confirm:
    type: prompt
    prompt: |
      Confirm the order.
      record: {{record}}
      In a sentence.
    save_as: answer
    next: end
  sorry: {type: prompt, prompt: "Say that it was not understood.", save_as: answer, next: end}
""",
    cases(
        *(
            (
                order,
                {"take": order},
                [reached("confirm"), contains("answer", "count"), contains("record", "item")],
            )
            for order in ORDERS
        ),
        ("nothing", {"take": ""}, [contains("record", "apples"), reached("confirm")]),
    ),
    _order,
)


# ---- a story: three steps, a model that is away and what stands in for it -------------------------------------------


def _story(state: str, prompt: str) -> str:
    if state == "hero":
        place = between(prompt, "hero from", r"\.")
        return f"Robin of {place}" if place and "name alone" in prompt else "A hero walked in."
    if state == "hero_step_1":
        hero = between(prompt, "Describe", r"\.")
        return f"{hero} is brave" if hero and "one line" in prompt else NONSENSE
    if state == "spare":
        about = between(prompt, "title for:", "Three")
        return f"The Tale: {about}" if about and "Three words" in prompt else NONSENSE
    return NONSENSE


PLACES = ("Rome", "Oslo", "Lima", "Cairo", "Perth", "Quito", "Delhi", "Turin")
STORY = Work(
    "story",
    f"""\
name: Story
start_state: place
on_error: spare
states:
  place: {{type: input, prompt: "Where from?", save_as: place, default_value: Nowhere, next: hero}}
  hero:
    type: prompt
    steps:
      - {{prompt: "Think of a hero from {{{{place}}}}. Reply with the name alone.", save_as: hero}}
      - {{prompt: "Describe {{{{hero}}}}. In one line.", save_as: line}}
    next: title
  title: {{type: prompt, model: {BROKEN}, prompt: "Title?", save_as: unused, on_error: spare, next: end}}
  spare:
    type: prompt
    prompt: |
      Find a title for:
      {{{{line}}}}
      Three words at most.
    save_as: title
    next: end
""",
    cases(
        *(
            (
                place,
                {"place": place},
                [
                    contains("line", f"Robin of {place} is brave"),
                    contains("title", "The Tale: Robin"),
                ],
            )
            for place in PLACES
        ),
        ("nowhere", {"place": ""}, [contains("line", "Nowhere"), reached("spare")]),
    ),
    _story,
)

WORKS = (LETTER, DESK, ORDER, STORY)
