import re

import pytest

from agents.generation import curator_venv
from agents.generation.curator_venv import DONE, CannotInstall, NotInstalled, find, install, place
from tests.agents.generation.curator_venvs import stand_in


def test_its_packages_are_pinned_and_none_of_them_is_torch():
    lines = curator_venv.REQUIREMENTS.read_text().split()

    assert len(lines) > 100
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+]+", line) for line in lines)
    names = {line.partition("==")[0].lower() for line in lines}
    assert "bespokelabs-curator" in names
    assert not {name for name in names if "torch" in name or "nvidia" in name}
    assert f"bespokelabs-curator=={curator_venv.VERSION}" in lines


def test_it_lies_in_the_data_folder_unless_the_settings_say_otherwise(tmp_path):
    assert place(None, tmp_path) == tmp_path / "venvs" / "curator"
    assert place(tmp_path / "other", tmp_path) == tmp_path / "other"


def test_an_installation_that_is_whole_is_left_alone_and_one_that_is_not_is_told_apart(tmp_path):
    venv = stand_in(tmp_path / "venv", tmp_path / "audit")

    assert find(venv).version == "0.1.31"
    assert not curator_venv.is_whole(venv)
    (venv / DONE).write_text("another list of packages")
    assert not curator_venv.is_whole(venv)
    (venv / DONE).write_text(curator_venv.REQUIREMENTS.read_text())
    told: list[str] = []
    assert install(venv, told.append).venv == venv
    assert told == []


def test_a_folder_with_something_else_in_it_is_not_touched(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")

    with pytest.raises(CannotInstall, match="is no virtual environment"):
        install(tmp_path, lambda _said: None)

    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_when_pip_fails_its_last_words_are_told_and_the_next_try_begins_again(
    tmp_path, monkeypatch
):
    nothing = tmp_path / "requirements.txt"
    nothing.write_text(f"{tmp_path}/no-such-package\n")
    monkeypatch.setattr(curator_venv, "REQUIREMENTS", nothing)
    venv = tmp_path / "venv"

    for _ in range(2):
        with pytest.raises(CannotInstall, match="no-such-package"):
            install(venv, lambda _said: None)

    assert not (venv / DONE).exists()
    with pytest.raises(NotInstalled, match="tunewright install curator"):
        find(venv)
