"""The job that finds what documents, and where it is planned pages and databases, say about a task."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from agents.jobs import (
    Fact,
    FileRef,
    GatherResult,
    GatherSpec,
    JobOutcome,
    JobResult,
    Source,
    write_atomically,
)
from agents.jobs.reporting import Reporter
from agents.knowledge import asking
from agents.knowledge.chunks import passages
from agents.knowledge.documents import Unreadable, text_of
from agents.knowledge.embedding import embedder
from agents.knowledge.index import Document, Hit, Index
from configs.schema import LauncherSettings

FACTS = "facts.jsonl"
INDEX = "knowledge.sqlite"


def run(folder: Path, spec: GatherSpec) -> JobResult:
    """Read, index, look up, and write the passages that fit."""
    reporter = Reporter(folder)
    reporter.stage("reading documents", len(spec.documents))
    home = folder / spec.index_dir
    home.mkdir(parents=True, exist_ok=True)
    with (
        embedder(spec.embedding, LauncherSettings(threads=spec.threads), reporter.beat) as embed,
        Index(home / INDEX, embed, spec.embedding or "") as index,
    ):
        refused = _take_in(folder, spec, index, reporter)
        rows = prompts(folder / spec.train.path)
        wanted = asking.questions(spec.goal, spec.labels, rows)
        reporter.stage("looking things up", len(wanted))
        among = [one.id for one in spec.documents]
        hits = asking.found(index, _beating(wanted, reporter), spec.most_facts, among)
    names = {one.id: one.file.name for one in spec.documents}
    facts = [_fact(hit, names) for hit in hits]
    content = "".join(fact.model_dump_json() + "\n" for fact in facts).encode()
    write_atomically(folder / FACTS, content)
    notes = (
        ()
        if embed is not None
        else ("Passages were found by their words alone: no embedding model is installed.",)
    )
    result = GatherResult(
        facts=FileRef(
            path=FACTS, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content)
        ),
        count=len(facts),
        sources=sources(facts),
        refused=tuple(refused),
        notes=notes,
    )
    return JobResult(job_id=folder.name, outcome=JobOutcome.SUCCEEDED, payload=result)


def _take_in(folder: Path, spec: GatherSpec, index: Index, reporter: Reporter) -> list[str]:
    """Put the documents into the index; return what could not be read, and why."""
    refused = []
    for place, one in enumerate(spec.documents, start=1):
        try:
            text = text_of(one.file.name, (folder / one.file.path).read_bytes())
        except Unreadable as error:
            refused.append(str(error))
        else:
            known = Document(one.id, one.file.sha256, one.file.name, "document")
            index.add(known, passages(text))
        reporter.stage("reading documents", len(spec.documents), place)
    return refused


def prompts(path: Path) -> list[str]:
    """Return what the training rows ask: texts, or the last turn of a conversation."""
    found = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            asked = json.loads(line).get("prompt") if line.strip() else None
            if isinstance(asked, list):
                asked = asked[-1].get("content") if asked else None
            if isinstance(asked, str) and asked.strip():
                found.append(asked)
    return found


def sources(facts: Sequence[Fact]) -> tuple[Source, ...]:
    """Return where the passages are from, each once, in the order of its first passage."""
    known: dict[tuple[str, str, str], Source] = {}
    for fact in facts:
        one = fact.source
        whole = one if one.kind == "page" else one.model_copy(update={"where": ""})
        known.setdefault((one.kind, one.name, whole.where), whole)
    return tuple(known.values())


def _fact(hit: Hit, names: Mapping[str, str]) -> Fact:
    """Return a passage with its source, by the name that this run has for it: others may call the same file otherwise."""
    document = hit.document
    where = document.origin or hit.passage.where
    return Fact(
        id=hit.passage.id,
        text=hit.passage.searched,
        source=Source.model_validate(
            {
                "kind": document.kind,
                "name": names.get(document.id, document.name),
                "where": where,
                "sha256": document.sha256,
                "fetched_at": document.at,
            }
        ),
    )


def _beating(wanted: Sequence[str], reporter: Reporter) -> Iterator[str]:
    for question in wanted:
        yield question
        reporter.beat()
