"""What a worker asks a language model about answers, and what that thinks of them: two files of one folder.

    DIR/questions.jsonl  appended by the worker
        opinions.jsonl   appended by the bot

The worker never talks to the model and holds no key. All attempts at one piece of work share the folder, so that a
question which has a score is never asked again. Lines that are cut off, too long or of another version are passed over;
a line that is there twice counts once.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

CRITERION_CHARS = 1000
PROMPT_CHARS = 8000
REFERENCE_CHARS = 4000
ANSWER_CHARS = 8000
ERROR_CHARS = 500
MAX_LINE_BYTES = 2**18
"""Of JSON; the texts of a question take at most half of it."""
CHUNK_BYTES = 2**20


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Question(_Message):
    """One line of `questions.jsonl`. Its texts are cut: of a prompt the end is kept, of the others the beginning."""

    id: str
    """SHA-256 of the four texts, as cut."""
    job_id: str
    """The attempt that waits for an opinion."""
    criterion: Annotated[str, Field(max_length=CRITERION_CHARS)]
    """What makes an answer good, in the words of the person who started the run."""
    prompt: Annotated[str, Field(max_length=PROMPT_CHARS)]
    reference: Annotated[str, Field(max_length=REFERENCE_CHARS)] | None
    answer: Annotated[str, Field(max_length=ANSWER_CHARS)]

    @model_validator(mode="after")
    def _is_named_by_its_texts(self) -> "Question":
        if self.id != _digest(self.criterion, self.prompt, self.reference, self.answer):
            raise ValueError("the id is not that of the texts")
        return self


class Opinion(_Message):
    """One line of `opinions.jsonl`: a score, which is kept, or an error, which is only for the attempt that asked."""

    id: str
    """Of the question."""
    job_id: str
    """The attempt that asked."""
    score: Annotated[float, Field(ge=0, le=1)] | None = None
    error: Annotated[str, Field(min_length=1, max_length=ERROR_CHARS)] | None = None
    """For the person: why there is no score. Never what a provider said, which may hold parts of a key."""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> "Opinion":
        if (self.score is None) is (self.error is None):
            raise ValueError("either a score or an error")
        return self


M = TypeVar("M", Question, Opinion)


class Reader(Generic[M]):
    """Reads a file that grows, from where it last stopped."""

    def __init__(self, path: Path, kind: type[M]) -> None:
        self._path = path
        self._kind: type[M] = kind
        self._offset = 0

    def new(self) -> Iterator[M]:
        """Yield what whole lines have been added; what is half-written is left for the next time."""
        while chunk := self._chunk():
            whole, newline, _rest = chunk.rpartition(b"\n")
            if newline:
                self._offset += len(whole) + 1
                yield from self._read(whole)
            elif len(chunk) == CHUNK_BYTES:
                self._offset += CHUNK_BYTES  # so long a line is none of ours
            else:
                return

    def _chunk(self) -> bytes:
        try:
            with self._path.open("rb") as lines:
                lines.seek(self._offset)
                return lines.read(CHUNK_BYTES)
        except FileNotFoundError:
            return b""

    def _read(self, lines: bytes) -> Iterator[M]:
        for raw in lines.split(b"\n"):
            if len(raw) <= MAX_LINE_BYTES:
                try:
                    found = self._kind.model_validate_json(raw)
                except ValueError:
                    continue
                yield found


def questions(folder: Path) -> Reader[Question]:
    """Return a reader of the questions from the first one on."""
    return Reader(folder / "questions.jsonl", Question)


def opinions(folder: Path) -> Reader[Opinion]:
    """Return a reader of the opinions from the first one on."""
    return Reader(folder / "opinions.jsonl", Opinion)


def ask(folder: Path, asked: Sequence[Question]) -> None:
    """Append questions. Only the worker does, and only one works in a folder."""
    _append(folder / "questions.jsonl", asked)


def answer(folder: Path, found: Sequence[Opinion]) -> None:
    """Append opinions. Only the bot does."""
    _append(folder / "opinions.jsonl", found)


def copy(folder: Path, to: Path) -> None:
    """Give the scores of one folder to another one, in which nobody has asked yet."""
    _append(
        to / "opinions.jsonl",
        [found for found in opinions(folder).new() if found.score is not None],
    )


def question(
    job_id: str, criterion: str, prompt: str, reference: str | None, answer: str
) -> Question:
    """Return a question whose texts are cut to what may be asked."""
    texts = (
        _clean(criterion)[:CRITERION_CHARS],
        _clean(prompt)[-PROMPT_CHARS:],
        None if reference is None else _clean(reference)[:REFERENCE_CHARS],
        _clean(answer)[:ANSWER_CHARS],
    )
    criterion, prompt, reference, answer = texts
    return Question(
        id=_digest(*texts),
        job_id=job_id,
        criterion=criterion,
        prompt=prompt,
        reference=reference,
        answer=answer,
    )


def _digest(criterion: str, prompt: str, reference: str | None, answer: str) -> str:
    return hashlib.sha256(json.dumps([criterion, prompt, reference, answer]).encode()).hexdigest()


def _clean(text: str) -> str:
    # Half of a surrogate pair cannot be written down.
    return text.encode(errors="replace").decode()


def _append(path: Path, lines: Sequence[Question] | Sequence[Opinion]) -> None:
    """Append lines; one that an earlier process has left half-written is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as stream:
        size_bytes = stream.seek(0, os.SEEK_END)
        if size_bytes:
            stream.seek(size_bytes - 1)
            if stream.read(1) != b"\n":
                stream.write(b"\n")
        stream.write(b"".join(line.model_dump_json().encode() + b"\n" for line in lines))
        stream.flush()
        os.fsync(stream.fileno())
