"""Broken sources: the person gets every problem in words, never a traceback, never a secret."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs import shape
from configs.errors import ConfigError, Problem
from configs.load import load

CANARY = "canary-9f3e1c7a"


def problems_of(path: Path | None = None, **environ: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(environ, path)
    assert CANARY not in str(caught.value)
    return caught.value.problems


def file_of(folder: Path, content: str | bytes) -> Path:
    path = folder / "user.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "line", "column", "reason"),
    [
        ('{"log_level": "INFO"\n "llm": {}}', 2, 2, "expecting ',' delimiter"),
        ('{\n "llm": {"kind": "none",}\n}', 2, 25, "no comma before a closing bracket"),
        ("{'llm': {}}", 1, 2, "expecting property name enclosed in double quotes"),
        ('{"llm": {}} x', 1, 13, "extra data"),
        ('{"llm": ', 1, 9, "expecting value"),
        ("", 1, 1, "expecting value"),
        ("// mine\n{}", 1, 1, "expecting value"),
    ],
)
def test_broken_json_is_shown_with_its_line(tmp_path, content, line, column, reason):
    path = file_of(tmp_path, content)

    (problem,) = problems_of(path)

    assert problem.found.startswith(f"line {line}, column {column}: ")
    assert problem.allowed == f"valid JSON ({reason})"
    assert problem.origin == f"{path}:{line}"


@pytest.mark.parametrize(
    "content",
    [
        f'{{"discord": {{"token": "{CANARY}" "guilds": {{}}}}}}',
        f"{{'discord': {{'token': '{CANARY}'}}}}",
        f'{{"discord": {{"token" "{CANARY}"}}}}',
        f'{{"discord": {{"tokn": {CANARY}}}}}',
        f'{{"discord": {{"token":\n  "{CANARY}\n}}}}',
        f'{{"llm": {{"base_url": "http://x:{CANARY}@y/",}}}}',
    ],
)
def test_the_line_of_broken_json_shows_its_structure_but_no_value(tmp_path, content):
    (problem,) = problems_of(file_of(tmp_path, content))

    assert problem.found.startswith("line ")
    assert "*****" in problem.found or "\n" in content


def test_a_line_of_broken_json_keeps_the_words_of_the_schema(tmp_path):
    path = file_of(tmp_path, '{"training": {"checkpoint_mode": "hold" "save_steps": 12}}')

    (problem,) = problems_of(path)

    assert '"training": {"checkpoint_mode": "hold" "save_steps": 12}}' in problem.found


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b'{"log_level": "\xff"}', "a byte that is not UTF-8, number 16"),
        ("[" * 100_000, "brackets too deep"),
        ('{"limits": {"open_per_user": ' + "9" * 5000 + "}}", "Exceeds the limit"),
        ('{"llm": {"model": "\\ud800"}}', "half of a surrogate pair"),
        ("[1, 2]", "something else"),
        ("null", "something else"),
    ],
)
def test_what_cannot_be_read_at_all_is_one_problem_of_the_file(tmp_path, content, found):
    (problem,) = problems_of(file_of(tmp_path, content))

    assert problem.pointer == ""
    assert found in problem.found


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    (missing,) = problems_of(tmp_path / "missing.json")
    (folder,) = problems_of(None, TUNEWRIGHT_CONFIG=str(tmp_path))

    assert missing.found == "No such file or directory"
    assert missing.origin == str(tmp_path / "missing.json")
    assert folder.found == "Is a directory"


def test_keys_that_come_twice_are_found_at_any_depth(tmp_path):
    path = file_of(
        tmp_path,
        '{"limits": {"open_per_user": 1, "open_per_user": 2}, "llm": {}, "llm": {"model": 3}}',
    )

    problems = problems_of(path)

    repeated = {p.pointer for p in problems if p.found == "the same key more than once"}
    assert repeated == {"/limits/open_per_user", "/llm"}
    assert "/llm/model" in {p.pointer for p in problems}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(tmp_path, number):
    path = file_of(tmp_path, f'{{"schedule": {{"poll_interval_s": {number}}}}}')

    assert [p.pointer for p in problems_of(path)] == ["/schedule/poll_interval_s"]


def test_problems_of_all_sources_come_together(tmp_path):
    path = file_of(tmp_path, '{"launcher": {"slots": "two"}, "downloadz": {}}')

    problems = problems_of(
        path,
        TUNEWRIGHT__LAUNCHER__NICENESS="99",
        TUNEWRIGHT__LAUNCHER__NICE="1",
        TUNEWRIGHT_DOWNLOADS_PORT="80",
        DISCORD_TOKEN_FILE=str(tmp_path / "missing"),
    )

    assert {(p.pointer, p.nearest, p.origin) for p in problems} == {
        ("/launcher/slots", None, str(path)),
        ("/downloadz", "downloads", str(path)),
        ("/launcher/niceness", None, "env TUNEWRIGHT__LAUNCHER__NICENESS"),
        ("/launcher/nice", "niceness", "env TUNEWRIGHT__LAUNCHER__NICE"),
        ("/downloads/port", "TUNEWRIGHT__DOWNLOADS__PORT", "env TUNEWRIGHT_DOWNLOADS_PORT"),
        ("/discord/token", None, "env DISCORD_TOKEN_FILE"),
    }


def test_broken_json_does_not_hide_what_is_wrong_in_the_environment(tmp_path):
    problems = problems_of(file_of(tmp_path, "{"), TUNEWRIGHT__LOG_LEVEL="loud")

    assert [p.pointer for p in problems] == ["", "/log_level"]


def test_a_mistake_is_reported_even_where_a_later_source_replaces_its_section(tmp_path):
    path = file_of(tmp_path, '{"downloads": 5, "launcher": {"slotz": 1}}')

    problems = problems_of(
        path, TUNEWRIGHT__DOWNLOADS__PORT="80", TUNEWRIGHT__LAUNCHER='{"slots": 1}'
    )

    assert {p.pointer for p in problems} == {"/downloads", "/launcher/slotz"}


@pytest.mark.parametrize(
    "config",
    [
        {"discord": {"tokn": CANARY}},
        {"discord": {"token": [CANARY]}},
        {"discord": {"token": {"value": CANARY}}},
        {"discord": CANARY},
        {"token": CANARY},
        {"llm": {"api_key": {"nested": [{"deeper": CANARY}]}}},
        {"discord": {"token": CANARY}, "log_level": CANARY},
        {"discord": {"token": CANARY, "guilds": {CANARY: {}}}},
        {"discord": {"token": CANARY}, CANARY: 1},
        {"discord": {"token": CANARY}, "downloads": {"public_url": "x" * 70 + CANARY}},
        {"downloads": {"public_url": f"ftp://user:{CANARY}@example.org"}},
        {"discord": {"api_base": f"https://example.org/{CANARY}"}, "llm": {"api_key": CANARY}},
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path, config):
    assert problems_of(file_of(tmp_path, json.dumps(config)))


def test_a_secret_that_is_no_text_is_hidden_too(tmp_path):
    (problem,) = problems_of(file_of(tmp_path, '{"discord": {"token": 9315512777}}'))

    assert problem.found == "***"


def test_a_secret_in_a_misspelled_variable_is_not_repeated(tmp_path):
    (unknown,) = problems_of(TUNEWRIGHT__DISCORD__TOKN=CANARY)
    (section,) = problems_of(TUNEWRIGHT__DISCORD=CANARY)

    assert (unknown.pointer, unknown.nearest) == ("/discord/tokn", "token")
    assert (section.pointer, section.found) == ("/discord", "text")


@pytest.mark.parametrize(
    "looks_secret",
    [
        "MTA" + "x" * 21 + ".Gabcde." + "y" * 38,
        "hf_" + "a" * 30,
        "sk-" + "a" * 30,
        "https://discord.com/api/webhooks/1/" + "w" * 60,
    ],
)
def test_what_looks_like_a_secret_is_hidden_wherever_it_stands(tmp_path, looks_secret):
    (problem,) = problems_of(file_of(tmp_path, json.dumps({"log_level": looks_secret})))

    assert "***" in problem.found
    assert looks_secret[-20:] not in problem.found


def test_bytes_that_are_not_utf8_in_a_variable_are_a_problem_of_that_variable():
    (problem,) = problems_of(TUNEWRIGHT__LLM__MODEL="\udcff")

    assert problem.origin == "env TUNEWRIGHT__LLM__MODEL"


def test_an_empty_secret_file_is_not_an_empty_secret(tmp_path):
    empty = tmp_path / "token"
    empty.write_text("\n")

    (problem,) = problems_of(DISCORD_TOKEN_FILE=str(empty))

    assert problem.found == "an empty file"


def test_the_text_names_place_finding_allowance_and_the_nearest_key(tmp_path):
    path = file_of(tmp_path, '{"downloads": {"prot": 80}, "launcher": {"slots": 0}}')

    with pytest.raises(ConfigError) as caught:
        load({}, path)

    assert str(caught.value) == (
        "The configuration has 2 problems:\n\n"
        f"/downloads/prot  (from {path})\n"
        "  found:    an unknown key\n"
        "  allowed:  one of the keys host, port, public_url, expires_after_h\n"
        '  did you mean "port"?\n\n'
        f"/launcher/slots  (from {path})\n"
        "  found:    0\n"
        "  allowed:  a whole number from 1 to 64"
    )


def test_an_uncaught_configuration_error_hides_secrets_from_the_traceback_too(tmp_path):
    path = file_of(tmp_path, json.dumps({"discord": {"token": {"a": CANARY}, "tokn": CANARY}}))

    ended = subprocess.run(
        [sys.executable, "-c", "import os, configs.load as c; c.load(os.environ)"],
        env={"TUNEWRIGHT_CONFIG": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "ConfigError" in ended.stderr
    assert CANARY not in ended.stderr


KEYS = sorted({key for place, _ in shape.settings() for key in place} | {"x", "1", "~/", ""})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(KEYS), below, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=6), st.sampled_from(KEYS), st.text())
def test_any_json_and_any_variable_load_or_are_explained(tmp_path_factory, config, key, value):
    path = tmp_path_factory.mktemp("any") / "user.json"
    path.write_text(json.dumps(config))

    with suppress(ConfigError):
        load({f"TUNEWRIGHT__{key.upper()}": value}, path)
