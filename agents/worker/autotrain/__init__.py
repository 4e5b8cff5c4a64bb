"""Training by AutoTrain: what it is given, how it is started and watched, what is made of the adapter that it leaves.

    JOB/autotrain/  config.yml        what it is told
                    data/train.jsonl  the rows as text
                    base/             the base model as its older transformers reads it
                    adapter/          its project: what it writes

AutoTrain runs as a program in a virtual environment of its own (`agents.autotrain`); nothing of it is imported.
"""
