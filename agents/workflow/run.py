"""Run a workflow: from its start, state by state, until it ends or may not go on.

outcome = await run(loaded.workflow, World(models, person, Reach(cwd=Path.cwd())))
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from agents.workflow.calling import Visiting
from agents.workflow.events import Error, StateEnd, StateStart, WorkflowEnd, WorkflowStart
from agents.workflow.model import END, RUN_DIRECTORY, State, Workflow
from agents.workflow.outcome import Ended, Outcome, Visit
from agents.workflow.outside import ModelError, PersonLeft
from agents.workflow.spending import Spending
from agents.workflow.tools import ToolError
from agents.workflow.visit import Left, Running, visit
from agents.workflow.world import LimitReached, StateError, World

MAX_SAME = 3
"""As often may a state be entered with nothing changed at all; a retry or two is no circle."""


@dataclass
class _Circles:
    """Finds runs that only repeat themselves: same state, same variables, same last answer, and nobody asked."""

    seen: Counter[object] = field(default_factory=Counter)

    def enters(self, state: str, running: Running) -> bool:
        """Tell whether a state is entered once too often."""
        moment = (state, tuple(sorted(running.variables.items())), running.last)
        self.seen[moment] += 1
        return self.seen[moment] > MAX_SAME

    def after(self, visiting: Visiting) -> None:
        """Forget all once the world outside may have changed."""
        if visiting.used_tools or visiting.asked_person:
            self.seen.clear()


async def run(workflow: Workflow, world: World) -> Outcome:
    """Return what came of one run.

    What a person can do something about is in the outcome: a failed state, a limit, a stop.
    """
    variables = {name: variable.value for name, variable in workflow.variables.items()}
    if world.run_directory is not None:
        variables[RUN_DIRECTORY] = str(world.run_directory)
    spending = Spending(world.limits, world.clock)
    running = Running(workflow, world, spending, variables)
    directory = None if world.run_directory is None else str(world.run_directory)
    world.listen(WorkflowStart(workflow.name, workflow.description, workflow.start, directory))
    visits: list[Visit] = []
    ended, reason = await _through(running, visits)
    world.listen(WorkflowEnd(ended, reason))
    return Outcome(ended, tuple(visits), dict(running.variables), reason)


async def _through(running: Running, visits: list[Visit]) -> tuple[Ended, str | None]:
    world, circles = running.world, _Circles()
    name = running.workflow.start
    while name != END:
        limit = _limit(running, circles, name, len(visits))
        if limit is not None:
            return Ended.LIMIT, limit
        if world.stopped():
            return Ended.STOPPED, f"stopped before “{name}”"
        state = running.workflow.states[name]
        visiting = Visiting(name, len(visits) + 1)
        world.listen(StateStart(name, state.kind, visiting.step))
        try:
            visited = await _visited(running, visiting, state)
        except _Limited as limited:
            visits.append(limited.visit)
            return Ended.LIMIT, limited.reason
        except PersonLeft as left:
            return Ended.STOPPED, f"stopped in “{name}”: {left}"
        visits.append(visited)
        circles.after(visiting)
        if visited.went_to is None:
            return Ended.FAILED, f"{name}: {visited.error}"
        name = visited.went_to
    return Ended.FINISHED, None


def _limit(running: Running, circles: _Circles, name: str, steps: int) -> str | None:
    if steps >= running.world.limits.max_steps:
        return f"{steps} states were entered, and no more may be; the next would be “{name}”"
    if circles.enters(name, running):
        return f"it goes in a circle in which nothing changes, and comes to “{name}” again"
    if running.spending.seconds_left == 0:
        return running.spending.too_long
    return None


class _Limited(Exception):
    """A limit was reached inside a state."""

    def __init__(self, visit: Visit, reason: str) -> None:
        self.visit = visit
        self.reason = reason
        super().__init__(reason)


async def _visited(running: Running, visiting: Visiting, state: State) -> Visit:
    """Visit a state; where it fails, say which one handles that.

    Raises: _Limited: a limit was reached in it.
    """
    world = running.world
    entered = _Entered.now(running)
    try:
        left = await _visit_or_fail_again(running, visiting, state, entered)
        result = entered.visit(running, state, left)
    except LimitReached as limit:
        limited = entered.visit(running, state, Left(None), str(limit))
        world.listen(Error(state.name, str(limit), None))
        world.listen(StateEnd(state.name, limited.seconds, None))
        raise _Limited(limited, str(limit)) from None
    except (StateError, ModelError, ToolError) as error:
        result = entered.visit(running, state, Left(state.on_error), str(error))
        if state.on_error is not None:
            _keep_failure(running, visiting, state, entered, result)
        world.listen(Error(state.name, str(error), state.on_error))
    world.listen(StateEnd(state.name, result.seconds, result.went_to))
    return result


@dataclass(frozen=True)
class _Entered:
    """How things stood when a state was entered."""

    seconds: float
    calls: int
    prompt_tokens: int
    reply_tokens: int
    variables: dict[str, str]

    @classmethod
    def now(cls, running: Running) -> "_Entered":
        spent = running.spending
        return cls(
            spent.seconds,
            spent.calls,
            spent.prompt_tokens,
            spent.reply_tokens,
            dict(running.variables),
        )

    def visit(self, running: Running, state: State, left: Left, error: str | None = None) -> Visit:
        """Return the visit that is over now."""
        spent = running.spending
        return Visit(
            state.name,
            round(spent.seconds - self.seconds, 3),
            spent.calls - self.calls,
            spent.prompt_tokens - self.prompt_tokens,
            spent.reply_tokens - self.reply_tokens,
            left.to,
            left.routed,
            error,
        )

    def failure(self, visiting: Visiting, state: State) -> tuple[str, dict[str, Any]]:
        """Return under what a failure of the state is kept."""
        asked = {"prompt": state.prompt, "model": state.model, "variables": self.variables}
        return f"{visiting.step}:{state.name}:failed", asked


async def _visit_or_fail_again(
    running: Running, visiting: Visiting, state: State, entered: _Entered
) -> Left:
    """Visit a state; one that has failed before, and was handled, fails the same way.

    Raises: StateError: it has.
    """
    known = running.world.journal.recall(*entered.failure(visiting, state))
    if known is None:
        return await visit(running, visiting, state)
    spending = running.spending
    spending.calls += known["calls"]
    spending.prompt_tokens += known["prompt_tokens"]
    spending.reply_tokens += known["reply_tokens"]
    spending.remembered_s += known["seconds"]
    running.variables.update(known["saved"])
    running.last = known["last"]
    visiting.used_tools, visiting.asked_person = known["used_tools"], known["asked_person"]
    raise StateError(known["error"])


def _keep_failure(
    running: Running, visiting: Visiting, state: State, entered: _Entered, result: Visit
) -> None:
    """Keep a failure that was handled: gone on with, the run has to take the same way."""
    where, asked = entered.failure(visiting, state)
    if running.world.journal.recall(where, asked) is not None:
        return
    saved = {
        name: value
        for name, value in running.variables.items()
        if entered.variables.get(name) != value
    }
    value = {
        "error": result.error,
        "calls": result.calls,
        "prompt_tokens": result.prompt_tokens,
        "reply_tokens": result.reply_tokens,
        "seconds": result.seconds,
        "saved": saved,
        "last": running.last,
        "used_tools": visiting.used_tools,
        "asked_person": visiting.asked_person,
    }
    running.world.journal.keep(where, asked, value)
