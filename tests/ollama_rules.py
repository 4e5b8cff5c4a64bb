"""What docs/api.md of Ollama lets a request hold. Ollama passes over unknown fields in silence; here they are refused."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

# fmt: off
CHAT = frozenset({
    "model", "messages", "tools", "think", "format", "options", "stream", "keep_alive", "logprobs", "top_logprobs",
})
GENERATE = frozenset({
    "model", "prompt", "suffix", "images", "think", "format", "options", "system", "template", "stream", "raw", "keep_alive",
    "context", "logprobs", "top_logprobs",
})
EMBED = frozenset({"model", "input", "truncate", "options", "keep_alive", "dimensions"})
MESSAGE = frozenset({"role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id"})
ROLES = frozenset({"system", "user", "assistant", "tool"})
WHOLE = frozenset({
    "num_keep", "seed", "num_predict", "top_k", "repeat_last_n", "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread",
    "mirostat",
})
REAL = frozenset({
    "top_p", "min_p", "typical_p", "repeat_penalty", "temperature", "presence_penalty", "frequency_penalty", "mirostat_eta",
    "mirostat_tau", "tfs_z",
})
OTHER = frozenset({"stop", "numa", "use_mmap", "penalize_newline"})
# fmt: on


class Refused(Exception):
    """The request is not as docs/api.md says."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def only(body: Mapping[str, Any], known: frozenset[str]) -> None:
    if strays := body.keys() - known:
        raise Refused(f"unknown fields: {', '.join(sorted(strays))}")


def check_options(options: Any) -> None:
    if options is None:
        return
    if not isinstance(options, dict):
        raise Refused("options must be an object")
    if strays := options.keys() - WHOLE - REAL - OTHER:
        raise Refused(f"invalid option provided: {', '.join(sorted(strays))}")
    for name, value in options.items():
        kinds = (int,) if name in WHOLE else (int, float)
        wrong = isinstance(value, bool) or not isinstance(value, kinds)
        if value is not None and name in WHOLE | REAL and wrong:
            raise Refused(f'option "{name}" must be of type {kinds[-1].__name__}')


def check_message(message: Any, can: frozenset[str]) -> None:
    only(message, MESSAGE)
    if message.get("role") not in ROLES or not isinstance(message.get("content"), str):
        raise Refused("a message needs a role and content")
    check_images(message.get("images"), can)


def check_images(images: Any, can: frozenset[str]) -> None:
    for image in images or ():
        try:
            base64.b64decode(image, validate=True)
        except (binascii.Error, TypeError) as error:
            raise Refused("illegal base64 data at input byte 0") from error
        if "vision" not in can:
            raise Refused("this model is missing data required for image input", status=500)
