"""Training rows as what new ones are made after: what is asked, what is answered, and how a row of that shape is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True)
class Seed:
    """A training row in two texts."""

    number: int
    asked: str
    """The prompt, or its last turn; of plain text all of it."""
    answer: str
    """The right one; of a pair the preferred one; empty where there is none."""
    record: Mapping[str, Any]
    """The row as it stands in the file."""
    opening: str = ""
    """What stands before `asked` in every row: the task, in the same words each time. A made row has it too."""

    @property
    def is_text(self) -> bool:
        """Tell whether it is learnt as it stands."""
        return "text" in self.record

    @property
    def is_pair(self) -> bool:
        """Tell whether it has a preferred and another answer."""
        return "chosen" in self.record

    def reworded(self, asked: str) -> Record:
        """Return a row of the same shape that asks this, with all else as it is."""
        if self.is_text:
            return {"text": asked}
        kept = {name: value for name, value in self.record.items() if name not in {"row", "made"}}
        return kept | {"prompt": self._asking(asked, self.record["prompt"])}

    def written(self, asked: str, answer: str) -> Record:
        """Return a row of the same shape with this question and answer; of a conversation only its system message stays."""
        if self.is_text:
            return {"text": asked}
        prompt = self.record["prompt"]
        if not isinstance(prompt, str):
            prompt = [turn for turn in prompt if turn["role"] == "system"]
            prompt = [*prompt, {"role": "user", "content": ""}]
        row: Record = {"prompt": self._asking(asked, prompt)}
        if "reference" in self.record:
            return row | {"reference": answer or None}
        row["completion"] = self._said(answer)
        return row | ({"label": True} if "label" in self.record else {})

    def paired(self, rejected: str) -> Record:
        """Return a pair of preference: the right answer of this row, and a worse one."""
        chosen = self.record["chosen"] if self.is_pair else self.record["completion"]
        return {
            "prompt": self.record["prompt"],
            "chosen": chosen,
            "rejected": self._said(rejected),
        }

    def _said(self, answer: str) -> Any:
        given = self.record.get("chosen", self.record.get("completion"))
        if isinstance(given, Mapping):
            return {"role": "assistant", "content": answer}
        return answer

    def _asking(self, asked: str, prompt: Any) -> Any:
        asked = self.opening + asked
        if isinstance(prompt, str):
            return asked
        return [*prompt[:-1], {**prompt[-1], "content": asked}]


def seed_of(record: Mapping[str, Any]) -> Seed | None:
    """Return a row as a seed; None for one that holds tools, judged steps, or an answer that was found bad."""
    if "text" in record:
        return Seed(record["row"], record["text"], "", record)
    if record.get("tools") or "completions" in record or record.get("label") is False:
        return None
    asked = _last_turn(record.get("prompt"))
    given = record.get("chosen", record.get("completion", record.get("reference")))
    answer = _content(given) if given is not None else ""
    if asked is None or answer is None:
        return None
    return Seed(record["row"], asked, answer, record)


def seeds_of(records: Sequence[Mapping[str, Any]], task: str = "") -> tuple[Seed, ...]:
    """Return the rows that can be seeds, in their order; rows that a program made are none.

    Where all of them begin with the `task`, as rows are prepared, what comes after it is what they ask.
    """
    found = [seed_of(record) for record in records if "made" not in record]
    seeds = [seed for seed in found if seed is not None and seed.asked.strip()]
    opening = f"{task.strip()}\n\n"
    if task.strip() and all(seed.asked.startswith(opening) for seed in seeds):
        cut = (replace(s, asked=s.asked.removeprefix(opening), opening=opening) for s in seeds)
        seeds = [seed for seed in cut if seed.asked.strip()]
    return tuple(seeds)


def _last_turn(prompt: Any) -> str | None:
    if isinstance(prompt, str):
        return prompt
    if not prompt or prompt[-1].get("role") != "user":
        return None
    content = prompt[-1].get("content")
    return content if isinstance(content, str) else None


def _content(answer: Any) -> str | None:
    if isinstance(answer, str):
        return answer
    if not isinstance(answer, Mapping) or answer.get("tool_calls"):
        return None
    content = answer.get("content")
    return content if isinstance(content, str) else None
