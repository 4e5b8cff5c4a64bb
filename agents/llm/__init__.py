"""A language model that helps to understand people, advises where it may, and judges answers; all else works without one.

Its reply is of a type. Code checks it, a gate shows it, and it never causes an effect by itself.
"""

from agents.fences import fence
from agents.llm.accounts import NOTHING, UNLIMITED, Account, Prices, Room, Spent, Tokens
from agents.llm.asking import LLM, ChatLLM, from_settings
from agents.llm.breaker import Breaker
from agents.llm.children import key_for_child, settings_told, told
from agents.llm.errors import (
    BackEndPaused,
    LLMError,
    NotInstalled,
    OutOfRoom,
    UnreadableReply,
    what_failed,
)
from agents.llm.insisting import OVER, insisting, may_pass
from agents.llm.models import BackEnd, NotConfigured, back_end, chat_model, structured
from agents.llm.purse import Purse
from agents.llm.scripted import Answer, RuleLLM, ScriptedLLM
from agents.llm.structured import Reply, closed, read, schema_of, unbounded

__all__ = [
    "LLM",
    "NOTHING",
    "OVER",
    "UNLIMITED",
    "Account",
    "Answer",
    "BackEnd",
    "BackEndPaused",
    "Breaker",
    "ChatLLM",
    "LLMError",
    "NotConfigured",
    "NotInstalled",
    "OutOfRoom",
    "Prices",
    "Purse",
    "Reply",
    "Room",
    "RuleLLM",
    "ScriptedLLM",
    "Spent",
    "Tokens",
    "UnreadableReply",
    "back_end",
    "chat_model",
    "closed",
    "fence",
    "from_settings",
    "insisting",
    "key_for_child",
    "may_pass",
    "read",
    "schema_of",
    "settings_told",
    "structured",
    "told",
    "unbounded",
    "what_failed",
]
