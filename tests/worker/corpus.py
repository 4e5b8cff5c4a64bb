"""Files as people have them, each with what it should be taken for; the table on docs/data.md is made from them.

`python -m tests.worker.corpus` rewrites the table.
"""

import gzip
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.jobs import IntakeResult, RowShape
from tests.worker.intake import read
from tests.worker.workbooks import jsonl, parquet, xlsx

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
BEGIN, END = "<!-- corpus: begin -->\n", "<!-- corpus: end -->"
ROWS = 40


@dataclass(frozen=True)
class File:
    """One file and what it should be taken for."""

    content: bytes
    expected: str
    """As `taken_for` says it."""
    format: str
    asks: bool = False
    task: str = "Say what the customer wants"
    errors: int = 0
    """Rows that are to be left out."""


def taken_for(result: IntakeResult) -> str:
    """Return what a file was taken for: shape and columns."""
    prompt, answer = result.prompt_column, result.completion_column
    columns = " → ".join(filter(None, [prompt, answer if answer != prompt else ""]))
    return f"{result.shape}: {columns}"


def intake_of(folder: Path, file: File) -> IntakeResult:
    """Read a file of the corpus."""
    return read(folder, file.content, task=file.task, min_rows=20)


# ---- what is in them ------------------------------------------------------------------------------------------------

PC = RowShape.PROMPT_COMPLETION
WISHES = ("refund", "delivery", "complaint")


def say(i: int) -> str:
    return f"Wo bleibt unsere Bestellung Nr. {i}? Müßte längst da sein – oder?"


def reply(i: int) -> str:
    return f"Bestellung {i} kommt morgen; schöne Grüße"


def pair(i: int) -> dict[str, Any]:
    return {"prompt": say(i), "completion": reply(i)}


def pairs(make: Callable[[int], Any] = pair) -> list[Any]:
    return [make(i) for i in range(ROWS)]


def table(
    delimiter: str = ",",
    names: tuple[str, ...] = ("prompt", "completion"),
    *,
    quote: bool = True,
    newline: str = "\n",
    tail: str = "",
) -> str:
    mark = '"' if quote else ""
    lines = [delimiter.join(names) + tail]
    lines += [
        delimiter.join(f"{mark}{text}{mark}" for text in (say(i), reply(i))) + tail
        for i in range(ROWS)
    ]
    return newline.join(lines) + newline


def columns_of(**values: Callable[[int], Any]) -> list[dict[str, Any]]:
    return [{name: value(i) for name, value in values.items()} for i in range(ROWS)]


def label(i: int) -> str:
    return WISHES[i % 3]


def turns(
    i: int, *, names: tuple[str, str, str, str] = ("role", "content", "user", "assistant")
) -> list[Any]:
    who, what, user, assistant = names
    return [{who: user, what: say(i)}, {who: assistant, what: reply(i)}]


SHAREGPT = ("from", "value", "human", "gpt")
TOOL = {"name": "track", "description": "Track it", "parameters": {"type": "object"}}


def openai_call(i: int) -> dict[str, Any]:
    function = {"name": "track", "arguments": json.dumps({"order": i})}
    call = {"id": f"call_{i}", "type": "function", "function": function}
    called = {"role": "assistant", "content": None, "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": f"call_{i}", "content": "on its way"}
    talk = [turns(i)[0], called, result, turns(i)[1]]
    return {"messages": talk, "tools": [{"type": "function", "function": TOOL}]}


def sharegpt_call(i: int) -> dict[str, Any]:
    called = {
        "from": "function_call",
        "value": json.dumps({"name": "track", "arguments": {"order": i}}),
    }
    seen = {"from": "observation", "value": "on its way"}
    human, gpt = turns(i, names=SHAREGPT)
    return {"conversations": [human, called, seen, gpt], "tools": json.dumps([TOOL])}


def csv_rows(header: str, row: Callable[[int], str]) -> bytes:
    return (header + "\n" + "".join(row(i) + "\n" for i in range(ROWS))).encode()


def as_json(rows: Any, **options: Any) -> bytes:
    return json.dumps(rows, ensure_ascii=False, **options).encode()


def lines(rows: list[Any]) -> bytes:
    return jsonl(rows).encode()


def hh(i: int, answer: str) -> str:
    return f"\n\nHuman: {say(i)}\n\nAssistant: {answer}"


CLEAR = "prompt_completion: prompt → completion"
CSV = "CSV, delimiter ',', UTF-8"

FILES: dict[str, File] = {
    # delimiters and quotes
    "comma.csv": File(table().encode(), CLEAR, CSV),
    "semicolon.csv": File(table(";").encode(), CLEAR, "CSV, delimiter ';', UTF-8"),
    "tab.tsv": File(table("\t", quote=False).encode(), CLEAR, "CSV, delimiter tab, UTF-8"),
    "pipe.csv": File(table("|").encode(), CLEAR, "CSV, delimiter '|', UTF-8"),
    "caret.txt": File(table("^", quote=False).encode(), CLEAR, "CSV, delimiter '^', UTF-8"),
    "tilde.txt": File(table("~", quote=False).encode(), CLEAR, "CSV, delimiter '~', UTF-8"),
    "ctrl-a.dat": File(table("\x01", quote=False).encode(), CLEAR, "CSV, delimiter Ctrl-A, UTF-8"),
    "excel-sep.csv": File(("sep=;\r\n" + table(";")).encode(), CLEAR, "CSV, delimiter ';', UTF-8"),
    "windows-lines.csv": File(table(newline="\r\n").encode(), CLEAR, CSV),
    "old-mac-lines.csv": File(table(newline="\r").encode(), CLEAR, CSV),
    "quoted-newlines.csv": File(
        csv_rows("prompt,completion", lambda i: f'"{say(i)}\nand ""now""?","{reply(i)}\n\nBye"'),
        CLEAR,
        CSV,
    ),
    "blank-lines.csv": File(table(newline="\n\n").encode(), CLEAR, CSV),
    "spaces-after-commas.csv": File(
        csv_rows("prompt, completion", lambda i: f'"{say(i)}", "{reply(i)}"'), CLEAR, CSV
    ),
    "trailing-commas.csv": File(table(tail=",").encode(), CLEAR, CSV),
    "trailing-commas-in-rows.csv": File(
        csv_rows("prompt,completion", lambda i: f'"{say(i)}","{reply(i)}",,'), CLEAR, CSV
    ),
    "ragged.csv": File(
        csv_rows("prompt,completion", lambda i: f"p {i},c {i}" + ("" if i % 8 else ",more")),
        CLEAR,
        CSV,
        errors=5,
    ),
    "blank-spreadsheet-rows.csv": File((table() + ",\n" * 500).encode(), CLEAR, CSV),
    # encodings
    "utf8-bom.csv": File(table().encode("utf-8-sig"), CLEAR, CSV),
    "cp1252.csv": File(
        table(";").encode("cp1252"), CLEAR, "CSV, delimiter ';', Windows-1252 (guessed)"
    ),
    "utf16.csv": File(table("\t").encode("utf-16"), CLEAR, "CSV, delimiter tab, UTF-16"),
    "utf16-no-mark.csv": File(
        table().encode("utf-16-le"), CLEAR, "CSV, delimiter ',', UTF-16 (guessed)"
    ),
    "utf32.csv": File(table().encode("utf-32"), CLEAR, "CSV, delimiter ',', UTF-32"),
    "shift-jis.csv": File(
        csv_rows("prompt,completion", lambda i: f"注文番号{i}はどこですか,番号{i}は配送中です")
        .decode()
        .encode("cp932"),
        CLEAR,
        "CSV, delimiter ',', Shift JIS (guessed)",
    ),
    "cyrillic.csv": File(
        csv_rows("prompt;completion", lambda i: f"Где мой заказ номер {i}?;Заказ {i} уже в пути")
        .decode()
        .encode("cp1251"),
        CLEAR,
        "CSV, delimiter ';', Windows-1251 (guessed)",
    ),
    "bom.jsonl": File(jsonl(pairs()).encode("utf-8-sig"), CLEAR, "JSONL, UTF-8"),
    "utf16.json": File(json.dumps(pairs()).encode("utf-16"), CLEAR, "JSON, UTF-16"),
    # headers
    "shouting-header.csv": File(
        table(names=("PROMPT ", " Completion")).encode(),
        "prompt_completion: PROMPT → Completion",
        CSV,
    ),
    "duplicate-headers.csv": File(
        csv_rows("text,label,text", lambda i: f"t {i},{label(i)},other {i}"),
        "prompt_completion: text → label",
        CSV,
    ),
    "numbering-first.csv": File(
        csv_rows(",prompt,completion", lambda i: f"{i},p {i},c {i}"), CLEAR, CSV
    ),
    "no-header.csv": File(
        csv_rows("Where is it?,delivery", lambda i: f"where {i % 30}?,{label(i)}"),
        "prompt_completion: column 1 → column 2",
        CSV,
        asks=True,
    ),
    # JSON
    "list.json": File(as_json(pairs()), CLEAR, "JSON, UTF-8"),
    "pretty.json": File(as_json(pairs(), indent=2), CLEAR, "JSON, UTF-8"),
    "nested.json": File(as_json({"version": 1, "data": pairs()}), CLEAR, "JSON, UTF-8"),
    "columns.json": File(
        as_json(
            {"prompt": [say(i) for i in range(ROWS)], "completion": [reply(i) for i in range(ROWS)]}
        ),
        CLEAR,
        "JSON, UTF-8",
    ),
    "pandas.json": File(
        as_json(
            {
                "prompt": {str(i): say(i) for i in range(ROWS)},
                "completion": {str(i): reply(i) for i in range(ROWS)},
            }
        ),
        CLEAR,
        "JSON, UTF-8",
    ),
    "list-of-lists.json": File(
        as_json([["prompt", "completion"], *([say(i), reply(i)] for i in range(ROWS))]),
        CLEAR,
        "JSON, a list of lists, UTF-8",
    ),
    "concatenated.json": File(
        "\n".join(json.dumps(row, indent=1) for row in pairs()).encode(), CLEAR, "JSON, UTF-8"
    ),
    "trailing-comma.json": File(as_json(pairs())[:-1] + b",\n]", CLEAR, "JSON, UTF-8"),
    "lines.jsonl": File(lines(pairs()), CLEAR, "JSONL, UTF-8"),
    "lines-with-commas.jsonl": File(
        b"[\n" + lines(pairs()).replace(b"}\n", b"},\n") + b"]\n", CLEAR, "JSON, UTF-8"
    ),
    "one-bad-line.jsonl": File(
        lines(pairs()) + b'{"prompt": "half', CLEAR, "JSONL, UTF-8", errors=1
    ),
    "mixed-types.jsonl": File(
        lines(
            columns_of(
                question=lambda i: i if i % 2 else f"q {i}",
                answer=lambda i: [3.10, True, f"a {i}"][i % 3],
            )
        ),
        "prompt_completion: question → answer",
        "JSONL, UTF-8",
    ),
    # packed
    "pairs.parquet": File(parquet(pairs()), CLEAR, "Parquet"),
    "messages.parquet": File(
        parquet(columns_of(messages=turns)), "prompt_completion: messages", "Parquet"
    ),
    "book.xlsx": File(
        xlsx(("Daten", [("prompt", "completion"), *((say(i), reply(i)) for i in range(ROWS))])),
        CLEAR,
        "Excel, sheet 'Daten'",
    ),
    "second-sheet.xlsx": File(
        xlsx(("Info", []), ("Data", [("text", "label"), *((say(i), i % 3) for i in range(ROWS))])),
        "prompt_completion: text → label",
        "Excel, sheet 'Data', the first of 2 with rows",
    ),
    "pairs.csv.gz": File(gzip.compress(table().encode()), CLEAR, f"{CSV}, gzip"),
    "pairs.jsonl.gz": File(gzip.compress(lines(pairs())), CLEAR, "JSONL, UTF-8, gzip"),
    "pairs.parquet.gz": File(gzip.compress(parquet(pairs())), CLEAR, "Parquet, gzip"),
    # what rows hold
    "plain.txt": File(
        "".join(
            f"This is sentence {i}, and it says a lot. More of it, {i}.\n" for i in range(ROWS)
        ).encode(),
        "text: text",
        "plain text, a row per line, UTF-8",
    ),
    "paragraphs.txt": File(
        "\n".join(
            f"Chapter {i}\nIt was a dark night,\nand {i} owls cried.\n" for i in range(ROWS)
        ).encode(),
        "text: text",
        "plain text, a row per paragraph, UTF-8",
    ),
    "text-column.csv": File(csv_rows("text", lambda i: say(i)), "text: text", "one column, UTF-8"),
    "text-with-url.jsonl": File(
        lines(columns_of(text=say, url=lambda i: f"https://example.org/{i}", timestamp=str)),
        "text: text",
        "JSONL, UTF-8",
    ),
    "alpaca.json": File(
        as_json(columns_of(instruction=say, input=lambda i: "", output=reply)),
        "prompt_completion: instruction + input → output",
        "JSON, UTF-8",
    ),
    "alpaca-history.json": File(
        as_json(
            columns_of(
                instruction=say,
                input=lambda i: "",
                output=reply,
                system=str,
                history=lambda i: [["a", "b"]],
            )
        ),
        "prompt_completion: instruction + input → output",
        "JSON, UTF-8",
    ),
    "sharegpt.json": File(
        as_json(columns_of(conversations=lambda i: turns(i, names=SHAREGPT))),
        "prompt_completion: conversations",
        "JSON, UTF-8",
    ),
    "sharegpt-tools.json": File(
        as_json(pairs(sharegpt_call)), "prompt_completion: conversations", "JSON, UTF-8"
    ),
    "openai-chat.jsonl": File(
        lines(
            columns_of(messages=lambda i: [{"role": "system", "content": "Be kind."}, *turns(i)])
        ),
        "prompt_completion: messages",
        "JSONL, UTF-8",
    ),
    "openai-multi-turn.jsonl": File(
        lines(columns_of(messages=lambda i: turns(i) + turns(i + 1000))),
        "prompt_completion: messages",
        "JSONL, UTF-8",
    ),
    "openai-tools.jsonl": File(
        lines(pairs(openai_call)), "prompt_completion: messages", "JSONL, UTF-8"
    ),
    "messages-in-a.csv": File(
        csv_rows("id,messages", lambda i: f'{i},"' + json.dumps(turns(i)).replace('"', '""') + '"'),
        "prompt_completion: messages",
        CSV,
    ),
    "conversation-column.csv": File(
        csv_rows("conversation", lambda i: '"' + json.dumps(turns(i)).replace('"', '""') + '"'),
        "prompt_completion: conversation",
        "one column, UTF-8",
    ),
    "trl-prompt-completion.jsonl": File(
        lines(columns_of(prompt=lambda i: turns(i)[:1], completion=lambda i: turns(i)[1:])),
        CLEAR,
        "JSONL, UTF-8",
    ),
    "preference.jsonl": File(
        lines(columns_of(prompt=say, chosen=reply, rejected=label)),
        "preference: prompt → chosen",
        "JSONL, UTF-8",
    ),
    "preference-messages.jsonl": File(
        lines(
            columns_of(
                chosen=turns,
                rejected=lambda i: [turns(i)[0], {"role": "assistant", "content": "no"}],
            )
        ),
        "preference: chosen",
        "JSONL, UTF-8",
    ),
    "preference-sharegpt.json": File(
        as_json(
            columns_of(
                conversations=lambda i: turns(i, names=SHAREGPT)[:1],
                chosen=lambda i: {"from": "gpt", "value": reply(i)},
                rejected=lambda i: {"from": "gpt", "value": "no"},
            )
        ),
        "preference: conversations → chosen",
        "JSON, UTF-8",
    ),
    "openai-preference.jsonl": File(
        lines(
            columns_of(
                input=lambda i: {"messages": turns(i)[:1], "parallel_tool_calls": True},
                preferred_output=lambda i: turns(i)[1:],
                non_preferred_output=lambda i: [{"role": "assistant", "content": "no"}],
            )
        ),
        "preference: input → preferred_output",
        "JSONL, UTF-8",
    ),
    "hh-rlhf.jsonl": File(
        lines(columns_of(chosen=lambda i: hh(i, reply(i)), rejected=lambda i: hh(i, "No idea"))),
        "preference: chosen",
        "JSONL, UTF-8",
    ),
    "kto.jsonl": File(
        lines(columns_of(prompt=say, completion=reply, label=lambda i: i % 2 == 0)),
        "unpaired: prompt → completion",
        "JSONL, UTF-8",
    ),
    "kto-thumbs.csv": File(
        csv_rows("question,answer,thumb", lambda i: f"q {i},a {i},{'up' if i % 2 else 'down'}"),
        "unpaired: question → answer",
        CSV,
    ),
    "kto-messages.json": File(
        as_json(columns_of(messages=turns, label=lambda i: i % 2 == 0)),
        "unpaired: messages",
        "JSON, UTF-8",
    ),
    "kto-alpaca.json": File(
        as_json(
            columns_of(
                instruction=say, input=lambda i: "", output=reply, kto_tag=lambda i: i % 2 == 0
            )
        ),
        "unpaired: instruction + input → output",
        "JSON, UTF-8",
    ),
    "prompts.jsonl": File(lines(columns_of(prompt=say)), "prompt_only: prompt", "JSONL, UTF-8"),
    "grpo.jsonl": File(
        lines(columns_of(prompt=say, ground_truth=lambda i: i)),
        "prompt_only: prompt",
        "JSONL, UTF-8",
    ),
    "stepwise.jsonl": File(
        lines(
            columns_of(prompt=say, completions=lambda i: ["a", "b"], labels=lambda i: [True, False])
        ),
        "stepwise: prompt → completions",
        "JSONL, UTF-8",
    ),
    "classification.csv": File(
        csv_rows("text,category", lambda i: f'"{say(i)}",{label(i)}'),
        "prompt_completion: text → category",
        CSV,
    ),
    "numbers-as-labels.csv": File(
        csv_rows("label,sentence", lambda i: f'{i % 2},"{say(i)}"'),
        "prompt_completion: sentence → label",
        CSV,
    ),
    "unknown-names-few-labels.csv": File(
        csv_rows("mood,line", lambda i: f'{label(i)},"{say(i)}"'),
        "prompt_completion: line → mood",
        CSV,
    ),
    "extraction.csv": File(
        csv_rows("email,name,amount", lambda i: f'"{say(i)}",Name {i},{i}.50'),
        "prompt_completion: email → name + amount",
        CSV,
        task="Extract name and amount as JSON",
    ),
    "extraction-nested.jsonl": File(
        lines(columns_of(text=say, output=lambda i: {"order": i, "wish": label(i)})),
        "prompt_completion: text → output",
        "JSONL, UTF-8",
    ),
    "qa-context.json": File(
        as_json(columns_of(context=reply, question=say, answer=label)),
        "prompt_completion: context + question → answer",
        "JSON, UTF-8",
    ),
    "squad.json": File(
        as_json(
            columns_of(
                id=str,
                context=reply,
                question=say,
                answers=lambda i: {"text": [str(i)], "answer_start": [16]},
            )
        ),
        "prompt_completion: context + question → answers",
        "JSON, UTF-8",
    ),
    # those that are asked about
    "two-texts.csv": File(
        csv_rows("english,pirate", lambda i: f"Hello {i},Ahoy {i}"),
        "prompt_completion: english → pirate",
        CSV,
        asks=True,
    ),
    "two-labels.csv": File(
        csv_rows("text,sentiment,topic", lambda i: f"t {i},{label(i)},{label(i + 1)}"),
        "prompt_completion: text → sentiment + topic",
        CSV,
        asks=True,
        task="Sort these",
    ),
    "unknown-columns.csv": File(
        csv_rows("alpha,beta,gamma", lambda i: f"a {i},b {i},c {i}"),
        "prompt_completion: alpha + beta → gamma",
        CSV,
        asks=True,
    ),
}


# ---- the table ------------------------------------------------------------------------------------------------------


def rows_of_the_table() -> list[str]:
    """Read every file and return a line of the table for each."""
    made = ["| file | read as | taken for | asked | why |", "|---|---|---|---|---|"]
    for name, file in FILES.items():
        with tempfile.TemporaryDirectory() as folder:
            result = intake_of(Path(folder), file)
        shape, _, columns = taken_for(result).partition(": ")
        asked = f"{len(result.readings)} ways" if result.readings else "–"
        cells = (f"`{name}`", result.format, f"`{shape}`: {columns}", asked, result.roles_reason)
        made.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return made


def main() -> None:
    """Rewrite the table on the page."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + "\n".join(rows_of_the_table()) + "\n" + END + after)


if __name__ == "__main__":
    main()
