"""A model that does what prompts say, so that a spoilt workflow shows: it speaks of what it is told, and takes the way that fits."""

import random
import re
from collections.abc import Mapping
from typing import Any

from agents.workflow.scripted import Rule, Script, ScriptedModels


class Obedient(ScriptedModels):
    """Replies with the prompt itself, at length; an order to reply with one word is followed."""

    def __init__(self, script: Script | None = None, flaky: str | None = None) -> None:
        super().__init__(script)
        self._flaky = flaky

    def rule(self, asked: Mapping[str, Any]) -> Rule | None:
        """Return what is replied to one call."""
        following = super().rule(asked)
        if following is not None:
            return following
        if asked["schema"] is not None:
            return Rule(reply={"choice": way_out(asked["last"])})
        seed = asked["parameters"].get("seed")
        if self._flaky is not None and random.Random(str(seed)).random() < 0.5:
            return Rule(reply=self._flaky)
        one_word = re.search(r"Reply with the word (\w+)", asked["last"])
        return Rule(reply=one_word[1] if one_word else f"Here is what I think of: {asked['last']}")


def way_out(asked: str) -> int:
    """Return the number of the way out that shares most words with what is shown; of several the last."""
    shown, _, rest = asked.partition("Options:")
    ways = re.findall(r"^(\d+)\. (.*)$", rest, re.MULTILINE)
    said = set(re.findall(r"\w+", shown.lower()))
    best = max(ways, key=lambda way: (len(said & set(re.findall(r"\w+", way[1].lower()))), way[0]))
    return int(best[0])
