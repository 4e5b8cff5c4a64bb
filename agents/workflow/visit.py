"""Do what one state says: ask a model, ask a person, or choose where to go."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage

from agents.workflow import attachments, routing, skills
from agents.workflow.calling import Asked, Visiting, ask
from agents.workflow.events import (
    ContextUpdate,
    InputAnswered,
    InputAsked,
    Notice,
    Purpose,
    Route,
    ToolCall,
    ToolResult,
)
from agents.workflow.model import Choice, Kind, Rag, State, Workflow
from agents.workflow.outside import NoToolsHere
from agents.workflow.placeholders import filled
from agents.workflow.server_launch import FILES, has_files_server
from agents.workflow.spending import Spending
from agents.workflow.tools import Tool, Used, named_apart
from agents.workflow.world import StateError, World

MAX_TOOL_ROUNDS = 12
"""Replies of a model that use tools, in one state; then it has to have answered."""
MAX_TOOLS_AT_ONCE = 16
MAX_ASKED_AGAIN = 3
"""How often a person is asked who picks what there is not."""


@dataclass
class Running:
    """A run while it goes on."""

    workflow: Workflow
    world: World
    spending: Spending
    variables: dict[str, str]
    last: str = ""
    """The last answer of a model or a person."""
    files_offered: bool = field(init=False)
    """The filesystem server goes with every prompt: the workflow speaks of its folder."""

    def __post_init__(self) -> None:
        self.files_offered = (
            self.world.run_directory is not None
            and _speaks_of_folder(self.workflow)
            and not has_files_server(self.workflow)
        )

    def filled(self, text: str) -> str:
        """Return a text with what is known."""
        return filled(text, self.variables)

    def save(self, state: State, value: str) -> None:
        """Save what came of a state, where it says so."""
        self.last = value
        if state.save_as is not None:
            self.variables[state.save_as] = value
            self.world.listen(ContextUpdate(state.name, state.save_as, value))


@dataclass(frozen=True)
class Left:
    """How a state was left."""

    to: str | None
    routed: str | None = None


async def visit(running: Running, visiting: Visiting, state: State) -> Left:
    """Do what a state says, and return where to go.

    Raises: StateError, ModelError, ToolError: it failed. LimitReached: it may not go on.
    """
    return await VISITS[state.kind](running, visiting, state)


async def _prompt(running: Running, visiting: Visiting, state: State) -> Left:
    model = state.model or running.workflow.default_model
    prompt = running.filled(state.prompt or "")
    opened = await attachments.open_all(state, running.filled, running.world.reach)
    for note in opened.notes:
        running.world.listen(Notice(state.name, note))
    prompt = attachments.with_texts(prompt, opened.texts)
    if state.rag is not None:
        prompt = await _looked_up(running, visiting, state.rag, prompt)
    picked = await skills.pick(
        running.world, running.spending, visiting, (state, model), running.workflow.skills, prompt
    )
    prompt = skills.with_skills(prompt, picked)
    content = attachments.as_content(prompt, opened.images)
    answer = await _answered(running, visiting, state, [HumanMessage(content)])
    running.save(state, answer)
    if not state.options:
        return Left(state.next)
    shown = routing.shown_answer(answer)
    return await _chosen(running, visiting, state, shown)


async def _looked_up(running: Running, visiting: Visiting, rag: Rag, prompt: str) -> str:
    world = running.world
    where, asked = visiting.place(), {"rag": repr(rag), "prompt": prompt}
    known = world.journal.recall(where, asked)
    if known is not None:
        return str(known["prompt"])
    found = await world.retrieve(rag, prompt, world.models, world.reach)
    world.journal.keep(where, asked, {"prompt": found})
    return found


async def _answered(
    running: Running, visiting: Visiting, state: State, messages: list[BaseMessage]
) -> str:
    """Return the answer of a model, after it has used what tools it wanted."""
    model = state.model or running.workflow.default_model
    tools = await _offered(running, visiting, state)
    for _ in range(MAX_TOOL_ROUNDS):
        asked = Asked(Purpose.ANSWER, model, state.parameters, messages, tools=tools)
        try:
            reply = await ask(running.world, running.spending, visiting, asked)
        except NoToolsHere as error:
            if state.servers:
                raise
            running.world.listen(Notice(state.name, f"{error}; it goes on without"))
            tools = ()
            continue
        if not reply.tool_calls:
            return str(reply.text)
        visiting.used_tools = True
        messages = [*messages, reply]
        for number, call in enumerate(reply.tool_calls):
            if number < MAX_TOOLS_AT_ONCE:
                used = await _used(running, visiting, tools, call)
            else:
                used = Used(f"not done: at most {MAX_TOOLS_AT_ONCE} at once", failed=True)
            messages.append(_as_message(used, call["id"] or ""))
    raise StateError(f"{model} used tools {MAX_TOOL_ROUNDS} times and gave no answer")


def _as_message(used: Used, call_id: str) -> ToolMessage:
    return ToolMessage(
        used.text, tool_call_id=call_id, status="error" if used.failed else "success"
    )


async def _offered(running: Running, visiting: Visiting, state: State) -> tuple[Tool, ...]:
    servers = list(dict.fromkeys(state.servers))
    if running.files_offered:
        servers.append(FILES)
    if not servers:
        return ()
    world = running.world
    where = visiting.place()
    known = world.journal.recall(where, servers)
    if known is not None:
        return tuple(Tool(**tool) for tool in known["tools"])
    tools = named_apart(await world.tools.offered(servers))
    world.journal.keep(where, servers, {"tools": [_plain(tool) for tool in tools]})
    return tools


def _plain(tool: Tool) -> dict[str, Any]:
    return {**vars(tool), "parameters": dict(tool.parameters)}


async def _used(
    running: Running, visiting: Visiting, tools: Sequence[Tool], call: Mapping[str, Any]
) -> Used:
    """Return what came of using a tool: from the journal where it has been used already."""
    found = {tool.offered_as: tool for tool in tools}
    tool = found.get(call["name"])
    if tool is None:
        names = ", ".join(found) or "none"
        return Used(f"There is no tool “{call['name']}”. There are: {names}.", failed=True)
    world, name = running.world, visiting.state
    world.listen(ToolCall(name, tool.server, tool.name, call["args"]))
    where, asked = visiting.place(), {"tool": _plain(tool), "arguments": call["args"]}
    known = world.journal.recall(where, asked)
    if known is None:
        used = await world.tools.use(tool, call["args"])
        world.journal.keep(where, asked, {"text": used.text, "failed": used.failed})
    else:
        used = Used(known["text"], known["failed"])
    world.listen(
        ToolResult(
            name, tool.server, tool.name, used.text, used.failed, remembered=known is not None
        )
    )
    return used


async def _chosen(running: Running, visiting: Visiting, state: State, shown: str) -> Left:
    model = state.model or running.workflow.default_model
    option, how = await routing.choose(
        running.world, running.spending, visiting, state, model, shown
    )
    running.world.listen(Route(state.name, option.state, how))
    return Left(option.state, how)


async def _decision(running: Running, visiting: Visiting, state: State) -> Left:
    shown = routing.shown_variables(running.variables)
    return await _chosen(running, visiting, state, shown)


async def _input(running: Running, visiting: Visiting, state: State) -> Left:
    question = running.filled(state.prompt or "")
    running.save(state, await _asked(running, visiting, state, question))
    return Left(state.next)


async def _choice(running: Running, visiting: Visiting, state: State) -> Left:
    listed = [f"{number}. {choice.label}" for number, choice in enumerate(state.choices, 1)]
    question = "\n".join([running.filled(state.prompt or ""), *listed]).strip()
    for _ in range(MAX_ASKED_AGAIN):
        answer = await _asked(running, visiting, state, question)
        choice = picked(answer, state.choices)
        if choice is not None:
            running.save(state, choice.value)
            running.world.listen(Route(state.name, choice.next, routing.CHOSEN))
            return Left(choice.next, routing.CHOSEN)
    raise StateError(f"“{answer[:80]}” is none of the {len(state.choices)} choices")


def picked(answer: str, choices: Sequence[Choice]) -> Choice | None:
    """Return what an answer picks: by number, label or value."""
    said = answer.strip().casefold()
    for choice in choices:
        if said in {choice.label.casefold(), choice.value.casefold()}:
            return choice
    number = int(said) if said.isascii() and said.isdigit() and len(said) < 10 else 0
    return choices[number - 1] if 1 <= number <= len(choices) else None


async def _asked(running: Running, visiting: Visiting, state: State, question: str) -> str:
    """Return what a person says, or the default where that is blank; from the journal where it was said already."""
    world = running.world
    visiting.asked_person = True
    world.listen(InputAsked(state.name, question))
    where = visiting.place()
    known = world.journal.recall(where, question)
    if known is None:
        answer = await world.person.answer(state, question)
        world.journal.keep(where, question, {"answer": answer})
    else:
        answer = str(known["answer"])
    by_default = not answer.strip() and state.default_value is not None
    value = running.filled(state.default_value or "") if by_default else answer
    world.listen(InputAnswered(state.name, value, by_default, remembered=known is not None))
    return value


async def _transition(running: Running, visiting: Visiting, state: State) -> Left:  # noqa: ARG001  # as the others
    return Left(state.next)


VISITS: Mapping[Kind, Callable[[Running, Visiting, State], Awaitable[Left]]] = {
    Kind.PROMPT: _prompt,
    Kind.INPUT: _input,
    Kind.CHOICE: _choice,
    Kind.DECISION: _decision,
    Kind.TRANSITION: _transition,
}


def _speaks_of_folder(workflow: Workflow) -> bool:
    return any("{{run_directory}}" in (state.prompt or "") for state in workflow.states.values())
