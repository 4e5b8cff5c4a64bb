"""What came of a test file of a workflow, for people: a table on a screen, and Markdown."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agents.workflow.assertions import NEEDS_NO_VALUE, Assertion
from agents.workflow.playing import Played, ScenarioResult, SuiteResult
from bot.text import plain, visible


def show(result: SuiteResult, console: Console) -> None:
    """Print a table of the scenarios, and below it what was not so."""
    table = Table(title=escape(visible(f"{result.suite.name} → {result.suite.workflow}")))
    for column in ("", "scenario", "runs passed", "seconds"):
        table.add_column(column)
    for one in result.scenarios:
        seconds = sum(run.seconds for run in one.runs)
        mark = "✅" if one.passed else "❌"
        name = escape(visible(one.scenario.name))
        table.add_row(mark, name, f"{one.passes} of {len(one.runs)}", f"{seconds:.1f}")
    console.print(table)
    for one in result.scenarios:
        for run in one.runs:
            for line in _missed(run):
                name = visible(one.scenario.name)
                console.print(f"❌ {_run_name(name, one, run)}: {visible(line)}", markup=False)
    console.print(_sum(result), markup=False)


def as_markdown(result: SuiteResult) -> str:
    """Return a report that can be read and stored."""
    lines = [
        f"# {plain(result.suite.name)}",
        "",
        f"Workflow {plain(result.suite.workflow)}, {result.started_at:%Y-%m-%d %H:%M:%S %Z}. {_sum(result)}",
        "",
        "| | scenario | runs passed | seconds |",
        "|---|---|---|---|",
    ]
    for one in result.scenarios:
        seconds = sum(run.seconds for run in one.runs)
        mark = "✅" if one.passed else "❌"
        name = plain(one.scenario.name)
        lines.append(f"| {mark} | {name} | {one.passes} of {len(one.runs)} | {seconds:.1f} |")
    for one in result.scenarios:
        lines += ["", f"## {plain(one.scenario.name)}", ""]
        if one.scenario.description:
            lines += [plain(one.scenario.description), ""]
        for run in one.runs:
            lines += _run_lines(one, run)
    return "\n".join(lines) + "\n"


def _run_lines(one: ScenarioResult, run: Played) -> list[str]:
    lines = [] if len(one.runs) == 1 else [f"Run {run.iteration}:", ""]
    if run.error is not None:
        lines.append(f"- ❌ {plain(run.error)}")
    for judged in run.judged:
        about = judged.assertion
        mark = "✅" if judged.passed else "❌"
        described = f" ({plain(about.description)})" if about.description else ""
        lines.append(f"- {mark} {plain(_said(about))}{described}: {plain(judged.message)}")
    return [*lines, ""]


def _missed(run: Played) -> list[str]:
    if run.error is not None:
        return [run.error]
    return [
        f"line {one.assertion.line}: {_said(one.assertion)}: {one.message}"
        for one in run.judged
        if not one.passed
    ]


def _said(assertion: Assertion) -> str:
    value = f"“{assertion.value}”" if assertion.check not in NEEDS_NO_VALUE else ""
    return " ".join(filter(None, (assertion.check.value, assertion.target, value)))


def _run_name(name: str, one: ScenarioResult, run: Played) -> str:
    return name if len(one.runs) == 1 else f"{name} (run {run.iteration})"


def _sum(result: SuiteResult) -> str:
    runs = result.runs
    passed = sum(run.passed for run in runs)
    return f"{passed} of {len(runs)} runs passed."
