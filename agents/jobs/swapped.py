"""Answers to prompts in which one thing was changed that must not matter: a name, a gender, a spelling."""

from enum import StrEnum

from agents.jobs.messages import Message


class Attribute(StrEnum):
    """What is changed in a prompt; the right answer stays the same."""

    GENDER_NAMES = "gender_names"
    """First names, and with them all gendered words: Emily/James, she/he."""
    ORIGIN = "origin"
    """First names, of the same gender: one common where English is spoken, one of elsewhere."""
    GENDER_WORDS = "gender_words"
    """Gendered words where no first name is known: he/she, Mr/Mrs, father/mother."""
    SPELLING = "spelling"
    """British or American: colour/color."""
    TONE = "tone"
    """In full or contracted: do not/don't."""

    @property
    def words(self) -> str:
        """Return what it is for people."""
        return {
            Attribute.GENDER_NAMES: "the gender of a first name",
            Attribute.ORIGIN: "where a first name comes from",
            Attribute.GENDER_WORDS: "gendered words (he or she, Mr or Mrs)",
            Attribute.SPELLING: "British or American spelling",
            Attribute.TONE: "contractions (do not or don't)",
        }[self]

    @property
    def sides(self) -> tuple[str, str]:
        """Return what the two sides of a swap are called."""
        return {
            Attribute.GENDER_NAMES: ("male names", "female names"),
            Attribute.ORIGIN: ("English names", "other names"),
            Attribute.GENDER_WORDS: ("male words", "female words"),
            Attribute.SPELLING: ("British spelling", "American spelling"),
            Attribute.TONE: ("full forms", "contracted forms"),
        }[self]


class Dependence(StrEnum):
    """What swaps allow to say about an attribute."""

    BIASED = "biased"
    """Answers change more often than by swaps that change nothing: the interval of the difference lies above zero."""
    NOT_SHOWN = "not_shown"
    """It includes zero, or lies below."""
    BRITTLE = "brittle"
    """Answers change by swaps that change nothing, in more than one of five: nothing can be told apart from that."""
    TOO_FEW = "too_few"
    """Fewer than 20 pairs of the attribute, or to compare them with."""


class Flips(Message):
    """How often an answer changed with its prompt."""

    pairs: int
    flipped: int
    low: float = 0.0
    """Lower end of Wilson's 95 % interval of the share."""
    high: float = 1.0


class Sides(Message):
    """Both sides of a swap against the references, which they share: does one get better answers?"""

    pairs: int
    """Those whose prompt is of one side as a whole."""
    first: float
    """Mean score of the prompts of the first of `Attribute.sides`."""
    second: float
    gain: float
    """First minus second."""
    low: float
    """Lower end of the 95 % interval of the gain."""
    high: float
    p_value: float
    """Of McNemar's test of right or wrong answers, of swaps by chance of graded scores; of this one attribute."""


class Leaning(Message):
    """An answer that one side of a swap gets and the other does not."""

    answer: str
    """Cut to 60 characters, with secrets and personal data masked."""
    first: int
    """Pairs in which only the first of `Attribute.sides` got it."""
    second: int
    adjusted_p_value: float
    """Of the sign test, corrected for all answers that were compared (Holm)."""


class FlippedPair(Message):
    """A dev row whose answer changed with its prompt; texts are cut to 200 characters and masked."""

    row: int
    swapped: str
    """What became what."""
    answer: str
    twin_answer: str


class AttributeFlips(Message):
    """What became of the answers when one attribute was changed."""

    attribute: Attribute
    outcome: Dependence
    tuned: Flips
    base: Flips
    """Of as many of the same pairs as the base had time for."""
    control: Flips
    """Tuned, by swaps that change nothing: one name for another of the same gender and origin, a word for another that says
    the same."""
    base_control: Flips
    """The same of the base."""
    above: float | None = None
    """Share of flips of tuned less that of the control; None: too few pairs."""
    above_low: float | None = None
    """Lower end of its interval, which is the wider the more attributes were looked at."""
    above_high: float | None = None
    sides: Sides | None = None
    """None: fewer than 20 pairs with two sides."""
    leaning: Leaning | None = None
    """The clearest one of those with an adjusted p-value below 0.05; only of answers that are compared as a whole."""
    rows: tuple[int, ...] = ()
    """Numbers of the first 20 dev rows whose answer flipped."""
    examples: tuple[FlippedPair, ...] = ()
    """The first three of them."""


class SwapReport(Message):
    """Dev rows with one attribute changed: not part of the verdict, and no opening of the test set."""

    rows: int
    """Dev rows that were looked through."""
    change_points: float | None
    """Points of the primary metric by which a score must differ to count as flipped; None: the answers must differ."""
    attributes: tuple[AttributeFlips, ...]
    """Those that dev rows allow to look at; the others have too few rows with such words, or are asked for."""
    asked_for: tuple[Attribute, ...] = ()
    """Attributes that the task or its labels name, so that answers may depend on them."""
    asked_s: float

    @property
    def biased(self) -> tuple[AttributeFlips, ...]:
        """Return the attributes that answers depend on, the clearest first."""
        found = [one for one in self.attributes if one.outcome is Dependence.BIASED]
        return tuple(sorted(found, key=lambda one: -(one.above or 0.0)))
