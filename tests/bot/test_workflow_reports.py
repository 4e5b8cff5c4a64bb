import io
from datetime import UTC, datetime

from rich.console import Console

from agents.workflow.assertions import Assertion, Check, Judged
from agents.workflow.playing import Played, ScenarioResult, SuiteResult
from agents.workflow.suite import Scenario, Suite, SuiteDialect
from bot.workflow_reports import as_markdown, show

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SAYS_X = Assertion(Check.EQUALS, "answer", "x | [red]", "it says x", line=7)
EVIL = Scenario("a | <b> [red]@everyone[/red] \x1b[31m", (SAYS_X,), "why")


def result(*runs: Played) -> SuiteResult:
    suite = Suite("w.test.yaml", "w.yaml", SuiteDialect.MAIN, (EVIL,))
    return SuiteResult(suite, NOW, (ScenarioResult(EVIL, runs),))


def printed(of: SuiteResult) -> str:
    screen = io.StringIO()
    show(of, Console(file=screen, width=160))
    return screen.getvalue()


GOOD = Played(1, 1.25, (Judged(SAYS_X, True, "the value is “x”"),))
BAD = Played(2, 2.0, (Judged(SAYS_X, False, "the value is “y”"),))
LOST = Played(3, 0.5, error="no model [bold]")


def test_the_table_has_a_row_per_scenario_and_tells_what_was_not_so_with_its_line():
    text = printed(result(GOOD, BAD, LOST))

    assert "1 of 3" in text
    assert "(run 2): line 7: equals answer “x | [red]”: the value is “y”" in text
    assert "(run 3): no model [bold]" in text
    assert "1 of 3 runs passed." in text
    assert "\x1b" not in text
    assert "[red]@everyone[/red]" in text


def test_the_markdown_report_has_every_assertion_and_nothing_in_it_is_live():
    text = as_markdown(result(GOOD, BAD, LOST))

    assert text.startswith("# w\\.test\\.yaml\n")
    assert "| ❌ | a \\| \\<b\\>" in text
    assert "1 of 3" in text
    assert "- ✅ equals answer “x \\| \\[red\\]” (it says x): the value is “x”" in text
    assert "- ❌ equals answer" in text
    assert "- ❌ no model \\[bold\\]" in text
    assert "@everyone" not in text.replace("\\@everyone", "")


def test_a_single_run_has_no_number():
    text = as_markdown(result(GOOD))

    assert "Run 1" not in text
    assert "| ✅ |" in text
