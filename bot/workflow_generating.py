"""Begin a workflow from a template: by questions, or by options alone. What is written was loaded before."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agents.services import UserError
from agents.workflow.load import load_text
from agents.workflow.problems import WorkflowError, nearest
from agents.workflow.reach import Reach
from agents.workflow.templates import (
    TEMPLATES,
    Template,
    file_name,
    suggested,
    suggestion_prompt,
)

Ask = Callable[[str, str], str]
"""Asks a question that has a default, and returns the answer."""
AskModel = Callable[[str], str]
"""Returns a model's reply to a prompt."""


@dataclass(frozen=True)
class Wish:
    """What is asked for."""

    template: str | None = None
    goal: str | None = None
    set: tuple[str, ...] = ()
    """`KEY=VALUE`."""
    output: Path | None = None
    defaults: bool = False
    """Ask nothing."""


def carry_out(wish: Wish, ask: Ask, ask_model: AskModel | None = None) -> Path:
    """Write a workflow, and return where it stands.

    Args:
        wish: What is asked for.
        ask: Asks the person.
        ask_model: Asks the configured model which templates fit the goal; None where there is none.

    Raises: UserError: there is no such template, an answer fits no question, or the file is there already.
    """
    template = _template(wish, ask, ask_model)
    answers = _given(wish, template)
    for question in template.questions:
        if question.key not in answers:
            told = wish.goal is not None and question.key == "description"
            default = wish.goal or "" if told else question.default
            answers[question.key] = default if wish.defaults else ask(question.text, default)
    here = Path()
    taken = [path.name for path in here.glob("*.yaml")]
    path = wish.output or here / file_name(answers["name"], taken)
    text = template.text(answers)
    try:
        load_text(text, path, Reach(cwd=Path.cwd()))
    except WorkflowError as error:
        raise UserError(f"These answers make no workflow that can be run:\n{error}") from error
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UserError(f"{path} is there already. Name another file with --output.") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"{path} cannot be written: {reason}.") from error
    return path


def _template(wish: Wish, ask: Ask, ask_model: AskModel | None) -> Template:
    if wish.template is not None:
        return _named(wish.template)
    offered = tuple(TEMPLATES.values())
    if wish.goal is not None and ask_model is not None:
        offered = suggested(ask_model(suggestion_prompt(wish.goal)))
    if wish.defaults:
        raise UserError("Say which template: --template " + ", ".join(one.id for one in offered))
    listed = "\n".join(f"{number}. {one.id}: {one.about}" for number, one in enumerate(offered, 1))
    answer = ask(f"{listed}\nWhich one, by number or name?", "1").strip()
    if answer.isdecimal() and 1 <= int(answer) <= len(offered):
        return offered[int(answer) - 1]
    return _named(answer)


def _named(name: str) -> Template:
    if name in TEMPLATES:
        return TEMPLATES[name]
    meant = nearest(name, TEMPLATES)
    hint = f" Did you mean “{meant}”?" if meant else f" There are: {', '.join(TEMPLATES)}."
    raise UserError(f"There is no template “{name}”.{hint}")


def _given(wish: Wish, template: Template) -> dict[str, str]:
    keys = [question.key for question in template.questions]
    answers = {}
    for pair in wish.set:
        key, equals, value = pair.partition("=")
        if not equals or key not in keys:
            raise UserError(
                f"“{pair}” answers no question of {template.id}. Write KEY=VALUE; keys: {', '.join(keys)}."
            )
        answers[key] = value
    return answers
