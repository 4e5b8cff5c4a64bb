"""Models that child programs of this machine hold: started once, told what to do, and never left behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

from agents.workflow.backends import models_from
from agents.workflow.outside import ModelError
from configs.schema import Settings
from tests.agents.workflow.toy_converse import install

ROOT = Path(__file__).parents[3]
CATALOGUE = {"tiny": "folder:/srv/tiny", "broken": "folder:/srv/broken"}


def settings(program, data_dir, **workflows):
    return Settings.model_validate(
        {
            "data_dir": str(data_dir),
            "launcher": {"python": str(program)},
            "models": {"catalogue": CATALOGUE, "default": "tiny"},
            "workflows": {"back_end": "local", "timeout_s": 20, **workflows},
        }
    )


@pytest.fixture
def house(tmp_path):
    program, starts = install(tmp_path)
    with models_from(settings(program, tmp_path / "data")) as models:
        yield models, lambda: [json.loads(line) for line in starts.read_text().splitlines()]


async def test_a_reply_comes_in_pieces_with_its_tokens(house):
    models, _ = house
    chat = models.chat("tiny", {})

    pieces = [piece async for piece in chat.astream("one two three")]
    whole = await chat.ainvoke("one two three")

    assert [piece.text for piece in pieces if piece.text] == ["one", " two", " three"]
    assert whole.text == "one two three"
    assert whole.usage_metadata == {"input_tokens": 3, "output_tokens": 3, "total_tokens": 6}
    assert whole.response_metadata["done_reason"] == "stop"


async def test_one_child_holds_a_model_for_the_whole_run(house):
    models, starts = house

    await models.chat("tiny", {"temperature": 0}).ainvoke("one")
    await asyncio.gather(*(models.chat("tiny", {}).ainvoke(f"say {i}") for i in range(5)))

    (start,) = starts()
    assert start["spec"]["base"]["source"] == "folder:/srv/tiny"
    assert start["spec"]["adapter"] is None


async def test_what_is_asked_reaches_the_child_as_templates_want_it(house):
    models, _ = house
    call = {"name": "weather", "args": {"city": "Rome"}, "id": "c1"}
    said = [
        SystemMessage("Be brief."),
        HumanMessage([{"type": "text", "text": "Weather?"}]),
        AIMessage("", tool_calls=[call]),
        ToolMessage("sunny", tool_call_id="c1"),
        HumanMessage("all"),
    ]
    chat = models.chat("tiny", {"temperature": 0, "seed": 4})

    request = json.loads((await models.structured(chat, {"type": "object"}).ainvoke(said)).text)

    assert [message["role"] for message in request["messages"]] == ["system", "user", "assistant", "tool", "user"]  # fmt: skip
    assert request["messages"][1]["content"] == "Weather?"
    assert request["messages"][2]["tool_calls"][0]["function"]["arguments"] == {"city": "Rome"}
    assert request["schema"] == {"type": "object"}
    assert request["parameters"] == {"temperature": 0, "seed": 4}


async def test_calls_of_tools_are_read_out_of_the_reply(house):
    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return city

    models, _ = house
    chat = models.chat("tiny", {}).bind_tools([weather])
    said = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call> <tool_call>{"x"}</tool_call>'

    reply = await chat.ainvoke(said)
    plain = await models.chat("tiny", {}).ainvoke(said)

    assert [(call["name"], call["args"]) for call in reply.tool_calls] == [
        ("weather", {"city": "Rome"})
    ]
    assert plain.tool_calls == []


async def test_what_the_child_cannot_do_is_told_and_it_goes_on(house):
    models, starts = house
    chat = models.chat("tiny", {})

    with pytest.raises(ModelError, match="has 9 tokens"):
        await chat.ainvoke("refuse")

    assert (await chat.ainvoke("on we go")).text == "on we go"
    assert len(starts()) == 1


async def test_a_child_that_dies_is_started_again(house):
    models, starts = house

    assert (await models.chat("tiny", {}).ainvoke("die once")).text == "die once"
    assert len(starts()) == 2


async def test_a_child_that_always_dies_is_given_up(house):
    models, starts = house

    with pytest.raises(ModelError, match="ended before its reply"):
        await models.chat("tiny", {}).ainvoke("die")

    assert len(starts()) == 3


async def test_a_model_that_cannot_be_loaded_is_told_in_the_worker_s_words(house):
    models, starts = house

    with pytest.raises(ModelError, match="The model 'broken' has no weights"):
        await models.chat("broken", {}).ainvoke("Hello")

    assert len(starts()) == 1


async def test_a_reply_that_nobody_waits_for_is_stopped(house):
    models, starts = house
    chat = models.chat("tiny", {})

    begun = asyncio.Event()

    async def listen():
        async for _piece in chat.astream("sleep"):
            begun.set()

    waiting = asyncio.create_task(listen())
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert (await chat.ainvoke("awake")).text == "awake"
    assert len(starts()) == 1


async def test_closing_ends_every_child(tmp_path):
    program, starts = install(tmp_path)
    with models_from(settings(program, tmp_path)) as models:
        await models.chat("tiny", {}).ainvoke("one")
        await models.embeddings("all-minilm").aembed_query("two")
        pids = [json.loads(line)["pid"] for line in starts.read_text().splitlines()]
        assert len(pids) == 2
        assert all(psutil.pid_exists(pid) for pid in pids)

    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_child_ends_when_the_program_that_started_it_is_killed(tmp_path):
    program, starts = install(tmp_path)
    code = (
        "import asyncio, time\n"
        "from agents.workflow.backends import models_from\n"
        "from tests.agents.workflow.test_local_models import settings\n"
        f"models = models_from(settings({str(program)!r}, {str(tmp_path)!r}))\n"
        "asyncio.run(models.chat('tiny', {}).ainvoke('one'))\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"ready\n"
    (pid,) = [json.loads(line)["pid"] for line in starts.read_text().splitlines()]
    assert psutil.pid_exists(pid)

    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    ends_at_s = time.monotonic() + 20
    while psutil.pid_exists(pid) and time.monotonic() < ends_at_s:
        time.sleep(0.02)
    assert not psutil.pid_exists(pid)


async def test_ctrl_c_in_the_terminal_does_not_reach_a_child(house):
    models, starts = house
    await models.chat("tiny", {}).ainvoke("one")

    assert os.getpgid(starts()[0]["pid"]) != os.getpgid(0)


async def test_an_unknown_model_is_told_with_those_that_there_are(house):
    models, _ = house

    with pytest.raises(ModelError, match=r"has no model “gemma3:4b”\. It has: broken, tiny"):
        models.chat("gemma3:4b", {})
    with pytest.raises(ModelError, match=r"has no model “embeddinggemma”\. It has: all-minilm"):
        models.embeddings("embeddinggemma")
    with pytest.raises(ModelError, match="There is no adapter"):
        models.chat("tiny+/nowhere", {})


async def test_pictures_are_refused_before_anything_is_sent(house):
    models, _ = house
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}

    with pytest.raises(ModelError, match="read text only"):
        await models.chat("tiny", {}).ainvoke([HumanMessage([picture])])
