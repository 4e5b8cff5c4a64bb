"""What a job would have found out about an answer, with ordinary facts."""

from typing import Any

from agents.jobs import (
    AnswerWord,
    Attention,
    Attribution,
    ExplainResult,
    ExplainSpec,
    Influence,
    LayerUpdate,
    PromptWord,
    TaughtRow,
)


def an_attribution(**facts: Any) -> Attribution:
    """Return integrated gradients that add up and name words that matter."""
    found: dict[str, Any] = {
        "whole": 5.0,
        "error": 0.012,
        "steps": 64,
        "is_complete": True,
        "deleted": 1,
        "comprehensiveness": 4.5,
        "comprehensiveness_by_chance": 0.5,
        "sufficiency": 0.2,
        "sufficiency_by_chance": 3.0,
    }
    return Attribution(**(found | facts))


def an_explanation(spec: ExplainSpec, **facts: Any) -> ExplainResult:
    """Return what would be found out about the answer that a spec asks about."""
    found: dict[str, Any] = {
        "row": spec.row,
        "prompt": f"Where is my refund? {spec.row}",
        "reference": "a",
        "answer": spec.said,
        "is_as_reported": True,
        "against_reference": not spec.is_right,
        "answer_words": (
            AnswerWord(text="b", log_prob_base=-4.0, log_prob_tuned=-0.1, kl=3.2),
            AnswerWord(text="<end>", log_prob_base=-0.5, log_prob_tuned=-0.01, kl=0.1),
        ),
        "prompt_words": (
            PromptWord(text="user", is_mark=True, looked_middle=0.4, looked_last=0.5),
            PromptWord(text="Where", push=-0.5, looked_middle=0.1, looked_last=0.1),
            PromptWord(text="refund?", push=5.5, looked_middle=0.5, looked_last=0.4),
        ),
        "attribution": an_attribution(),
        "attention": Attention(middle=15, last=30),
        "influence": Influence(
            rows=250,
            looked_at=100,
            nearest=64,
            layers=15,
            towards=(TaughtRow(row=7, prompt="My refund is late", given="b", score=0.91),),
            against=(TaughtRow(row=9, prompt="Refund, please", given="a", score=-0.84),),
            scores=((7, 0.91), (9, -0.84)),
        ),
        "layers": tuple(LayerUpdate(layer=n, size=0.01 * n) for n in range(1, 31)),
        "explain_s": 60.0,
    }
    return ExplainResult(**(found | facts))
