"""What happens in a run that is killed, and what a person does in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from configs.schema import CheckpointMode, TrainingSettings
from storage.models import Decision, Phase

ROW = 3
"""A test row that somebody asks about."""


@dataclass(frozen=True)
class Play:
    """What happens in a run, and what a person does in it: the same question always gets the same answer."""

    name: str
    answers: Mapping[str, Decision | str] = field(default_factory=dict)
    """By title of the question: a decision, or the words of a reply. ✅ where nothing is said."""
    script: Mapping[str, str] = field(default_factory=dict)
    """Of the stub launcher."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    pauses_in: Phase | None = None
    """The person pauses the run in this phase, and resumes it when nothing moves any more."""
    asks_why: bool = False
    """The person asks about an answer while the report waits."""
    ends: Phase = Phase.DELIVERED


PLAYS = {
    play.name: play
    for play in (
        Play("all approved"),
        Play(
            "changes and refusals",
            answers={
                "The plan": "2 epochs",
                "The plan, version 2": Decision.REJECT,
                "What should be different?": "lr 1e-4",
                "Verdict: BETTER": "5 epochs",
            },
        ),
        Play(
            "never good enough",
            answers={"Verdict: BETTER": Decision.REJECT},
            ends=Phase.FAILED,
        ),
        Play(
            "held at half-time and stopped",
            answers={"50 % done, continue?": Decision.REJECT},
            settings={"training": TrainingSettings(checkpoint_mode=CheckpointMode.HOLD)},
        ),
        Play(
            "paused in training",
            script={"run1-i1-train-a1": "half"},
            pauses_in=Phase.BUILDING,
        ),
        Play("the worker dies once", script={"run1-i1-train-a1": "die"}),
        Play(
            "an answer is explained, by a worker that dies once",
            script={"run1-i1-explain-a1": "die"},
            asks_why=True,
        ),
        Play(
            "rows are made, two are struck, and they are learnt",
            answers={
                "The plan": "make 20 rows",
                "The made rows": "strike 2 and 5",
            },
        ),
        Play("memory runs out once", script={"run1-i1-train-a1": "oom"}),
    )
}
