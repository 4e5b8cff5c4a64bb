"""What `agents.hub` rests on, for our fake Hub and, with a token, for the real one.

    HUB_CONTRACT_TOKEN=hf_… HUB_CONTRACT_OWNER=me pytest tests/contracts/test_hubs.py

makes private repositories there that begin with `tunewright-contract-`, and deletes them.
"""

import asyncio
import os
import sys
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from agents import hub
from agents.hub import HubError
from configs.schema import HubSettings
from tests.wire.hub import FakeHub

TOKEN, OWNER = os.environ.get("HUB_CONTRACT_TOKEN"), os.environ.get("HUB_CONTRACT_OWNER")
CARD = "---\nlicense: apache-2.0\nlibrary_name: peft\n---\n\n# A card\n"
DELETE = (
    "import sys; from huggingface_hub import HfApi;"
    "HfApi(endpoint=sys.argv[1] or None, token=sys.argv[2]).delete_repo(sys.argv[3])"
)


@dataclass
class Stage:
    """A Hub, an account of it, and what was made there."""

    settings: HubSettings
    owner: str
    made: list[str] = field(default_factory=list)

    def new_repo(self):
        self.made.append(f"{self.owner}/tunewright-contract-{uuid4().hex[:12]}")
        return self.made[-1]


@pytest.fixture(params=["fake", "real"])
async def stage(request):
    if request.param == "fake":
        async with FakeHub() as fake:
            yield Stage(HubSettings(token="hf_anna", endpoint=fake.endpoint), "anna")
        return
    if TOKEN is None or OWNER is None:
        pytest.skip("no HUB_CONTRACT_TOKEN and HUB_CONTRACT_OWNER")
    stage = Stage(HubSettings(token=TOKEN), OWNER)
    yield stage
    for repo in stage.made:
        words = ("-c", DELETE, "", TOKEN, repo)
        child = await asyncio.create_subprocess_exec(
            sys.executable, *words, env={**os.environ, "HF_HUB_OFFLINE": "0"}
        )
        await child.wait()


@pytest.fixture
def folder(tmp_path):
    """A small file, a card, and one that goes to the store for large files."""
    folder = tmp_path / "outbox"
    folder.mkdir()
    (folder / "README.md").write_text(CARD)
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (folder / "adapter_model.safetensors").write_bytes(b"\0" * 1000)
    return folder


async def push(stage, folder, repo, **facts):
    facts = {"private": True, "head": None, "message": "Upload"} | facts
    return await hub.push(stage.settings, folder, repo, **facts)


async def test_looking_tells_whose_token_it_is_and_that_a_repository_is_not_there(stage):
    seen = await hub.look(stage.settings, stage.new_repo())

    assert seen.account
    assert seen.may_write
    assert seen.repository is None


async def test_what_was_pushed_is_there_privately_and_pushing_it_again_makes_no_commit(
    stage, folder
):
    repo = stage.new_repo()

    first = await push(stage, folder, repo)
    seen = (await hub.look(stage.settings, repo)).repository
    again = await push(stage, folder, repo)

    assert not first.already
    assert seen.private
    assert seen.head == first.commit
    assert {path.name for path in folder.iterdir()} <= set(seen.files)
    assert again.already
    assert again.commit == first.commit


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
async def test_a_changed_file_is_pushed_on_top_of_what_was_seen(stage, folder, name):
    repo = stage.new_repo()
    first = await push(stage, folder, repo)

    (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    second = await push(stage, folder, repo, head=first.commit)

    assert not second.already
    assert second.commit != first.commit


async def test_a_repository_that_has_changed_since_is_left_alone(stage, folder):
    repo = stage.new_repo()
    first = await push(stage, folder, repo)
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 8}')

    with pytest.raises(HubError) as refused:
        await push(stage, folder, repo, head=None)

    assert refused.value.code == "changed"
    assert (await hub.look(stage.settings, repo)).repository.head == first.commit


async def test_nothing_private_goes_into_a_public_repository_nor_the_other_way_round(stage, folder):
    repo = stage.new_repo()
    first = await push(stage, folder, repo)

    with pytest.raises(HubError) as refused:
        await push(stage, folder, repo, private=False, head=first.commit)

    assert refused.value.code == "visibility"


async def test_a_wrong_token_is_named(stage):
    wrong = stage.settings.model_copy(update={"token": HubSettings(token="hf_wrong").token})

    with pytest.raises(HubError) as refused:
        await hub.look(wrong, None)

    assert (refused.value.code, refused.value.status) == ("http", 401)


async def test_metadata_against_the_rules_are_refused_before_anything_is_committed(stage, folder):
    repo = stage.new_repo()
    (folder / "README.md").write_text(CARD.replace("apache-2.0", "my own"))

    with pytest.raises(HubError) as refused:
        await push(stage, folder, repo)

    assert refused.value.code == "metadata"
    assert "README.md" not in (await hub.look(stage.settings, repo)).repository.files
