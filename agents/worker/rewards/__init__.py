"""Rewards: what an answer is worth, in 0 … 1, computed from the typed data of `agents.rewards`."""
