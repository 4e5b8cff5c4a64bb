"""Which ways of making rows are of use for which data, and why one is not."""

from collections.abc import Callable

from agents.generation.material import Material
from agents.jobs import WITHOUT_MODEL, Strategy

PAIRS = frozenset({Strategy.PERTURB, Strategy.PREFER})
"""For rows with a preferred and another answer: other ways would have to make both."""
TEXTS = frozenset({Strategy.PERTURB, Strategy.VARY, Strategy.PERSONA, Strategy.EVOLVE})
"""For rows that are learnt as they stand."""
FROM_PASSAGES = frozenset({Strategy.FROM_FACTS, Strategy.CITED})
WITHOUT_SEED = frozenset({Strategy.PERSONA, Strategy.FROM_LABEL, *FROM_PASSAGES})
"""They can make rows with an answer that no training row has."""

Rule = Callable[[Material, Strategy, str | None], str | None]


def why_not(
    material: Material, strategy: Strategy, label: str | None, *, has_model: bool
) -> str | None:
    """Return why a way cannot be gone for rows with an answer; None where it can."""
    if not has_model and strategy not in WITHOUT_MODEL:
        return "needs a language model, and none is configured"
    return next((why for rule in RULES if (why := rule(material, strategy, label))), None)


def _shape(material: Material, strategy: Strategy, _label: str | None) -> str | None:
    first = material.seeds[0]
    if first.is_pair and strategy not in PAIRS:
        return "makes no pairs of answers, and the rows are such pairs"
    if first.is_text and strategy not in TEXTS:
        return "needs prompts with answers, and the rows are plain texts"
    alone = material.terms.strategies == (Strategy.PREFER,)
    if strategy is Strategy.PREFER and not first.is_pair and not alone:
        return "makes pairs of answers, and the rows are none: it has to be the only way"
    return None


def _seeds(material: Material, strategy: Strategy, label: str | None) -> str | None:
    if label is not None and strategy not in WITHOUT_SEED and not material.of(label):
        return f"starts from a training row, and none has the answer “{label[:80]}”"
    return None


def _answers(material: Material, strategy: Strategy, label: str | None) -> str | None:
    needs = strategy in {Strategy.FROM_LABEL, Strategy.PREFER} and label is None
    if needs and not any(seed.answer for seed in material.seeds):
        return "starts from an answer, and the rows have none"
    return None


def _facts(material: Material, strategy: Strategy, label: str | None) -> str | None:
    if strategy not in FROM_PASSAGES:
        return None
    if not material.facts:
        return "needs passages of documents, and there are none"
    if strategy is Strategy.CITED and label is not None:
        return "makes answers that name their source, and here the answer is a given one"
    return None


RULES: tuple[Rule, ...] = (_shape, _seeds, _answers, _facts)
