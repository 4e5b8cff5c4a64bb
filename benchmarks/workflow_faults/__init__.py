"""Workflows with one planted fault each: how often the loop that improves workflows mends them, and what else it breaks."""
