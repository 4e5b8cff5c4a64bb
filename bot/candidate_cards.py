"""What a plan says of several candidates, and what a training says of who won."""

from agents.candidates import number
from agents.jobs import CandidateEnd, CandidateOutcome, TrainResult
from agents.planning import Estimate
from agents.recipe import Recipe
from bot.text import inline, plain


def planned(recipe: Recipe, guess: Estimate) -> list[str]:
    """Say which values are tried beside each other, how one is chosen, and how many steps that takes."""
    named = recipe.candidates
    if named is None:
        return []
    values = ", ".join(map(number, named.values))
    steps = f" (**{guess.all_steps:,} steps** in all)" if guess.all_steps else ""
    return [
        f"Tries {len(named.values)} candidates for {inline(named.field)} in one training: **{values}**{steps}. After each part of "
        "the steps the half with the lower dev loss goes on; the one that is left is trained to its end. Only the dev rows "
        "choose; the sealed rows are opened for that one alone."
    ]


def ended(done: TrainResult) -> list[str]:
    """Say what became of each candidate, and which one was kept, by what dev loss."""
    if not done.candidates:
        return []
    lines = [
        f"{len(done.candidates)} candidates for {inline(done.candidates[0].field)}, compared by dev loss:"
    ]
    return lines + [
        f"{'✔' if one.chosen else '•'} **{number(one.value)}**: {plain(_course(one, done), 200)}"
        for one in done.candidates
    ]


def _course(one: CandidateOutcome, done: TrainResult) -> str:
    losses = ", ".join(f"{loss:.3f} at step {step:,}" for step, loss in one.dev_losses)
    if one.out is CandidateEnd.NOT_FINITE:
        fate = f"out after step {one.out_at_step:,}, its numbers became infinite or not a number"
    elif one.out is CandidateEnd.DEV_LOSS:
        fate = f"out after step {one.out_at_step:,}"
    elif one.chosen:
        fate = f"kept, {one.steps_done:,} of {done.steps_planned:,} steps"
    elif one.steps_done:
        fate = f"still in at step {one.steps_done:,}"
    else:
        fate = "not begun"
    return f"{losses}; {fate}" if losses else fate
