"""The jobs that make rows, one after the other: find facts, make drafts, find which of them are fit."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents import generation_need, ledger, llm, run_documents, work
from agents.generation import curator_venv
from agents.jobs import (
    FileRef,
    GatherResult,
    GatherSpec,
    GenerateResult,
    GenerateSpec,
    IntakeResult,
    JobKind,
    SiftResult,
    SiftSpec,
)
from agents.jobs.workflows import Left, Spent
from agents.made_review import Review
from agents.planned_generation import PlannedGeneration
from agents.services import Services
from storage import jobs
from storage.models import Job, Run

log = logging.getLogger(__name__)

ANOTHER_SEED = 1000
"""Between the seeds of two batches."""


@dataclass(frozen=True)
class Material:
    """What rows are made from, and what they are held against."""

    run: Run
    planned: PlannedGeneration
    data: IntakeResult
    train: FileRef
    """Rows to learn from without new ones."""
    dev: FileRef
    test: FileRef


@dataclass(frozen=True)
class Batch:
    """Rows that were made and looked at."""

    made: GenerateResult
    sifted: SiftResult
    gathered: GatherResult | None
    """None: nothing was looked for, or it could not be."""
    kept: bytes
    """The rows that are fit."""
    facts: bytes
    notes: tuple[str, ...]
    """What a person should know of all three."""


@dataclass(frozen=True)
class Paid:
    """What a program may use of the language model: set aside before it begins, settled with what it says that it has used."""

    material: Material
    kind: JobKind
    batch: int

    @property
    def name(self) -> str:
        """Return what it is known by: the same for all attempts, another one for a further batch."""
        run = self.material.run
        first = jobs.job_id(work.number(run), run.iteration, self.kind, 1)
        return first if self.batch == 1 else f"{first}-batch{self.batch}"

    def journal(self, services: Services) -> str:
        """Return the folder that all attempts share: what was paid for is not paid twice."""
        run = self.material.run
        first = jobs.job_id(work.number(run), run.iteration, self.kind, 1)
        return str(services.job_folder(first) / f"journal-{self.batch}")

    async def left(self, services: Services) -> Left:
        """Set aside what it may use, and return that; nothing where no language model is asked."""
        planned = self.material.planned
        if planned.llm is None:
            return Left()
        room = await services.db.write(
            ledger.hand_out,
            self._errand(planned.llm),
            llm.Room(calls=planned.most_calls),
            services.settings.llm,
            services.clock.now(),
        )
        return Left(calls=room.calls, tokens=room.tokens)

    async def settle(self, services: Services, spent: Spent) -> None:
        """Let what was used take the place of what was set aside; programs do not part tokens, so all count as replies."""
        planned = self.material.planned
        if planned.llm is None:
            return
        await services.db.write(
            ledger.settle,
            self._errand(planned.llm),
            llm.Spent(calls=spent.calls, asked=0, replied=spent.tokens),
            services.settings.llm,
            services.clock.now(),
        )

    def _errand(self, model: str) -> ledger.Errand:
        number = work.number(self.material.run)
        return ledger.Errand(number, ledger.Purpose.ROWS, self.name, model)


async def batch(services: Services, material: Material, review: Review) -> Batch:
    """Return the batch that is on the table; wait for the jobs that make it.

    Raises: work.JobFailed: rows could not be made or looked at.
    """
    found = await _gathered(services, material)
    gathered = GatherResult.model_validate(work.payload(found)) if found else None
    facts = None if found is None or gathered is None else _file(services, found, gathered.facts)
    notes: tuple[str, ...] = ()
    if _needs_facts(material) and gathered is None:
        notes = ("Nothing could be read from documents, so rows are made without them.",)
    paid = Paid(material, JobKind.GENERATE, review.batch)
    wanted = _generate_spec(services, paid, review, facts, gathered, await paid.left(services))
    made_job = await work.finished(
        services,
        material.run,
        JobKind.GENERATE,
        wanted,
        expected_s=material.planned.expected_s,
        stale=lambda job: (
            _of(job, "notes", "terms", "facts") != _fields(wanted, "notes", "terms", "facts")
        ),
    )
    made = GenerateResult.model_validate(work.payload(made_job))
    await paid.settle(services, made.spent)
    sift = _sift_spec(services, material, wanted, _file(services, made_job, made.drafts), facts)
    sift_job = await work.finished(
        services,
        material.run,
        JobKind.SIFT,
        sift,
        stale=lambda job: job.spec["drafts"]["sha256"] != sift.drafts.sha256,
    )
    sifted = SiftResult.model_validate(work.payload(sift_job))
    kept = await work.keep(services, sift_job, sifted.kept)
    return Batch(
        made=made,
        sifted=sifted,
        gathered=gathered,
        kept=await asyncio.to_thread(kept.path.read_bytes),
        facts=b"" if facts is None else await asyncio.to_thread(Path(facts.path).read_bytes),
        notes=(*notes, *(gathered.notes if gathered else ()), *made.notes, *sifted.notes),
    )


async def _gathered(services: Services, material: Material) -> Job | None:
    """Return the job that has found facts; None where none are wanted, or none could be found."""
    if not _needs_facts(material):
        return None
    paid = Paid(material, JobKind.GATHER, 1)
    spec = _gather_spec(services, paid, await paid.left(services))
    try:
        job = await work.finished(services, material.run, JobKind.GATHER, spec)
    except work.JobFailed as failed:
        log.warning("rows are made without facts: %s", failed)
        return None
    await paid.settle(services, GatherResult.model_validate(work.payload(job)).spent)
    return job


def _needs_facts(material: Material) -> bool:
    planned = material.planned
    wanted = planned.terms is not None and planned.terms.with_facts
    return wanted and bool(planned.documents or planned.search or planned.queries)


def _gather_spec(services: Services, paid: "Paid", left: Left) -> GatherSpec:
    material = paid.material
    planned = material.planned
    return GatherSpec(
        goal=material.run.goal,
        train=material.train,
        labels=_labels(material.data),
        documents=tuple(run_documents.ref(services, document) for document in planned.documents),
        search=planned.search,
        queries=planned.queries,
        llm=_llm(services, planned),
        left=left,
        journal_dir=paid.journal(services),
        index_dir=str(services.data_dir / "knowledge"),
    )


def _generate_spec(  # what rows are made from, how, and for how much
    services: Services,
    paid: "Paid",
    review: Review,
    facts: FileRef | None,
    gathered: GatherResult | None,
    left: Left,
) -> GenerateSpec:
    material = paid.material
    planned = material.planned
    assert planned.terms is not None
    seed = planned.terms.seed + (review.batch - 1) * ANOTHER_SEED
    known = (
        ()
        if gathered is None
        else (*gathered.style, *(f"{t}: {m}" for t, m, _ in gathered.glossary))
    )
    settings = services.settings.generation
    return GenerateSpec(
        terms=planned.terms.model_copy(update={"seed": seed}),
        train=material.train,
        goal=material.run.goal,
        facts=facts,
        notes=(*review.notes, *known),
        llm=_llm(services, planned),
        left=left,
        journal_dir=paid.journal(services),
        curator_venv=str(curator_venv.place(settings.curator_venv, services.data_dir)),
        surplus=settings.surplus,
        at_once=settings.at_once,
    )


def _sift_spec(
    services: Services,
    material: Material,
    made: GenerateSpec,
    drafts: FileRef,
    facts: FileRef | None,
) -> SiftSpec:
    return SiftSpec(
        terms=made.terms,
        drafts=drafts,
        train=material.train,
        dev=material.dev,
        test=material.test,
        labels=_labels(material.data),
        facts=facts,
        threads=services.settings.launcher.threads,
    )


def _labels(data: IntakeResult) -> tuple[str, ...]:
    return data.labels if generation_need.are_labels(data) else ()


def _llm(services: Services, planned: PlannedGeneration) -> dict[str, Any] | None:
    """Return where the language model is that the plan names; its key comes by the environment."""
    return None if planned.llm is None else llm.told(services.settings)


def _file(services: Services, job: Job, file: FileRef) -> FileRef:
    """Return a file that a job wrote as another job is given it."""
    path = Path(file.path)
    if not path.is_absolute():
        path = services.job_folder(job.id) / path
    return file.model_copy(update={"path": str(path)})


def _of(job: Job, *names: str) -> list[Any]:
    return [job.spec.get(name) for name in names]


def _fields(spec: GenerateSpec, *names: str) -> list[Any]:
    dumped = spec.model_dump(mode="json")
    return [dumped[name] for name in names]
