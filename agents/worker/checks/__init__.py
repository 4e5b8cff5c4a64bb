"""Checks of the rows of an upload: what is wrong with them, where, and what can be done about it.

One file per check. A check takes texts and returns findings; it never fails an intake and never obeys what it reads.
`agents.worker.checks.report.check` runs them all.
"""
