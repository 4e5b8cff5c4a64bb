"""The report of a run that improved a workflow, from its ledger: as JSON, Markdown, or a page that loads nothing."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, StrictUndefined

from agents.workflow.words import counted
from bot.text import plain, visible
from bot.workflow_numbers import strategies

Line = Mapping[str, Any]
FORMS = ("json", "md", "html")
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ title }}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:.3rem .6rem;text-align:left}
.numbers{text-align:right}</style></head>
<body><h1>{{ title }}</h1><p><strong>{{ claim }}</strong></p><p>{{ about }}</p>
<table><thead><tr>{% for head in heads %}<th scope="col">{{ head }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</tbody></table>
<h2>What was tried</h2>
<ul>{% for line in tried %}<li>{{ line }}</li>{% endfor %}</ul>
</body></html>
"""
HEADS = ("round", "pass rate", "95 % interval", "middle run", "tokens", "proposals", "kept")


def written(lines: Sequence[Line], form: str) -> str:
    """Return the report in one of `FORMS`."""
    if form == "json":
        return json.dumps(list(lines), indent=1, ensure_ascii=False) + "\n"
    return _as_markdown(lines) if form == "md" else _as_html(lines)


def _as_markdown(lines: Sequence[Line]) -> str:
    given = _given(lines)
    table = [f"| {' | '.join(HEADS)} |", "|" + "---|" * len(HEADS)]
    table += ["| " + " | ".join(plain(cell) for cell in row) + " |" for row in _rows(lines)]
    tried = [f"- {plain(line, 900)}" for line in _tried(lines)] or ["- nothing"]
    return "\n".join(
        [
            f"# {plain(given['name'])}",
            "",
            f"**{plain(_claim(lines), 900)}**",
            "",
            plain(_about(given), 900),
            "",
            *table,
            "",
            "## What was tried",
            "",
            *tried,
            "",
        ]
    )


def _as_html(lines: Sequence[Line]) -> str:
    given = _given(lines)
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(PAGE).render(
        title=visible(given["name"]),
        claim=visible(_claim(lines)),
        about=_about(given),
        heads=HEADS,
        rows=[[visible(cell) for cell in row] for row in _rows(lines)],
        tried=[visible(line) for line in _tried(lines)],
    )


def _given(lines: Sequence[Line]) -> Line:
    return next(line for line in lines if line["what"] == "given")


def _claim(lines: Sequence[Line]) -> str:
    claim = next((line for line in lines if line["what"] == "claim"), None)
    return "This run has not ended." if claim is None else str(claim["words"])


def _about(given: Line) -> str:
    parts = [case["part"] for case in given["cases"]]
    told = ", ".join(
        f"{parts.count(part)} {part}" for part in ("shown", "validation", "sealed") if part in parts
    )
    text = f"{counted(len(parts), 'case')}: {told}."
    if given["mutants_killed"]:
        killed, mutants = given["mutants_killed"]
        text += f" The tests were made here; they notice {killed} of {mutants} faults that were planted."
    return text


def _rows(lines: Sequence[Line]) -> list[list[str]]:
    rows = []
    for line in lines:
        if line["what"] != "round":
            continue
        stood = line["stood"]
        rows.append(
            [
                str(line["round"]),
                f"{100 * stood['pass_rate']:.0f} %" if stood else "–",
                f"{100 * stood['pass_low']:.0f}–{100 * stood['pass_high']:.0f} %" if stood else "–",
                f"{stood['p50_s']:.1f} s" if stood else "–",
                f"{stood['tokens']:,.0f}" if stood else "–",
                str(len(line["proposals"])),
                _kept(line),
            ]
        )
    return rows


def _kept(line: Line) -> str:
    for proposal in line["proposals"]:
        if proposal["sha256"] == line["stands_sha256"]:
            return str(proposal["strategy"])
    chosen = any(
        decision["name"] == line["stands_sha256"]
        for measurement in line["measurements"]
        for decision in measurement["decisions"]
    )
    return "some of the edits" if chosen else "nothing"


def _tried(lines: Sequence[Line]) -> list[str]:
    claim = next((line for line in lines if line["what"] == "claim"), None)
    fared = strategies(claim["strategies"]) if claim else ""
    tried = [fared] if fared else []
    for line in lines:
        if line["what"] != "round":
            continue
        reasons = {proposal["sha256"]: proposal["reason"] for proposal in line["proposals"]}
        for measurement in line["measurements"]:
            for decision in measurement["decisions"]:
                reason = reasons.get(decision["name"], "some of the edits of another proposal")
                tried.append(
                    f"Round {line['round']}, {decision['strategy']}: {reason} → {decision['reason']}"
                    f" ({100 * decision['gain']:+.1f} points)"
                )
        tried += [
            f"Round {line['round']}, {strategy}: no proposal ({why})"
            for strategy, why in line["given_up"]
        ]
    return tried
