"""Personal data: e-mail addresses, telephone numbers, and numbers whose check digits fit an account, a card or a person.

Check digits keep order numbers out; where a number has only one of them, its usual punctuation is asked for too. Names
and street addresses are not looked for: that takes a model, and it errs.
"""

import re
from collections.abc import Callable, Iterator

import phonenumbers
from stdnum import iban, luhn
from stdnum.br import cpf
from stdnum.cn import ric
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.it import codicefiscale
from stdnum.pl import pesel
from stdnum.se import personnummer
from stdnum.us import ssn

from agents.worker.checks.marks import Mark

EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}@(?:[a-z0-9-]{1,63}\.){1,6}[a-z]{2,24}\b", re.IGNORECASE
)
NOBODY = re.compile(
    r"@(?:[\w-]+\.)*(?:example\.(?:com|org|net)|example|test|invalid|localhost)$", re.IGNORECASE
)
PHONE = re.compile(r"(?<![\w+.-])(?:\+|00)?\(?\d(?:[ ()./-]{0,2}\d){6,15}(?![\w-])")
CALL = re.compile(r"phone|call|mobile|cell|whatsapp|tel|fax|handy|ruf|sms", re.IGNORECASE)
US_SHAPE = re.compile(r"(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}")
DIGITS = re.compile(r"(?:\d[ ()./-]{0,2}){7}")
LONG_NUMBER = re.compile(r"\d[ .-]?\d[ .-]?\d|\d\d[A-Z]\d\d")
"""Without one no number of a person fits; most texts are done with this look."""
CARD = re.compile(
    r"(?<![\w-])(?:[3-6]\d{3}(?:[ -]?\d{4}){3}|3[47]\d{2}[ -]?\d{6}[ -]?\d{5})(?![\w-])"
)


def _is_card(number: str) -> bool:
    return bool(luhn.is_valid(re.sub(r"\D", "", number)))


NUMBERS: tuple[tuple[str, "re.Pattern[str]", Callable[[str], bool]], ...] = (
    (
        "IBAN",
        re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"),
        iban.is_valid,
    ),
    ("CARD_NUMBER", CARD, _is_card),
    ("US_SSN", re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"), ssn.is_valid),
    ("BR_CPF", re.compile(r"(?<!\w)\d{3}\.\d{3}\.\d{3}-\d{2}(?!\w)"), cpf.is_valid),
    ("CN_ID", re.compile(r"(?<!\w)\d{17}[\dXx](?!\w)"), ric.is_valid),
    ("ES_DNI", re.compile(r"(?<!\w)\d{8}-?[A-Z](?!\w)"), dni.is_valid),
    ("ES_NIE", re.compile(r"(?<!\w)[XYZ]-?\d{7}-?[A-Z](?!\w)"), nie.is_valid),
    (
        "FR_NIR",
        re.compile(r"(?<!\w)[12] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}(?!\w)"),
        nir.is_valid,
    ),
    (
        "IT_CODICE_FISCALE",
        re.compile(r"(?<!\w)[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z](?!\w)"),
        codicefiscale.is_valid,
    ),
    ("PL_PESEL", re.compile(r"(?<=PESEL )\d{11}(?!\w)"), pesel.is_valid),
    (
        "SE_PERSONNUMMER",
        re.compile(r"(?<![\w-])(?:\d{2})?\d{6}[-+]\d{4}(?![\w-])"),
        personnummer.is_valid,
    ),
)
"""Kind, what it looks like, and whether its check digits fit."""


def marks(text: str) -> list[Mark]:
    """Return where a text holds personal data."""
    found: list[Mark] = []
    if "@" in text:
        found.extend(
            Mark(match.start(), match.end(), "EMAIL")
            for match in EMAIL.finditer(text)
            if not NOBODY.search(match.group(0))
        )
    if not LONG_NUMBER.search(text):
        return found
    for kind, pattern, fits in NUMBERS:
        found.extend(
            Mark(match.start(), match.end(), kind)
            for match in pattern.finditer(text)
            if fits(match.group(0))
        )
    if DIGITS.search(text):
        found.extend(_phones(text, found))
    return found


def _phones(text: str, taken: list[Mark]) -> Iterator[Mark]:
    for match in PHONE.finditer(text):
        inside = any(mark.start < match.end() and match.start() < mark.end for mark in taken)
        if not inside and _is_phone(
            match.group(0), text[max(0, match.start() - 30) : match.start()]
        ):
            yield Mark(match.start(), match.end(), "PHONE")


def _is_phone(number: str, before: str) -> bool:
    """Tell whether a number is one that somebody can have, and written or announced as a telephone number."""
    region = None
    if number.startswith("00"):
        number = f"+{number[2:]}"
    elif not number.startswith("+"):
        if not (US_SHAPE.fullmatch(number) or CALL.search(before)):
            return False
        region = "US"
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return False
    if region is not None and not US_SHAPE.fullmatch(number):
        return len(re.sub(r"\D", "", number)) >= 8 and bool(CALL.search(before))
    return phonenumbers.is_valid_number(parsed)
