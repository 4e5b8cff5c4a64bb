"""What columns are usually called, by the part that they play."""

PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "answer"),
    ("prompt", "output"),
    ("question", "answer"),
    ("question", "answers"),
    ("question", "response"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("instruction", "completion"),
    ("instruction", "answer"),
    ("input", "output"),
    ("input", "target"),
    ("input", "response"),
    ("source", "target"),
    ("src", "tgt"),
    ("user", "assistant"),
    ("human", "assistant"),
    ("human", "gpt"),
    ("query", "response"),
    ("query", "answer"),
    ("q", "a"),
    ("mr", "ref"),
    ("article", "summary"),
    ("document", "summary"),
    ("dialogue", "summary"),
    ("text", "summary"),
)
"""Names that belong together, the clearest first."""

TEXTS = frozenset(
    [
        "text",
        "sentence",
        "utterance",
        "message",
        "review",
        "query",
        "question",
        "input",
        "document",
        "article",
        "ticket",
        "request",
        "comment",
        "tweet",
        "email",
        "prompt",
    ]
)
LABELS = frozenset(["label", "category", "intent", "class", "sentiment", "topic", "tag", "emotion"])
ANSWERS = LABELS | frozenset(
    [
        "completion",
        "answer",
        "output",
        "response",
        "target",
        "assistant",
        "ref",
        "reference",
        "reply",
        "summary",
    ]
)
PROMPTS = ("prompt", "question", "instruction", "query", "problem", "input", "user", "prompts")
LEADING = {"question": ("context", "passage")}
"""Columns that stand before the prompt where they are present."""
TRAILING = {"instruction": ("input", "context")}
"""Columns that stand after it."""
EXCHANGES = ("messages", "conversations", "conversation", "dialog", "dialogue")
PREFERENCES = (
    ("chosen", "rejected"),
    ("preferred", "rejected"),
    ("preferred", "dispreferred"),
    ("preferred_output", "non_preferred_output"),
    ("accepted", "rejected"),
    ("better", "worse"),
)
JUDGEMENTS = (
    "label",
    "thumb",
    "thumbs",
    "thumbs_up",
    "feedback",
    "liked",
    "good",
    "is_good",
    "desirable",
    "kto_tag",
)
CHECKS = ("ground_truth", "solution", "reward", "reward_model", "expected", "gold")
SYSTEM = ("system", "system_prompt")
HISTORY = ("history",)
TOOLS = ("tools", "functions")
EXTRACTING = frozenset(
    (
        "extract",
        "extracts",
        "extraction",
        "json",
        "record",
        "records",
        "fields",
        "structured",
        "parse",
        "entities",
    )
)
"""Words of a task sentence that ask for several values at once."""
