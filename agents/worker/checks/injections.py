"""Rows that give orders to a language model, or hold the marks of a chat template. Reported, never obeyed.

Nothing here acts on a text; the rows matter because a model that learns them may learn to obey such orders.
"""

import re

from agents.jobs import DataFinding, FindingKind, Repair
from agents.worker.checks.facts import Facts, counted

CHECK = "orders to a model"
CHUNK = 2000
ABOVE = r"(?:previous|prior|above|earlier|preceding|foregoing|system|your)"
ORDERS = re.compile(
    rf"\b(?:ignore|disregard|forget|override|bypass)\s{{1,3}}(?:(?:all|any|the|of|every|these|those)\s{{1,3}}){{0,3}}{ABOVE}"
    r"\s{1,3}(?:\w+\s{1,3}){0,2}(?:instructions?|prompts?|rules?|directions?|guidelines?|messages?|context)"
    r"|\b(?:reveal|print|repeat|show|output|leak)\s{1,3}(?:me\s{1,3})?(?:your|the)\s{1,3}(?:hidden\s|secret\s|full\s)?system\s{1,3}prompt"
    r"|\byou\s{1,3}are\s{1,3}now\s{1,3}(?:dan\b|in\s{1,3}developer\s{1,3}mode|an?\s{1,3}unrestricted|jailbroken)"
    r"|\b(?:enable|enter|activate)\s{1,3}(?:developer|god|jailbreak|dan)\s{1,3}mode"
    r"|\b(?:do|act)\s{1,3}anything\s{1,3}now\b"
    r"|\b(?:new|updated|override)\s{1,3}system\s{1,3}(?:prompt|instructions?)\s{0,3}:"
    r"|\bignoriere?\s{1,3}(?:alle\s{1,3})?(?:vorherigen|bisherigen|obigen)\s{1,3}(?:anweisungen|befehle|regeln)"
    r"|\bignore[rz]?\s{1,3}(?:toutes\s{1,3})?(?:les|las|todas)\s{1,3}(?:\w+\s{1,3}){0,2}instruc\w+"
    r"|<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|begin_of_text|start_header_id)\|>"
    r"|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>",
    re.IGNORECASE,
)
HINTS = re.compile(
    r"ignor|disregard|forget|overrid|bypass|system|you are now|mode|anything now|<\||inst\]|<<|of_turn",
    re.IGNORECASE,
)
"""Without one of these no order can fit; most texts are done with this look."""


def gives_orders(text: str) -> bool:
    """Tell whether a text reads like an order to a model."""
    return bool(HINTS.search(text) and ORDERS.search(text))


def places(facts: Facts) -> list[int]:
    """Return the places of such rows."""
    found: list[int] = []
    for place, pair in enumerate(facts.pairs):
        if place % CHUNK == 0 and facts.budget.spent():
            facts.budget.stop(CHECK, f"rows from {pair.where} on")
            break
        if gives_orders(pair.prompt) or gives_orders(pair.answer):
            found.append(place)
    return found


def check(facts: Facts) -> DataFinding | None:
    """Report rows that give orders to a model."""
    found = places(facts)
    if not found:
        return None
    what = counted(
        len(found), "row reads like an order to a model", "rows read like orders to a model"
    )
    return facts.finding(
        FindingKind.INJECTIONS,
        found,
        f"{what} (“ignore previous instructions”, marks of a chat template). I do not follow them; "
        "a model that learns them may.",
        example=facts.quoted(found[0]),
        repairs=(Repair.DROP_INJECTIONS,),
    )
