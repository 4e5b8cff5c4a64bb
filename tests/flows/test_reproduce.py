import pytest

from agents.services import UserError
from bot.reproduce import reproduce
from tests import facts
from tests.fakes import StubLauncher
from tests.house import open_house, settings_for


async def test_an_adapter_trained_once_more_is_compared_by_its_weights(tmp_path):
    async with open_house(tmp_path) as house:
        await house.deliver()

    again = await reproduce(settings_for(tmp_path), 1, print, launcher=StubLauncher())
    third = await reproduce(settings_for(tmp_path), 1, print, launcher=StubLauncher())

    assert again.same
    assert "to the bit" in again.text
    assert third.same


async def test_other_weights_are_told_with_what_has_changed(tmp_path, monkeypatch):
    async with open_house(tmp_path) as house:
        await house.deliver()
    ordinary = facts.a_training
    monkeypatch.setattr(
        "tests.stub_work.a_training",
        lambda **found: ordinary(
            **found | {"adapter_sha256": "f" * 64, "versions": {"torch": "1"}}
        ),
    )

    again = await reproduce(settings_for(tmp_path), 1, print, launcher=StubLauncher())

    assert not again.same
    assert "version of torch: 0 then, 1 now" in again.text


async def test_a_run_without_an_adapter_is_refused(tmp_path):
    async with open_house(tmp_path) as house:
        await house.start()

    with pytest.raises(UserError, match="no adapter"):
        await reproduce(settings_for(tmp_path), 1, print, launcher=StubLauncher())


async def test_a_training_that_fails_now_says_why(tmp_path):
    async with open_house(tmp_path) as house:
        await house.deliver()

    failing = StubLauncher({"run1-i1-train-a1": "non_finite_loss"})
    dying = StubLauncher({"run1-i1-train-a1": "die"})
    with pytest.raises(UserError, match="scripted non_finite_loss"):
        await reproduce(settings_for(tmp_path), 1, print, launcher=failing)
    with pytest.raises(UserError, match="worker died"):
        await reproduce(settings_for(tmp_path), 1, print, launcher=dying)


async def test_a_training_whose_memory_ran_out_on_the_way_may_differ_and_that_is_said(
    tmp_path, monkeypatch
):
    async with open_house(tmp_path, script={"run1-i1-train-a1": "oom"}) as house:
        await house.deliver()
    ordinary = facts.a_training
    monkeypatch.setattr(
        "tests.stub_work.a_training",
        lambda **found: ordinary(**found | {"adapter_sha256": "f" * 64}),
    )

    again = await reproduce(settings_for(tmp_path), 1, print, launcher=StubLauncher())

    assert "memory ran out on the way then" in again.text
    assert "it is the machine" not in again.text
