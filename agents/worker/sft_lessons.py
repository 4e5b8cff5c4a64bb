"""The rows of a supervised training as tokens; without TRL, which takes long to import."""

from collections.abc import Sequence

from agents.recipe import Recipe
from agents.worker import rows
from agents.worker.base_model import LoadedBase
from agents.worker.lessons import Lesson


def encode(base: LoadedBase, read_rows: Sequence[rows.Row], recipe: Recipe) -> list[Lesson]:
    """Turn rows into tokens; labels cover the answer and its end, never the prompt.

    Raises: WorkerError: a row has nothing to learn from.
    """
    ends = rows.stop_ids(base.tokenizer, base.model)
    limit = min(recipe.max_length_tokens, base.context_tokens)
    whole = [rows.encode(base.tokenizer, row, ends) for row in read_rows]
    short = rows.cut(read_rows, whole, ends, limit)
    return [_lesson(*pair) for pair in zip(whole, short, strict=True)]


def _lesson(whole: rows.Encoded, short: rows.Encoded) -> Lesson:
    learnt = sum(label != rows.IGNORED for label in whole.labels)
    return Lesson(
        columns={"input_ids": short.input_ids, "labels": short.labels},
        tokens=len(short.input_ids),
        whole_tokens=len(whole.input_ids),
        answer_tokens=learnt,
        prompt_ids=whole.input_ids[: whole.prompt_tokens],
    )
