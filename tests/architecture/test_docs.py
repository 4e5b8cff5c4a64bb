"""The pages against the code: one that names what is not there, or is silent about what is, fails here."""

import json
import re
import shlex
from enum import StrEnum
from typing import Any

import discord
import pytest
import typer.main
from discord import app_commands
from typer.testing import CliRunner

from agents import jobs
from agents.recipe import CHANGEABLE
from bot import __main__ as command_line
from bot import cards, doctor
from bot.discord.file_menu import MENU_NAME
from bot.discord.slash_commands import Finetune
from configs import schema, shape
from configs.read import SHORT_NAMES
from storage import models
from storage.models import TRANSITIONS, Phase
from tests.architecture.pages import (
    PAGES,
    ROOT,
    coded,
    fences,
    name_of,
    page,
    prose,
    section,
    table_rows,
)


def shell_lines() -> list[tuple[str, str]]:
    """Return (page, command) of every line in a console fence, without prompt, variables and comment."""
    found = []
    for path in PAGES:
        for content in fences(path.read_text(encoding="utf-8"), "console"):
            for line in content.splitlines():
                command = re.sub(r"^\$ ([A-Z_]+=\S+ )*", "", line.strip())
                found.append((name_of(path), command))
    return found


# ---- commands -------------------------------------------------------------------------------------------------------


def commands() -> dict[str, Any]:
    """Return every command by its full name."""
    top: Any = typer.main.get_command(command_line.app)
    found: dict[str, Any] = {}
    for name, command in top.commands.items():
        inner = getattr(command, "commands", None)
        named = {name: command} if inner is None else {f"{name} {n}": c for n, c in inner.items()}
        found |= named
    return found


@pytest.mark.parametrize("name", commands())
def test_every_command_has_a_section_with_every_option(name):
    about = section(page("docs/command-line.md"), f"`tunewright {name}`")

    options = [option for p in commands()[name].params for option in [*p.opts, *p.secondary_opts]]
    flags = {option for option in options if option.startswith("--")}
    words = " ".join(coded(about))
    assert flags == set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", words))


@pytest.mark.parametrize("name", commands())
def test_every_command_has_help(name):
    shown = CliRunner().invoke(command_line.app, [*name.split(), "--help"])

    assert shown.exit_code == 0
    assert "Usage" in shown.output


def test_every_exit_code_is_told_and_no_other():
    rows = table_rows(section(page("docs/command-line.md"), "Exit codes"))
    told = {int(code): cells[0].strip("`") for code, cells in rows.items() if code.isdigit()}

    there = {v: n for n, v in vars(command_line).items() if n.startswith("EXIT_")}
    assert told == there


def test_every_short_variable_and_every_key_of_a_recipe_is_told():
    told = coded(page("docs/command-line.md"))

    assert {*SHORT_NAMES, "TUNEWRIGHT_CONFIG"} <= told
    assert set(CHANGEABLE) <= told


def test_every_shell_line_on_a_page_can_be_typed():
    makefile = page("Makefile")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    seen = {"make": 0, "tunewright": 0}

    for where, line in shell_lines():
        program, *words = shlex.split(line, comments=True)
        if program == "make":
            assert {word for word in words if "=" not in word} <= targets, f"{where}: {line}"
        elif program == "tunewright":
            name = " ".join(words[:2]) if " ".join(words[:2]) in commands() else words[0]
            arguments = words[len(name.split()) :]
            assert name in commands(), f"{where}: {line}"
            commands()[name].make_context(name, arguments)
        seen[program] = seen.get(program, 0) + 1

    assert seen["make"] >= 6
    assert seen["tunewright"] >= 15


def test_every_make_target_is_told_somewhere():
    targets = set(re.findall(r"^([a-z-]+):.*## ", page("Makefile"), re.MULTILINE)) - {"help"}
    text = "".join(path.read_text(encoding="utf-8") for path in PAGES)

    assert len(targets) >= 10
    assert {target for target in targets if f"make {target}" not in text} == set()


# ---- architecture ---------------------------------------------------------------------------------------------------


def drawn_transitions() -> set[tuple[str, str]]:
    """Read the drawing of phases; `open` stands for every phase inside its braces."""
    (drawing,) = fences(page("docs/architecture.md"), "mermaid")
    inside = re.search(r"state open \{(.*?)\}", drawing, re.DOTALL)
    assert inside is not None
    members = set(re.findall(r"\b(\w+) -->", inside[1])) | set(re.findall(r"--> (\w+)", inside[1]))
    return {
        (before, after)
        for left, right in re.findall(r"(\w+) --> (\w+)", drawing)
        for before in (members if left == "open" else {left})
        for after in (members if right == "open" else {right})
    }


def test_the_drawing_shows_the_transitions_of_the_code():
    there = {(phase.value, after.value) for phase, nexts in TRANSITIONS.items() for after in nexts}

    assert drawn_transitions() == there


def test_every_phase_has_a_row():
    rows = table_rows(section(page("docs/architecture.md"), "Phases of a run"))

    assert {phase.value for phase in Phase} == set(rows)


def test_every_noun_and_every_word_in_its_columns_is_told():
    text = section(page("docs/architecture.md"), "Rows")
    nouns = {n for n, c in vars(models).items() if hasattr(c, "__table__")}
    columns: dict[str, type[StrEnum]] = {
        "Approval.gate": schema.GateKind,
        "Approval.decision": models.Decision,
        "Job.kind": jobs.JobKind,
        "Job.state": models.JobState,
        "Job.outcome": jobs.JobOutcome,
        "Inbox.state": models.InboxState,
    }
    rows = table_rows(text)

    assert nouns == {name for name in rows if "." not in name}
    for column, words in columns.items():
        assert coded(rows[column][0]) == {word.value for word in words}, column
    kinds = {kind for renderers in cards.RENDERERS.values() for kind in renderers}
    assert coded(rows["Event.kind"][0]) == kinds


# ---- Discord --------------------------------------------------------------------------------------------------------


def test_every_slash_command_is_told_with_its_options():
    group = Finetune(None)  # looked at, never connected
    commands = [c for c in group.walk_commands() if isinstance(c, app_commands.Command)]
    there = {f"/{c.qualified_name}": {p.name for p in c.parameters} for c in commands}

    rows = table_rows(section(page("docs/discord.md"), "Commands"))
    told = {name: coded(cells[0]) for name, cells in rows.items() if name.startswith("/")}
    in_readme = {
        re.sub(r" \[?\w+:.*", "", name): set(re.findall(r"(\w+):", name))
        for name in table_rows(page("README.md"))
        if name.startswith("/finetune")
    }

    assert told == there
    assert in_readme == there
    for name in ("README.md", "docs/discord.md"):
        assert MENU_NAME in prose(page(name))


def test_the_permissions_add_up_to_the_number_in_every_invitation():
    rows = table_rows(section(page("docs/discord.md"), "Permissions"))
    bits = {name: int(cells[0]) for name, cells in rows.items() if cells[0].isdigit()}

    assert sum(1 << bit for bit in bits.values()) == doctor.PERMISSIONS
    for name, bit in bits.items():
        assert discord.Permissions.VALID_FLAGS[name] == 1 << bit
    assert f"permissions={doctor.PERMISSIONS}" in page("README.md")
    assert str(doctor.PERMISSIONS) in page("docs/discord.md")


# ---- every page ---------------------------------------------------------------------------------------------------


def test_every_dotted_setting_on_a_page_exists():
    there = {".".join(place) for place, _node in shape.settings()}
    sections = {name.partition(".")[0] for name in there if "." in name}
    there |= {name.rpartition(".")[0] for name in there if name.count(".") > 1}
    named = re.compile(rf"(?:{'|'.join(sections)})(?:\.[a-z_]+)+")
    seen = set()

    for path in PAGES:
        words = coded(path.read_text(encoding="utf-8"))
        told = {w for w in words if named.fullmatch(w) and not w.endswith((".py", ".json"))}
        assert told <= there, name_of(path)
        seen |= told

    assert len(seen) >= 30


@pytest.mark.parametrize("name", ["README.md", "docs/data.md"])
def test_a_default_that_is_told_is_the_default(name):
    there = {".".join(place): node.get("default") for place, node in shape.settings()}
    told = {n: cells[0] for n, cells in table_rows(page(name)).items() if n in there}

    assert len(told) >= 6
    for setting, default in told.items():
        assert default == f"`{json.dumps(there[setting])}`", setting


def test_every_path_and_every_name_of_the_code_on_a_page_exists():
    file = re.compile(r"(?:bot|agents|storage|configs|tests|examples|docs|\.ci)/[\w./-]*")
    name = re.compile(r"((?:bot|agents|storage|configs)(?:\.[a-z_]+)+)(?:\.([A-Z]\w*|[a-z_]+))?")
    files = names = 0

    for path in PAGES:
        for word in coded(path.read_text(encoding="utf-8")):
            if file.fullmatch(word):
                files += 1
                assert (ROOT / word).exists(), f"{name_of(path)}: {word}"
            elif name.fullmatch(word.removesuffix("()").partition("(")[0]):
                names += 1
                assert exists(word.partition("(")[0]), f"{name_of(path)}: {word}"

    assert files >= 20
    assert names >= 20


def exists(dotted: str) -> bool:
    """Tell whether a module, or something inside one, has this name."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:end])
        if path.is_dir() or path.with_suffix(".py").exists():
            inside = parts[end:]
            text = "" if path.is_dir() else path.with_suffix(".py").read_text(encoding="utf-8")
            return all(
                re.search(rf"^ *(async def|def|class)? ?{word}\b", text, re.MULTILINE)
                for word in inside
            )
    return False


def test_the_tree_in_the_readme_shows_every_package():
    (tree,) = fences(section(page("README.md"), "What is where"), "")
    lines = [line for line in tree.splitlines() if line.strip()]
    shown, above = set(), ""
    for line in lines:
        path = line.split()[0]
        above = above if line.startswith(" ") else path
        shown.add((above + path if line.startswith(" ") else path).rstrip("/"))

    packages = {name_of(p.parent) for p in ROOT.glob("[a-z]*/**/__init__.py")}
    own = {p for p in packages if p.split("/")[0] in {"bot", "agents", "storage", "configs"}}
    assert own <= shown
    for path in shown:
        assert (ROOT / path).exists(), path


def test_every_page_can_be_reached_from_the_readme():
    seen, left = set(), [ROOT / "README.md"]
    while left:
        path = left.pop()
        if path in seen:
            continue
        seen.add(path)
        links = re.findall(r"\]\(([^)\s#]+)", path.read_text(encoding="utf-8"))
        targets = [(path.parent / link).resolve() for link in links if ":" not in link]
        left += [t for t in targets if t.suffix == ".md"]
        left += [p for t in targets if t.is_dir() for p in t.glob("*.md")]

    assert set(PAGES) <= seen
