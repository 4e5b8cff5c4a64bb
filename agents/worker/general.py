"""Everyday things that a model could do before: can it still do them? A frozen suite, asked without generating.

An item is a question with one right and three wrong answers, each a sentence, and it has two scores. How sure the model is
of each token of the right answer (the geometric mean of their probabilities) falls when it no longer gives such answers.
The share of the right answer in the likelihoods of the four falls when it no longer knows better. Both are graded: with
right or wrong, not even two equal models could be shown to be equal within two points on a hundred items.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from agents.jobs import AbilityScore, Forgetting, GeneralMeasure, GeneralScore, Kept
from agents.worker import verdict
from agents.worker.paired import Numbers
from agents.worker.rows import prompt_ids
from agents.worker.shaped_rows import Said
from agents.worker.verdict import Estimate

FILE = Path(__file__).with_name("general_suite.json")
SEED = 17
"""Of the resampling, so that the same scores give the same interval."""
SUITE_DIGITS = 12
Text = Annotated[str, Field(min_length=1)]


class Question(BaseModel):
    """One item of the suite."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ability: Text
    prompt: Text
    right: Text
    wrong: tuple[Text, Text, Text]


class Likely(Protocol):
    """What can say how likely a model finds answers (`known_answers.Asked`)."""

    def likelihoods(
        self, pad_id: int, texts: Sequence[Said], *, counted: bool = True
    ) -> list[float]:
        """Return the mean log-probability per token of each answer after its prompt."""


@dataclass
class General:
    """The suite, and how the models did that were asked: base, then tuned."""

    questions: tuple[Question, ...]
    sha256: str
    scores: list[dict[GeneralMeasure, Numbers]] = field(default_factory=list)
    """Of each question, by model."""

    @classmethod
    def read(cls) -> "General":
        """Read the shipped suite."""
        raw = FILE.read_bytes()
        return cls(
            tuple(Question.model_validate(item) for item in json.loads(raw)),
            hashlib.sha256(raw).hexdigest(),
        )

    def ask(self, tokenizer: Any, asked: Likely) -> None:
        """Have one model say how likely it finds the answers.

        The four answers to a question are asked about together: what stands before them is read once.
        """
        told = [_told(tokenizer, question) for question in self.questions]
        means = [asked.likelihoods(tokenizer.pad_token_id, texts, counted=False) for texts in told]
        lengths = [[len(text.answer) for text in texts] for texts in told]
        self.scores.append(scores(np.array(means), np.array(lengths)))

    def compared(self, margin_points: float) -> Forgetting:
        """Say what became of the abilities, once both models were asked."""
        base, tuned = self.scores
        found = tuple(
            _compared(measure, base[measure], tuned[measure], margin_points / 100)
            for measure in GeneralMeasure
        )
        outcomes = {score.outcome for score in found}
        return Forgetting(
            outcome=Kept.HARMED
            if Kept.HARMED in outcomes
            else Kept.HELD
            if outcomes == {Kept.HELD}
            else Kept.NOT_SHOWN,
            suite=self.sha256[:SUITE_DIGITS],
            items=len(self.questions),
            margin_points=margin_points,
            scores=found,
            abilities=tuple(self._abilities()),
        )

    def _abilities(self) -> Iterator[AbilityScore]:
        base, tuned = self.scores
        names = np.array([question.ability for question in self.questions])
        for name in dict.fromkeys(names.tolist()):
            of = names == name
            yield AbilityScore(
                name=name,
                items=int(of.sum()),
                base_sure=float(base[GeneralMeasure.SURE][of].mean()),
                tuned_sure=float(tuned[GeneralMeasure.SURE][of].mean()),
                base_choice=float(base[GeneralMeasure.CHOICE][of].mean()),
                tuned_choice=float(tuned[GeneralMeasure.CHOICE][of].mean()),
            )


def scores(means: Numbers, lengths: Numbers) -> dict[GeneralMeasure, Numbers]:
    """Return both scores of each question, of mean log-probabilities per token and tokens of its answers, the right one first."""
    whole = means * lengths
    likely = np.exp(whole - whole.max(axis=1, keepdims=True))
    return {
        GeneralMeasure.SURE: np.exp(means[:, 0]),
        GeneralMeasure.CHOICE: likely[:, 0] / likely.sum(axis=1),
    }


def _compared(
    measure: GeneralMeasure, base: Numbers, tuned: Numbers, margin: float
) -> GeneralScore:
    estimate = verdict.compare_scores(base, tuned, SEED)
    return GeneralScore(
        measure=measure,
        outcome=outcome(estimate, margin),
        base=estimate.base,
        tuned=estimate.tuned,
        gain=estimate.gain,
        low=estimate.low,
        high=estimate.high,
    )


def outcome(estimate: Estimate, margin: float) -> Kept:
    """Apply the rule of non-inferiority; "not significantly worse" is no pass."""
    if estimate.low > -margin:
        return Kept.HELD
    return Kept.HARMED if estimate.high < 0 else Kept.NOT_SHOWN


def _told(tokenizer: Any, question: Question) -> list[Said]:
    """Return the answers as a model would begin to give them, the right one first."""
    prompt = prompt_ids(tokenizer, question.prompt)
    told = []
    for answer in (question.right, *question.wrong):
        ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
        told.append(Said(prompt, ids, len(prompt) + len(ids)))
    return told
