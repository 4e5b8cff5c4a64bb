"""GRPO, group relative policy optimisation: several answers to a prompt, each against the average of its group, with GRPOTrainer."""

from functools import partial

from trl import GRPOConfig, GRPOTrainer

from agents.worker import rewarded

read = rewarded.read
encode = rewarded.encode


class AdapterGRPO(rewarded.Rewarded, GRPOTrainer):  # type: ignore[misc]  # TRL ships no types
    """GRPOTrainer that judges dev rows by greedy answers and saves the adapter only."""


make_trainer = partial(rewarded.make_trainer, (AdapterGRPO, GRPOConfig))
