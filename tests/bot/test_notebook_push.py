"""Notebooks that are pushed: complete, without the token anywhere, never over somebody else's commits, never in the way."""

import logging
import socket
from contextlib import closing

import pytest
from dulwich.objects import Blob, Commit, ObjectID, Tree
from dulwich.repo import Repo
from pydantic import SecretStr, ValidationError

from bot.notebook import health, keeper, remote, repository
from bot.notebook.remote import PushFailed
from configs.schema import NotebookSettings
from storage import entries
from storage.models import Decision
from tests.git_server import git_server
from tests.house import open_house, settings_for

TOKEN = "canary-token"


def to(remote_name, token=None):
    return NotebookSettings(
        remote=remote_name, token=SecretStr(token) if token else None, timeout_s=5
    )


def empty(path):
    with closing(Repo.init_bare(str(path), mkdir=True)):
        return path


def branches(path):
    with closing(Repo(str(path))) as repo:
        return {
            name.decode(): commit.decode()
            for name, commit in repo.get_refs().items()
            if name.startswith(b"refs/heads/")
        }


async def written(house):
    """Play a run of one try and return the newest commit of its notebook."""
    await house.start()
    await house.answer(Decision.APPROVE)
    await house.answer(Decision.APPROVE)
    return (await house.app.services.db.read(entries.heads))[1]


async def pushed(house):
    house.app.keeper.push_soon()
    await house.app.keeper._pushing


async def test_each_run_goes_to_its_own_repository_or_to_a_branch_of_a_shared_one(tmp_path):
    alone, shared = empty(tmp_path / "run-1.git"), empty(tmp_path / "shared.git")
    for place, branch in (
        (f"{tmp_path}/run-{{run}}.git", "refs/heads/main"),
        (str(shared), "refs/heads/run-1"),
    ):
        async with open_house(tmp_path / branch.replace("/", "-"), notebook=to(place)) as house:
            head = await written(house)
            await pushed(house)

        assert branches(alone if "main" in branch else shared) == {branch: head}


async def test_a_second_try_is_added_to_what_is_there_and_nothing_is_pushed_twice(tmp_path):
    shared = empty(tmp_path / "shared.git")
    async with open_house(tmp_path, notebook=to(str(shared))) as house:
        await house.start()
        await house.answer(Decision.APPROVE)
        await house.reply("3 epochs")
        await pushed(house)
        first = branches(shared)
        await house.answer(Decision.APPROVE)
        await house.answer(Decision.APPROVE)
        await pushed(house)
        second = branches(shared)

        heads = await house.app.services.db.read(entries.heads)
        assert second == {"refs/heads/run-1": heads[1]}
        assert first != second
        with closing(Repo(str(shared))) as repo:
            newest = next(iter(repo.get_walker(include=[ObjectID(heads[1].encode())]))).commit
            assert newest.parents == [first["refs/heads/run-1"].encode()]
        assert remote.is_pushed(house.app.keeper.folder, 1, to(str(shared)))
        assert not remote.is_pushed(house.app.keeper.folder, 1, to(str(tmp_path / "other.git")))


async def test_over_http_with_an_account_and_the_token_stands_nowhere(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    (tmp_path / "served").mkdir()
    empty(tmp_path / "served" / "lab.git")
    with git_server(tmp_path / "served") as server:
        notebook = to(f"{server.url}/lab.git", TOKEN)
        async with open_house(tmp_path, notebook=notebook) as house:
            head = await written(house)
            await pushed(house)

        assert branches(tmp_path / "served" / "lab.git") == {"refs/heads/run-1": head}
        assert any(account for _path, account in server.seen)
    kept = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert len(kept) > 10
    assert [path for path in kept if TOKEN.encode() in path.read_bytes()] == []
    assert TOKEN not in caplog.text


async def test_a_wrong_token_is_told_once_in_the_log_and_by_the_doctor(tmp_path, caplog):
    (tmp_path / "served").mkdir()
    empty(tmp_path / "served" / "lab.git")
    with git_server(tmp_path / "served") as server:
        notebook = to(f"{server.url}/lab.git", "canary-wrong")
        async with open_house(tmp_path, notebook=notebook) as house:
            await written(house)
            await pushed(house)
            await pushed(house)
            told = [r.message for r in caplog.records if "is not pushed" in r.message]
            assert len(told) == 1
            assert "does not accept the account" in told[0]

            found = await health.examine(settings_for(tmp_path, notebook=notebook))
    on_disk, elsewhere = found
    assert (on_disk.ok, on_disk.found) == (True, "1 whole")
    assert not elsewhere.ok
    assert "does not accept the account" in elsewhere.found
    assert "TUNEWRIGHT__NOTEBOOK__TOKEN" in elsewhere.fix
    assert "canary" not in caplog.text + str(found)


async def test_a_server_that_is_busy_is_tried_again_and_one_that_is_gone_is_told(tmp_path):
    (tmp_path / "served").mkdir()
    empty(tmp_path / "served" / "lab.git")
    async with open_house(tmp_path) as house:
        head = await written(house)
        folder = house.app.keeper.folder
    with git_server(tmp_path / "served") as server:
        server.broken = 2
        place = to(f"{server.url}/lab.git", TOKEN)
        await remote.push(folder, 1, place, first_wait_s=0.01)
        assert branches(tmp_path / "served" / "lab.git") == {"refs/heads/run-1": head}
        assert not server.broken

    with pytest.raises(PushFailed, match="cannot be reached") as failed:
        await remote.push(folder, 1, place, first_wait_s=0.01)
    assert "canary" not in str(failed.value)


async def test_neither_token_nor_rows_follow_a_redirect_to_another_server(tmp_path):
    (tmp_path / "served").mkdir()
    empty(tmp_path / "served" / "lab.git")
    async with open_house(tmp_path) as house:
        await written(house)
        folder = house.app.keeper.folder
    with git_server(tmp_path / "served") as other, git_server(tmp_path / "served") as server:
        server.redirect_to, other.open = other.url, True
        with pytest.raises(PushFailed, match="leads to another address"):
            await remote.push(folder, 1, to(f"{server.url}/lab.git", TOKEN), first_wait_s=0.01)

        assert server.seen
        assert other.seen == []


async def test_commits_of_somebody_else_are_left_alone(tmp_path):
    shared = empty(tmp_path / "shared.git")
    with closing(Repo(str(shared))) as repo:
        blob = Blob.from_string(b"mine")
        tree = Tree()
        tree.add(b"file", 0o100644, blob.id)
        commit = Commit()
        commit.tree, commit.message = tree.id, b"mine"
        commit.author = commit.committer = b"Ben <ben@example.org>"
        commit.author_time = commit.commit_time = 0
        commit.author_timezone = commit.commit_timezone = 0
        repo.object_store.add_objects([(thing, None) for thing in (blob, tree, commit)])
        repo.refs[b"refs/heads/run-1"] = commit.id
    before = branches(shared)
    async with open_house(tmp_path) as house:
        await written(house)

        with pytest.raises(PushFailed, match="not of this notebook"):
            await remote.push(house.app.keeper.folder, 1, to(str(shared)))

    assert branches(shared) == before


async def test_a_server_that_hangs_holds_no_exit_up(tmp_path, monkeypatch):
    monkeypatch.setattr(keeper, "LAST_PUSH_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"http://127.0.0.1:{silent.getsockname()[1]}/x.git"
        settings = NotebookSettings(remote=place, timeout_s=600)
        async with open_house(tmp_path, notebook=settings) as house:
            await written(house)
            pushing = house.app.keeper._pushing
            assert not pushing.done()

            await house.app.keeper.close()

            assert pushing.cancelled()


async def test_nothing_is_pushed_where_nothing_is_configured(tmp_path):
    async with open_house(tmp_path) as house:
        await written(house)

        assert house.app.keeper._pushing is None
        with closing(Repo(str(repository.path_of(house.app.keeper.folder, 1)))) as repo:
            assert [n for n in repo.get_refs() if n.startswith(b"refs/remotes/")] == []
    assert [c.name for c in await health.examine(settings_for(tmp_path))] == ["notebooks"]


@pytest.mark.parametrize(
    "place",
    [
        "https://anna:secret@git.example.org/lab.git",
        "https://git.example.org/lab.git?token=secret",
        "http://git.example.org/lab.git",
        "ssh://git@example.org/lab.git",
        "lab.git",
        "/srv/../etc/lab.git",
        "https://git.example.org/{user}.git",
        "https://git.example.org/a b.git",
        "/srv/\x00.git",
    ],
)
def test_an_address_with_more_than_a_place_in_it_is_refused(place):
    with pytest.raises(ValidationError) as refused:
        NotebookSettings(remote=place)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "place",
    [
        "https://git.example.org:8443/lab/run-{run}.git",
        "http://127.0.0.1:1/x",
        "/srv/git/{run}.git",
    ],
)
def test_an_address_that_is_a_place_is_taken(place):
    assert NotebookSettings(remote=place).remote == place
