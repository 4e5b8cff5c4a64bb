"""A program, not a library: `python -m agents.worker JOB_DIR`."""
