"""The lab notebook: every try of a run as rows tell it, kept as commits of a git repository."""
