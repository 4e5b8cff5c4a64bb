"""AgentMech workflows: state machines of prompts in YAML, read, checked, run, tested and edited."""
