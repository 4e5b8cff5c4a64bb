"""Figures about speed and memory; see docs/benchmarks.md."""
