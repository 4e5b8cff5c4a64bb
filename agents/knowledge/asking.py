"""What is looked up for a task: its goal, its labels, and rows to learn from; never dev or test rows."""

from collections.abc import Iterable, Iterator, Sequence

from agents.knowledge.index import Hit, Index

PER_QUESTION = 5
MOST_QUESTIONS = 300


def questions(goal: str, labels: Sequence[str], prompts: Sequence[str]) -> list[str]:
    """Return what to look up, the broad ones first; of many prompts as many as there is room for, evenly spread."""
    broad = [goal, *(f"{goal} {spoken(label)}" for label in labels)]
    room = max(0, MOST_QUESTIONS - len(broad))
    step = max(1, -(-len(prompts) // room)) if room else 0
    narrow = prompts[::step] if step else []
    return [q for q in dict.fromkeys(part.strip() for part in (*broad, *narrow)) if q][
        :MOST_QUESTIONS
    ]


def spoken(label: str) -> str:
    """Return a label as words: `card_arrival` is found under card arrival."""
    return " ".join(label.replace("_", " ").replace("-", " ").split())


def found(index: Index, asked: Iterable[str], most: int, among: Sequence[str]) -> list[Hit]:
    """Return the passages that fit the questions best: of each question its best one, then of each its second, and so on."""
    lists = [index.search(question, PER_QUESTION, among) for question in asked]
    hits: dict[str, Hit] = {}
    for hit in _in_turn(lists):
        hits.setdefault(hit.passage.id, hit)
        if len(hits) == most:
            break
    return list(hits.values())


def _in_turn(lists: Sequence[Sequence[Hit]]) -> Iterator[Hit]:
    for rank in range(PER_QUESTION):
        for hits in lists:
            if rank < len(hits):
                yield hits[rank]
