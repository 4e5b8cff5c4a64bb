"""What only runs of models can be asked for is refused for a workflow in a sentence that says what to do instead."""

import pytest

from agents.jobs import ExportFormat
from agents.services import UserError
from bot import targets
from bot.publish_wishes import Publish
from bot.reproduce import reproduce
from bot.targets import Verb
from configs.schema import HubSettings
from storage.models import Decision, Phase
from tests.house import ANNA, open_house, settings_for
from tests.stub_workflows import StubWorkflows, answer, open_question, play, start


@pytest.fixture(autouse=True)
def every_message_can_be_shown(caplog):
    yield
    assert "message not shown" not in caplog.text


class Silent:
    """A language model that is never asked."""

    name = "silent"

    async def ask(self, *_asked):
        raise AssertionError("nothing was to be asked")

    def close(self):
        """Nothing is held."""


ASKED = {
    Verb.EXPORT: lambda house: house.app.commands.export(1, ANNA, ExportFormat.GGUF),
    Verb.PUBLISH: lambda house: house.app.commands.publish(1, ANNA, Publish("anna/sort")),
    Verb.WHY: lambda house: house.app.commands.why(1, ANNA, None, "3"),
    Verb.COMPARE: lambda house: house.app.commands.blind.compare(1, ANNA),
    Verb.JUDGE: lambda house: house.app.commands.blind.judge(1, ANNA),
    Verb.CONTINUE: lambda house: house.start("log:9", continue_from=1),
}


async def test_verbs_of_models_are_refused_whatever_a_run_is_at(tmp_path):
    hub = HubSettings(token="hf_x")
    launcher = StubWorkflows()
    async with open_house(tmp_path, stand_in=launcher, hub=hub, llm=Silent()) as house:
        await start(house, rounds=1)
        for ask in ASKED.values():
            with pytest.raises(UserError, match="Run #1 improves a workflow: "):
                await ask(house)
        await play(house, until=9)
        assert (await house.run()).phase is Phase.DELIVERED
        for verb, ask in ASKED.items():
            with pytest.raises(UserError, match=targets.NOT_OF_WORKFLOWS[verb][:20]):
                await ask(house)
        assert (await house.run()).phase is Phase.DELIVERED


async def test_nothing_is_reproduced_where_nothing_was_trained(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await start(house, rounds=1)
        await play(house, until=9)

    with pytest.raises(UserError, match=r"nothing was trained\. `tunewright workflow test`"):
        await reproduce(settings_for(tmp_path), 1, print)


async def test_words_that_name_an_earlier_run_are_a_goal_here(tmp_path):
    async with open_house(tmp_path, stand_in=StubWorkflows()) as house:
        await start(house)
        await answer(house, Decision.REVISE, "continue from run 7")

        asked = await open_question(house)
        assert (asked.gate, asked.revision) == ("plan", 1)
        assert (await house.run()).parent is None


def test_every_verb_has_its_sentence():
    assert set(targets.NOT_OF_WORKFLOWS) == set(Verb)
    assert len(ASKED) == len(Verb) - 1  # `reproduce` has a test of its own
