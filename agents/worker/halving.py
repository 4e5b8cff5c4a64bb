"""Train several candidates of one recipe until the dev rows have left one: successive halving within one job.

    checkpoints/candidate-1/checkpoint-30/   as of any training, one folder for each candidate
                            rows.jsonl
                            not_finite.json  this candidate is out: where and why

Each candidate is a training of its own that is left at the end of a rung, where it looks at its dev rows and saves anyway,
and taken up again from there. So whoever is left has the adapter that its recipe alone would have given. Who goes on
follows from these files alone, so that an attempt that was killed, or paused, goes on as if nothing had happened.
"""

import gc
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

from agents.candidates import Candidates, Rung, rungs
from agents.jobs import (
    CandidateEnd,
    CandidateOutcome,
    JobResult,
    StopMode,
    TrainResult,
    TrainSpec,
)
from agents.jobs.reporting import Reporter
from agents.worker import not_finite
from agents.worker.checkpoints import (
    best_of,
    damages,
    training_sha256,
    verified,
)
from agents.worker.course import as_it_stands, early_end, train
from agents.worker.timetable import REQUESTED, Stretch, timetable
from agents.worker.training_result import Course, Ending, result


@dataclass(frozen=True)
class Contender:
    """One candidate and how far it has come."""

    number: int
    """In the order of the recipe, from 1 on."""
    value: float
    spec: TrainSpec
    """Of its training alone."""
    course: Course | None
    """None: it has not begun."""
    at_first: int | None
    """Step that this attempt found it at."""

    @property
    def step(self) -> int:
        """Step that it has come to."""
        return 0 if self.course is None else self.course.standing.step

    @property
    def is_broken(self) -> bool:
        """Whether its numbers were not finite."""
        return self.course is not None and self.course.broken is not None

    @property
    def ended_by_itself(self) -> bool:
        """Whether it has ended before its last step, because its dev loss rose."""
        ending = None if self.course is None else self.course.ending
        return ending is not None and ending[0] is None

    def has_done(self, rung: Rung) -> bool:
        """Tell whether nothing is left to train of a rung."""
        if self.course is None:
            return False
        ended = self.is_broken or self.ended_by_itself
        return ended or self.course.standing.step >= rung.until

    def looks(self) -> dict[int, float]:
        """Return the dev loss by step, where a training looks at it whatever happens."""
        if self.course is None:
            return {}
        table = timetable(self.course.origin.steps, self.spec.save_steps, hold_at=0)
        return {
            line["step"]: line["eval_loss"]
            for line in self.course.history
            if math.isfinite(line.get("eval_loss", math.nan)) and table.evaluates(line["step"])
        }

    def dev_loss(self, until: int) -> float:
        """Return the dev loss at a step; of one that had ended before it, the last one."""
        before = [loss for step, loss in sorted(self.looks().items()) if step <= until]
        return before[-1] if before else math.inf

    def best(self) -> tuple[float, float, int]:
        """Return what the best of several is chosen by where the race was not run to its end: lower is better."""
        best = best_of(self.course.checkpoints) if self.course else None
        if best is None:  # nothing to choose by: the lower rate is the safer one
            return math.inf, self.spec.recipe.learning_rate, self.number
        return best.dev_loss, 0.0, self.number


@dataclass
class Race:
    """All candidates, and which of them are still in it."""

    contenders: dict[int, Contender]
    """By number."""
    left: list[int]
    """Numbers of those that are not out, in their order; the chosen one alone, at the end."""
    bench: list[int] = field(default_factory=list)
    """Numbers of those that others were better than, the best one first: they come back when all others break off."""
    out: dict[int, tuple[CandidateEnd, int]] = field(default_factory=dict)
    """Why and after which step others are out."""
    ending: Ending | None = None
    """What somebody asked for on the way."""
    running: int | None = None
    """Number of the one that was training then."""

    @property
    def whole(self) -> list[int]:
        """Numbers of those that are left and whose numbers were finite."""
        return [number for number in self.left if not self.contenders[number].is_broken]

    def shown(self) -> Contender:
        """Return whose numbers the result has."""
        paused = self.ending is not None and self.ending[0] is StopMode.PAUSE
        if paused and self.running is not None:
            return self.contenders[self.running]
        begun = [number for number in self.whole if self.contenders[number].course is not None]
        return min((self.contenders[n] for n in begun or self.left), key=Contender.best)

    def halve(self, rung: Rung) -> None:
        """Let go on after a rung who had the lowest dev loss at its end, the earlier one of equals."""
        steps = {number: self.contenders[number].step for number in self.left}
        ranked = sorted(self.whole, key=lambda n: (self.contenders[n].dev_loss(rung.until), n))
        gone = ranked[rung.stay :]
        for number in self.left:
            if number in gone:
                self.out[number] = CandidateEnd.DEV_LOSS, min(rung.until, steps[number])
            elif number not in ranked:
                self.out[number] = CandidateEnd.NOT_FINITE, steps[number]
        self.bench = [*gone, *self.bench]
        if ranked:
            self.left = sorted(ranked[: rung.stay])
        elif self.bench:
            self.left = [self.bench.pop(0)]
            del self.out[self.left[0]]


def run(folder: Path, spec: TrainSpec, reporter: Reporter) -> JobResult:
    """Train the candidates of a recipe, or turn what is left of them into the result (`finish_now`).

    Raises: WorkerError: the data or the model cannot be used. Stopped: the bot asked to cancel.
    """
    contenders = _found(folder, spec)
    race = Race(contenders, left=sorted(contenders))
    _run(race, folder, spec, reporter)
    shown = race.shown()
    course = shown.course
    if course is None or spec.finish_now:
        saved = course.checkpoints if course else []
        course = as_it_stands(saved, (StopMode.FINISH, REQUESTED))
    course = replace(course, resumed_from_step=shown.at_first)
    if race.ending is not None:
        course = replace(course, ending=race.ending)
    return _told(folder, spec, race, shown, result(folder, shown.spec, course))


def _run(race: Race, folder: Path, spec: TrainSpec, reporter: Reporter) -> None:
    """Train rung after rung, up to the last one or to what somebody asks for."""
    place = 0
    while True:
        for position, number in enumerate(race.left):
            if _is_due(race.contenders[number], place, spec):
                if spec.finish_now:
                    return
                one = _trained(folder, spec, reporter, race.contenders[number], (place, position))
                race.contenders[number] = one
                if one.course and one.course.ending and one.course.ending[0] is not None:
                    race.ending, race.running = one.course.ending, number
                    return
        rung, is_last = _rung(race.contenders[race.left[0]], place, spec)
        was_broken = not race.whole
        race.halve(rung)
        if not race.whole or (is_last and not was_broken):
            return
        place += not was_broken


def _found(folder: Path, spec: TrainSpec) -> dict[int, Contender]:
    """Return the candidates as their files have them."""
    found = {}
    for number, value in enumerate(_several(spec).values, start=1):
        own = spec.of_candidate(number)
        where, training = folder / own.checkpoints_dir, training_sha256(own)
        saved = verified(where, training)
        course = not_finite.read(where, training, saved)
        if course is None and saved:
            course = as_it_stands(saved, early_end(saved[-1], own))
        found[number] = Contender(number, value, own, course, saved[-1].step if saved else None)
    return found


def _is_due(one: Contender, place: int, spec: TrainSpec) -> bool:
    if one.course is None:
        return True
    rung, _is_last = _rung(one, place, spec)
    return not one.has_done(rung)


def _rung(one: Contender, place: int, spec: TrainSpec) -> tuple[Rung, bool]:
    """Return a rung by its place, and whether it is the last one; `one` has begun, so that the number of steps is known."""
    assert one.course is not None
    steps = one.course.origin.steps
    all_rungs = _rungs(spec, steps)
    return all_rungs[place], place == len(all_rungs) - 1


def _rungs(spec: TrainSpec, steps: int) -> tuple[Rung, ...]:
    return rungs(len(_several(spec).values), steps, spec.save_steps)


def _several(spec: TrainSpec) -> Candidates:
    assert spec.recipe.candidates is not None
    return spec.recipe.candidates


def _trained(
    folder: Path, spec: TrainSpec, reporter: Reporter, one: Contender, where: tuple[int, int]
) -> Contender:
    """Return a candidate after its part of a rung; `where` are the rung's place and the candidate's in it."""
    saved = one.course.checkpoints if one.course else []
    course = train(
        folder,
        one.spec,
        reporter,
        saved,
        lambda steps: _stretch(spec, one.number, _rungs(spec, steps), where),
    )
    gc.collect()  # before the next one is loaded: model and trainer hold each other
    if course.broken is not None:
        not_finite.write(folder / one.spec.checkpoints_dir, course)
    return replace(one, course=course)


def _stretch(
    spec: TrainSpec, number: int, all_rungs: tuple[Rung, ...], where: tuple[int, int]
) -> Stretch:
    """Return which steps a candidate trains, and where they lie among those of the job, as if nobody had to leave early."""
    place, position = where
    rung = all_rungs[place]
    done = sum(earlier.steps for earlier in all_rungs[:place])
    before = done + position * (rung.until - rung.since) - rung.since
    steps = sum(one.steps for one in all_rungs)
    # where it should have been in a part that was left out, it is at the next step
    hold_at = max(rung.since + 1, math.ceil(spec.checkpoint_fraction * steps) - before)
    hold_at *= spec.hold_at_checkpoint
    return Stretch(
        timetable(all_rungs[-1].until, spec.save_steps, hold_at, rung.until),
        steps,
        before,
        stage=f"training candidate {number} of {len(_several(spec).values)}",
        name=f"-candidate-{number}",
    )


def _told(
    folder: Path,
    spec: TrainSpec,
    race: Race,
    shown: Contender,
    ended: JobResult,
) -> JobResult:
    """Return the result of the one that is kept, with what became of all."""
    payload, error = ended.payload, ended.error
    assert isinstance(payload, TrainResult)
    kept = payload.adapter_dir is not None or error is not None
    outcomes = tuple(
        _outcome(one, spec, race, chosen=one is shown and kept) for one in race.contenders.values()
    )
    others = tuple(
        f"Candidate {one.number}: {line}"
        for one in race.contenders.values()
        if one is not shown
        for line in damages(folder / one.spec.checkpoints_dir)
    )
    told = payload.model_copy(
        update={"candidates": outcomes, "damaged": (*payload.damaged, *others)}
    )
    if error is not None:
        said = (
            f"All {len(outcomes)} candidates broke off. Candidate {shown.number}: {error.message}"
        )
        error = error.model_copy(update={"message": said})
    return ended.model_copy(update={"payload": told, "error": error})


def _outcome(one: Contender, spec: TrainSpec, race: Race, *, chosen: bool) -> CandidateOutcome:
    end, at = race.out.get(one.number, (None, None))
    course, looks = one.course, one.looks()
    compared = {rung.until for rung in _rungs(spec, course.origin.steps)} if course else set()
    if one.ended_by_itself:
        compared.add(one.step)
    return CandidateOutcome(
        field=_several(spec).field,
        value=one.value,
        steps_done=one.step,
        train_s=course.standing.train_s if course else 0.0,
        dev_losses=tuple((step, looks[step]) for step in sorted(compared & looks.keys())),
        out=end,
        out_at_step=at,
        chosen=chosen,
    )
