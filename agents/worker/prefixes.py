"""Preferences whose two answers share their prompt: find where the prompt ends."""

import re
from itertools import takewhile

from agents.worker.conversations import Message, shortest, shortest_answer
from agents.worker.values import RowProblem

Reply = str | list[Message]
Prompt = str | list[Message]

ANSWER_MARK = re.compile(r"(?:^|\n\n)(Human|H|User|Assistant|A)\s*:[ \t]*")
"""Speakers in a text, as in Anthropic's HH-RLHF."""
SPEAKERS = {
    "human": "user",
    "h": "user",
    "user": "user",
    "assistant": "assistant",
    "a": "assistant",
}


def part_answers(
    given: Prompt | None, chosen: Reply, rejected: Reply
) -> tuple[Prompt, str | Message, str | Message]:
    """Return prompt, chosen and rejected answer, with what both answers begin with moved into the prompt.

    A prompt that is given stays; messages that both answers repeat before the answer replace it, as they hold more.
    Raises: RowProblem: there is no prompt, or an answer is more than one message.
    """
    if isinstance(chosen, str) and isinstance(rejected, str):
        if given is not None:
            return given, chosen, rejected
        return _part_texts(chosen, rejected)
    if isinstance(chosen, str) or isinstance(rejected, str):
        raise RowProblem("one of the two answers is text, the other a list of messages")
    shared = 0
    while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
        shared += 1
    before = chosen[:shared]
    ends = [chosen[shared:], rejected[shared:]]
    if any(len(end) != 1 or end[0]["role"] != "assistant" for end in ends):
        raise RowProblem("chosen and rejected differ in more than their last answer")
    prompt = shortest(before) if before else given
    if prompt is None:
        raise RowProblem("chosen and rejected share no beginning, so there is no prompt")
    return prompt, shortest_answer(ends[0][0]), shortest_answer(ends[1][0])


def _part_texts(chosen: str, rejected: str) -> tuple[Prompt, str, str]:
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(chosen, rejected, strict=False))
    shared = "".join(char for char, _ in pairs)
    marks = [
        mark for mark in ANSWER_MARK.finditer(shared) if SPEAKERS[mark[1].casefold()] == "assistant"
    ]
    if marks:
        end = marks[-1].end()
        prompt: Prompt = shortest(_turns(shared[: marks[-1].start()]))
    else:
        end = _last_border(shared)
        prompt = shared[:end].strip()
    answers = chosen[end:].strip(), rejected[end:].strip()
    if not prompt or not all(answers):
        raise RowProblem("chosen and rejected share no beginning, so there is no prompt")
    return prompt, *answers


def _last_border(text: str) -> int:
    """Return where the last line of a text ends, or its last word: a prompt does not end inside a word."""
    line = text.rfind("\n") + 1
    return line or max(text.rfind(" ") + 1, 0)


def _turns(text: str) -> list[Message]:
    marks = list(ANSWER_MARK.finditer(text))
    if not marks:
        return [{"role": "user", "content": text.strip()}]
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    turns = [
        {"role": SPEAKERS[mark[1].casefold()], "content": text[mark.end() : end].strip()}
        for mark, end in zip(marks, ends, strict=True)
    ]
    before = text[: marks[0].start()].strip()
    return [{"role": "system", "content": before}, *turns] if before else turns
