"""Rows with planted faults, built from a seed: questions of a bank, their copies in disguise, and light paraphrases."""

import csv
import random
import sys
from collections.abc import Callable

from agents.worker.checks.texts import Pair
from tests.worker.intake import SHARED_DATA

Rewrite = Callable[[str, random.Random], str]

ACTIONS = (
    "activate block cancel change close collect confirm dispute exchange extend find freeze link lock lower open order "
    "pause pay raise receive refund register replace report return send share split stop track transfer update verify"
)
THINGS = (
    "account address allowance balance bill birthday budget card cheque code contract credit currency deposit "
    "discount email employer fee insurance invoice limit loan mortgage overdraft parcel password pension phone pin "
    "plan rate receipt salary statement subscription tax ticket wallet"
)
QUESTIONS = (
    "How do I {0} the {1} that belongs to my partner?",
    "Since yesterday the app refuses to {0} a {1} without any message",
    "Is there an extra charge when somebody wants to {0} his {1} abroad?",
    "My branch said I should {0} this {1} online, where is the button?",
)
SYNONYMS = {
    "charge": "fee",
    "partner": "spouse",
    "refuses": "declines",
    "message": "notice",
    "extra": "additional",
    "somebody": "someone",
    "abroad": "overseas",
    "branch": "office",
    "button": "switch",
    "belongs": "pertains",
    "money": "cash",
    "card": "bankcard",
    "need": "require",
    "help": "assistance",
    "buy": "purchase",
    "received": "gotten",
    "wrong": "incorrect",
    "want": "wish",
    "charged": "billed",
    "find": "locate",
    "use": "utilise",
    "change": "modify",
    "transfer": "transmission",
    "account": "profile",
    "payment": "remittance",
}
LOOK_ALIKES = str.maketrans("aeopc", "\u0430\u0435\u043e\u0440\u0441")


def bank(rows: int, seed: int) -> list[tuple[str, str]]:
    """Return questions with their intents: similar, and no two the same."""
    every = [
        (question.format(action, thing), f"{action}_{thing}_{number}")
        for action in ACTIONS.split()
        for thing in THINGS.split()
        for number, question in enumerate(QUESTIONS)
    ]
    return random.Random(seed).sample(every, rows)


def banking77() -> list[tuple[str, str]] | None:
    """Return the training rows of BANKING77 where they are on this machine."""
    path = SHARED_DATA / "banking77_train.csv"
    if not path.exists():
        return None
    with path.open(encoding="utf-8", newline="") as lines:
        return [(row["text"], row["category"]) for row in csv.DictReader(lines)]


def say(*figures: str) -> None:
    """Print measured figures; `pytest -s` shows them."""
    sys.stdout.write("".join(f"\n{figure}" for figure in figures))


def pairs_of(rows: list[tuple[str, str]]) -> list[Pair]:
    return [Pair(number, prompt, answer) for number, (prompt, answer) in enumerate(rows, 2)]


# ---- the same text in disguise ----------------------------------------------------------------------------------------


def _zero_width(text: str, rng: random.Random) -> str:
    place = rng.randrange(len(text))
    return text[:place] + "\u200b" + text[place:]


def _wide(text: str, rng: random.Random) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


DISGUISES: dict[str, Rewrite] = {
    "as it is": lambda text, rng: text,
    "upper case": lambda text, rng: text.upper(),
    "white space": lambda text, rng: "  " + text.replace(" ", " \t ", 2) + "\n",
    "punctuation": lambda text, rng: text.rstrip("?.!") + " ?!...",
    "quotes and dashes": lambda text, rng: f"“{text}” –",
    "wide letters": _wide,
    "invisible marks": _zero_width,
    "accents": lambda text, rng: text.replace("e", "e\u0301", 2).replace("o", "ö", 1),
    "Cyrillic look-alikes": lambda text, rng: text.translate(LOOK_ALIKES),
    "HTML entities": lambda text, rng: text.replace("a", "&#97;", 2) + "&nbsp;",
    "percent signs": lambda text, rng: text.replace(" ", "%20"),
}


# ---- light paraphrase ---------------------------------------------------------------------------------------------------


def swapped(text: str, rng: random.Random) -> str:
    words = text.split()
    place = rng.randrange(len(words) - 1)
    words[place], words[place + 1] = words[place + 1], words[place]
    return " ".join(words)


def filled(text: str, rng: random.Random) -> str:
    words = text.split()
    words.insert(
        rng.randrange(1, len(words)), rng.choice(["please", "just", "so", "actually", "now"])
    )
    return " ".join(words)


def greeted(text: str, rng: random.Random) -> str:
    return rng.choice(["Hi, ", "Hello! ", "Please help: ", "Quick question: "]) + text


def synonym(text: str, rng: random.Random) -> str:
    words = text.split()
    known = [i for i, word in enumerate(words) if word.strip("?.,!").casefold() in SYNONYMS]
    if not known:
        return swapped(text, rng)
    place = rng.choice(known)
    words[place] = SYNONYMS[words[place].strip("?.,!").casefold()]
    return " ".join(words)


PARAPHRASES: dict[str, Rewrite] = {
    "two words swapped": swapped,
    "a word put in": filled,
    "a greeting before": greeted,
    "a synonym": synonym,
    "swap and greeting": lambda text, rng: greeted(swapped(text, rng), rng),
}
