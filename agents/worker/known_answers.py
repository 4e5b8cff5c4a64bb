"""What models said in an earlier evaluation, so that they are not asked again.

Each answer lies under a hash of all that it depends on: weights, configuration, adapter, device, precision, versions of
the software, the tokens of the prompt, where it must end. A worker makes these hashes itself from what it is about to
ask; what it does not find under them it asks. So a file of other rows, of another model or of an older version does no
harm, and neither does a damaged one: it is passed over, and the log says so.
"""

import hashlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.jobs import FileRef, Progress, write_atomically
from agents.jobs.reporting import Reporter
from agents.worker.answers import Answer, Exam, answer, heard
from agents.worker.base_model import LoadedBase
from agents.worker.digests import sha256_of
from agents.worker.likelihood import mean_log_probs
from agents.worker.shaped_rows import Said
from agents.worker.tuned_model import WEIGHTS

WAY = 1
"""Of asking: to be raised when the same model would give other answers to the same tokens."""
FILE = "artifacts/known_answers.jsonl"
MAX_FILE_BYTES = 64 * 2**20
SOFTWARE = ("torch", "transformers", "peft")
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Line(BaseModel):
    """One answer, or how likely one was."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Sha256
    ids: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    """Tokens of an answer, its end included."""
    mean_log_prob: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Of an answer that was shown, per token."""


@dataclass
class KnownAnswers:
    """Answers that are known from before, and those of this evaluation."""

    before: dict[str, _Line] = field(default_factory=dict)
    now: dict[str, _Line] = field(default_factory=dict)
    reused: int = 0
    given: int = 0
    """Answers of this evaluation that models were asked for, or how likely they find one."""
    given_s: float = 0.0
    given_tokens: int = 0

    @classmethod
    def read(cls, ref: FileRef | None, folder: Path) -> "KnownAnswers":
        """Return what is in a file; nothing where there is none or it is not the one that was meant."""
        if ref is None:
            return cls()
        path = folder / ref.path
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise ValueError(f"it has more than {MAX_FILE_BYTES} bytes")
            raw = path.read_bytes()
            if hashlib.sha256(raw).hexdigest() != ref.sha256:
                raise ValueError("it has changed since it was kept")
            lines = [_Line.model_validate_json(line) for line in raw.splitlines()]
        except (OSError, ValueError) as error:  # pydantic's is a ValueError
            sys.stderr.write(f"the answers of the last evaluation are not used: {_line(error)}\n")
            return cls()
        return cls(before={line.key: line for line in lines})

    def write(self, folder: Path) -> FileRef | None:
        """Write what an evaluation of the same rows may use next time; None where there is nothing."""
        if not self.now:
            return None
        lines = (line.model_dump_json(exclude_none=True) + "\n" for line in self.now.values())
        raw = "".join(lines).encode()
        (folder / FILE).parent.mkdir(exist_ok=True)
        write_atomically(folder / FILE, raw)
        return FileRef(path=FILE, sha256=hashlib.sha256(raw).hexdigest(), size_bytes=len(raw))

    def recall(
        self, key: str | None, usable: Callable[["_Line"], bool], *, counted: bool = True
    ) -> "_Line | None":
        """Return what is known under a key, from before or from earlier in this evaluation, if it is usable."""
        found = self.now.get(key or "") or self.before.get(key or "")
        if found is None or not usable(found):
            return None
        self.now[found.key] = found
        self.reused += counted
        return found

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Count the time that models take to answer."""
        began_s = time.monotonic()
        yield
        self.given_s += time.monotonic() - began_s


def model_key(base: LoadedBase, adapter: Path | None = None) -> str:
    """Return a name for a model, with an adapter or without, that changes with all that its answers depend on."""
    files = [base.folder.path / "config.json"]
    if adapter is not None:
        files += [adapter / WEIGHTS, adapter / "adapter_config.json"]
    told = [WAY, base.folder.sha256, base.device, str(base.model.dtype)]
    return _hash([*told, *map(version, SOFTWARE), *map(sha256_of, files)])


@dataclass(frozen=True)
class Asked:
    """A model that is asked, in one evaluation."""

    load: Callable[[], Any]
    """Brings the model; not called when everything is known."""
    known: KnownAnswers
    key: str | None
    """By `model_key`. None: nobody will ask this model again, so nothing is kept."""
    reporter: Reporter
    read: dict[str, float] = field(default_factory=dict)
    """How likely it finds references that it read along with their prompts, by prompt and reference."""

    def answers(self, tokenizer: Any, exam: Exam, before: int) -> list[Answer]:
        """Return the answers in the order of the prompts, told as steps after the `before` ones."""
        keys = [self._key([exam.ends, exam.max_new_tokens, prompt]) for prompt in exam.prompts]
        said: dict[int, Answer] = {}
        for i, key in enumerate(keys):
            found = self.known.recall(key, lambda line: _is_answer(line, tokenizer, exam))
            if found is not None and found.ids is not None:
                said[i] = heard(tokenizer, found.ids)
        left = [i for i in range(len(keys)) if i not in said]
        if left:
            model = self.load()
            with self.known.asking():
                for batch in answer(model, tokenizer, exam.only(left), self.reporter.beat):
                    said |= {left[i]: found for i, found in batch.items()}
                    self._tell(before, len(said), len(said) - len(keys) + len(left))
        for i in left:
            self._note(keys[i], tokens=said[i].tokens, ids=said[i].ids)
            likely = said[i].likely
            if likely is not None and exam.references is not None:
                self.read[_hash([exam.prompts[i], exam.references[i]])] = likely
        return [said[i] for i in range(len(keys))]

    def timed_answers(
        self, tokenizer: Any, exam: Exam, before: int
    ) -> tuple[list[Answer], float | None]:
        """Return the same with the seconds that it took; None where some were known."""
        reused, given_s = self.known.reused, self.known.given_s
        said = self.answers(tokenizer, exam, before)
        return said, self.known.given_s - given_s if self.known.reused == reused else None

    def likelihoods(
        self, pad_id: int, texts: Sequence[Said], *, counted: bool = True
    ) -> list[float]:
        """Return the mean log-probability per token of each answer after its prompt.

        `counted`: these are what the evaluation asks for, not something beside the answers.
        """
        keys = [self._key([text.prompt, text.answer, "likelihood"]) for text in texts]
        found = [
            self.known.recall(k, lambda line: line.mean_log_prob is not None, counted=counted)
            for k in keys
        ]
        values = [None if line is None else line.mean_log_prob for line in found]
        unknown = [i for i, value in enumerate(values) if value is None]
        read = {i: self.read.get(_hash([texts[i].prompt, texts[i].answer])) for i in unknown}
        fresh = {i: value for i, value in read.items() if value is not None}
        left = [i for i in unknown if i not in fresh]
        if left:
            model = self.load()
            with self.known.asking() if counted else nullcontext():
                asked = mean_log_probs(model, pad_id, [texts[i] for i in left], self.reporter.beat)
            fresh |= dict(zip(left, asked, strict=True))
        for i, value in fresh.items():
            values[i] = value
            tokens = len(texts[i].prompt) + len(texts[i].answer)
            key = keys[i] if math.isfinite(value) else None
            self._note(key, tokens=tokens if counted else None, mean_log_prob=value)
        return [value for value in values if value is not None]

    def _key(self, told: Any) -> str | None:
        return None if self.key is None else _hash([self.key, told])

    def _note(self, key: str | None, *, tokens: int | None, **found: Any) -> None:
        if tokens is not None:
            self.known.given += 1
            self.known.given_tokens += tokens
        if key is not None:
            self.known.now[key] = _Line(key=key, **found)

    def _tell(self, before: int, done: int, answered: int) -> None:
        left = self.reporter.steps - before - done
        self.reporter.line(
            Progress(
                stage=self.reporter.stage_name,
                step=before + done,
                eta_s=self.reporter.elapsed_s() / answered * left,
            )
        )


def _is_answer(line: _Line, tokenizer: Any, exam: Exam) -> bool:
    return (
        line.ids is not None
        and 0 < len(line.ids) <= exam.max_new_tokens
        and max(line.ids) < len(tokenizer)
    )


def _hash(told: Any) -> str:
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return f"{error.error_count()} of its lines cannot be read"
    return str(error)[:200]
