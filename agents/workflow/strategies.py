"""Ways to improve a workflow, each with a name that people see; which are tried is learnt from what was kept before."""

import random
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Strategy:
    """One way to improve a workflow."""

    name: str
    instruction: str
    """What the analyst is told to do."""
    ops: tuple[str, ...]
    """Edits that it may use, by name."""


PROMPTS = ("set_prompt", "replace_prompt_part")
STRATEGIES: dict[str, Strategy] = {
    one.name: one
    for one in (
        Strategy(
            "fix-failing-prompt",
            "Find the prompt whose reply makes the case fail, and change that prompt so that the reply is right.",
            (*PROMPTS, "set_variable"),
        ),
        Strategy(
            "add-output-contract",
            "Say in the prompt exactly which form the reply must have: which words, which order, nothing beside.",
            PROMPTS,
        ),
        Strategy(
            "add-error-handling",
            "Where a state fails, or an answer may be empty, say where it goes on and what counts instead.",
            ("set_on_error", "add_state", "set_default_value", "redirect"),
        ),
        Strategy(
            "tighten-routing",
            "Say of each way out, in words that shut the others out, when it is taken; mend ways that lead to the wrong state.",
            ("set_option_description", "redirect", *PROMPTS),
        ),
        Strategy(
            "split-state",
            "Where one prompt asks for two things at once, make two states of it.",
            ("split_state",),
        ),
        Strategy(
            "add-few-shot",
            "Put one to three short examples below the prompt, none of them taken from a case.",
            ("add_few_shot",),
        ),
        Strategy(
            "shorten",
            "Say the same in fewer words: take out what the reply does not need.",
            (*PROMPTS, "remove_state"),
        ),
        Strategy(
            "model-options",
            "Set the parameters of the model so that replies are what the case needs: temperature, length.",
            ("set_options",),
        ),
        Strategy(
            "repair-names",
            "Find values that are saved nowhere, or asked for under another name, and make the names agree.",
            ("set_save_as", "set_variable", "redirect", *PROMPTS),
        ),
    )
}


@dataclass(frozen=True)
class Record:
    """How a strategy has fared."""

    tried: int = 0
    kept: int = 0

    def __str__(self) -> str:
        """Say it as people see it: "1 of 4 kept"."""
        return f"{self.kept} of {self.tried} kept"


def choose(records: Mapping[str, Record], count: int, seed: int) -> tuple[Strategy, ...]:
    """Return different strategies for one round, those that were kept more often more likely.

    Thompson sampling (1933): each draws from what its record leaves possible, Beta(1 + kept, 1 + not kept), and the highest
    draws are taken; so one that has failed often still has its turn now and then.
    """
    chance = random.Random(seed)
    drawn = {}
    for name in STRATEGIES:
        record = records.get(name, Record())
        drawn[name] = chance.betavariate(1 + record.kept, 1 + record.tried - record.kept)
    best = sorted(drawn, key=lambda name: -drawn[name])[:count]
    return tuple(STRATEGIES[name] for name in best)
