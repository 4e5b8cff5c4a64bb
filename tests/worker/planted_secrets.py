"""Secrets and personal data that belong to nobody: drawn when a test runs, from pieces, so that no scanner of this
repository finds one in it."""

import base64
import json
import random
import string
from collections.abc import Callable

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
LOWER = string.ascii_lowercase + string.digits
Draw = Callable[[random.Random], str]


def drawn(rng: random.Random, count: int, alphabet: str = ALNUM) -> str:
    """Draw characters, a digit and a letter among them."""
    return "7k"[: max(0, count - 1)] + "".join(rng.choices(alphabet, k=max(0, count - 2)))


def digits(rng: random.Random, count: int) -> str:
    return rng.choice("123456789") + "".join(rng.choices(string.digits, k=count - 1))


def _jwt(rng: random.Random) -> str:
    def part(value: dict[str, str]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return (
        f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': drawn(rng, 12)})}.{drawn(rng, 43)}"
    )


def _pem(rng: random.Random) -> str:
    lines = "\n".join(drawn(rng, 64) for _ in range(6))
    return "-----BEGIN RSA " + f"PRIVATE KEY-----\n{lines}\n-----END RSA " + "PRIVATE KEY-----"


UPPER = string.ascii_uppercase + "234567"
SECRETS: dict[str, Draw] = {
    "AWS access key": lambda r: "AK" + "IA" + "".join(r.choices(UPPER, k=16)),
    "AWS secret": lambda r: "aws_secret_key = " + f'"{drawn(r, 40)}"',
    "Azure storage": lambda r: "Account" + f"Key={drawn(r, 86)}==",
    "Discord bot": lambda r: "M" + f"{drawn(r, 25)}.{drawn(r, 6)}.{drawn(r, 27)}",
    "Discord webhook": lambda r: (
        "https://discord.com/api/" + f"webhooks/{digits(r, 18)}/{drawn(r, 68)}"
    ),
    "Hugging Face": lambda r: "h" + "f_" + drawn(r, 34),
    "OpenAI": lambda r: "sk" + f"-{drawn(r, 20)}T3Blbk" + f"FJ{drawn(r, 20)}",
    "OpenAI project": lambda r: "sk" + f"-proj-{drawn(r, 48)}",
    "Anthropic": lambda r: "sk" + f"-ant-api03-{drawn(r, 80)}",
    "Google API": lambda r: "AI" + f"za{drawn(r, 35)}",
    "Google OAuth": lambda r: "GOC" + f"SPX-{drawn(r, 28)}",
    "GitHub": lambda r: "gh" + f"p_{drawn(r, 36)}",
    "GitHub fine-grained": lambda r: "github" + f"_pat_{drawn(r, 22)}_{drawn(r, 59)}",
    "GitLab": lambda r: "gl" + f"pat-{drawn(r, 20)}",
    "npm": lambda r: "np" + f"m_{drawn(r, 36)}",
    "PyPI": lambda r: "py" + f"pi-AgEIcHlwaS5vcmc{drawn(r, 90)}",
    "Slack bot": lambda r: "xo" + f"xb-{digits(r, 11)}-{digits(r, 12)}-{drawn(r, 24)}",
    "Slack webhook": lambda r: (
        "https://hooks.sla" + f"ck.com/services/T{drawn(r, 8)}/B{drawn(r, 8)}/{drawn(r, 24)}"
    ),
    "Stripe": lambda r: "sk" + f"_live_{drawn(r, 24)}",
    "Twilio": lambda r: "S" + f"K{drawn(r, 32, HEX)}",
    "SendGrid": lambda r: "S" + f"G.{drawn(r, 22)}.{drawn(r, 43)}",
    "Mailchimp": lambda r: "".join(r.choices(HEX, k=32)) + "-us" + str(r.randint(1, 21)),
    "Telegram": lambda r: f"{digits(r, 9)}" + f":{drawn(r, 35)}",
    "Square": lambda r: "sq0" + f"csp-{drawn(r, 43)}",
    "DigitalOcean": lambda r: "dop" + "_v1_" + "".join(r.choices(HEX, k=64)),
    "Shopify": lambda r: "shp" + "at_" + "".join(r.choices(HEX, k=32)),
    "Databricks": lambda r: "da" + "pi" + "".join(r.choices(HEX, k=32)),
    "Groq": lambda r: "gs" + f"k_{drawn(r, 52)}",
    "Vault": lambda r: "hv" + f"s.{drawn(r, 24)}",
    "JWT": _jwt,
    "private key": _pem,
    "login in a URL": lambda r: f"postgresql://admin:{drawn(r, 14)}@db.intern.net/app",
    "named password": lambda r: "pass" + f"word: {drawn(r, 12)}",
    "named key": lambda r: "api_" + f"key={drawn(r, 32)}",
    "bearer": lambda r: "Authorization: Bea" + f"rer {drawn(r, 40)}",
}


# ---- personal data, with check digits worked out here ------------------------------------------------------------------


def _luhn(body: str) -> str:
    total = sum(
        sum(divmod(int(d) * (2 if place % 2 == 0 else 1), 10))
        for place, d in enumerate(reversed(body))
    )
    return body + str(-total % 10)


def _iban(rng: random.Random) -> str:
    account = digits(rng, 18)
    check = 98 - int(f"{account}131400") % 97  # DE00
    plain = f"DE{check:02}{account}"
    return " ".join(plain[i : i + 4] for i in range(0, 22, 4))


def _cpf(rng: random.Random) -> str:
    number = [rng.randrange(10) for _ in range(9)]
    for _ in range(2):
        weights = range(len(number) + 1, 1, -1)
        number.append(sum(w * n for w, n in zip(weights, number, strict=True)) * 10 % 11 % 10)
    text = "".join(map(str, number))
    return f"{text[:3]}.{text[3:6]}.{text[6:9]}-{text[9:]}"


def _card(rng: random.Random) -> str:
    plain = _luhn("4" + digits(rng, 14))
    return rng.choice([plain, " ".join(plain[i : i + 4] for i in range(0, 16, 4))])


PERSONAL: dict[str, Draw] = {
    "e-mail": lambda r: (
        f"{drawn(r, 6, string.ascii_lowercase)}.miller@{drawn(r, 5, string.ascii_lowercase)}mail.com"
    ),
    "IBAN": _iban,
    "card": _card,
    "phone with country": lambda r: f"+49 30 {digits(r, 8)}",
    "US phone": lambda r: f"(212) {r.randint(220, 989)}-{r.randint(1000, 9999)}",
    "announced phone": lambda r: f"call me: 0170 {digits(r, 8)}",
    "US SSN": lambda r: f"{r.randint(100, 600)}-{r.randint(10, 98)}-{r.randint(1000, 9999)}",
    "CPF": _cpf,
    "DNI": lambda r: (lambda n: f"{n}{'TRWAGMYFPDXBNJZSQVHLCKE'[int(n) % 23]}")(digits(r, 8)),
}
