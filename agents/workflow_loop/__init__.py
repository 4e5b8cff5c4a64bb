"""The nodes of a run that improves a workflow: the same phases, gates, jobs and rows as for a model.

reading → planning → (orchestrator.approve) → proposing → measuring → reviewing → stopping → planning … → handing_over
"""
