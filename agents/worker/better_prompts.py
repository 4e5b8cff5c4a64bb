"""The base without training, asked the sealed rows in better words: what a prompt does, nobody needs to train."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.worker import prompted
from agents.worker.answers import Exam
from agents.worker.base_model import LoadedBase
from agents.worker.checks.masks import safe
from agents.worker.evaluate_shaped import Evaluation
from agents.worker.known_answers import Asked
from agents.worker.rows import Row, pairs, prompt_ids, read_rows, stop_ids

SHOWN_CHARS = 4000


@dataclass(frozen=True)
class Prompted:
    """What the base said to all rows with one prompt."""

    shots: int
    """Examples in it."""
    words: str
    """The prompt, for people."""
    texts: tuple[str, ...]


def answers(
    base: LoadedBase, asked: Asked, rows: Sequence[Row], how: Evaluation
) -> tuple[Prompted, ...]:
    """Return the base's answers with the prompt that was tried before the plan, without its examples and with them.

    Nothing where that is not wanted, or rows are more than one prompt each: conversations, tools, plain texts.
    """
    spec = how.spec
    single = all(isinstance(row.prompt, str) and not row.plain and not row.tools for row in rows)
    if not spec.prompted or not single or spec.train is None:
        return ()
    chose = [
        row for known in spec.learnt if known.chose for row in read_rows(known.file, how.folder)
    ]
    longest = pairs(chose or rows)  # leaves the examples as much room as before the plan
    best = prompted.prompting_for(
        base, pairs(read_rows(spec.train, how.folder)), longest, spec.task, spec.labels
    )
    prompts = {len(words.shots): words for words in (replace(best, shots=()), best)}
    return tuple(_answered(base, asked, rows, words, how) for words in prompts.values())


def _answered(
    base: LoadedBase,
    asked: Asked,
    rows: Sequence[Row],
    words: prompted.Prompting,
    how: Evaluation,
) -> Prompted:
    most = how.spec.recipe.max_new_tokens
    room = max(1, base.context_tokens - most)
    told = [prompt_ids(base.tokenizer, words.text(pair.prompt))[-room:] for pair in pairs(rows)]
    how.reporter.stage("answering with a better prompt, without training", len(rows))
    said = asked.answers(base.tokenizer, Exam(told, stop_ids(base.tokenizer, base.model), most), 0)
    return Prompted(
        len(words.shots),
        safe(words.text("…"))[:SHOWN_CHARS],
        tuple(prompted.own_part(answer.text) for answer in said),
    )
