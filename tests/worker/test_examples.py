import re
import subprocess
import sys
from itertools import combinations

import pytest

from agents.recipe import Metric
from tests.worker.intake import ROOT, read, rows_of

TICKETS = ROOT / "examples" / "tickets.csv"


@pytest.fixture
def rows(tmp_path):
    return rows_of(tmp_path, read(tmp_path, TICKETS.read_bytes()))


def test_the_shipped_tickets_are_what_their_program_makes():
    made = subprocess.run(
        [sys.executable, ROOT / "examples" / "make_tickets.py"], capture_output=True, check=True
    )

    assert made.stdout == TICKETS.read_bytes()


def test_intake_needs_no_help_with_the_tickets(tmp_path):
    result = read(tmp_path, TICKETS.read_bytes(), min_rows=480)

    assert (result.prompt_column, result.completion_column) == ("ticket", "code")
    assert result.suggested_metric is Metric.FIELD_F1
    assert (result.row_error_count, result.duplicates, result.conflicts) == (0, 0, 0)
    assert result.test_rows >= 100


def test_every_code_is_as_frequent_and_names_the_order_of_its_ticket(rows):
    codes = [completion.split("|") for _, completion in rows]

    assert {code: sum(c == code for c, _ in codes) for code, _ in codes} == dict.fromkeys(
        ["DAMAGE", "LATE", "WRONG", "REFUND", "BILL"], 108
    )
    assert all(order in ticket for (ticket, _), (_, order) in zip(rows, codes, strict=True))
    assert len({order for _, order in codes}) == len(rows)


def test_no_ticket_is_a_near_copy_of_another(rows):
    # How a ticket mentions its order is no part of the problem.
    mention = re.compile(r"QA-\d+|^(Order|About|Re|Hello,) | (My order is|- order no\.|Order) ")
    words = [set(re.findall(r"\w+", mention.sub(" ", ticket).casefold())) for ticket, _ in rows]

    alike = [len(a & b) / len(a | b) for a, b in combinations(words, 2)]

    assert len(alike) == 540 * 539 / 2
    assert max(alike) < 0.8
