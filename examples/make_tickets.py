"""Make the data set of the demo: what customers write → what a made-up shop's clerk types into its system.

python examples/make_tickets.py > examples/tickets.csv

A ticket names one problem and one order; the clerk's note is CODE|ORDER. No model can know the codes beforehand, and
each can be told from the words alone, so that a small model learns them in minutes. Same seed, same bytes.
"""

import csv
import random
import re
import sys
from collections.abc import Iterator

SEED = 20260301
ROWS_PER_CODE = 108
MOST_ALIKE = 0.75
"""Largest share of words that two problems may have in common."""

WORDS = {
    "item": (
        "teapot", "desk lamp", "rucksack", "rain jacket", "coffee mill", "picture frame", "wool blanket", "bike helmet",
        "chess set", "frying pan", "wall clock", "camping stove", "lantern", "phone case", "garden chair", "vase",
        "puzzle", "toaster", "sun hat", "suitcase", "mirror", "kettle", "notebook", "bookshelf", "hammock", "cushion",
    ),
    "other": ("candle", "soup ladle", "pair of socks", "doormat", "water bottle", "yoga mat", "bread knife", "globe"),
    "part": ("lid", "handle", "corner", "strap", "base", "zip", "rim", "back", "left side", "bottom"),
    "came": ("arrived", "came", "turned up", "was delivered", "reached me"),
    "harmed": ("broken", "cracked", "smashed", "dented", "scratched", "chipped", "torn", "bent", "shattered", "crushed"),
    "flaw": ("crack", "dent", "deep scratch", "hole", "broken hinge", "torn seam", "chip", "bent frame", "big tear"),
    "time": ("a week", "ten days", "two weeks", "a month", "eight days", "three weeks", "far too long", "nine days"),
    "when": ("Monday", "last week", "the 3rd", "Friday", "yesterday", "before Easter", "two days ago", "on the 12th"),
    "colour": ("red", "blue", "green", "black", "white", "grey", "yellow", "brown"),
    "chosen": ("violet", "purple", "pink", "silver", "beige", "turquoise"),
    "feature": ("size", "colour", "model", "pattern", "version", "material"),
    "amount": ("4 euros", "12 euros", "7.50", "20 pounds", "9 dollars", "15 percent", "3.99"),
    "times": ("twice", "two times", "three times", "double"),
}  # fmt: skip

PROBLEMS = {
    "DAMAGE": (
        "the {item} {came} {harmed}",
        "my {item} {came} with a {flaw}",
        "the {part} of the {item} is {harmed}",
        "there is a {flaw} in my new {item}",
        "found the {item} {harmed} in its box",
        "the {item} got {harmed} in transit",
        "a {flaw} and a {harmed} {part}, poor {item}",
        "somebody dropped the {item}, the {part} is {harmed}",
        "{harmed} {item} in a {harmed} box",
        "{part} {harmed}, {item} useless",
        "unpacked the {item}, saw a {flaw}",
        "our {item} has a {harmed} {part}",
    ),
    "LATE": (
        "my {item} has not arrived",
        "still waiting for the {item} after {time}",
        "where is my {item}? It was due {when}",
        "tracking of the {item} stuck for {time}",
        "delivery of the {item} is overdue since {when}",
        "when will the {item} finally get here",
        "{time} and no sign of the {item}",
        "the {item} should have been here {when}",
        "no {item} yet, promised for {when}",
        "is the {item} lost? Shipped {time} ago",
        "the courier never brought my {item}",
        "waited at home {when}, no {item}, no parcel",
    ),
    "WRONG": (
        "I ordered a {item} and got a {other}",
        "the {item} is {colour}, I chose {chosen}",
        "you sent the wrong {feature} of the {item}",
        "a {other} was in the box and no {item}",
        "wanted the {item} in {chosen}, this one is {colour}",
        "this is not the {item} I picked but a {other}",
        "got a {colour} {item} instead of {chosen}",
        "somebody packed a {other} in place of the {item}",
        "{other}? I asked for a {item}",
        "your {item} has another {feature} than ordered",
        "{colour} is not {chosen}, please swap the {item}",
        "mixed up: {other} here, {item} with somebody else",
    ),
    "REFUND": (
        "I want my money back for the {item}",
        "how do I return the {item}",
        "please refund the {item}, no longer needed",
        "changed my mind about the {item}, take it back",
        "sent the {item} back {when}, where is my refund",
        "returning the {item}, please reimburse me",
        "do not like the {item}, refund please",
        "may I give back the {item} within {time}",
        "refund for a {colour} {item}, unused",
        "{item} returned {when}, still no money back",
        "cancel the {item} and refund me",
        "need a return label for one {item}",
    ),
    "BILL": (
        "my card was charged {times} for the {item}",
        "the invoice for the {item} is {amount} too high",
        "why was I billed {times} for one {item}",
        "paid for the {item} {when} but the bill is open",
        "the receipt of my {item} shows a wrong total",
        "discount of {amount} missing on the {item} invoice",
        "you debited {amount} too much for the {item}",
        "send me a corrected invoice for the {item}",
        "{amount} of tax on a {item}? Check the bill",
        "invoice says {times} {amount}, I bought one {item}",
        "the price of the {item} on my receipt is off by {amount}",
        "payment for the {item} was taken {times}",
    ),
}

FRAMES = (
    "Order {order}: {problem}",
    "{problem} ({order})",
    "{order}, {problem}",
    "Hello, {problem}. Order {order}",
    "About {order}: {problem}",
    "{problem}. My order is {order}",
    "Re {order} - {problem}",
    "{problem} - order no. {order}",
)


def tickets(seed: int = SEED) -> Iterator[tuple[str, str]]:
    """Yield (ticket, code) rows, as many of each code, shuffled.

    No order number comes twice, and no two tickets are near copies but for the order.
    """
    rng = random.Random(seed)
    codes = [code for code in PROBLEMS for _ in range(ROWS_PER_CODE)]
    rng.shuffle(codes)
    seen: list[set[str]] = []
    for code, number in zip(codes, rng.sample(range(1000, 10_000), len(codes)), strict=True):
        problem = _new_problem(code, seen, rng)
        order = f"QA-{number}"
        ticket = rng.choice(FRAMES).format(order=order, problem=problem)
        yield ticket[0].upper() + ticket[1:], f"{code}|{order}"


def _new_problem(code: str, seen: list[set[str]], rng: random.Random) -> str:
    while True:
        problem = _filled(rng.choice(PROBLEMS[code]), rng)
        words = set(re.findall(r"\w+", problem.casefold()))
        if all(len(words & other) <= MOST_ALIKE * len(words | other) for other in seen):
            seen.append(words)
            return problem


def _filled(template: str, rng: random.Random) -> str:
    return re.sub(r"{(\w+)}", lambda slot: rng.choice(WORDS[slot[1]]), template)


if __name__ == "__main__":
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("ticket", "code"))
    writer.writerows(tickets())
