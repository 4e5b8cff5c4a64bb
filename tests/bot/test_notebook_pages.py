"""What stands in a notebook: it diffs well, and holds nothing that must not leave."""

import json
import re
from dataclasses import replace

import pytest
from pydantic import BaseModel, SecretStr

from bot.notebook import differences, history, pages, tries
from bot.notebook.differences import RowsChanged
from bot.notebook.tries import RowsOf
from configs.in_force import in_force
from configs.schema import (
    AutoTrainSettings,
    DiscordSettings,
    HubSettings,
    KnowledgeSettings,
    LauncherSettings,
    LLMSettings,
    NotebookSettings,
    Settings,
    SqlSourceSettings,
    TrainingSettings,
    WorkflowSettings,
)
from storage.files import FileStore
from storage.models import Decision
from tests.house import ANNA, open_house


def test_json_has_sorted_keys_one_value_a_line_and_plain_lists_on_one_line():
    text = pages.as_json({"b": [[1, 0.5], [2, 0.25]], "a": {"y": None, "x": ["p", "q"]}, "c": []})

    assert text == (
        '{\n "a": {\n  "x": ["p", "q"],\n  "y": null\n },\n'
        ' "b": [\n  [1, 0.5],\n  [2, 0.25]\n ],\n "c": []\n}\n'
    )


@pytest.mark.parametrize("hidden", ["\u202e", "\x1b", "\x9b", "\U000e0041", "\u2028"])
def test_characters_that_change_their_neighbours_are_written_as_escapes_and_read_back(hidden):
    text = pages.as_json({"said": f"a{hidden}b – ü"})

    assert hidden not in text
    assert "– ü" in text
    assert json.loads(text) == {"said": f"a{hidden}b – ü"}


def secrets(section: BaseModel, path: str = "") -> list[str]:
    """Return every secret in a tree of settings, and see that each is set."""
    found = []
    for name, value in section:
        annotation = str(type(section).model_fields[name].annotation)
        if isinstance(value, BaseModel):
            found += secrets(value, f"{path}{name}.")
        elif isinstance(value, dict):
            for key, part in value.items():
                found += (
                    secrets(part, f"{path}{name}.{key}.") if isinstance(part, BaseModel) else []
                )
        elif "SecretStr" in annotation:
            assert isinstance(value, SecretStr), f"{path}{name} needs a canary"
            found.append(value.get_secret_value())
    return found


def test_the_configuration_that_is_kept_has_no_secret_and_no_place_of_this_machine(tmp_path):
    settings = Settings(
        data_dir=tmp_path / "canary-folder",
        discord=DiscordSettings(token=SecretStr("canary-1")),
        llm=LLMSettings(kind="openai", model="m", api_key=SecretStr("canary-2")),
        hub=HubSettings(token=SecretStr("canary-3")),
        notebook=NotebookSettings(token=SecretStr("canary-4"), remote="/canary/{run}.git"),
        launcher=LauncherSettings(python=tmp_path / "canary-python", slots=3),
        training=TrainingSettings(autotrain=AutoTrainSettings(venv=tmp_path / "canary-venv")),
        workflows=WorkflowSettings(
            api_key=SecretStr("canary-5"),
            base_url="http://canary.example/v1",
            script=tmp_path / "canary.json",
            model_map={"m": "local:m+/canary/adapter"},
        ),
        knowledge=KnowledgeSettings(
            search="brave",
            search_key=SecretStr("canary-6"),
            searxng_url="http://canary.example:8080",
            contact="canary@example.org",
            sql={
                "shop": SqlSourceSettings(
                    url=SecretStr("postgresql://r:canary-7@host/db"), views=("v",)
                ),
            },
        ),
    )

    kept = in_force(settings)

    assert len(secrets(settings)) == 7
    assert "canary" not in json.dumps(kept)
    assert str(tmp_path) not in json.dumps(kept)
    assert kept["launcher"]["slots"] == 3
    assert kept["training"]["max_iterations"] == 5
    assert kept["llm"] == {"kind": "openai", "model": "m"}


async def test_a_plan_keeps_the_configuration_it_was_made_under(tmp_path):
    async with open_house(tmp_path, training=TrainingSettings(max_iterations=2)) as house:
        await house.start()
        told = await house.app.services.db.read(tries.read, 1)

    assert told.tries[0].plan.settings["training"]["max_iterations"] == 2


NASTY = "*x* @everyone [a](http://evil.example) <b>\u202eevil\x1b[31m `q`"


async def test_what_people_say_is_data_wherever_a_notebook_shows_it(tmp_path):
    villain = replace(ANNA, name="Anna <root@host>\n\nnew: line")
    async with open_house(tmp_path) as house:
        await house.start(goal=NASTY, person=villain)
        await house.answer(Decision.APPROVE, villain)
        await house.reply(f"3 epochs {NASTY}", villain)
        told = await house.app.services.db.read(tries.read, 1)

    written = pages.files(told, 1)
    shown = [written["README.md"], *(line.as_markdown() for line in history.lines(told))]
    for text in shown:
        assert "\u202e" not in text
        assert "\x1b" not in text
        assert "](http" not in text
        assert not re.search(r"(?<!\\)@everyone", text)
    assert json.loads(written["run.json"])["goal"] == NASTY
    assert pages.author_of(told.tries[0].decisions) == "Anna root@host new: line <anna@log.invalid>"
    message = pages.message(told, 1)
    assert "\x1b" not in message
    assert "\u202e" not in message
    assert message.startswith("Try 1: BETTER +40.0 points (+30.0 … +50.0)\n\n")
    assert "Anna <root@host> new: line, 2026-11-22 12:00 UTC: “3 epochs" in message


def test_rows_that_came_and_went_are_counted_by_their_content_whatever_their_order(tmp_path):
    files = FileStore(tmp_path)
    first = files.put(b'{"row": 1}\n{"row": 2}\n{"row": 2}\n{"row": 3}\n').sha256
    second = files.put(b'{"row": 4}\n{"row": 3}\n{"row": 2}\n{"row": 5}').sha256
    gone = "0" * 64
    before = tuple(RowsOf(role, "", first, None, 1) for role in ("train", "dev", "test"))
    after = (
        RowsOf("train", "", second, None, 1),
        RowsOf("dev", "", first, None, 1),
        RowsOf("test", "", gone, None, 1),
    )

    found = differences.rows_changed(before, after, files)

    assert found == (RowsChanged("test", None, None), RowsChanged("train", 2, 2))
