"""What the texts of training rows have in common: facts that tell a mistake in the data from a task.

Counted once, when a model is measured; the debugger's rules read them.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence

from agents.jobs import RowFacts
from agents.worker.rows import Pair

MOST_NAMED = 20
MOST_MARKS = 5
LOOKED_AT_CHARS = 20_000
"""Of each text, for marks."""
MARKS = re.compile(
    r"<\|(?:im_start|im_end|system|user|assistant|end|endoftext|eot_id|begin_of_text|start_header_id|end_header_id)\|>"
    r"|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|</?s>"
    r"|^###\s?(?:Instruction|Input|Response|Human|Assistant):",
    re.MULTILINE,
)
"""What ChatML, Llama 2 and 3, Gemma, Phi and Alpaca write around turns."""
QUESTION_MARKS = ("?", "\uff1f", "\u061f")
"""Of Latin, Chinese and Arabic scripts."""
HINTS = ("<|", "INST]", "<<", "_of_turn>", "<s>", "</s>", "###")


def of_pairs(pairs: Sequence[Pair]) -> RowFacts:
    """Count what rows, of which there must be some, have in common."""
    answers = [pair.completion.strip() for pair in pairs]
    rows = len(pairs)
    longest = max(len(answer) for answer in answers)
    marked: list[int] = []
    marks: Counter[str] = Counter()
    for pair in pairs:
        found = _marks(pair.prompt) | _marks(pair.completion)
        marks.update(found)
        if found:
            marked.append(pair.number)
    return RowFacts(
        rows=rows,
        most_common_answer=Counter(answers).most_common(1)[0][1] / rows,
        json_answers=sum(map(is_json, answers)) / rows,
        same_length=sum(len(answer) == longest for answer in answers),
        longest_chars=longest,
        prompts_asking=sum(_asks(pair.prompt) for pair in pairs) / rows,
        answers_asking=sum(_asks(answer) for answer in answers) / rows,
        marked=tuple(marked[:MOST_NAMED]),
        marked_count=len(marked),
        marks=tuple(mark for mark, _times in marks.most_common(MOST_MARKS)),
    )


def is_json(text: str) -> bool:
    """Tell whether a text is a JSON object or list."""
    text = text.strip()
    if not text.startswith(("{", "[")):
        return False
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _marks(text: str) -> set[str]:
    text = text[:LOOKED_AT_CHARS]
    if not any(hint in text for hint in HINTS):
        return set()
    return {match.group(0) for match in MARKS.finditer(text)}


def _asks(text: str) -> bool:
    return text.rstrip().endswith(QUESTION_MARKS)
