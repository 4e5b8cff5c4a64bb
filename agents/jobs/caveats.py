"""What a gain may have cost, and what else could explain it."""

from enum import StrEnum

from agents.jobs.messages import Message


class Kept(StrEnum):
    """What the general suite allows to say about what a model could do before: a test of non-inferiority."""

    HELD = "held"
    """The 95 % interval of the change lies above minus the margin: if anything was lost, it is less than that."""
    NOT_SHOWN = "not_shown"
    """It reaches below minus the margin, and above zero: nothing is shown, which is no pass."""
    HARMED = "harmed"
    """It reaches below minus the margin, and lies below zero as a whole."""


class GeneralMeasure(StrEnum):
    """What the general suite looks at, 0 … 1: each can fall while the other stands."""

    SURE = "sure"
    """How sure a model is of each token of right answers: whether it still gives such answers at all."""
    CHOICE = "choice"
    """Share of the right answer in the likelihoods of four: whether it still knows better."""

    @property
    def words(self) -> str:
        """Return what it is for people."""
        if self is GeneralMeasure.SURE:
            return "how sure it is of right answers"
        return "how clearly it prefers the right one of four"


class GeneralScore(Message):
    """Base and tuned by one measure of the general suite."""

    measure: GeneralMeasure
    outcome: Kept
    base: float
    tuned: float
    gain: float
    low: float
    """Lower end of the 95 % interval of the gain."""
    high: float


class AbilityScore(Message):
    """One everyday ability, by both measures."""

    name: str
    items: int
    base_sure: float
    tuned_sure: float
    base_choice: float
    tuned_choice: float


class Forgetting(Message):
    """Base and tuned on the general suite: not part of the verdict, and no opening of the test set."""

    outcome: Kept
    """HELD by both measures, HARMED by one of them at least, or neither."""
    suite: str
    """First 12 digits of the SHA-256 of the suite: figures of different ones cannot be compared."""
    items: int
    margin_points: float
    """How much worse it was allowed to be."""
    scores: tuple[GeneralScore, ...]
    abilities: tuple[AbilityScore, ...]


class Contaminates(StrEnum):
    """How a sealed row resembles one that is known, what is surest first."""

    EQUAL = "equal"
    """The same prompt once spelling, escapes and disguise are taken away."""
    CLOSE = "close"
    """Almost the same words, numbers and turning words such as "not" included."""
    CONTAINED = "contained"
    """One has most of its text in common with the other, by runs of eight words."""


class LearntFrom(StrEnum):
    """Which rows a sealed one resembles."""

    TRAIN = "train"
    """Rows that this adapter has learnt."""
    DEV = "dev"
    """Rows that chose between its checkpoints."""
    EARLIER = "earlier"
    """Rows of the adapters that it was trained further from."""


class Contaminated(Message):
    """A sealed row that gets no score, because it may be known."""

    row: int
    way: Contaminates
    like: int
    """Number of the known row that it resembles most; of `EARLIER`, in the upload of that run."""
    source: LearntFrom
    likeness: float
    """0 … 1; 1 are equal prompts."""


class Contamination(Message):
    """Sealed rows against all rows that an adapter may know."""

    sealed: int
    """Rows before those that are contaminated were taken out."""
    compared_with: int
    """Rows."""
    items: tuple[Contaminated, ...]
    left_out: tuple[str, ...] = ()
    """What was not compared for want of time."""


class PromptedBase(Message):
    """The base without training, asked the sealed rows with a better prompt; no verdict of its own, by the primary metric."""

    shots: int
    """Examples in the prompt; 0: the task and the answers there are, no more."""
    words: str
    """The prompt, with … where the row stands; cut, with secrets and personal data masked."""
    score: float
    gain: float
    """Tuned minus this."""
    low: float
    """Lower end of the 95 % interval of the gain."""
    high: float

    @property
    def does_as_much(self) -> bool:
        """Tell whether tuned is not shown to be better than this."""
        return self.low <= 0
