"""RLOO, REINFORCE leave-one-out: several answers to a prompt, each against the mean of the others, with RLOOTrainer."""

from functools import partial

from trl import RLOOConfig, RLOOTrainer

from agents.worker import rewarded

read = rewarded.read
encode = rewarded.encode


class AdapterRLOO(rewarded.Rewarded, RLOOTrainer):  # type: ignore[misc]  # TRL ships no types
    """RLOOTrainer that judges dev rows by greedy answers and saves the adapter only."""


make_trainer = partial(rewarded.make_trainer, (AdapterRLOO, RLOOConfig))
