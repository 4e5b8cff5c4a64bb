"""Begin a workflow from a template: by questions, or by options alone. What is written was loaded before."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agents.services import UserError
from agents.workflow.load import load_text
from agents.workflow.outside import ModelError
from agents.workflow.problems import WorkflowError, nearest
from agents.workflow.reach import Reach
from agents.workflow.templates import (
    TEMPLATES,
    Template,
    file_name,
    named_in,
    suggested,
    suggestion_prompt,
)
from bot.workflow_back_end import models_for
from configs.schema import Settings

Ask = Callable[[str, str], str]
"""Asks a question that has a default, and returns the answer."""
AskModel = Callable[[str], str]
"""Returns a model's reply to a prompt."""
PARAMETERS = {"temperature": 0, "num_predict": 200}
"""Of the model that is asked which templates fit."""


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


def asker(settings: Settings, script: Path | None, ollama_url: str | None) -> AskModel:
    """Return what asks the model that workflows are run with where they name none.

    Args:
        settings: Those of this Tunewright.
        script: Take the reply from this file instead.
        ollama_url: Use Ollama at this address, whatever is configured.
    """

    def ask_model(prompt: str) -> str:
        with models_for(settings, script, ollama_url) as models:
            chat = models.chat(settings.workflows.default_model, PARAMETERS)
            return str(asyncio.run(chat.ainvoke(prompt)).text)

    return ask_model


def carry_out(wish: Wish, ask: Ask, ask_model: AskModel | None = None) -> Path:
    """Write a workflow, and return where it stands.

    Args:
        wish: What is asked for.
        ask: Asks the person.
        ask_model: Asks a model which templates fit the goal; None asks none. May raise ModelError.

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
    reply, why = _reply(wish, ask_model)
    fitting = () if reply is None else named_in(reply)
    if wish.defaults and fitting:
        return fitting[0]
    if wish.defaults:
        raise UserError(f"{why}Say which template: --template {', '.join(TEMPLATES)}")
    offered = tuple(TEMPLATES.values()) if reply is None else suggested(reply)
    listed = "\n".join(f"{number}. {one.id}: {one.about}" for number, one in enumerate(offered, 1))
    answer = ask(f"{why}{listed}\nWhich one, by number or name?", "1").strip()
    if answer.isdecimal() and 1 <= int(answer) <= len(offered):
        return offered[int(answer) - 1]
    return _named(answer)


def _reply(wish: Wish, ask_model: AskModel | None) -> tuple[str | None, str]:
    """Return what a model says which templates fit, and why there is nothing; None: nobody was asked, or nobody replied."""
    if wish.goal is None or ask_model is None:
        return None, ""
    try:
        return ask_model(suggestion_prompt(wish.goal)), ""
    except ModelError as error:
        return None, f"No model could be asked which ones fit: {error}\n"


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
