"""Which method fits which data, and what each method starts from, every value with its origin.

Learning rates are for LoRA: ten times the one for full fine-tuning where a source names only that (LoRA Without Regret).
Full fine-tuning takes a tenth of them.
"""

from collections.abc import Collection
from dataclasses import dataclass

from pydantic import ValidationError

from agents.hyperparameters import (
    FULL_RATE_FACTOR,
    LEARNING_RATE,
    SMALL_MODEL_PARAMETERS,
    Facts,
    Origin,
)
from agents.jobs import IntakeResult, MeasureResult, RowShape
from agents.recipe import (
    OF_METHOD,
    PAIRED,
    REWARDED,
    Method,
    Metric,
    Recipe,
    RecipeChange,
    Tuning,
)
from agents.rewards import (
    NEED_REFERENCE,
    ExactMatch,
    Judge,
    Learned,
    Length,
    Overlap,
    Reward,
    RightNumber,
)
from agents.services import UserError

AUTO = "auto"
"""What a person says who leaves the choice to the data."""
RLHF = "rlhf"
"""A reward model from the person's own pairs, then RLOO on it."""
LENGTH = "max_length_tokens"
OWN_FIELDS = frozenset(
    {
        "primary_metric",
        "metric",
        "beta",
        "rewards",
        "num_generations",
        "temperature",
        "backend",
        "candidates",
    }
)
"""What supervised fine-tuning knows nothing of, or otherwise."""
NAMES = (AUTO, *(method.value for method in Method), RLHF)
"""What a person can ask for; the first one when they say nothing."""
FITS: dict[RowShape, tuple[str, ...]] = {
    RowShape.PROMPT_COMPLETION: ("sft", "grpo", "rloo"),
    RowShape.TEXT: ("sft",),
    RowShape.PREFERENCE: ("dpo", "orpo", "cpo", "reward", "rlhf"),
    RowShape.UNPAIRED: ("kto",),
    RowShape.PROMPT_ONLY: ("grpo", "rloo"),
    RowShape.STEPWISE: (),
}
"""Methods that can learn from rows of a shape, the usual one first."""
HOLDS = {
    RowShape.PROMPT_COMPLETION: "prompts with one answer each",
    RowShape.TEXT: "plain texts",
    RowShape.PREFERENCE: "pairs of a preferred answer and another one",
    RowShape.UNPAIRED: "answers with a thumb up or down",
    RowShape.PROMPT_ONLY: "prompts without answers to learn",
    RowShape.STEPWISE: "answers judged step by step",
}
"""What rows of a shape are, for people."""
SMALL_MODEL_FACTOR = 5
STEPS_OF_REWARDED = 500
"""Steps for which TRL's guide to LoRA trains GRPO at 1e-5. A step of Adam moves a weight by at most about the learning rate,
so a shorter run needs a higher one to get as far."""
HIGHEST_REWARDED_RATE = 1e-4
"""Fireworks' default for reinforcement fine-tuning, which is LoRA there too."""
FEW_ROWS = 1000


@dataclass(frozen=True)
class Start:
    """Where a method's numbers start."""

    learning_rate: float
    rate_origin: str
    beta: float
    beta_origin: str


STARTS = {
    Method.DPO: Start(1e-5, "DPO with LoRA at Tinker", 0.1, "DPO paper and TRL"),
    Method.KTO: Start(1e-5, "as DPO; TRL's 1e-6 for full tuning, ×10", 0.1, "KTO paper and TRL"),
    Method.ORPO: Start(8e-5, "ORPO paper's 8e-6 for full tuning, ×10", 0.1, "ORPO paper and TRL"),
    Method.CPO: Start(1e-5, "TRL's 1e-6 for full tuning, ×10", 0.1, "TRL"),
    Method.REWARD: Start(1e-4, "TRL's default for reward models", 0.0, "not used"),
    Method.GRPO: Start(1e-5, "TRL's guide to LoRA, for 500 steps", 0.0, "TRL: no hold"),
    Method.RLOO: Start(1e-5, "TRL's guide to LoRA, for 500 steps of GRPO", 0.05, "TRL"),
}


def choose(data: IntakeResult, named: str) -> tuple[str, str]:
    """Return the method for the data, and why.

    Raises: UserError: the named one does not fit, or none does.
    """
    fitting = FITS[data.shape]
    if not fitting:
        raise UserError(
            f"Your rows are {HOLDS[data.shape]}; no method here learns from those. Upload prompts with answers, pairs of "
            "answers, or answers with a thumb up or down."
        )
    if named == AUTO:
        return fitting[0], f"the rows are {HOLDS[data.shape]}"
    if named not in fitting:
        raise UserError(
            f"The method {named} cannot learn from your rows: they are {HOLDS[data.shape]}. "
            f"They can be used with {' or '.join(fitting)}; start again with one of those, or without naming a method."
        )
    return named, "as you asked"


def first(data: IntakeResult, model: str, named: str, wishes: list[RecipeChange]) -> Recipe:
    """Return the recipe by which a method is measured, before anything is known about model and machine.

    Raises: UserError: the method does not fit the data, or nothing says what is to be rewarded.
    """
    name, _why = choose(data, named)
    method = Method.RLOO if name == RLHF else Method(name)
    if method is Method.SFT:
        return Recipe(model=model)
    values: dict[str, object] = {
        "model": model,
        "method": method,
        "primary_metric": OF_METHOD[method],
        "beta": STARTS[method].beta,
    }
    if method in REWARDED:
        values |= {"batch_size": 4, "rewards": _rewards(data, name, wishes)}
    return Recipe.model_validate(values)


def measurable(recipe: Recipe) -> Recipe:
    """Return a recipe whose steps can be timed now, before anybody has said yes.

    A reward model that is still to be trained is left out, and so is a judge, who costs money and is shown rows.
    """
    known = [reward for reward in recipe.rewards if not isinstance(reward, Learned | Judge)]
    if len(known) == len(recipe.rewards):
        return recipe
    return recipe.model_copy(update={"rewards": tuple(known) or (Length(max_words=100),)})


def needs_reward_model(recipe: Recipe) -> bool:
    """Tell whether a reward model has to be trained before."""
    return any(isinstance(reward, Learned) for reward in recipe.rewards)


def reward_model_recipe(recipe: Recipe, asked: Collection[str] = ()) -> Recipe:
    """Return the recipe of the reward model that another recipe asks; `asked` are the fields a person has set there.

    `max_length_tokens` of the other has room for a prompt and an answer of `max_new_tokens`. The answers of the pairs may be
    longer, and a model that sees only the longer one of each pair without its end learns to look for an end. So that limit
    holds here only if it was asked for; pairs that are longer than the limit are left out (`train_reward`).
    """
    limit = {LENGTH: recipe.max_length_tokens} if LENGTH in asked else {}
    return Recipe(
        model=recipe.model,
        method=Method.REWARD,
        primary_metric=Metric.PAIR_ACCURACY,
        epochs=2.0,
        patience=recipe.patience,
        learning_rate=STARTS[Method.REWARD].learning_rate,
        max_train_rows=recipe.max_train_rows,
        checkpoint_mode=recipe.checkpoint_mode,
        seed=recipe.seed,
        **limit,
    )


def passes(data: IntakeResult) -> float:
    """Return the epochs of a method other than supervised fine-tuning."""
    return 2.0 if data.train_rows < FEW_ROWS else 1.0


def adapted(
    usual: Recipe,
    origins: list[Origin],
    data: IntakeResult,
    measured: MeasureResult,
    start: Recipe,
    named: str,
) -> tuple[Recipe, list[Origin]]:
    """Turn the recipe that the rules suggest for supervised fine-tuning into one of the method, with its origins."""
    name, why = choose(data, named)
    said: list[Origin] = [("method", name, why)]
    if start.method is Method.SFT:
        return usual, said + origins
    begin = STARTS[start.method]
    epochs = passes(data)
    values = usual.model_dump() | {
        "method": start.method,
        "primary_metric": start.primary_metric,
        "metric": (),
        "epochs": epochs,
        "beta": begin.beta,
        "rewards": start.rewards,
        "max_new_tokens": _answer_tokens(data, usual, start.method),
    }
    if start.method in REWARDED:
        values["batch_size"] = start.batch_size
        values["max_length_tokens"] = min(
            measured.context_tokens, measured.tokens_max + values["max_new_tokens"] + 8
        )
    recipe = Recipe.model_validate(values)
    rate, why = own_rate(recipe, data, measured)
    recipe = recipe.model_copy(update={"learning_rate": rate})
    said += [
        ("learning_rate", f"{rate:g}", why),
        ("epochs", f"{epochs:g}", "preferences and rewards overfit sooner than answers: 1 to 2"),
        ("primary_metric", recipe.primary_metric.value, f"what {name} is judged by"),
    ]
    if start.method is not Method.REWARD:
        said.append(("beta", f"{begin.beta:g}", begin.beta_origin))
    if start.method in REWARDED:
        said += [
            ("rewards", describe(recipe.rewards), _why_rewards(recipe.rewards)),
            ("num_generations", str(recipe.num_generations), "4 answers to each of 4 prompts"),
        ]
    taken = {entry[0] for entry in said}
    if start.method in REWARDED:
        taken |= {"batch_size", "max_length_tokens"}
    return recipe, said + [origin for origin in origins if origin[0] not in taken]


def own_rate(recipe: Recipe, data: IntakeResult, measured: MeasureResult) -> tuple[float, str]:
    """Return the learning rate at which a method other than supervised fine-tuning starts, and where it is from.

    The fewer steps a run that learns from rewards has, the higher it is: with 5e-5 a model of 135 M weights did not move
    in 17 steps of RLOO, with 3e-4 its dev reward went from 0.38 to 0.62 in 30.
    """
    begin = STARTS[recipe.method]
    rate, why, most = begin.learning_rate, begin.rate_origin, 1.0
    if recipe.method in REWARDED:
        steps = Facts(data, measured, recipe.model_dump()).steps(recipe.batch_size)
        most = LEARNING_RATE
        if steps < STEPS_OF_REWARDED:
            rate = min(rate * STEPS_OF_REWARDED / steps, HIGHEST_REWARDED_RATE)
            why += f"; higher for {steps}, up to Fireworks' default of {HIGHEST_REWARDED_RATE:g}"
    if measured.parameters < SMALL_MODEL_PARAMETERS and recipe.method is not Method.REWARD:
        rate *= SMALL_MODEL_FACTOR
        why += f"; ×{SMALL_MODEL_FACTOR} for a model under 500 M parameters"
        if rate > most:
            rate = most
            why += f", but no more than the LoRA rule's {most:g}"
    if recipe.tuning is Tuning.FULL:
        rate *= FULL_RATE_FACTOR
        why += "; a tenth for full fine-tuning"
    return float(f"{rate:.2g}"), why


def wished(recipe: Recipe, wishes: list[RecipeChange]) -> Recipe:
    """Return a recipe with a person's wishes. Raises: UserError: one of them does not fit the method."""
    try:
        return recipe.amended(wishes)
    except ValidationError as error:
        problems = "; ".join(e["msg"].removeprefix("Value error, ") for e in error.errors())
        raise UserError(
            f"That is not possible with this data: {problems}. Start again without it."
        ) from error


def describe(rewards: tuple[Reward, ...]) -> str:
    """Name rewards in few words."""
    return " + ".join(reward.kind.replace("_", " ") for reward in rewards) or "none"


def _rewards(data: IntakeResult, name: str, wishes: list[RecipeChange]) -> tuple[Reward, ...]:
    asked = [wish.value for wish in wishes if wish.field == "rewards"]
    if asked:
        values = {"model": "-", "method": Method.GRPO, "primary_metric": Metric.REWARD}
        return wished(
            Recipe.model_validate(values), [w for w in wishes if w.field == "rewards"]
        ).rewards
    if name == RLHF:
        return (Learned(),)
    if not _has_references(data):
        raise UserError(
            "Your rows are prompts alone: nothing says which answers are good. Add a column with the right answer, or say "
            'what to reward, for example --set rewards=\'{"kind": "regex", "pattern": "^[A-Z]{3}-[0-9]+$"}\'.'
        )
    if data.labels and all(_is_number(label) for label in data.labels):
        return (RightNumber(relative=0.001),)
    if data.suggested_metric in {Metric.EXACT_MATCH, Metric.FIELD_F1}:
        return (ExactMatch(), Overlap())
    return (Overlap(),)


def _why_rewards(rewards: tuple[Reward, ...]) -> str:
    if any(isinstance(reward, Learned) for reward in rewards):
        return "a reward model is trained from your pairs first"
    if any(isinstance(reward, NEED_REFERENCE) for reward in rewards):
        return "your rows have references to compare with"
    return "as you asked"


def _has_references(data: IntakeResult) -> bool:
    return data.shape is RowShape.PROMPT_COMPLETION or data.completion_chars_p95 > 0


def _answer_tokens(data: IntakeResult, usual: Recipe, method: Method) -> int:
    if method in PAIRED or method is Method.KTO or _has_references(data):
        return usual.max_new_tokens
    return 64


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        return False
    return True
