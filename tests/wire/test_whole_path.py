"""The real bot and the real worker on real data: from an upload to an adapter that stock PEFT loads. Many minutes.

The transcripts of the threads are left in the tests' temporary folder.
"""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import aiohttp
import pytest

from tests.wire.bot_process import RealBot
from tests.wire.model import Message
from tests.wire.server import WireServer
from tests.wire.thread import DELIVERED, PLAN, VERDICT, Thread, thread_of_run, title_of
from tests.wire.zygote import ROOT

DATA = ROOT.parent / "shared" / "data"
AN_HOUR_S = 3600.0

pytestmark = [
    pytest.mark.torch,
    pytest.mark.slow,
    pytest.mark.timeout(2 * AN_HOUR_S),
    pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not here"),
]

LOAD_AND_ANSWER = """
import json, sys, peft, torch, transformers
base, folder, prompt = sys.argv[1:]
tokenizer = transformers.AutoTokenizer.from_pretrained(base)
model = transformers.AutoModelForCausalLM.from_pretrained(base)
model = peft.PeftModel.from_pretrained(model, folder)
asked = tokenizer.apply_chat_template(
    [{"role": "user", "content": prompt}], add_generation_prompt=True, return_tensors="pt", return_dict=True
)
with torch.no_grad():
    said = model.generate(**asked, max_new_tokens=40, do_sample=False)
print(json.dumps(tokenizer.decode(said[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)))
"""


async def test_a_question_classifier_by_command(wire: WireServer, tmp_path: Path) -> None:
    task = "Classify the customer's banking question"
    upload = ("banking77_train.csv", (DATA / "banking77_train.csv").read_bytes())
    async with RealBot(wire, tmp_path) as bot:
        asked = await wire.person("ada").slash("finetune start", dataset=upload, task=task)
        await asked.ack()

        adapter, delivered = await to_the_adapter(wire, tmp_path, "use 600 rows")

        answer = answer_of(bot, adapter, f"{task}\n\nMy card was stolen, what do I do?")
    assert "_" in answer, delivered  # labels look like lost_or_stolen_card
    assert " " not in answer


async def test_a_writer_of_descriptions_by_mention(wire: WireServer, tmp_path: Path) -> None:
    upload = ("e2e_dev.csv", (DATA / "e2e_dev.csv").read_bytes())
    async with RealBot(wire, tmp_path) as bot:
        ada = wire.person("ada")
        await ada.say("Describe the restaurant in a sentence", files=[upload], mention_bot=True)

        adapter, _delivered = await to_the_adapter(wire, tmp_path, "use 600 rows, 100 test rows")

        answer = answer_of(bot, adapter, "name[Aromi], eatType[pub], area[city centre]")
    assert "Aromi" in answer


async def to_the_adapter(server: WireServer, folder: Path, amendment: str) -> tuple[Path, Message]:
    """Do as a person does from the plan to the unpacked adapter: amend, approve, go on, accept, download."""
    ada, thread = server.person("ada"), await thread_of_run(server)
    try:
        plan = await thread.question(PLAN, AN_HOUR_S)
        await ada.reply(plan, amendment)
        amended = await thread.question(f"{PLAN}, version 2", AN_HOUR_S)
        assert "600" in thread.body(title_of(amended))
        await ada.react(amended, "✅")
        await ada.react(await thread.question("50 % done", AN_HOUR_S), "✅")
        await ada.react(await thread.question(VERDICT, AN_HOUR_S), "✅")
        delivered = await thread.card(DELIVERED, AN_HOUR_S)
    finally:
        keep_transcript(server, thread, folder)
    link = next(word for word in thread.body(DELIVERED).split() if word.startswith("http://"))
    async with aiohttp.ClientSession() as session, session.get(link) as response:
        assert response.status == 200
        archive = zipfile.ZipFile(io.BytesIO(await response.read()))
    archive.extractall(folder / "adapter")
    return next((folder / "adapter").rglob("adapter_config.json")).parent, delivered


def keep_transcript(server: WireServer, thread: Thread, folder: Path) -> None:
    places = [server.general, thread.place]
    (folder / "transcript.txt").write_text("\n\n".join(map(server.transcript, places)))


def answer_of(bot: RealBot, adapter: Path, prompt: str) -> str:
    """Load an adapter with nothing but transformers and PEFT, on its base, and ask it something."""
    base = next((bot.data_dir / "models").rglob("config.json")).parent
    ran = subprocess.run(
        [sys.executable, "-c", LOAD_AND_ANSWER, str(base), str(adapter), prompt],
        capture_output=True,
        check=True,
        text=True,
    )
    return str(json.loads(ran.stdout.splitlines()[-1]))
