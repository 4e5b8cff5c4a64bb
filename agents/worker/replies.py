"""One reply of a model, token by token: sampled or greedy, within a schema, until it ends or nobody wants it any more."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import llguidance.hf
import numpy as np
import torch
from llguidance import LLMatcher
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from agents.worker import rows
from agents.worker.base_model import LoadedBase
from agents.worker.errors import WorkerError

MOST_TOKENS = 512
"""Of a reply where nobody says how long it may be: a small model that finds no end would talk for minutes."""
TEMPERATURE, TOP_P, TOP_K = 0.8, 0.9, 40
"""Ollama's, where nobody says how to sample."""
UNFINISHED = "�"
"""How a character is decoded of which only the first bytes are there."""


@dataclass(frozen=True)
class Wish:
    """What is to be replied to, and how."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None
    schema: Mapping[str, Any] | None
    parameters: Mapping[str, Any]
    """By Ollama's names."""


@dataclass(frozen=True)
class Ended:
    """How a reply ended: `stop` by itself, `length` where it had no more room."""

    why: str
    prompt_tokens: int
    reply_tokens: int


class Speaker:
    """A loaded model that replies."""

    def __init__(self, base: LoadedBase, model: Any) -> None:
        self._tokenizer = base.tokenizer
        self._model = model.eval()
        self._room_tokens = base.context_tokens
        self._ends = rows.stop_ids(base.tokenizer, base.model)

    def reply(self, wish: Wish, say: Callable[[str], None], unwanted: Callable[[], bool]) -> Ended:
        """Reply to a wish; `say` gets the text piece by piece.

        Raises: WorkerError: the prompt is too long, a parameter means nothing, or the schema cannot be kept to.
        """
        text = rows.rendered(self._tokenizer, wish.messages, wish.tools)
        prompt = self._tokenizer(text, add_special_tokens=not self._tokenizer.chat_template)
        ids = prompt["input_ids"]
        config = self._config(wish.parameters, len(ids))
        telling = Telling(self._tokenizer, say, _stops(wish.parameters), self._ends)
        processors = [self._grammar(wish.schema, len(ids))] if wish.schema else []
        seed = wish.parameters.get("seed")
        torch.manual_seed(seed) if isinstance(seed, int) else torch.seed()
        with torch.inference_mode():
            self._model.generate(
                input_ids=torch.tensor([ids], device=self._model.device),
                attention_mask=torch.ones(
                    (1, len(ids)), dtype=torch.long, device=self._model.device
                ),
                generation_config=config,
                logits_processor=LogitsProcessorList(processors),
                streamer=telling,
                stopping_criteria=StoppingCriteriaList([_Enough(telling, unwanted)]),
            )
        return Ended("stop" if telling.ended else "length", len(ids), len(telling.ids))

    def _config(self, parameters: Mapping[str, Any], prompt_tokens: int) -> GenerationConfig:
        room = self._room_tokens - prompt_tokens
        if room < 1:
            raise _refused(
                f"The prompt has {prompt_tokens} tokens, and this model reads {self._room_tokens} with its reply. "
                "Shorten it, or take a model with a longer context."
            )
        wanted = parameters.get("num_predict", MOST_TOKENS)
        if not isinstance(wanted, int) or wanted < 1:  # −1 and −2 are Ollama's words for no limit
            wanted = room
        numbers = {
            name: _number(parameters, name, default)
            for name, default in (("temperature", TEMPERATURE), ("top_p", TOP_P), ("top_k", TOP_K))
        }
        sampling: dict[str, Any] = {"do_sample": False}
        if numbers["temperature"] > 0:
            sampling = {"do_sample": True, **numbers, "top_k": int(numbers["top_k"])}
        return GenerationConfig(
            **sampling,
            repetition_penalty=_number(parameters, "repeat_penalty", 1.0),
            max_new_tokens=min(wanted, room),
            eos_token_id=self._ends,
            pad_token_id=self._ends[0],
        )

    def _grammar(self, schema: Mapping[str, Any], prompt_tokens: int) -> "Grammar":
        grammar = LLMatcher.grammar_from_json_schema(
            json.dumps(schema), defaults={"whitespace_flexible": False}
        )
        matcher = LLMatcher(self._vocabulary, grammar)
        if trouble := matcher.get_error():
            raise _refused(f"This schema cannot be kept to: {trouble.splitlines()[0][:200]}")
        return Grammar(matcher, prompt_tokens)

    @cached_property
    def _vocabulary(self) -> Any:
        return llguidance.hf.from_tokenizer(self._tokenizer, eos_token=self._ends)


class Grammar(LogitsProcessor):  # type: ignore[misc]  # transformers ships no types
    """Lets through only tokens with which the reply can still come to fit its schema."""

    def __init__(self, matcher: LLMatcher, prompt_tokens: int) -> None:
        self._matcher = matcher
        self._read = prompt_tokens

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores with all other tokens at minus infinity."""
        said = input_ids[0, self._read :].tolist()
        self._read = input_ids.shape[1]
        if said:
            self._matcher.consume_tokens(said)
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.unpackbits(bits, bitorder="little")[: scores.shape[1]].astype(bool)
        allowed = np.pad(allowed, (0, scores.shape[1] - len(allowed)))
        return scores.masked_fill(~torch.from_numpy(allowed).to(scores.device), float("-inf"))


class Telling:
    """Tells a reply as it comes: whole characters only, and nothing of a text that ends it."""

    def __init__(
        self, tokenizer: Any, say: Callable[[str], None], stops: Sequence[str], ends: Sequence[int]
    ) -> None:
        self._tokenizer = tokenizer
        self._say = say
        self._stops = stops
        self._ends = frozenset(ends)
        self._held_chars = max(map(len, stops), default=1) - 1
        self._told_chars = 0
        self._begun = False
        self.ids: list[int] = []
        """Tokens of the reply, its end included."""
        self.ended = False
        """It came to its own end, or to a text that ends it."""

    def put(self, value: torch.Tensor) -> None:
        """Take the prompt, and then each token, as transformers' streamers do."""
        if not self._begun:
            self._begun = True
            return
        self.ids += value.flatten().tolist()
        self.ended = self.ids[-1] in self._ends
        text = self._text()
        found = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if found:
            self.ended = True
            self._tell(text[: min(found)])
        elif not self.ended and not text.endswith(UNFINISHED):
            self._tell(text[: len(text) - self._held_chars])

    def end(self) -> None:
        """Tell what was held back."""
        text = self._text()
        found = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        self._tell(text[: min(found)] if found else text)

    def _text(self) -> str:
        text: str = self._tokenizer.decode(self.ids, skip_special_tokens=True)
        return text

    def _tell(self, text: str) -> None:
        if len(text) > self._told_chars:
            self._say(text[self._told_chars :])
            self._told_chars = len(text)


class _Enough(StoppingCriteria):  # type: ignore[misc]  # transformers ships no types
    def __init__(self, telling: Telling, unwanted: Callable[[], bool]) -> None:
        self._telling = telling
        self._unwanted = unwanted

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:  # noqa: ARG002  # theirs
        enough = self._telling.ended or self._unwanted()
        return torch.full((len(input_ids),), enough, dtype=torch.bool, device=input_ids.device)


def _stops(parameters: Mapping[str, Any]) -> list[str]:
    stop = parameters.get("stop") or []
    return [str(text) for text in ([stop] if isinstance(stop, str) else stop) if text]


def _number(parameters: Mapping[str, Any], name: str, default: float) -> float:
    value = parameters.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise _refused(f"The parameter {name} must be a number of 0 or more.")
    return float(value)


def _refused(message: str) -> WorkerError:
    return WorkerError("refused", message, for_person=True)
