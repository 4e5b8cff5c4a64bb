"""A model that follows a script: the same replies each time, without a server, for tests and for trying things out.

    {
      "rules": [
        {"prompt": "(?i)poem", "reply": "Roses are red"},
        {"state": "check", "reply": {"choice": 2}},
        {"model": "broken", "error": "no such model"},
        {"prompt": "sum", "contains": "step by step", "reply": "42", "otherwise": "41"}
      ],
      "default": "ok", "seed": 1, "error_rate": 0.0
    }

The first rule that fits counts. Where none does, and JSON of a schema is asked for, the reply is the first thing that the
schema allows; else it is `default`.
"""

import asyncio
import hashlib
import json
import random
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from agents.workflow.asking import now_asking
from agents.workflow.outside import ModelError, NoToolsHere

PIECE = re.compile(r"\S*\s*")
"""What the script's models write at once: a word."""
DIMENSIONS = 64


class Wanted(BaseModel):
    """A use of a tool that a reply asks for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    args: dict[str, Any] = Field(default_factory=dict)


class Rule(BaseModel):
    """When a reply is given, and which."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: str | None = None
    """A pattern that is looked for in all that the model is shown."""
    state: str | None = None
    model: str | None = None
    purpose: str | None = None
    """As `events.Purpose`: answer, route or skills."""
    times: int | None = Field(default=None, ge=1)
    """It fits only so often."""
    reply: str | dict[str, Any] | list[Any] = ""
    """A text, or JSON to be written as text."""
    contains: str | None = None
    """The reply is given only where the model is shown this text."""
    otherwise: str | dict[str, Any] | list[Any] = ""
    """The reply where it is not."""
    tool_calls: tuple[Wanted, ...] = ()
    """Given first; the reply follows once a tool was used."""
    again: bool = False
    """Tools are wanted again after every result."""
    error: str | None = None
    delay_s: float = Field(default=0.0, ge=0)
    """Before the first word."""
    cut_after: int | None = Field(default=None, ge=0)
    """The stream breaks off after so many words."""


class Script(BaseModel):
    """All rules, in the order in which they are tried."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[Rule, ...] = ()
    default: str = "ok"
    seed: int = 0
    error_rate: float = Field(default=0.0, ge=0, le=1)
    """Share of calls that fail; which ones is decided by the seed and by what is asked."""
    tools: bool = True
    """Whether the models take any."""
    models: tuple[str, ...] | None = None
    """The names that there are; None: every name."""


def read_script(path: Path) -> Script:
    """Return the script of a file.

    Raises: ModelError: it is none.
    """
    try:
        return Script.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ModelError(f"{path}: {where or 'the file'}: {first['msg']}") from error


class ScriptedModels:
    """Models that follow one script, and count what they are asked."""

    def __init__(
        self, script: Script | None = None, called: Callable[[str], None] | None = None
    ) -> None:
        self.script = script or Script()
        self.calls: list[str] = []
        """What was asked and answered, the last message of each, in order."""
        self.asked: list[dict[str, Any]] = []
        """Name, parameters, state, purpose, whole text and tools of every call."""
        self.prompt_tokens = 0
        self.reply_tokens = 0
        self.used: dict[int, int] = {}
        """How often a rule was followed, by its place."""
        self._called = called

    @classmethod
    def from_file(cls, path: Path) -> "ScriptedModels":
        """Return the models of a script in a file.

        Raises: ModelError: there is none in it.
        """
        return cls(read_script(path))

    @property
    def title(self) -> str:
        """What people are told that it is."""
        return "a script"

    def chat(self, name: str, parameters: Mapping[str, Any]) -> BaseChatModel:
        """Return the model of a name.

        Raises: ModelError: the script has none of that name.
        """
        if self.script.models is not None and name not in self.script.models:
            raise ModelError(f"there is no model “{name}”")
        model = ScriptedModel(name=name, parameters=dict(parameters))
        model.attach(self)
        return model

    def structured(self, chat: BaseChatModel, schema: Mapping[str, Any]) -> Runnable[Any, Any]:
        """Return the model bound to a schema."""
        return chat.bind(schema=dict(schema))

    def embeddings(self, name: str | None) -> Embeddings:  # noqa: ARG002  # one for all names
        """Return embeddings by words: texts that share words are near each other."""
        return WordEmbeddings()

    def done(self, asked: dict[str, Any], prompt_tokens: int, reply_tokens: int) -> None:
        """Count a call that was answered."""
        self.calls.append(asked["last"])
        self.prompt_tokens += prompt_tokens
        self.reply_tokens += reply_tokens
        if self._called is not None:
            self._called(asked["last"])

    def rule(self, asked: Mapping[str, Any]) -> Rule | None:
        """Return the first rule that fits, and count it."""
        for place, rule in enumerate(self.script.rules):
            if self.used.get(place, 0) < (rule.times or 10**9) and _fits(rule, asked):
                self.used[place] = self.used.get(place, 0) + 1
                return rule
        return None

    def fails(self, asked: Mapping[str, Any]) -> bool:
        """Tell whether a call is one of those that fail."""
        before = sum(1 for one in self.asked if one["text"] == asked["text"])
        seed = f"{self.script.seed}\0{before}\0{asked['text']}"
        return random.Random(seed).random() < self.script.error_rate


def _fits(rule: Rule, asked: Mapping[str, Any]) -> bool:
    return (
        (rule.state is None or rule.state == asked["state"])
        and (rule.model is None or rule.model == asked["model"])
        and (rule.purpose is None or rule.purpose == asked["purpose"])
        and (rule.prompt is None or re.search(rule.prompt, asked["text"]) is not None)
    )


class ScriptedModel(BaseChatModel):
    """One model of a script."""

    name: str
    parameters: dict[str, Any]
    _models: ScriptedModels = PrivateAttr()

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def attach(self, models: ScriptedModels) -> None:
        """Say who counts, and whose script it is."""
        self._models = models

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with tools at hand.

        Raises: NoToolsHere: the script says that it takes none.
        """
        if not self._models.script.tools:
            raise NoToolsHere(f"{self.name} takes no tools")
        return self.bind(tools=list(tools), **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("a scripted model is asked by `ainvoke` or `astream`")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        whole: AIMessageChunk | None = None
        async for piece in self._astream(messages, stop, run_manager, **kwargs):
            chunk = piece.message
            assert isinstance(chunk, AIMessageChunk)
            whole = chunk if whole is None else whole + chunk
        assert whole is not None
        message = AIMessage(
            whole.text, tool_calls=whole.tool_calls, usage_metadata=whole.usage_metadata
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002  # replies end by themselves
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        asked = self._asked(messages, kwargs)
        fails = self._models.fails(asked)
        self._models.asked.append(asked)
        if fails:
            raise ModelError("the script's share of calls that fail")
        rule = self._models.rule(asked) or _unwritten(self._models.script, kwargs.get("schema"))
        if rule.delay_s:
            await asyncio.sleep(rule.delay_s)
        if rule.error is not None:
            raise ModelError(rule.error)
        wants = rule.tool_calls if rule.again or messages[-1].type != "tool" else ()
        reply = "" if wants else _reply(rule, asked["text"])
        words = [word for word in PIECE.findall(reply) if word]
        limit = self.parameters.get("num_predict")
        if isinstance(limit, int) and limit >= 0:
            words = words[:limit]
        for number, word in enumerate(words):
            if number == rule.cut_after:
                raise ModelError("the stream broke off")
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        if rule.cut_after is not None:
            raise ModelError("the stream broke off")
        usage = _usage(asked["text"], len(words) + len(wants))
        self._models.done(asked, usage["input_tokens"], usage["output_tokens"])
        yield ChatGenerationChunk(message=_last(wants, usage))

    def _asked(
        self,
        messages: Sequence[BaseMessage],
        kwargs: Mapping[str, Any],
    ) -> dict[str, Any]:
        said = now_asking()
        return {
            "model": self.name,
            "parameters": self.parameters,
            "state": said.state if said else None,
            "purpose": said.purpose if said else None,
            "text": "\n".join(str(message.text) for message in messages),
            "last": str(messages[-1].text),
            "tools": [tool["function"]["name"] for tool in kwargs.get("tools", ())],
            "schema": kwargs.get("schema"),
            "messages": list(messages),
        }


def _unwritten(script: Script, schema: Mapping[str, Any] | None) -> Rule:
    """Return the rule for what no rule is written for."""
    return Rule(reply=script.default if schema is None else simplest(schema))


def _reply(rule: Rule, text: str) -> str:
    given = rule.reply if rule.contains is None or rule.contains in text else rule.otherwise
    return given if isinstance(given, str) else json.dumps(given)


def _usage(text: str, reply_tokens: int) -> UsageMetadata:
    prompt_tokens = len(text.split())
    return UsageMetadata(
        input_tokens=prompt_tokens,
        output_tokens=reply_tokens,
        total_tokens=prompt_tokens + reply_tokens,
    )


def _last(wants: Sequence[Wanted], usage: UsageMetadata) -> AIMessageChunk:
    chunks = [
        tool_call_chunk(
            name=wanted.name, args=json.dumps(wanted.args), id=f"call_{number}", index=number
        )
        for number, wanted in enumerate(wants, 1)
    ]
    return AIMessageChunk(content="", tool_call_chunks=chunks, usage_metadata=usage)


def simplest(schema: Mapping[str, Any]) -> Any:
    """Return the first thing that a schema allows, as far as schemas of this package go."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        return {name: simplest(inner) for name, inner in schema.get("properties", {}).items()}
    return {"array": [], "integer": 0, "number": 0, "boolean": False}.get(str(kind), "")


class WordEmbeddings(Embeddings):
    """Vectors that count words: no model, but near where words are shared."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector per text."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a text, of length 1; of a text without words all zero."""
        counts = [0.0] * DIMENSIONS
        for word in re.findall(r"\w+", text.lower()):
            counts[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1.0
        length = sum(count * count for count in counts) ** 0.5
        return [count / length for count in counts] if length else counts
