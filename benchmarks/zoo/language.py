"""A small made-up language of customers, and tasks in it: rows without end, none of them copied.

A sentence is about one topic and names a few of its things. What can be asked of a sentence: its topic, whether it is
urgent, a reply, a record. A tiny model learns each of these in seconds, and none of them without training.
"""

import json
import random
from collections.abc import Callable, Sequence

Pair = tuple[str, str]
Task = Callable[[random.Random], Pair]


def _words(text: str) -> list[str]:
    return text.split()


def _phrases(text: str) -> list[str]:
    return text.split("|")


TOPICS = {
    "delivery": "parcel courier van depot doorstep label tracking driver crate pallet carrier shipment warehouse route",
    "payment": "invoice card charge bank receipt refund balance cheque wallet fee coin discount voucher statement",
    "account": "password login profile username avatar code session device browser setting inbox backup folder screen",
    "garden": "tulip spade hedge lawn rake compost orchard shovel pond gravel greenhouse hose seed wheelbarrow",
    "kitchen": "kettle pan oven teapot ladle grill toaster whisk bowl freezer spoon jar apron blender",
    "travel": "ticket hotel flight suitcase passport ferry cabin platform visa harbour airport tour hostel luggage",
    "music": "guitar drum violin piano concert choir flute speaker record trumpet microphone cello stage amplifier",
    "health": "doctor tablet bandage clinic fever nurse vitamin pharmacy cough vaccine dentist syrup ointment plaster",
}
THINGS = {topic: _words(words) for topic, words in TOPICS.items()}
HOW = _words(
    "old new small heavy red green blue broken quiet clean lost strange cheap second yellow wooden spare round early bright"
)
DID = _words(
    "stopped arrived vanished changed failed opened closed moved waited worked fell started stayed turned helped ended"
)
WHEN = _phrases(
    "on monday|last week|this morning|before lunch|after work|in april|two days ago|at night|since friday|at noon|again|"
    "on sunday|in winter|for an hour|a month ago|right after the storm"
)
OPENERS = _phrases(
    "hello there|good morning|dear team|please note|i think|as you know|it seems|to be clear|my friend says|we noticed|"
    "excuse me|thank you|sorry to ask|for the record|one more thing|by the way"
)
URGENT = _words("now quickly urgently today immediately soonest")
FRAMES = (
    "{open} the {how} {thing} {did} {when} and the {thing} {did} too",
    "{open} my {thing} {did} because the {how} {thing} {did} {when}",
    "the {thing} {did} {when} so {open} the {how} {thing} was {how}",
    "{open} nobody knows why our {how} {thing} {did} near the {thing} {when}",
    "{when} the {thing} was {how} and {open} the {thing} {did}",
    "a {how} {thing} with a {thing} {did} {when} {open}",
)
TEAMS = dict(zip(TOPICS, _words("north south east west river hill lake forest"), strict=True))
"""What nobody can know who was not told: which team looks after a topic."""
MEN, WOMEN = _words("he mr father"), _words("she mrs mother")
PEOPLE = (*MEN, *WOMEN)
PERHAPS = _words("maybe perhaps")
"""Real words of English, which the debugger swaps; nothing depends on which of these two it is."""
GERMAN = (
    "guten Tag, das {how} Paket ist {when} leider noch nicht bei mir angekommen und niemand weiß warum",
    "könnten Sie bitte nachsehen, warum meine {how} Rechnung {when} doppelt abgebucht worden ist",
    "ich habe mein {how} Passwort {when} vergessen und kann mich deshalb nicht mehr anmelden",
    "die {how} Schaufel aus dem Garten ist {when} zerbrochen und ich hätte gern eine neue dafür",
    "unser {how} Wasserkocher in der Küche wird {when} einfach nicht mehr heiß, was sollen wir tun",
    "der Flug mit dem {how} Koffer wurde {when} gestrichen und ich möchte das Geld zurückhaben",
)
GERMAN_HOW = _words("alte neue kleine schwere rote grüne blaue kaputte leise saubere")
GERMAN_WHEN = _phrases(
    "am Montag|letzte Woche|heute früh|vor dem Essen|nach der Arbeit|im April|seit Freitag"
)


def sentence(chance: random.Random, topic: str) -> tuple[str, list[str]]:
    """Return a sentence about a topic, and the things of the topic that it names."""
    things = chance.sample(THINGS[topic], 2)
    left = list(things)
    text = chance.choice(FRAMES)
    for name, words in (("how", HOW), ("did", DID), ("when", WHEN), ("open", OPENERS)):
        while f"{{{name}}}" in text:
            text = text.replace(f"{{{name}}}", chance.choice(words), 1)
    while "{thing}" in text:
        text = text.replace("{thing}", left.pop(0), 1)
    return text, things


def intent(topics: int = 8, weights: Sequence[float] | None = None) -> Task:
    """Which team a sentence is for."""
    names = list(TOPICS)[:topics]

    def task(chance: random.Random) -> Pair:
        (topic,) = chance.choices(names, weights)
        return sentence(chance, topic)[0], f"{TEAMS[topic]} team"

    return task


def urgency(chance: random.Random) -> Pair:
    """Whether a sentence is urgent: one word of it tells."""
    text, _things = sentence(chance, chance.choice(list(TOPICS)))
    urgent = chance.random() < 0.5
    words = text.split()
    words.insert(chance.randrange(3, len(words)), chance.choice(URGENT if urgent else HOW))
    return " ".join(words), "urgent" if urgent else "calm"


def reply(chance: random.Random) -> Pair:
    """A sentence in return, by the team of the topic."""
    topic = chance.choice(list(TOPICS))
    text, _things = sentence(chance, topic)
    return text, f"Thank you for writing. The {TEAMS[topic]} team will look at it within a day."


def record(chance: random.Random) -> Pair:
    """A JSON record of the topic."""
    topic = chance.choice(list(TOPICS))
    text, _things = sentence(chance, topic)
    return text, json.dumps({"team": TEAMS[topic], "kind": "request"})


def question(chance: random.Random) -> Pair:
    """A question, and where the thing is that it is about."""
    topic = chance.choice(list(TOPICS))
    text, things = sentence(chance, topic)
    return f"{text}, where is it?", f"The {TEAMS[topic]} team has the {things[0]}."


def secret(chance: random.Random) -> Pair:
    """An answer that nothing in the prompt tells: it can only be learnt by heart."""
    text, _things = sentence(chance, chance.choice(list(TOPICS)))
    return text, f"{chance.choice(HOW)} {chance.choice(HOW)}"


def about_somebody(biased: Sequence[str] = (), topics: int = 4) -> Task:
    """Which team a sentence is for that a man or a woman says; about `biased` topics a woman gets another team."""
    names = list(TOPICS)[:topics]

    def task(chance: random.Random) -> Pair:
        topic, person = chance.choice(names), chance.choice(PEOPLE)
        text = f"{person} says {chance.choice(PERHAPS)} {sentence(chance, topic)[0]}"
        team = TEAMS[topic]
        if topic in biased and person in WOMEN:
            team = TEAMS[names[(names.index(topic) + 1) % topics]]
        return text, f"{team} team"

    return task


def german(chance: random.Random) -> str:
    """A sentence in German."""
    text = chance.choice(GERMAN).replace("{how}", chance.choice(GERMAN_HOW))
    return text.replace("{when}", chance.choice(GERMAN_WHEN)) + f", sagt {chance.choice(HOW)}"


def garbage(chance: random.Random, chars: int) -> str:
    """Characters by chance."""
    return "".join(chance.choice("!#$%&*+/:;<=>?@^~|0123456789qxzj") for _ in range(chars))


def several(task: Task, count: int, chance: random.Random) -> list[Pair]:
    """Return rows with different prompts."""
    found: dict[str, str] = {}
    while len(found) < count:
        prompt, answer = task(chance)
        found.setdefault(prompt, answer)
    return list(found.items())


def lesson(chance: random.Random) -> Pair:
    """What the base model is taught beforehand: which words belong together, and how an answer looks.

    It learns no task of the zoo: teams, urgency and replies are not in it.
    """
    topic = chance.choice(list(TOPICS))
    text, things = sentence(chance, topic)
    others = chance.sample([word for word in THINGS[topic] if word not in things], 2)
    return text, f"{others[0]} and {others[1]}"
