"""/finetune and the message menu, as people use them: every answer is private, in time, and says what to do next."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import simcord

from bot.app import App
from bot.discord import run_lines
from bot.discord.people import person_id_of
from bot.surface import Person
from storage import inbox
from storage.models import Decision, Phase
from tests.bot.discord_scene import Scene, discord_scene


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with discord_scene(tmp_path) as made:
        yield made


async def asked(scene: Scene, command: str, **options: object) -> str:
    """Use a command as ada; return the private answer."""
    return private(await scene.ada.slash(scene.channel, f"finetune {command}", **options))


def private(result: simcord.InteractionResult) -> str:
    assert result.ephemeral
    assert result.response is not None
    return result.response.content


async def decide(scene: Scene, decision: Decision, words: str | None = None) -> None:
    """Answer the open question as ada."""
    (question,) = await scene.open_questions()
    person = Person(person_id_of(scene.ada.id), scene.ada.name)
    await scene.app.commands.decide(question, None, person, decision, words)
    await scene.on()


async def test_status_of_nothing_says_how_to_begin(scene: Scene) -> None:
    assert "/finetune start" in await asked(scene, "status")
    assert "/finetune start" in await asked(scene, "list")


async def test_status_tells_phase_question_and_thread(scene: Scene) -> None:
    await scene.run(goal="Classify *tickets* @everyone")
    await scene.on()

    text = await asked(scene, "status")

    thread = scene.channel.threads[0]
    assert "Run #1: waiting for a yes to the plan" in text
    assert "waits for an answer about the plan" in text
    assert r"Classify \*tickets\* \@everyone" in text
    assert f"<#{thread.id}>" in text


async def test_status_tells_the_place_in_line(scene: Scene) -> None:
    scene.launcher.script["run1-i1-measure-a1"] = "hang"
    await scene.run(goal="first")
    await scene.on()
    await scene.run(owner=scene.ben, goal="second")
    await scene.on()

    text = private(await scene.ben.slash(scene.channel, "finetune status", run=2))

    assert "number 1 in line" in text


async def test_status_of_an_ended_run_tells_why(scene: Scene) -> None:
    scene.launcher.script["run1-i1-intake-a1"] = "bad_data"
    await scene.run()
    await scene.on()

    assert "scripted bad\\_data" in await asked(scene, "status")


async def test_list_shows_ones_own_runs_before_those_of_others(scene: Scene) -> None:
    await scene.run(owner=scene.ben, goal="bens")
    await scene.run(goal="adas")

    lines = (await asked(scene, "list")).splitlines()

    assert [line.split(" · ")[0] for line in lines] == [
        "**Your latest runs**",
        "**#2** adas",
        "**Others here**",
        "**#1** bens",
    ]


async def test_a_run_is_paused_resumed_and_cancelled_by_its_owner(scene: Scene) -> None:
    run_id = await scene.run()
    await scene.on()

    assert "pauses" in await asked(scene, "pause", run=run_id)
    assert "already" in await asked(scene, "pause", run=run_id)
    assert "goes on" in await asked(scene, "resume", run=run_id)
    assert "cancelled" in await asked(scene, "cancel", run=run_id)
    assert (await scene.row(run_id)).phase is Phase.CANCELLED
    assert "over already" in await asked(scene, "cancel", run=run_id)


async def test_nobody_else_can_cancel_a_run(scene: Scene) -> None:
    run_id = await scene.run()

    text = private(await scene.ben.slash(scene.channel, "finetune cancel", run=run_id))

    assert "Only ada can do that" in text
    assert (await scene.row(run_id)).phase is not Phase.CANCELLED


async def test_a_run_of_another_server_does_not_exist_here(scene: Scene) -> None:
    run_id = await scene.run()
    elsewhere = scene.env.create_guild("elsewhere")
    channel = elsewhere.create_text_channel("talk")
    eve = elsewhere.add_member(scene.env.create_user("eve"))

    text = private(await eve.slash(channel, "finetune status", run=run_id))

    assert text == "There is no run #1 here. `/finetune list` shows yours."
    assert "no run #1 here" in private(await eve.slash(channel, "finetune download", run=run_id))


async def delivered(scene: Scene, run_id: int) -> None:
    """Say yes to plan and report."""
    for _gate in ("plan", "report"):
        approval = (await scene.open_questions())[0]
        owner = Person(f"discord:{scene.ada.id}", "ada")
        await scene.app.commands.reply(approval, owner, "yes")
        await scene.on()


async def test_export_writes_another_format_and_download_offers_it(scene: Scene) -> None:
    run_id = await scene.run()
    await scene.on()
    assert "no adapter to write" in await asked(scene, "export", run=run_id, to="gguf")
    await delivered(scene, run_id)
    assert "not been written as gguf yet" in await asked(scene, "download", run=run_id, what="gguf")

    text = await asked(scene, "export", run=run_id, to="gguf")
    await scene.on()

    assert "is written as gguf next" in text
    assert "gguf\\.zip of run" in await asked(scene, "download", run=run_id, what="gguf")


async def test_publish_says_how_it_is_set_up_where_it_is_not(scene: Scene) -> None:
    run_id = await scene.run()
    await scene.on()
    await delivered(scene, run_id)

    text = await asked(scene, "publish", run=run_id, repo="ada/codes", visibility="public")

    assert "HF_TOKEN" in text


async def test_download_gives_a_link_once_there_is_an_adapter(scene: Scene) -> None:
    run_id = await scene.run()
    await scene.on()
    assert "no adapter yet" in await asked(scene, "download", run=run_id)

    await delivered(scene, run_id)
    text = await asked(scene, "download", run=run_id)

    assert "<http://127.0.0.1:" in text
    assert text.endswith(">")


async def test_help_tells_how_questions_are_answered(scene: Scene) -> None:
    text = await asked(scene, "help")

    assert all(word in text for word in ("✅", "❌", "reply", "/finetune start", "download"))
    assert len(text) <= 2000


async def test_models_are_offered_the_usual_one_first(scene: Scene) -> None:
    def names(offered: list[dict[str, object]]) -> list[object]:
        return [choice["value"] for choice in offered]

    everything = await scene.ada.autocomplete(scene.channel, "finetune start", "model", "")
    typed = await scene.ada.autocomplete(scene.channel, "finetune start", "model", "GEM")

    assert names(everything) == ["smollm2-135m-instruct", "gemma3-270m", "qwen3-0.6b"]
    assert names(typed) == ["gemma3-270m"]


async def test_runs_are_offered_by_what_they_are_about(scene: Scene) -> None:
    await scene.run(goal="x" * 500)

    offered = await scene.ada.autocomplete(scene.channel, "finetune status", "run", "")

    assert [choice["value"] for choice in offered] == [1]
    assert str(offered[0]["name"]).startswith("#1 xxx")
    assert len(str(offered[0]["name"])) <= 100


async def test_the_menu_needs_a_file(scene: Scene) -> None:
    message = await scene.ada.send(scene.channel, "no file here")

    result = await scene.ada.context_menu(scene.channel, "Fine-tune on this file", message)

    assert "no file in that message" in private(result)


async def test_the_menu_asks_for_the_task_and_keeps_the_wish(scene: Scene) -> None:
    scene.app.drop_surface("discord")  # the wish stays where it was put
    files = [("readme.png", b"png"), ("data.jsonl", b"{}")]
    message = await scene.ben.send(scene.channel, "look", attachments=files)

    shown = await scene.ada.context_menu(scene.channel, "Fine-tune on this file", message)
    result = await scene.ada.submit_modal(shown, {"task": "Classify tickets"})

    assert private(result) == r"Got it: reading data\.jsonl, 2 bytes …"
    (kept,) = await scene.app.services.db.read(inbox.waiting)
    assert kept.payload["goal"] == "Classify tickets"
    assert kept.payload["file_name"] == "data.jsonl"
    assert kept.payload["person_id"] == f"discord:{scene.ada.id}"
    assert kept.payload["home"] == f"discord:{scene.channel.id}"
    assert kept.payload["request"]["message_id"] == message.id


async def test_a_wish_in_a_thread_has_its_home_in_the_channel_above(scene: Scene) -> None:
    await scene.run()
    await scene.on()
    scene.app.drop_surface("discord")

    await scene.ada.slash(
        scene.channel.threads[0], "finetune start", dataset=("a.csv", b"a,b"), task="Classify"
    )

    (kept,) = await scene.app.services.db.read(inbox.waiting)
    assert kept.payload["home"] == f"discord:{scene.channel.id}"


async def test_what_breaks_is_written_down_and_not_shown(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(app: App, person: Person, guild: str | None) -> str:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(run_lines, "listing", broken)
    with caplog.at_level(logging.ERROR):
        text = await asked(scene, "list")

    number = text.rsplit("error ", 1)[1]
    assert "Something of ours broke" in text
    assert "secret" not in text
    assert number in caplog.text
    assert "secret detail" in caplog.text


async def test_commands_are_for_servers_and_not_for_private_installs(scene: Scene) -> None:
    tree = scene.client.tree
    shown = [command.to_dict(tree) for command in tree.get_commands()]

    assert [command["name"] for command in shown] == ["finetune", "Fine-tune on this file"]
    assert [command["contexts"] for command in shown] == [[0], [0]]
    assert [command["integration_types"] for command in shown] == [[0], [0]]


async def test_commands_are_registered_again_only_when_they_changed(scene: Scene) -> None:
    def puts() -> int:
        return sum(entry.method == "PUT" for entry in scene.env.http_requests)

    assert puts() == 1
    await scene.restart()
    assert puts() == 1

    (scene.app.services.data_dir / "discord-commands").write_text("an older set")
    await scene.restart()
    assert puts() == 2


async def test_history_diff_and_revert_are_private_and_go_on_with_the_run(scene: Scene) -> None:
    run = await scene.run(goal="Sort *tickets*")
    await scene.on()
    assert "no result yet" in await asked(scene, "history", run=run)
    await decide(scene, Decision.APPROVE)
    await decide(scene, Decision.REVISE, "3 epochs")
    await decide(scene, Decision.APPROVE)

    told = await asked(scene, "history", run=run)
    between = await asked(scene, "diff", run=run, first=1, second=2)
    back = await asked(scene, "revert", run=run, to=1)
    await scene.on()

    assert r"Run #1: Sort \*tickets\*" in told
    assert "**Try 1**" in told
    assert r"BETTER** \+40\.0 points" in told
    assert r"epochs 4 → 3 \(suggested by the debugger\)" in told
    assert "epochs: 4 → **3**" in between
    assert "Whether one try is better than the other was not tested" in between
    assert "goes back to the plan of try 1" in back
    assert (await scene.row(run)).phase is Phase.APPROVING
    assert "no try 9" in await asked(scene, "diff", run=run, first=1, second=9)


async def test_a_run_of_elsewhere_has_no_history_here(scene: Scene) -> None:
    assert "There is no run #7 here" in await asked(scene, "history", run=7)
    assert "There is no run #7 here" in await asked(scene, "diff", run=7, first=1, second=2)
    assert "There is no run #7 here" in await asked(scene, "revert", run=7, to=1)
