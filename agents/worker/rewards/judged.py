"""Reward by a language model, which the bot asks: questions go into a file, opinions come back in another."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agents import opinions
from agents.opinions import Opinion, Question
from agents.worker.errors import WorkerError
from agents.worker.rewards.attempt import Attempt
from agents.worker.rewards.critics import Critics

LOOK_S = 0.2


def judged(criterion: str, critics: Critics) -> Callable[[Sequence[Attempt]], list[float]]:
    """Return a reward that waits for the opinions of the judge, for as long as the bot takes.

    Raises: WorkerError: there is no judge.
    """
    if critics.judge_dir is None:
        raise WorkerError(
            "judge",
            "There is no language model to judge answers: this plan was made without one. Start again, or choose another "
            "reward: exact_match, overlap, regex, json_schema, number, length or similarity.",
            for_person=True,
        )
    bench = _Bench(critics.judge_dir, critics.beat)

    def score(attempts: Sequence[Attempt]) -> list[float]:
        asked = [
            opinions.question(critics.job_id, criterion, a.question, a.task.reference, a.answer)
            for a in attempts
        ]
        return bench.scores(asked)

    return score


class _Bench:
    """The folder in which the judge is asked, and what it has said there so far."""

    def __init__(self, folder: Path, beat: Callable[[], None]) -> None:
        self._folder = folder
        self._beat = beat
        self._opinions = opinions.opinions(folder)
        self._scores: dict[str, float] = {}

    def scores(self, asked: Sequence[Question]) -> list[float]:
        """Ask what has no score yet and wait until all have one.

        Raises: WorkerError: there is no opinion to be had. Whatever `beat` raises.
        """
        self._listen({})
        missing = {question.id: question for question in asked if question.id not in self._scores}
        if missing:
            opinions.ask(self._folder, list(missing.values()))
        while missing:
            self._beat()
            self._listen(missing)
            missing = {name: q for name, q in missing.items() if name not in self._scores}
            if missing:
                time.sleep(LOOK_S)
        return [self._scores[question.id] for question in asked]

    def _listen(self, missing: dict[str, Question]) -> None:
        for opinion in self._opinions.new():
            if opinion.score is not None:
                # The first one stays, so that a resumed training is rewarded as it was.
                self._scores.setdefault(opinion.id, opinion.score)
            elif opinion.id in missing and opinion.job_id == missing[opinion.id].job_id:
                raise _none(opinion)


def _none(opinion: Opinion) -> WorkerError:
    return WorkerError(
        "judge",
        f"{opinion.error} The settings of that model stand under `llm`, and `tunewright doctor` on the host tells whether it "
        "answers. `resume` then asks again: opinions so far are kept, and a training goes on from its last checkpoint.",
        for_person=True,
    )
