"""How answers are scored, by name."""

from enum import StrEnum
from typing import Literal


class Metric(StrEnum):
    """How an answer is scored, against its reference where it has one; `better` and `is_share` say how to read it."""

    EXACT_MATCH = "exact_match"
    """The answer is the reference, up to case and white space. For labels, where it is the accuracy, and codes."""
    FIELD_F1 = "field_f1"
    """Fields, name and value, that answer and reference have in common. For answers with several fields."""
    VALID_SHAPE = "valid_shape"
    """The answer can be read and has the reference's fields, right or wrong."""
    MACRO_F1 = "macro_f1"
    """Mean of the F1 of each label: rare labels count as much as frequent ones."""
    TOKEN_F1 = "token_f1"
    """Overlap of words, order ignored (SQuAD). For short free answers."""
    CHRF = "chrf"
    """Overlap of character n-grams (sacreBLEU chrF2). For longer text."""
    ROUGE_L = "rouge_l"
    """Longest common subsequence of words."""
    BLEU = "bleu"
    """Overlap of word n-grams. In the table for the record; never primary."""
    TER = "ter"
    """Edits per word of the reference (sacreBLEU). Lower is better; may exceed 1."""
    SIMILARITY = "similarity"
    """Cosine of sentence embeddings."""
    MATCHED_TOKENS = "matched_tokens"
    """Best matches between tokens by their embeddings, as in BERTScore."""
    BITS_PER_BYTE = "bits_per_byte"
    """Bits that the model needs to tell the reference, per byte of it. Lower is better."""
    LENGTH_RATIO = "length_ratio"
    """Characters of the answers per character of the references. 1 is best."""
    REFUSALS = "refusals"
    """Share of answers that refuse where the reference does not. Lower is better."""
    OWN = "own"
    """What the recipe's `metric`, or a plugin of the operator, makes of an answer."""
    PAIR_ACCURACY = "pair_accuracy"
    """Share of pairs in which the preferred answer gets the higher score (per token: the higher probability)."""
    VOTE_ACCURACY = "vote_accuracy"
    """Share of thumbs that agree with whether tuning made the answer likelier; up and down count half each."""
    REWARD = "reward"
    """Mean reward of greedy answers."""

    @property
    def better(self) -> Literal["higher", "lower", "near 1"]:
        """Which way is better. What decides is always higher-is-better."""
        if self is Metric.LENGTH_RATIO:
            return "near 1"
        return "lower" if self in {Metric.TER, Metric.BITS_PER_BYTE, Metric.REFUSALS} else "higher"

    @property
    def is_share(self) -> bool:
        """Whether it lies in 0 … 1 and is shown in percent."""
        return self not in {Metric.TER, Metric.BITS_PER_BYTE, Metric.LENGTH_RATIO}
