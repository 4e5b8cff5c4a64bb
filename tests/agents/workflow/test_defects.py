"""One test per defect of the original that a run could have; the page docs/workflows.md lists them by the same numbers."""

import base64
import io
from pathlib import Path

import psutil
import pytest
from docx import Document

from agents.workflow import attachments
from agents.workflow.events import Notice
from agents.workflow.journal import Journal
from agents.workflow.outcome import Ended
from agents.workflow.outside import Limits
from agents.workflow.reach import Reach
from tests.agents.workflow.worlds import FakeTools, Given, ran
from tests.agents.workflow.written import write

CHILD = """
    name: Child
    start_state: first
    states:
      first: {type: prompt, prompt: "In the child, for {{who}}", save_as: made, next: end}
"""
PARENT = """
    name: Parent
    start_state: go
    variables: {who: Ada}
    states:
      go: {type: workflow_ref, workflow_ref: child.yaml, next: after}
      after: {type: prompt, prompt: "After {{made}}", next: end}
"""


def test_d01_a_workflow_ref_runs_the_other_file(tmp_path):
    write(tmp_path, CHILD, "child.yaml")

    seen = ran(tmp_path, PARENT)

    assert seen.outcome.ended is Ended.FINISHED
    assert seen.prompts()[0] == "In the child, for Ada"


def test_d02_the_end_of_the_child_leads_to_the_next_of_the_parent(tmp_path):
    write(tmp_path, CHILD, "child.yaml")

    seen = ran(tmp_path, PARENT, Given({"rules": [{"prompt": "In the", "reply": "a poem"}]}))

    assert seen.outcome.reached == ("go", "go_ref_first", "after", "end")
    assert seen.prompts()[1] == "After a poem"


def test_d03_under_test_no_server_is_started(tmp_path):
    seen = ran(
        tmp_path,
        """
        name: T
        start_state: a
        mcp_servers: {x: {command: touch, args: [started]}}
        states: {a: {type: prompt, prompt: Go, mcp_servers: [x]}}
        """,
    )

    assert seen.outcome.reason == "a: the server “x” is not started in this kind of run"
    assert not Path("started").exists()


def test_d03_tools_are_offered_used_and_their_results_reach_the_model(tmp_path):
    wants = {"tool_calls": [{"name": "add", "args": {"a": 1, "b": 2}}], "reply": "it is 3"}
    tools = FakeTools(add=3)

    seen = ran(
        tmp_path,
        """
        name: T
        start_state: a
        mcp_servers: {calc: {command: calc}}
        states: {a: {type: prompt, prompt: "1 + 2", mcp_servers: [calc], save_as: sum}}
        """,
        Given({"rules": [wants]}),
        tools=tools,
    )

    assert seen.models.asked[0]["tools"] == ["add"]
    assert tools.used == [("add", {"a": 1, "b": 2})]
    assert [message.type for message in seen.models.asked[1]["messages"]] == ["human", "ai", "tool"]
    assert seen.outcome.variables == {"sum": "it is 3"}
    assert seen.outcome.calls == 2


FILES = """
    name: T
    start_state: a
    states: {a: {type: prompt, prompt: "Read", files: [FILE]}}
"""


def a_pdf(text: str) -> bytes:
    """Return a PDF of one page, as short as they can be."""
    stream = f"BT /F1 24 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length " + str(len(stream)).encode() + b" >>\nstream\n" + stream + b"\nendstream",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n".encode()
    table += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    trailer = f"trailer << /Size {len(places) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + table + trailer.encode()


def test_d06_the_text_of_a_pdf_is_in_the_prompt(tmp_path):
    (tmp_path / "terms.pdf").write_bytes(a_pdf("Payment within 14 days"))

    seen = ran(tmp_path, FILES.replace("FILE", "terms.pdf"))

    (prompt,) = seen.prompts()
    assert prompt == (
        "Read\n\n--- begin of file: terms.pdf ---\nPayment within 14 days\n"
        "--- end of file: terms.pdf ---"
    )


def test_d06_the_text_of_a_word_file_is_in_the_prompt_with_its_tables(tmp_path):
    document = Document()
    document.add_paragraph("Grüße an alle")
    table = document.add_table(rows=1, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text = "price", "9 €"
    written = io.BytesIO()
    document.save(written)
    (tmp_path / "letter.docx").write_bytes(written.getvalue())

    seen = ran(tmp_path, FILES.replace("FILE", "letter.docx"))

    assert "Grüße an alle\nprice | 9 €" in seen.prompts()[0]


@pytest.mark.parametrize("name", ["broken.pdf", "broken.docx", "noise.txt"])
def test_d06_a_file_that_cannot_be_read_fails_the_state(tmp_path, name):
    (tmp_path / name).write_bytes(b"\xff\xfe\x00\x01 nothing")

    seen = ran(tmp_path, FILES.replace("FILE", name))

    assert seen.outcome.ended is Ended.FAILED
    assert name in seen.outcome.reason
    assert seen.prompts() == []


def test_d06_a_file_that_takes_too_long_to_read_is_given_up(tmp_path, monkeypatch):
    (tmp_path / "terms.pdf").write_bytes(a_pdf("Payment"))
    monkeypatch.setattr(attachments, "TIMEOUT_S", 0.001)
    before = set(psutil.Process().children())

    seen = ran(tmp_path, FILES.replace("FILE", "terms.pdf"))
    assert seen.outcome.reason == "a: the file “terms.pdf” takes too long to read"
    assert set(psutil.Process().children()) <= before


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ("MAX_FILE_BYTES", "is larger than"),
        ("MAX_TEXT_CHARS", "has 6 characters of text; 5 fit"),
        ("MAX_ALL_CHARS", "the files have 6 characters"),
    ],
)
def test_d06_files_that_are_too_large_fail_the_state(tmp_path, monkeypatch, limit, told):
    (tmp_path / "a.txt").write_text("ABCDEF")
    monkeypatch.setattr(attachments, limit, 5)

    seen = ran(tmp_path, FILES.replace("FILE", "a.txt"))

    assert told in seen.outcome.reason
    assert seen.prompts() == []


def test_d06_an_image_goes_beside_the_prompt(tmp_path):
    (tmp_path / "dot.PNG").write_bytes(b"\x89PNG")

    seen = ran(tmp_path, FILES.replace("FILE", "dot.PNG"))

    (message,) = seen.models.asked[0]["messages"]
    assert message.content == [
        {"type": "text", "text": "Read"},
        {
            "type": "image",
            "base64": base64.b64encode(b"\x89PNG").decode(),
            "mime_type": "image/png",
        },
    ]


def test_d07_a_missing_file_fails_the_state(tmp_path):
    seen = ran(tmp_path, FILES.replace("FILE", '"{{which}}.txt"'))

    assert seen.outcome.ended is Ended.FAILED
    assert seen.outcome.reason.startswith("a: the file “{{which}}.txt” is not there")
    assert seen.prompts() == []


def test_d07_an_optional_file_may_be_missing(tmp_path):
    seen = ran(tmp_path, FILES.replace("FILE", "{path: notes.txt, optional: true}"))

    assert seen.prompts() == ["Read"]
    assert seen.of(Notice)[0].message.startswith("without the file “notes.txt”")


def test_d08_parameters_reach_the_model(tmp_path):
    seen = ran(
        tmp_path,
        """
        name: T
        start_state: a
        default_model: base
        states:
          a: {type: prompt, prompt: x, model: other, options: {temperature: 1.2, seed: 7}, next: b}
          b: {type: prompt, prompt: y}
        """,
    )

    assert [(a["model"], a["parameters"]) for a in seen.models.asked] == [
        ("other", {"temperature": 1.2, "seed": 7}),
        ("base", {}),
    ]


def test_d08_parameters_for_the_text_of_an_answer_do_not_cut_the_choice_after_it(tmp_path):
    options = "options: {temperature: 1, num_predict: 1, stop: ['}']}"
    text = ROUTED_LOOP.replace("prompt: x", f"prompt: x\n        {options}")

    seen = ran(tmp_path, text, Given({"rules": [{"purpose": "route", "reply": {"choice": 2}}]}))

    assert [asked["parameters"] for asked in seen.models.asked] == [
        {"temperature": 1, "num_predict": 1, "stop": ["}"]},
        {"temperature": 1},
    ]


def test_d09_an_empty_value_gives_empty_text(tmp_path):
    seen = ran(
        tmp_path,
        """
        name: T
        start_state: a
        states:
          a: {type: input, prompt: Name?, save_as: name, next: b}
          b: {type: prompt, prompt: "Hello {{name}}! {{unknown}} {{ name }}"}
        """,
        Given(answers={"a": [""]}),
    )

    assert seen.prompts() == ["Hello ! {{unknown}} {{ name }}"]


ERROR_CYCLE = """
    name: T
    start_state: a
    states:
      a: {type: prompt, prompt: x, on_error: b}
      b: {type: prompt, prompt: y, on_error: a}
"""


def test_d10_a_cycle_of_errors_ends(tmp_path):
    seen = ran(tmp_path, ERROR_CYCLE, Given({"rules": [{"error": "down"}]}))

    assert seen.outcome.ended is Ended.LIMIT
    assert len(seen.outcome.visits) < 10


ROUTED_LOOP = """
    name: T
    start_state: a
    states:
      a:
        type: prompt
        prompt: x
        save_as: said
        next_options:
          - {state: a, description: again}
          - {state: end, description: enough}
"""
DIFFERENT = {"rules": [{"purpose": "answer", "times": 1, "reply": str(n)} for n in range(100)]}


def test_d10_a_loop_that_a_model_routes_ends_after_fifty_steps(tmp_path):
    seen = ran(tmp_path, ROUTED_LOOP, Given(DIFFERENT))

    assert seen.outcome.ended is Ended.LIMIT
    assert len(seen.outcome.visits) == 50


def test_d10_calls_are_capped(tmp_path):
    seen = ran(tmp_path, ROUTED_LOOP, Given(DIFFERENT), limits=Limits(max_calls=7))

    assert seen.outcome.ended is Ended.LIMIT
    assert seen.outcome.calls == len(seen.models.asked) == 7
    assert "asked 7 times" in seen.outcome.reason


@pytest.mark.parametrize("max_tokens", [10, 100, 1000, 3000])
def test_d10_the_budget_of_tokens_is_never_exceeded(tmp_path, max_tokens):
    chatty = {"rules": [{"purpose": "answer", "reply": "word " * 400}]}

    seen = ran(tmp_path, ROUTED_LOOP, Given(chatty), limits=Limits(max_tokens=max_tokens))

    assert seen.outcome.ended is Ended.LIMIT
    assert seen.outcome.tokens <= max_tokens
    assert seen.models.prompt_tokens + seen.models.reply_tokens <= max_tokens


def test_d10_a_reply_that_the_budget_has_cut_is_paid_once_and_no_answer(tmp_path):
    chatty = {"rules": [{"purpose": "answer", "reply": "word " * 400}]}
    journal = Journal()

    cut = ran(tmp_path, ROUTED_LOOP, Given(chatty), limits=Limits(max_tokens=300), journal=journal)
    more = ran(
        tmp_path, ROUTED_LOOP, Given(chatty), limits=Limits(max_tokens=1200), journal=journal
    )

    assert "did not hold a whole reply" in cut.outcome.reason
    assert cut.outcome.variables == {}
    assert 0 < cut.models.reply_tokens < cut.outcome.tokens <= 300
    assert more.outcome.variables["said"] == "word " * 400
    assert more.outcome.tokens <= 1200
    # with what was paid for the reply that was cut
    own = more.models.prompt_tokens + more.models.reply_tokens
    assert more.outcome.tokens == own + cut.outcome.tokens


def test_d10_a_state_that_caps_its_reply_itself_is_not_cut_by_the_budget(tmp_path):
    text = ERROR_CYCLE.replace("prompt: x, on_error: b", "prompt: x, options: {num_predict: 3}")

    seen = ran(
        tmp_path,
        text,
        Given({"rules": [{"reply": "one two three four"}]}),
        limits=Limits(max_tokens=1000),
    )

    assert seen.outcome.ended is Ended.FINISHED
    assert seen.models.asked[0]["parameters"] == {"num_predict": 3}


def test_d10_a_call_that_fails_is_a_call_and_costs_what_it_had_said(tmp_path):
    breaks = {"rules": [{"reply": "word " * 40, "cut_after": 30}]}

    seen = ran(tmp_path, ERROR_CYCLE, Given(breaks), limits=Limits(max_calls=3))

    assert seen.outcome.calls == 3
    assert [visit.reply_tokens for visit in seen.outcome.visits[:3]] == [38, 38, 38]


def test_d10_a_run_that_takes_too_long_ends(tmp_path):
    slow = {"rules": [{"delay_s": 30}]}

    seen = ran(tmp_path, ROUTED_LOOP, Given(slow), limits=Limits(max_seconds=0.3))

    assert seen.outcome.ended is Ended.LIMIT
    assert seen.outcome.seconds < 10


def test_d11_paths_are_looked_for_beside_the_file_then_in_the_current_directory(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "cwd").mkdir()
    (tmp_path / "cwd" / "a.txt").write_text("from the current directory")
    text = FILES.replace("FILE", "a.txt")
    reach = Reach(cwd=tmp_path / "cwd")

    from_cwd = ran(tmp_path / "here", text, reach=reach)
    (tmp_path / "here" / "a.txt").write_text("from beside the file")
    from_beside = ran(tmp_path / "here", text, reach=reach)
    (tmp_path / "here" / "a.txt").unlink()
    nowhere = ran(tmp_path / "here", text)

    assert "from the current directory" in from_cwd.prompts()[0]
    found = (tmp_path / "cwd" / "a.txt").resolve()
    assert from_cwd.of(Notice) == [Notice("a", f"the file “a.txt” is {found}")]
    assert from_beside.of(Notice) == []
    assert "from beside the file" in from_beside.prompts()[0]
    assert f"looked in {tmp_path / 'here'}" in nowhere.outcome.reason


def test_d11_a_file_of_an_upload_stays_in_its_folder(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    inside = tmp_path / "upload"
    inside.mkdir()

    seen = ran(inside, FILES.replace("FILE", "../secret.txt"), reach=Reach(within=inside, cwd=None))

    assert seen.outcome.ended is Ended.FAILED
    assert "leads out of the folder" in seen.outcome.reason
    assert seen.prompts() == []
