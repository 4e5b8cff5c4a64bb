"""What a draft of a row can fail at, one file per reason. Nothing here asks a language model or obeys what it reads.

`agents.worker.sift_rows` runs them all, in the order of `SieveName`.
"""
