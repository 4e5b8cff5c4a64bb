"""How the columns of an upload are to be read: by name, then by what is in them, then by asking; never by guessing alone.

The first rule that fits decides. Where it finds one reading, nobody is asked; where it finds several, the first is the
default of the one question.

preferences              two answers, one better than the other, with their prompt or with it in both
conversations            lists of messages; judged, where a thumb up or down stands beside them
judged answers           a usual pair and a thumb up or down
judged steps             lists of steps and of labels
prompts to check         a prompt and what its answer is checked against
a usual pair of names    prompt/completion, question/answer, instruction (+ input)/output, …
a text and labels        text/label, sentence/intent, …; several labels become one JSON object
one column               a prompt without answers, or plain text
two columns              one of them known by name, or the one with fewer different values is the answer
anything else            asked, with what is likeliest as the default
"""

from collections.abc import Callable, Sequence

from agents.jobs import Reading, RowShape
from agents.worker.columns import ABOUT, Columns
from agents.worker.conversations import conversation
from agents.worker.likely import (
    MOST_READINGS,
    anything_else,
    extracts,
    fields_of,
    single,
    two_columns,
)
from agents.worker.role_names import (
    CHECKS,
    EXCHANGES,
    HISTORY,
    JUDGEMENTS,
    LABELS,
    LEADING,
    PAIRS,
    PREFERENCES,
    PROMPTS,
    SYSTEM,
    TEXTS,
    TOOLS,
    TRAILING,
)
from agents.worker.table import Table, listed
from agents.worker.upload_bytes import bad_data
from agents.worker.values import RowProblem, looks_like_truth

HOW_TO_NAME = (
    "Rename them to 'prompt' and 'completion' (others are ignored) and upload the file again."
)

Rule = Callable[[Columns], list[Reading]]


def find_readings(table: Table, task: str) -> list[Reading]:
    """Return how the columns can be read, the likeliest first; more than one means that a person is to be asked.

    Raises: WorkerError: no column holds text; the message names the columns and says what to do.
    """
    seen = Columns(table.columns, table.records, task, table.has_header)
    for rule in RULES:
        found = rule(seen)
        if found:
            told = [_as_records(reading, seen) for reading in found[:MOST_READINGS]]
            return [_with_ignored(reading, seen.names) for reading in told]
    raise bad_data(
        f"It is unclear which columns hold prompts and which completions. Found: {listed(table.columns)}. {HOW_TO_NAME}"
    )


# ---- methods other than imitation -----------------------------------------------------------------------------------


def _preference(seen: Columns) -> list[Reading]:
    for good, bad in PREFERENCES:
        if good not in seen.by_key or bad not in seen.by_key:
            continue
        chosen, rejected = seen.by_key[good], seen.by_key[bad]
        prompt = _asking(seen, besides=(chosen, rejected))
        reason = f"'{chosen}' and '{rejected}' are a better and a worse answer"
        reason += f" to '{prompt[0]}'." if prompt else ", and what both begin with is their prompt."
        reading = Reading(
            shape=RowShape.PREFERENCE,
            prompt=prompt,
            required=prompt[0] if prompt else None,
            answer=(chosen,),
            rejected=rejected,
            asks_already=True,
            reason=reason,
        )
        return [_with_company(reading, seen)]
    return []


def _asking(seen: Columns, besides: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a prompt, or nothing where no column is called so."""
    talk = seen.first(EXCHANGES)
    if talk is not None and talk not in besides and seen.mostly_conversations(talk):
        return (talk,)
    name = seen.first(PROMPTS)
    if name is None or name in besides:
        return ()
    key = name.strip().casefold()
    after = [seen.by_key[more] for more in TRAILING.get(key, ()) if more in seen.by_key]
    return (name, *(one for one in after if one not in besides))


def _conversation(seen: Columns) -> list[Reading]:
    name = seen.first(EXCHANGES)
    if name is None or not seen.mostly_conversations(name):
        return []
    judged = _judgement(seen)
    shared = {"prompt": (name,), "answer": (name,), "asks_already": True}
    if judged is not None:
        reason = f"Each list in '{name}' is a conversation, and '{judged}' says whether its last answer is good."
        reading = Reading(shape=RowShape.UNPAIRED, label=judged, reason=reason, **shared)
    elif _ends_open(seen, name):
        reason = f"The conversations in '{name}' end with a message of the user: prompts without answers."
        reading = Reading(
            shape=RowShape.PROMPT_ONLY,
            prompt=(name,),
            reference=seen.first((*CHECKS, "reference", "answer")),
            asks_already=True,
            reason=reason,
        )
    else:
        reason = (
            f"Each list in '{name}' is a conversation: its last answer is the completion, what stands before it the "
            "prompt, and earlier answers in it are learnt too."
        )
        reading = Reading(shape=RowShape.PROMPT_COMPLETION, reason=reason, **shared)
    return [_with_company(reading, seen)]


def _ends_open(seen: Columns, name: str) -> bool:
    ends: list[bool] = []
    for value in seen.values(name)[:200]:
        try:
            ends.append(conversation(name, value)[-1]["role"] == "user")
        except (RowProblem, IndexError):
            continue
    return sum(ends) * 2 > len(ends)


def _judgement(seen: Columns) -> str | None:
    return next(
        (
            seen.by_key[key]
            for key in JUDGEMENTS
            if key in seen.by_key and looks_like_truth(seen.values(seen.by_key[key]))
        ),
        None,
    )


def _judged(seen: Columns) -> list[Reading]:
    judged, pairs = _judgement(seen), _pairs(seen)
    if judged is None or not pairs:
        return []
    reason = f"{pairs[0].reason} '{judged}' says whether the answer is good."
    return [
        pairs[0].model_copy(update={"shape": RowShape.UNPAIRED, "label": judged, "reason": reason})
    ]


def _steps(seen: Columns) -> list[Reading]:
    steps, labels = (
        seen.first(("completions", "steps")),
        seen.first(("labels", "step_labels", "ratings")),
    )
    prompt = seen.first(PROMPTS)
    if steps is None or labels is None or prompt is None or not seen.mostly_nested(steps):
        return []
    return [
        Reading(
            shape=RowShape.STEPWISE,
            prompt=(prompt,),
            answer=(steps,),
            label=labels,
            asks_already=True,
            reason=f"'{steps}' holds the steps that answer '{prompt}', and '{labels}' says which are right.",
        )
    ]


def _checked(seen: Columns) -> list[Reading]:
    prompt, check = seen.first(PROMPTS), seen.first(CHECKS)
    if prompt is None:
        return []
    if check is not None and not any(_usual(seen)):
        return [
            _with_company(
                Reading(
                    shape=RowShape.PROMPT_ONLY,
                    prompt=(prompt,),
                    reference=check,
                    asks_already=True,
                    reason=f"'{prompt}' is a prompt, and '{check}' is what answers to it are checked against.",
                ),
                seen,
            )
        ]
    reference = seen.first(("reference",))
    if reference is None or any(_usual(seen)):
        return []
    learnt = Reading(
        shape=RowShape.PROMPT_COMPLETION,
        prompt=(prompt,),
        answer=(reference,),
        asks_already=True,
        reason=f"'{reference}' is taken for the right answer to '{prompt}', to be learnt.",
    )
    reason = f"'{reference}' is only what answers to '{prompt}' are checked against."
    update = {"shape": RowShape.PROMPT_ONLY, "answer": (), "reference": reference, "reason": reason}
    return [learnt, learnt.model_copy(update=update)]


# ---- imitation ------------------------------------------------------------------------------------------------------


def _usual(seen: Columns) -> list[tuple[str, str]]:
    return [(p, c) for p, c in PAIRS if p in seen.by_key and c in seen.by_key]


def _pairs(seen: Columns) -> list[Reading]:
    """Return the usual pairs of names with different answers, the clearest first."""
    found: dict[str, Reading] = {}
    for prompt, completion in _usual(seen):
        if completion not in found:
            found[completion] = _pair(seen, prompt, completion)
    first = next(iter(found.values()), None)
    return (
        [r for r in found.values() if r is first or r.answer[0] not in first.prompt]
        if first
        else []
    )


def _pair(seen: Columns, prompt: str, completion: str) -> Reading:
    names = seen.by_key
    before = [names[key] for key in LEADING.get(prompt, ()) if key in names]
    after = [names[key] for key in TRAILING.get(prompt, ()) if key in names and key != completion]
    reason = f"'{names[prompt]}' and '{names[completion]}' are usual names for a prompt and its completion."
    if before or after:
        reason += f" {listed(before + after)} is added to the prompt where it is not empty."
    return _with_company(
        Reading(
            shape=RowShape.PROMPT_COMPLETION,
            prompt=(*before, names[prompt], *after),
            required=names[prompt],
            answer=(names[completion],),
            asks_already=prompt in {"prompt", "instruction", "user"},
            reason=reason,
        ),
        seen,
    )


def _as_records(reading: Reading, seen: Columns) -> Reading:
    """Have an answer that is a list or object in most rows written as JSON."""
    if reading.shape is not RowShape.PROMPT_COMPLETION or len(reading.answer) != 1:
        return reading
    return reading.model_copy(update={"as_json": _holds_records(seen, reading.answer[0])})


def _holds_records(seen: Columns, name: str) -> bool:
    """Tell whether a column holds lists or objects that are neither messages nor several right answers."""
    listed_answers = any(isinstance(v, dict) and "answer_start" in v for v in seen.values(name))
    return seen.mostly_nested(name) and not seen.mostly_conversations(name) and not listed_answers


def _with_company(reading: Reading, seen: Columns) -> Reading:
    """Add the columns that stand beside a prompt: system message, earlier exchanges, tools."""
    beside = {
        "system": seen.first(SYSTEM),
        "history": seen.first(HISTORY),
        "tools": seen.first(TOOLS),
    }
    beside = {
        role: name
        for role, name in beside.items()
        if name not in {*reading.prompt, *reading.answer}
    }
    named = [f"'{name}'" for name in beside.values() if name is not None]
    if not named:
        return reading
    reason = f"{reading.reason} {' and '.join(named)} {'go' if len(named) > 1 else 'goes'} along where not empty."
    return reading.model_copy(update={**beside, "reason": reason})


def _text_and_labels(seen: Columns) -> list[Reading]:
    texts = [seen.by_key[key] for key in seen.by_key if key in TEXTS]
    labels = [seen.by_key[key] for key in seen.by_key if key in LABELS]
    if not texts or not labels:
        return []
    wanted_texts, wanted = seen.mentioned(texts), seen.mentioned(labels)
    decided = " The task sentence decided between several such columns."
    reason = (
        f"{listed(texts[:1])} and {listed(labels[:1])} are usual names for a text and its label."
    )
    if len(labels) > 1 and len(wanted) != 1 and len(texts) == 1:
        return fields_of(texts[0], labels, sure=len(wanted) > 1 or extracts(seen))
    if len(texts) == 1 or len(wanted_texts) == 1:
        text = (wanted_texts or texts)[0]
        label = (wanted or labels)[0]
        reason = f"'{text}' and '{label}' are usual names for a text and its label."
        several = len(texts) > 1 or len(labels) > 1
        return [single(text, label, reason + (decided if several else ""))]
    label = (wanted or labels)[0]
    joined = Reading(
        shape=RowShape.PROMPT_COMPLETION,
        prompt=tuple(texts),
        required=texts[0],
        answer=(label,),
        reason=f"{listed(texts)} could each be the prompt, so they are put together; '{label}' is a usual name for a label.",
    )
    alone = [single(text, label, f"'{text}' alone is the prompt.") for text in texts]
    return [joined, *alone]


def _one_column(seen: Columns) -> list[Reading]:
    usable = [name for name in seen.usable() if name.strip().casefold() not in ABOUT]
    names = usable or (list(seen.names) if len(seen.names) == 1 else [])
    if len(names) != 1 or (
        len(seen.names) > 1 and names[0].strip().casefold() not in {*TEXTS, *PROMPTS, "content"}
    ):
        return []
    name = names[0]
    if name.strip().casefold() in PROMPTS and name.strip().casefold() != "text":
        reason = f"'{name}' holds prompts, and no column holds their answers."
        return [
            Reading(shape=RowShape.PROMPT_ONLY, prompt=(name,), asks_already=True, reason=reason)
        ]
    reason = f"'{name}' is the only column with text: it is learnt as it stands."
    return [Reading(shape=RowShape.TEXT, answer=(name,), asks_already=True, reason=reason)]


def _with_ignored(reading: Reading, columns: Sequence[str]) -> Reading:
    if not reading.header:
        return reading
    used = {*reading.prompt, *reading.answer, reading.rejected, reading.label, reading.reference}
    used |= {reading.system, reading.history, reading.tools}
    ignored = [name for name in columns if name not in used]
    if not ignored:
        return reading
    return reading.model_copy(update={"reason": f"{reading.reason} Ignored: {listed(ignored)}."})


RULES: tuple[Rule, ...] = (
    _preference,
    _conversation,
    _judged,
    _steps,
    _checked,
    _pairs,
    _text_and_labels,
    _one_column,
    two_columns,
    anything_else,
)
