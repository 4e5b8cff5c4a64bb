"""What is looked up for a prompt, how it is shown, and what of it is kept."""

import json
import logging
from pathlib import Path

import ormsgpack
import pytest
from langchain_core.embeddings import Embeddings

from agents.workflow import vectors
from agents.workflow.documents import Chunk
from agents.workflow.guarded import Patience
from agents.workflow.load import load
from agents.workflow.model import Rag
from agents.workflow.ollama_models import OllamaModels
from agents.workflow.outside import ModelError
from agents.workflow.rag import Ranked, context_for, look_up, with_context
from agents.workflow.reach import Reach
from tests.agents.workflow.written import EXAMPLES
from tests.ollama_server import FakeOllama, running, vector

TEXTS = {
    "cats.md": "Cats sleep most of the day.",
    "tax.md": "Tax returns are due in July.",
    "sea.md": "The sea is salty because rivers carry minerals.",
}
QUESTION = "When are tax returns due?"


class Counting(Embeddings):
    """Counts words; notes what it was asked for."""

    def __init__(self, twist=1.0):
        self.asked: list[str] = []
        self._twist = twist

    def embed_documents(self, texts):
        self.asked += texts
        return [[value + (self._twist if i == 0 else 0.01) for i, value in enumerate(vector(t))] for t in texts]  # fmt: skip

    def embed_query(self, text):
        return self.embed_documents([text])[0]


class House:
    """Models of which only embeddings are wanted."""

    def __init__(self, embedder=None):
        self.embedder = embedder

    def chat(self, name, parameters):
        raise AssertionError("nobody chats here")

    structured = chat

    def embeddings(self, name):
        if self.embedder is None:
            raise ModelError("No embedding model is configured: set workflows.embedding_model.")
        return self.embedder


@pytest.fixture
def folder(tmp_path):
    there = tmp_path / "docs"
    there.mkdir()
    for name, text in TEXTS.items():
        (there / name).write_text(text)
    return there


def rag(folder, **more):
    told = {
        "name": "docs",
        "directory": str(folder),
        "base_dir": Path(folder).parent,
        "model": None,
        "embeddings_file": "embeddings.msgpack",
        "chunk_size_chars": 1000,
        "top_k": 1,
        "chunk_template": None,
        "context_template": None,
    }
    return Rag(**(told | more))


async def looked_up(folder, house, reach=Reach(), keep_in=None, **more):  # noqa: B008  # frozen
    return await look_up(rag(folder, **more), QUESTION, house, reach, keep_in)


async def test_what_fits_goes_with_the_prompt(folder):
    found = await looked_up(folder, House(Counting()))

    assert found.prompt == (
        f"{QUESTION}\n\nRelevant context:\n\n[Source: tax.md]\nTax returns are due in July."
    )
    assert found.ranked is Ranked.MEANING
    assert found.note is None


async def test_d04_the_model_and_the_address_that_are_named_are_asked(folder):
    fake = FakeOllama(models=("all-minilm", "embeddinggemma"))
    async with running(fake) as url:
        models = OllamaModels(url, Patience())
        prompt = await context_for(rag(folder, model="all-minilm"), QUESTION, models, Reach())

    assert "Tax returns" in prompt
    assert {asked["model"] for asked in fake.asked} == {"all-minilm"}
    assert sum(len(asked["input"]) for asked in fake.asked) == len(TEXTS) + 2


def test_d05_every_placeholder_is_filled_and_the_question_stands_there_once(folder):
    chunks = [Chunk("a.md_chunk_0", "a.md", "First."), Chunk("b.md_chunk_2", "b.md", "Second.")]  # fmt: skip
    own = rag(
        folder,
        top_k=2,
        chunk_template="{{number}}/{{topK}} ({{index}}) {{chunk.id}} {{chunk.source}}: {{chunk.text}} for {{prompt}}\n",
        context_template="Best of {{topK}} is {{chunk.source}}:\n{{chunks}}\nQuestion: {{prompt}}\n",
    )

    assert with_context(own, "Why?", chunks) == (
        "Best of 2 is a.md:\n"
        "1/2 (0) a.md_chunk_0 a.md: First. for Why?\n\n"
        "2/2 (1) b.md_chunk_2 b.md: Second. for Why?\n"
        "Question: Why?"
    )


def test_a_document_cannot_fill_placeholders(folder):
    chunks = [Chunk("a_chunk_0", "a", "{{prompt}} {{chunks}} {{unknown}}")]

    assert with_context(rag(folder), "Why?", chunks) == (
        "Why?\n\nRelevant context:\n\n[Source: a]\n{{prompt}} {{chunks}} {{unknown}}"
    )


@pytest.mark.parametrize("name", ["embeddings.msgpack", "vectors.json"])
async def test_embeddings_are_kept_in_the_form_that_the_ending_says(folder, name):
    first = await looked_up(folder, House(Counting()), embeddings_file=name)
    embedder = Counting()
    second = await looked_up(folder, House(embedder), embeddings_file=name)

    stored = (folder / name).read_bytes()
    read = json.loads(stored) if name.endswith("json") else ormsgpack.unpackb(stored)
    assert first.embedded == 3
    assert second.embedded == 0
    assert second.prompt == first.prompt
    assert embedder.asked == [QUESTION, vectors.PROBE]
    assert {chunk["source"] for chunk in read["chunks"]} == set(TEXTS)
    assert read["chunks"][0].keys() == {"id", "text", "source", "embedding"}


async def test_only_what_is_new_is_computed_when_documents_change(folder):
    await looked_up(folder, House(Counting()))
    (folder / "cats.md").unlink()
    (folder / "tax.md").write_text("Tax returns are due in May, since last year.")

    embedder = Counting()
    found = await looked_up(folder, House(embedder))

    stored = ormsgpack.unpackb((folder / "embeddings.msgpack").read_bytes())
    assert found.embedded == 1
    assert "in May" in found.prompt
    assert {chunk["source"] for chunk in stored["chunks"]} == {"tax.md", "sea.md"}


async def test_another_size_of_chunks_and_another_model_are_computed_anew(folder):
    await looked_up(folder, House(Counting()))

    smaller = await looked_up(folder, House(Counting()), chunk_size_chars=20)
    other = await looked_up(folder, House(Counting(twist=9.0)), chunk_size_chars=20)
    again = await looked_up(folder, House(Counting(twist=9.0)), chunk_size_chars=20)

    chunks = len(ormsgpack.unpackb((folder / "embeddings.msgpack").read_bytes())["chunks"])
    assert smaller.embedded == chunks > 3
    assert other.embedded == chunks
    assert again.embedded == 0


async def test_a_kept_file_with_another_model_s_vectors_in_it_is_not_believed(folder):
    await looked_up(folder, House(Counting()), embeddings_file="e.json")
    stored = json.loads((folder / "e.json").read_text())
    stored["chunks"][1]["embedding"] = [1.0] * 256  # the original's histogram of characters
    (folder / "e.json").write_text(json.dumps(stored))

    found = await looked_up(folder, House(Counting()), embeddings_file="e.json")

    assert found.embedded == 3
    assert found.ranked is Ranked.MEANING


async def test_the_original_s_file_is_replaced_and_a_stranger_s_is_not(folder):
    original = {"config": {}, "chunks": [{"id": "1", "text": "x", "source": "y", "embedding": [1]}]}
    (folder / "theirs.json").write_text(json.dumps(original))
    (folder / "notes.json").write_text('{"my": "notes"}')

    found = await looked_up(folder, House(Counting()), embeddings_file="theirs.json")
    with pytest.raises(ModelError, match=r"“notes\.json” .* is no file of embeddings"):
        await looked_up(folder, House(Counting()), embeddings_file="notes.json")

    assert found.embedded == 4  # the notes are a document here
    assert (folder / "notes.json").read_text() == '{"my": "notes"}'


async def test_without_a_model_for_embeddings_words_are_compared_and_that_is_said(folder, caplog):
    found = await looked_up(folder, House())
    with caplog.at_level(logging.WARNING):
        prompt = await context_for(rag(folder), QUESTION, House(), Reach())

    assert found.ranked is Ranked.WORDS
    assert [chunk.source for chunk in found.chunks] == ["tax.md"]
    assert "No embedding model is configured" in found.note
    assert "words were compared" in caplog.text
    assert prompt == found.prompt
    assert not (folder / "embeddings.msgpack").exists()


async def test_a_model_that_the_server_lacks_is_no_model_for_embeddings(folder):
    async with running(FakeOllama(models=("gemma3:4b",))) as url:
        models = OllamaModels(url, Patience())
        found = await looked_up(folder, models, model="embeddinggemma")

    assert found.ranked is Ranked.WORDS
    assert "has no model “embeddinggemma”" in found.note


@pytest.mark.parametrize(
    "prompt", ['"tax" OR returns* NEAR(x', "tax AND NOT (", "…", "täx-returns: due?"]
)
async def test_any_prompt_can_be_looked_up_by_words(folder, prompt):
    found = await look_up(rag(folder), prompt, House(), Reach())

    assert found.prompt.startswith(prompt)


async def test_where_no_word_fits_the_prompt_goes_alone(folder):
    found = await look_up(rag(folder), "xyzzy", House(), Reach())

    assert found.prompt == "xyzzy"
    assert found.chunks == ()


async def test_an_upload_leaves_nothing_in_its_folder_and_its_embeddings_in_the_run_s(
    folder, tmp_path
):
    reach = Reach(within=folder.parent)
    run = tmp_path / "run"

    nowhere = await looked_up(folder, House(Counting()), reach)
    first = await looked_up(folder, House(Counting()), reach, run)
    second = await looked_up(folder, House(Counting()), reach, run)

    assert [found.embedded for found in (nowhere, first, second)] == [3, 3, 0]
    assert sorted(path.name for path in folder.iterdir()) == sorted(TEXTS)
    assert len(list(run.iterdir())) == 1


async def test_an_upload_cannot_name_documents_outside_of_its_folder(folder, tmp_path):
    upload = tmp_path / "upload"
    upload.mkdir()

    for directory in ("../docs", str(folder)):
        own = rag(folder, directory=directory, base_dir=upload)
        with pytest.raises(ModelError, match="leads out of the folder"):
            await look_up(own, QUESTION, House(), Reach(within=upload))


async def test_embeddings_cannot_be_written_outside_of_the_documents(folder):
    with pytest.raises(ModelError, match="leads out of its folder"):
        await looked_up(folder, House(Counting()), embeddings_file="../elsewhere.json")


async def test_a_folder_that_is_not_there_is_told_with_where_it_was_looked_for(tmp_path):
    with pytest.raises(ModelError, match="there is no such folder"):
        await looked_up(tmp_path / "nowhere", House())


async def test_a_folder_that_cannot_be_written_to_is_looked_up_all_the_same(folder, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(vectors, "save", full)

    assert (await looked_up(folder, House(Counting()))).ranked is Ranked.MEANING


async def test_a_torn_file_never_stands_where_embeddings_are_kept(folder, monkeypatch):
    await looked_up(folder, House(Counting()))
    before = (folder / "embeddings.msgpack").read_bytes()
    (folder / "new.md").write_text("New.")

    def killed(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        await looked_up(folder, House(Counting()))

    assert (folder / "embeddings.msgpack").read_bytes() == before


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the original's examples are not at hand")
async def test_d05_the_original_s_examples_say_the_question_once_and_leave_no_placeholder():
    reach = Reach(cwd=EXAMPLES.parent)
    files = ["custom-rag-templates.yaml", "multi-rag-qa.yaml", "simple-rag-template-test.yaml"]
    loaded = [load(EXAMPLES / name, reach).workflow for name in files]
    found = {rag for w in loaded for rag in [*w.rags.values(), *(s.rag for s in w.states.values())]}

    shown = [(await look_up(rag, QUESTION, House(), reach)).prompt for rag in found - {None}]

    assert len(shown) == 8
    assert [prompt.count(QUESTION) for prompt in shown] == [1] * 8
    assert [prompt for prompt in shown if "{{" in prompt] == []
