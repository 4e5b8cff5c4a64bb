"""The lab notebook of whole runs: a commit per try, the same commits whenever it is written, and never in a run's way."""

import json
import logging
import os
import shutil
import signal
import sys
from contextlib import closing

import pytest
from dulwich.object_store import iter_tree_contents
from dulwich.repo import Repo
from sqlmodel import delete

from agents.jobs import ExportFormat
from bot.notebook import health, repository
from bot.notebook.repository import State
from storage import datasets, entries
from storage.models import Decision, Entry, Phase
from tests.house import ANNA, EVERY_GATE, open_house, settings_for


async def three_tries(house):
    """Play a run of three tries that is delivered."""
    await house.start()
    await house.answer(Decision.APPROVE)
    await house.reply("3 epochs")
    await house.answer(Decision.APPROVE)
    await house.reply("lr 1e-4")
    await house.answer(Decision.APPROVE)
    await house.answer(Decision.APPROVE)
    assert (await house.run()).phase is Phase.DELIVERED


def commits(house, run_id=1):
    """Return the commits of a notebook as it lies on the disk, oldest first, each with its files."""
    with closing(Repo(str(repository.path_of(house.app.keeper.folder, run_id)))) as repo:
        found = [entry.commit for entry in repo.get_walker(include=[repo.refs[repository.BRANCH]])]
        return [
            (
                commit,
                {
                    item.path.decode(): repo[item.sha].as_raw_string().decode()
                    for item in iter_tree_contents(repo.object_store, commit.tree)
                },
            )
            for commit in reversed(found)
        ]


async def rows_of(house, run_id=1):
    return await house.app.services.db.read(entries.of_run, run_id)


async def test_a_try_is_committed_when_the_next_begins_or_the_run_ends(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.REVIEWING
        assert not repository.path_of(house.app.keeper.folder, 1).exists()

        await house.reply("3 epochs")
        assert len(commits(house)) == 1
        await house.answer(Decision.APPROVE)
        assert len(commits(house)) == 1
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.DELIVERED

        assert [c.message.decode().partition("\n")[0] for c, _files in commits(house)] == [
            "Try 1: BETTER +40.0 points (+30.0 … +50.0)",
            "Try 2: BETTER +40.0 points (+30.0 … +50.0)",
        ]


async def test_a_notebook_holds_what_was_planned_found_and_decided_but_no_byte_of_a_model(tmp_path):
    async with open_house(tmp_path) as house:
        await three_tries(house)
        first, second, third = (files for _commit, files in commits(house))
        artifact = await house.app.services.db.read(datasets.artifact, 1, "adapter")
        uploaded = await house.app.services.db.read(datasets.find, 1, "upload")

    assert set(first) == {
        "README.md",
        "data-card.json",
        "data.json",
        "decisions.json",
        "models.json",
        "plan.json",
        "report.json",
        "report.md",
        "run.json",
        "settings.json",
        "suggestions.json",
        "training.json",
    }
    data = {known["role"]: known for known in json.loads(first["data.json"])}
    assert data["upload"]["sha256"] == uploaded.sha256
    assert (data["train"]["rows"], data["test"]["rows"]) == (250, 20)
    card = json.loads(first["data-card.json"])
    assert (card["format"], card["train_rows"]) == ("CSV, delimiter ',', UTF-8", 250)
    assert not {"train", "dev", "test", "readings"} & card.keys()
    assert third["data-card.json"] == first["data-card.json"]
    plan = json.loads(second["plan.json"])
    assert plan["recipe"]["epochs"] == 3
    assert ["epochs", "4", "3", "suggested by the debugger"] in plan["changed"]
    assert json.loads(first["suggestions.json"])[0]["taken"] is True
    decided = [json.loads(files["decisions.json"]) for files in (first, second, third)]
    assert [len(d) for d in decided] == [2, 4, 6]
    assert decided[2][: len(decided[1])] == decided[1]
    assert decided[0][1] | {"shown_sha256": ""} == {
        "about": "report",
        "asked_at": "2026-11-22T12:00:00Z",
        "at": "2026-11-22T12:00:00Z",
        "by": "log:anna",
        "by_name": "Anna",
        "decision": "revise",
        "shown_sha256": "",
        "try": 1,
        "version": 1,
        "why": "3 epochs",
    }
    assert json.loads(third["report.json"])["openings"] == 3
    assert "question  test 1" in third["report.md"]
    assert json.loads(third["training.json"])["result"]["dev_losses"][-1] == [10, 0.995]
    assert json.loads(third["models.json"])["handed_over"][0]["sha256"] == artifact.sha256
    assert json.loads(third["run.json"])["ended"][0]["how"] == "delivered"
    assert json.loads(second["run.json"])["ended"] == []
    assert json.loads(first["settings.json"])["training"]["max_iterations"] == 5
    assert not [path for path, text in third.items() if "weights of" in text]
    assert not [path for path, text in third.items() if str(tmp_path) in text]


async def test_a_commit_names_who_decided_and_dates_come_from_rows(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(policy=EVERY_GATE)
        await house.start("log:2")
        await house.answer(Decision.APPROVE)
        house.clock.move(hours=3)
        await house.answer(Decision.APPROVE)
        (by_policy, _files), (by_anna, _more) = (commits(house, n)[0] for n in (1, 2))

    assert by_policy.author == b"Tunewright <bot@tunewright.invalid>"
    assert by_anna.author == b"Anna <anna@log.invalid>"
    assert by_anna.committer == b"Tunewright <bot@tunewright.invalid>"
    assert by_anna.commit_time - by_policy.commit_time == 3 * 3600


async def test_a_deleted_notebook_comes_back_with_the_same_commits(tmp_path):
    async with open_house(tmp_path) as house:
        await three_tries(house)
        before = [commit.id for commit, _files in commits(house)]
        shutil.rmtree(house.app.keeper.folder)

    async with open_house(tmp_path) as house:
        await house.app.keeper.look()
        assert [commit.id for commit, _files in commits(house)] == before
        assert [entry.commit_sha.encode() for entry in await rows_of(house)] == before
        assert len(before) == 3


async def test_tries_that_ended_before_there_were_notebooks_get_the_commits_they_would_have_had(
    tmp_path,
):
    async with open_house(tmp_path) as house:
        await three_tries(house)
        before = [commit.id for commit, _files in commits(house)]
        shutil.rmtree(house.app.keeper.folder)
        await house.app.services.db.write(lambda session: session.exec(delete(Entry)))

    async with open_house(tmp_path) as house:
        await house.app.keeper.look()
        assert [commit.id for commit, _files in commits(house)] == before


async def test_looking_again_adds_nothing_and_an_export_neither(tmp_path):
    async with open_house(tmp_path) as house:
        await three_tries(house)
        house.app.keeper.note_change()
        await house.app.keeper.look()
        await house.app.commands.export(1, ANNA, ExportFormat.GGUF)
        await house.settle()
        assert (await house.run()).phase is Phase.DELIVERED

        assert len(commits(house)) == 3


async def test_more_of_a_try_after_a_resume_is_another_commit(tmp_path):
    async with open_house(tmp_path, script={"run1-i1-train-a1": "crash"}) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.FAILED
        ((failed, files),) = commits(house)
        assert failed.message.decode().startswith("Try 1: no result: training failed (crash)\n")
        assert "report.json" not in files

        await house.app.commands.resume(1, ANNA)
        await house.settle()
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.DELIVERED
        first, second = commits(house)

    assert first[0].id == failed.id
    assert second[0].parents == [failed.id]
    assert [end["how"] for end in json.loads(second[1]["run.json"])["ended"]] == [
        "failed",
        "delivered",
    ]


async def test_an_old_try_that_is_offered_again_is_told_in_the_latest_one(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.reply("3 epochs")
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.REJECT)
        assert "Take it after all?" in house.surface.question()["body"]
        await house.answer(Decision.APPROVE)
        assert (await house.run()).phase is Phase.DELIVERED
        before = [commit.id for commit, _files in commits(house)]
        _first, (_commit, files) = commits(house)

        await house.app.services.db.write(lambda session: session.exec(delete(Entry)))
        shutil.rmtree(house.app.keeper.folder)
    async with open_house(tmp_path) as house:
        await house.app.keeper.look()
        assert [commit.id for commit, _files in commits(house)] == before

    decided = json.loads(files["decisions.json"])
    assert [(d["try"], d["about"], d["decision"]) for d in decided][-2:] == [
        (2, "report", "reject"),
        (1, "report", "approve"),
    ]


async def test_a_run_that_is_cancelled_in_training_is_noted_once_its_work_has_stopped(tmp_path):
    async with open_house(tmp_path, script={"run1-i1-train-a1": "half"}) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.app.commands.cancel(1, ANNA)
        await house.app.keeper.look()
        assert await rows_of(house) == []

        await house.settle()
        ((commit, _files),) = commits(house)

    assert commit.message.decode().startswith("Try 1: no result: training cancelled\n")


async def test_a_notebook_that_cannot_be_written_stops_no_run_and_comes_later(tmp_path, caplog):
    async with open_house(tmp_path) as house:
        house.app.keeper.folder.write_text("in the way")
        await three_tries(house)
        assert any("could not be written" in record.message for record in caplog.records)

        house.app.keeper.folder.unlink()
        house.app.keeper.note_change()
        await house.app.keeper.look()

        assert len(commits(house)) == 3


async def some_entries(tmp_path):
    async with open_house(tmp_path / "house") as house:
        await three_tries(house)
        return await rows_of(house)


async def test_a_damaged_notebook_is_built_anew_with_the_same_commits(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    written = await some_entries(tmp_path)
    folder, tried = tmp_path / "notebooks", 0
    repository.write(folder, written)
    whole = repository.path_of(folder, 1)
    files = [path.relative_to(whole) for path in whole.rglob("*") if path.is_file()]
    needed = [f for f in files if f.name in {"HEAD", "main"} or f.suffix in {".pack", ".idx"}]

    for file in needed:
        for damage in (b"", b"\0" * 40, None):
            path = whole / file
            path.chmod(0o644)
            path.unlink() if damage is None else path.write_bytes(damage)
            assert repository.look(folder, written) is not State.WHOLE, file

            repository.write(folder, written)

            assert repository.look(folder, written) is State.WHOLE, file
            files = [f.relative_to(whole) for f in whole.rglob("*") if f.is_file()]
            tried += 1
    assert tried >= 6


async def test_the_doctor_names_what_is_damaged_and_the_next_start_mends_it(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start(policy=EVERY_GATE)
        path = repository.path_of(house.app.keeper.folder, 1)
    (path / "HEAD").write_text("ref: refs/heads/elsewhere\n")

    (ill,) = await health.examine(settings_for(tmp_path))
    shutil.rmtree(path)
    (missing,) = await health.examine(settings_for(tmp_path))
    async with open_house(tmp_path) as house:
        await house.app.keeper.look()
    (well,) = await health.examine(settings_for(tmp_path))

    assert not ill.ok
    assert f"Delete {path}" in ill.fix
    assert (missing.ok, missing.optional) == (False, True)
    assert (well.ok, well.found) == (True, "1 whole")


def killed_at(step, work):
    """Run in a forked process that is killed before its k-th change of a file; False when it came to its end."""
    pid = os.fork()
    if pid == 0:
        seen = 0

        def hook(event, args):
            nonlocal seen
            changes = event in {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link"}
            changes |= event == "open" and bool((args[2] or 0) & (os.O_WRONLY | os.O_RDWR))
            if changes:
                seen += 1
                if seen == step:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(hook)
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001  # nothing may unwind into pytest
            sys.excepthook(*sys.exc_info())
            os._exit(3)
    status = os.waitpid(pid, 0)[1]
    assert status in {0, signal.SIGKILL}
    return status == signal.SIGKILL


@pytest.mark.parametrize("there", [0, 1])
async def test_killed_at_any_point_the_next_write_finishes_it(tmp_path, there):
    written = await some_entries(tmp_path)
    step, killed = 0, True

    while killed:
        step += 1
        folder = tmp_path / f"notebooks-{step}"
        if there:
            repository.write(folder, written[:there])
        killed = killed_at(step, lambda folder=folder: repository.write(folder, written))
        repository.write(folder, written)
        assert repository.look(folder, written) is State.WHOLE, step
        assert [path.name for path in folder.iterdir()] == ["run-1.git"]
        shutil.rmtree(folder)

    assert step > 5
