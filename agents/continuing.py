"""Which adapter a run goes on from: an earlier run's, on the same base, with its LoRA shape.

What stands in the run's row is frozen when it is asked for: whatever happens to the earlier run later changes nothing.
"""

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict
from sqlmodel import Session

from agents import kept, work
from agents.jobs import EarlierAdapter, FileRef, JobKind, LearntRows, TrainResult
from agents.recipe import Method, RecipeChange, TargetModules, Tuning
from agents.services import Services, UserError
from storage import datasets, jobs
from storage.models import Job, Phase, Run

SHAPE = ("tuning", "target_modules", "lora_r", "lora_alpha", "use_dora", "use_rslora")
"""What an adapter's weights are shaped by; such fields cannot differ from the earlier run's."""
FIXED = ("model", *SHAPE)
_NAMED = re.compile(
    r"[\s,;:]*\b(?:(?:please\s+)?(?:continu(?:e|ing)|go(?:ing)?\s+on|start(?:ing)?)\s+(?:from|with)\s+)"
    r"(?:the\s+)?(?:adapter\s+(?:of|from)\s+)?run\s*(?:no\.?\s*|number\s+)?#?\s*(\d{1,9})\b[\s,;:.]*",
    re.IGNORECASE,
)


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Learnt(_Frozen):
    """Rows of a run that went into an adapter."""

    role: str
    """`train`, or `dev`: they only chose between checkpoints."""
    sha256: str
    size_bytes: int
    task: str


class Parent(_Frozen):
    """The adapter that a run goes on from."""

    run: int
    iteration: int
    job_id: str
    """Of its training, in whose folder it lies."""
    adapter_dir: str
    """Relative to that folder."""
    adapter_sha256: str
    base_sha256: str
    model: str
    """Name in the model catalogue."""
    method: Method
    tuning: Tuning = Tuning.LORA
    target_modules: TargetModules = TargetModules.ALL_LINEAR
    lora_r: int
    lora_alpha: int
    use_dora: bool
    use_rslora: bool
    learnt: tuple[Learnt, ...]
    """Rows of the earlier run, and of those that it went on from itself."""

    @property
    def shape(self) -> dict[str, int | bool | str]:
        """Return the values that a recipe takes over."""
        return {name: getattr(self, name) for name in SHAPE}

    @property
    def origin(self) -> str:
        """Return where these values come from, for people."""
        return f"the adapter of run {self.run}"


def shape_of(parent: Parent) -> list[RecipeChange]:
    """Return what a recipe takes over, as changes."""
    return [
        RecipeChange.model_validate({"field": name, "value": value})
        for name, value in parent.shape.items()
    ]


def named(words: str) -> int | None:
    """Return the run that somebody wants to go on from: "continue from run 12"."""
    found = _NAMED.search(words)
    return int(found[1]) if found else None


def without_name(words: str) -> str:
    """Return the words without what `named` reads out of them."""
    return " ".join(_NAMED.sub(" ", words).split())


def find(session: Session, run: Run) -> Parent:
    """Return the adapter that can be trained further: the delivered one, else the one with the lowest dev loss.

    Raises: UserError: there is none.
    """
    run_id = work.number(run)
    iteration = run.iteration
    if run.phase not in {Phase.DELIVERED, Phase.EXPORTING, Phase.DELIVERING}:
        iteration = run.best_iteration or run.iteration
    plan = datasets.latest_plan(session, run_id, iteration)
    job = jobs.latest(session, run_id, JobKind.TRAIN, iteration)
    trained = _trained(job)
    if plan is None or job is None or trained is None:
        raise UserError(f"Run #{run_id} has no adapter yet that another run could go on from.")
    recipe = kept.recipe_of(plan, job)
    return Parent(
        run=run_id,
        iteration=iteration,
        job_id=job.id,
        adapter_dir=trained.adapter_dir or "",
        adapter_sha256=trained.adapter_sha256 or "",
        base_sha256=trained.base_sha256,
        model=recipe.model,
        method=recipe.method,
        tuning=recipe.tuning,
        target_modules=recipe.target_modules,
        lora_r=recipe.lora_r,
        lora_alpha=recipe.lora_alpha,
        use_dora=recipe.use_dora,
        use_rslora=recipe.use_rslora,
        learnt=_learnt(session, run),
    )


def parent_of(run: Run) -> Parent | None:
    """Return what a run goes on from, if it does."""
    return None if run.parent is None else Parent.model_validate(run.parent)


def check(parent: Parent, model: str, wishes: Sequence[RecipeChange]) -> None:
    """Refuse what does not go together. Raises: UserError."""
    if model != parent.model:
        raise UserError(
            f"Run #{parent.run} tuned {parent.model}, and its adapter fits no other model. Leave the model out, "
            f"or start without going on from run #{parent.run} to tune {model}."
        )
    refused = [w for w in wishes if w.field in SHAPE and w.value != getattr(parent, w.field)]
    if refused:
        raise UserError(_stays(parent, refused[0].field))


def check_method(parent: Parent, method: Method) -> None:
    """Refuse a method that needs another kind of adapter. Raises: UserError."""
    if (parent.method is Method.REWARD) is not (method is Method.REWARD):
        kinds = {True: "scores answers", False: "gives answers"}
        raise UserError(
            f"The adapter of run #{parent.run} {kinds[parent.method is Method.REWARD]}, and the method {method.value} makes one "
            f"that {kinds[method is Method.REWARD]}: it cannot go on from there. Start again without it, or with another method."
        )


def possible(
    parent: Parent | None, changes: Sequence[RecipeChange]
) -> tuple[list[RecipeChange], list[str]]:
    """Return the changes that leave model and shape of the earlier adapter alone, and a note about each other one."""
    if parent is None:
        return list(changes), []
    refused = [c for c in changes if c.field in FIXED and c.value != getattr(parent, c.field)]
    return [c for c in changes if c.field not in FIXED], [_stays(parent, c.field) for c in refused]


def adapter_of(services: Services, run: Run) -> EarlierAdapter | None:
    """Return the adapter that a run goes on from as a job is given it."""
    parent = parent_of(run)
    if parent is None:
        return None
    return EarlierAdapter(
        run=parent.run,
        adapter_dir=str(services.job_folder(parent.job_id) / parent.adapter_dir),
        adapter_sha256=parent.adapter_sha256,
        base_sha256=parent.base_sha256,
    )


def rows(services: Services, parent: Parent | None) -> tuple[LearntRows, ...]:
    """Return what the adapter has learnt as a job is given it."""
    return tuple(learnt_rows(services, learnt) for learnt in (parent.learnt if parent else ()))


def learnt_rows(services: Services, learnt: Learnt) -> LearntRows:
    """Return rows that went into an adapter as a job is given them."""
    return LearntRows(
        file=FileRef(
            path=str(services.files.path(learnt.sha256)),
            sha256=learnt.sha256,
            size_bytes=learnt.size_bytes,
            name=f"{learnt.role}.jsonl",
        ),
        task=learnt.task,
        chose=learnt.role == "dev",
    )


def spared(run: Run, intake: Job) -> bool:
    """Tell whether a reading of the upload has kept what the earlier adapter has learnt out of the test set."""
    parent = parent_of(run)
    wanted = [learnt.sha256 for learnt in parent.learnt] if parent else []
    return [known["file"]["sha256"] for known in intake.spec.get("learnt", [])] == wanted


def _trained(job: Job | None) -> TrainResult | None:
    if job is None or job.outcome not in work.USABLE or job.payload is None:
        return None
    trained = TrainResult.model_validate(job.payload)
    return trained if trained.adapter_dir and trained.adapter_sha256 else None


def _learnt(session: Session, run: Run) -> tuple[Learnt, ...]:
    earlier = parent_of(run)
    own = []
    for role in ("train", "dev"):
        found = datasets.find(session, work.number(run), role)
        if found is not None:
            own.append(
                Learnt(role=role, sha256=found.sha256, size_bytes=found.size_bytes, task=run.goal)
            )
    return (*(earlier.learnt if earlier else ()), *own)


def _stays(parent: Parent, field: str) -> str:
    return (
        f"{field} stays at {getattr(parent, field)}: it is that of the adapter of run #{parent.run}, "
        "which is trained further."
    )
