"""The recipe of a run and the typed changes that people, rules and language models may make to it."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from agents.candidates import CHOICE, Choice
from agents.metric import Metric as Metric
from agents.own_metric import OwnMetric
from agents.rewards import Rewards
from agents.tuning import Quantisation as Quantisation
from agents.tuning import TargetModules as TargetModules
from agents.tuning import Tuning as Tuning
from configs.schema import Backend, CheckpointMode

MICRO_BATCH = {"cpu": 4, "cuda": 8}
"""Rows that go through the model at once; more rows per step are accumulated, with the same gradient.

On a CPU four rows are as fast as eight and take a quarter less memory; they are sorted by length, which saves padding.
"""
ANSWERS_AT_ONCE = {"cpu": 8, "cuda": 16}
"""The same for methods that learn from rewards, in answers; they are generated all together."""
LEAN_MICRO_BATCH = 8
"""The same of lean steps (supervised, on a CPU, without dropout), which work on parts of it at a time."""
PARTS_AT_A_TIME = 2


class Method(StrEnum):
    """How a model is taught."""

    SFT = "sft"
    """Learn the answers as they stand."""
    DPO = "dpo"
    """Make the preferred answer of a pair likelier than the other, without leaving the base model far behind."""
    KTO = "kto"
    """The same from single answers with a thumb up or down."""
    ORPO = "orpo"
    """Learn the preferred answer and move away from the other at once, without a reference model. Experimental in TRL."""
    CPO = "cpo"
    """Like DPO without a reference model. Experimental in TRL."""
    REWARD = "reward"
    """Train a model that scores answers the way the pairs prefer them."""
    GRPO = "grpo"
    """Let the model answer, reward its answers, and learn from what was better than its own average."""
    RLOO = "rloo"
    """The same, each answer against the mean of the others, held near the base model."""


PAIRED = frozenset({Method.DPO, Method.ORPO, Method.CPO, Method.REWARD})
"""Methods that learn from a preferred answer and another one."""
REWARDED = frozenset({Method.GRPO, Method.RLOO})
"""Methods that learn from rewards for the model's own answers."""


ORPO_BETA = 0.1
"""Of TRL's ORPO, which AutoTrain leaves alone."""
AUTOTRAINED = (Method.SFT, Method.DPO, Method.ORPO)
"""Methods for which AutoTrain writes an adapter that is used here like any other."""


COMPARABLE = (Method.SFT, Method.DPO, Method.KTO, Method.ORPO, Method.CPO)
"""Methods whose dev loss tells which of several candidates learns best."""
TRIABLE = tuple(method for method in COMPARABLE if method is not Method.KTO)
"""Those of them for which a single dev row has a loss of its own: KTO's compares the rows of a batch."""


OF_METHOD = {
    Method.KTO: Metric.VOTE_ACCURACY,
    **dict.fromkeys(PAIRED, Metric.PAIR_ACCURACY),
    **dict.fromkeys(REWARDED, Metric.REWARD),
}
"""The one metric by which a method is judged; answers of supervised fine-tuning are compared with references."""
TEXT_METRICS = tuple(metric for metric in Metric if metric not in OF_METHOD.values())
"""What compares an answer with a reference."""
CAN_DECIDE = (
    Metric.EXACT_MATCH,
    Metric.FIELD_F1,
    Metric.MACRO_F1,
    Metric.TOKEN_F1,
    Metric.CHRF,
    Metric.ROUGE_L,
    Metric.OWN,
)
"""Those of them by which a model can be judged."""
DpoLoss = Literal[
    "sigmoid", "ipo", "hinge", "robust", "sigmoid_norm", "apo_zero", "apo_down", "sft"
]


def _can_be_primary(metric: Metric) -> Metric:
    if metric is Metric.BLEU:
        raise ValueError(
            "bleu is shown for the record only; chrf measures the same and more finely"
        )
    if metric in TEXT_METRICS and metric not in CAN_DECIDE:
        raise ValueError(
            f"{metric.value} is shown beside what decides; that can be {', '.join(CAN_DECIDE)}"
        )
    return metric


def largest_part(of: int, most: int) -> int:
    """Return the largest divisor of a number that is not above a limit."""
    return max(d for d in range(1, most + 1) if of % d == 0)


class Recipe(BaseModel):
    """All that decides what the trainer and the evaluator do, frozen with the plan that a person approved."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Method = Method.SFT
    model: str
    """Name in the model catalogue."""
    epochs: Annotated[float, Field(gt=0, le=50)] = 3.0
    """Passes over the training rows; `max_steps` may end it sooner."""
    max_steps: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    patience: Annotated[int, Field(ge=1, le=100)] | None = None
    """Looks at the dev rows in a row, with a loss more than 2 % above the lowest before them, after which training ends.
    The best checkpoint is the result in any case. None: it never ends early."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 3e-4
    batch_size: Annotated[int, Field(ge=1, le=512)] = 8
    """Rows per optimizer step."""
    micro_batch_size: Annotated[int, Field(ge=1, le=512)] | None = None
    """Rows that go through the model at once, at most; the rest of a step is accumulated, with the same gradient.
    None: what suits the device."""
    quantisation: Quantisation = Quantisation.NONE
    tuning: Tuning = Tuning.LORA
    target_modules: TargetModules = TargetModules.ALL_LINEAR
    lora_r: Annotated[int, Field(ge=1, le=512)] = 16
    lora_alpha: Annotated[int, Field(ge=1, le=1024)] = 32
    lora_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    use_dora: bool = False
    """Learn the size and the direction of a weight's change apart (DoRA): slower steps, about the same result."""
    use_rslora: bool = False
    """Divide alpha by √r instead of r (rank-stabilised LoRA)."""
    max_length_tokens: Annotated[int, Field(ge=16, le=131_072)] = 1024
    """Prompt and completion together; longer rows are cut at the end."""
    max_train_rows: Annotated[int, Field(ge=1)] | None = None
    """Use only so many of the training rows, drawn with `seed`. None uses all."""
    max_test_rows: Annotated[int, Field(ge=1)] | None = None
    """Score only the first so many of the sealed rows. None scores all."""
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.05
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    max_new_tokens: Annotated[int, Field(ge=1, le=4096)] = 64
    """Length of an answer in the evaluation, for base and tuned alike."""
    primary_metric: Annotated[Metric, AfterValidator(_can_be_primary)] = Metric.EXACT_MATCH
    target_gain_points: Annotated[float, Field(gt=0, le=100)] | None = None
    """The smallest gain over the base that is worthwhile, in points of the primary metric. A smaller one is called so.
    None: any gain is."""
    metric: OwnMetric = ()
    """Rules of a person's own for scoring an answer; their weighted mean is the metric `own`."""
    beta: Annotated[float, Field(ge=0, le=10)] = 0.1
    """How strongly a method holds on to the base model (ORPO: how much the pair counts beside the answer)."""
    dpo_losses: tuple[DpoLoss, ...] = ("sigmoid",)
    """Losses that DPO adds up."""
    rewards: Rewards = ()
    """What answers are rewarded for; the weighted mean counts."""
    num_generations: Annotated[int, Field(ge=2, le=64)] = 4
    """Answers to each prompt that are compared with each other."""
    temperature: Annotated[float, Field(gt=0, le=5)] = 1.0
    """How boldly answers are tried out in training."""
    checkpoint_mode: CheckpointMode = CheckpointMode.ASK
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 17
    backend: Backend = Backend.TRL
    """Program that trains."""
    candidates: Choice = None
    """Values of one setting that are trained beside each other until one is left. None: there is only this recipe."""

    @property
    def is_judged_by_answers(self) -> bool:
        """Whether the model has to answer to be judged, instead of being shown answers."""
        return OF_METHOD.get(self.method, Metric.REWARD) is Metric.REWARD

    @model_validator(mode="after")
    def _is_judged_by_its_metric(self) -> "Recipe":
        fixed = OF_METHOD.get(self.method)
        if fixed is not None and self.primary_metric is not fixed:
            raise ValueError(f"{self.method.value} is judged by {fixed.value}")
        if fixed is None and self.primary_metric not in TEXT_METRICS:
            raise ValueError(f"{self.primary_metric.value} does not fit {self.method.value}")
        if fixed is not None and self.metric:
            raise ValueError(f"{self.method.value} is judged by {fixed.value}, not by a `metric`")
        if self.primary_metric is Metric.OWN and not self.metric:
            raise ValueError(
                'own needs a `metric`, such as {"kind": "regex", "pattern": "^[A-Z]+$"}'
            )
        return self

    @model_validator(mode="after")
    def _is_one_kind_of_tuning(self) -> "Recipe":
        if self.tuning is Tuning.FULL and (idle := _idle_in_full_tuning(self)):
            raise ValueError(f"full fine-tuning has no use for {idle}; tuning=lora has")
        return self

    @model_validator(mode="after")
    def _is_possible_for_its_backend(self) -> "Recipe":
        if self.backend is Backend.AUTOTRAIN and (cannot := _beyond_autotrain(self)):
            raise ValueError(f"AutoTrain is not used for {cannot}; backend=trl is")
        return self

    @model_validator(mode="after")
    def _has_candidates_that_can_be_compared(self) -> "Recipe":
        if self.candidates is None:
            return self
        if self.method not in COMPARABLE:
            raise ValueError(
                f"candidates are compared by their dev loss, which is done for {', '.join(COMPARABLE)}; "
                f"{self.method.value} takes one value at a time"
            )
        field, (own, *others) = self.candidates.field, self.candidates.values
        if getattr(self, field) != own:
            raise ValueError(f"the first candidate is the plan's own {field}")
        for value in others:
            try:
                self.alone(value)
            except ValidationError as error:
                raise ValueError(f"{field} {value:g}: {error.errors()[0]['msg'].lower()}") from None
        return self

    def alone(self, value: float | None = None) -> "Recipe":
        """Return the recipe of one candidate by its value, as if there were no other; without one the plan's own."""
        if self.candidates is None:
            return self
        own = self.candidates.values[0] if value is None else value
        return Recipe.model_validate(
            self.model_dump() | {"candidates": None, self.candidates.field: own}
        )

    def amended(self, changes: "list[RecipeChange]") -> "Recipe":
        """Return a copy with the changes applied, validated anew. A `metric` of one's own decides unless another one is named.

        Raises: pydantic.ValidationError: a value lies outside the field's bounds.
        """
        values = {change.field: change.value for change in with_candidates(changes, self)}
        decides = {"primary_metric": Metric.OWN} if values.get("metric") else {}
        return Recipe.model_validate(self.model_dump() | decides | values)


def _idle_in_full_tuning(recipe: Recipe) -> str | None:
    """Return what a recipe asks for that means nothing, or cannot be, when the weights themselves are trained."""
    asked = {
        "4-bit weights, which cannot be trained": recipe.quantisation is not Quantisation.NONE,
        "a part of the layers, as it trains all": recipe.target_modules
        is not TargetModules.ALL_LINEAR,
        "lora_dropout": bool(recipe.lora_dropout),
        "use_dora": recipe.use_dora,
        "use_rslora": recipe.use_rslora,
    }
    return next((what for what, is_asked in asked.items() if is_asked), None)


def _beyond_autotrain(recipe: Recipe) -> str | None:
    """Return what a recipe asks for that AutoTrain has no word for, or that was never tried with it."""
    if recipe.method not in AUTOTRAINED:
        known = ", ".join(AUTOTRAINED)
        return f"the method {recipe.method.value}, only for {known}"
    refused = {
        "full fine-tuning": recipe.tuning is Tuning.FULL,
        "a part of the linear layers": recipe.target_modules is not TargetModules.ALL_LINEAR,
        "use_dora": recipe.use_dora,
        "use_rslora": recipe.use_rslora,
        "4-bit weights": recipe.quantisation is not Quantisation.NONE,
        f"orpo with another beta than {ORPO_BETA:g}": recipe.method is Method.ORPO
        and recipe.beta != ORPO_BETA,
        "dpo with another loss than sigmoid": recipe.method is Method.DPO
        and recipe.dpo_losses != ("sigmoid",),
        "several candidates": recipe.candidates is not None,
    }
    return next((what for what, asked in refused.items() if asked), None)


Changeable = Literal[
    "epochs",
    "max_steps",
    "patience",
    "learning_rate",
    "batch_size",
    "micro_batch_size",
    "quantisation",
    "tuning",
    "target_modules",
    "lora_r",
    "lora_alpha",
    "lora_dropout",
    "use_dora",
    "use_rslora",
    "max_length_tokens",
    "max_train_rows",
    "max_test_rows",
    "max_new_tokens",
    "primary_metric",
    "target_gain_points",
    "metric",
    "checkpoint_mode",
    "model",
    "beta",
    "num_generations",
    "temperature",
    "rewards",
    "warmup_fraction",
    "weight_decay",
    "seed",
    "backend",
    "candidates",
]
CHANGEABLE: tuple[str, ...] = get_args(Changeable)


class RecipeChange(BaseModel):
    """One field of a recipe set to a new value: what a reply, a rule or a language model can propose."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: Changeable
    value: Annotated[StrictBool | StrictInt | StrictFloat | str | None, Field()]


CHANGES = TypeAdapter(list[RecipeChange])


def with_candidates(changes: Iterable[RecipeChange], recipe: Recipe) -> list[RecipeChange]:
    """Return changes with what follows for candidates: the first one is the plan's own value, and a single value ends them.

    Raises: pydantic.ValidationError: no candidates can be read out of a change.
    """
    by_field = {change.field: change for change in changes}
    if (change := by_field.get("candidates")) is not None:
        named = CHOICE.validate_python(change.value)
        if named is not None:
            own = RecipeChange(field=named.field, value=named.values[0])
            by_field[named.field] = own
    elif recipe.candidates is not None and recipe.candidates.field in by_field:
        by_field["candidates"] = RecipeChange(field="candidates", value=None)
    return list(by_field.values())


def is_done(change: RecipeChange, recipe: Recipe) -> bool:
    """Tell whether a recipe has what a change asks for."""
    if change.field == "candidates":
        return recipe.candidates == CHOICE.validate_python(change.value)
    is_one_of = recipe.candidates is not None and recipe.candidates.field == change.field
    return not is_one_of and bool(getattr(recipe, change.field) == change.value)


def texts_of_row(method: Method) -> int:
    """Return how many texts a row has that go through the model together: of a pair both answers do."""
    return 2 if method in PAIRED else 1


def rows_at_once(recipe: Recipe, device: str) -> int:
    """Return how many rows of a batch go through the model together; of a method that learns from rewards, answers."""
    of = recipe.batch_size * (recipe.num_generations if recipe.method in REWARDED else 1)
    most = recipe.micro_batch_size or usual_rows_at_once(recipe, device)
    at_once = largest_part(of, min(of, most))
    if recipe.method is Method.KTO and at_once == 1 < of:
        # its rows are compared with each other
        return next(d for d in range(2, of + 1) if of % d == 0)
    return at_once


def usual_rows_at_once(recipe: Recipe, device: str) -> int:
    """Return how many rows, or answers, may go through the model together when nobody has said so."""
    if is_lean(recipe, device):
        return LEAN_MICRO_BATCH
    table = ANSWERS_AT_ONCE if recipe.method in REWARDED else MICRO_BATCH
    return max(1, table.get(device, table["cpu"]) // texts_of_row(recipe.method))


def half_at_once(recipe: Recipe, at_once: int) -> int | None:
    """Return the rows at once to try when memory ran out at so many, at most half; None where fewer cannot be.

    What a step learns from stays the same: what does not go through the model at once is accumulated.
    """
    if at_once == 1:
        return None
    fewer = rows_at_once(recipe.model_copy(update={"micro_batch_size": at_once // 2}), "cpu")
    return fewer if fewer < at_once else None


def is_lean(recipe: Recipe, device: str) -> bool:
    """Tell whether steps are lean: a supervised training of LoRA on a CPU without dropout, of known architectures."""
    supervised_lora = recipe.method is Method.SFT and recipe.tuning is Tuning.LORA
    return device == "cpu" and supervised_lora and not recipe.lora_dropout
