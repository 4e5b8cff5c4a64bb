"""Makes rows to learn from: by rules, by a language model, or by curator in an environment of its own.

    python -m agents.generation JOB_DIR     job `generate`

It sees training rows, what the person wants, and passages of documents; never a dev or test row. All of that is data: a reply
of a language model becomes rows or nothing. What comes out are drafts; which of them are fit is decided by another job.
"""
