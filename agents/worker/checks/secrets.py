"""Keys, tokens and passwords that look live: the patterns of detect-secrets, and of what it does not know.

Patterns whose time grows faster than the text (a text may be made for that) are replaced by bounded ones. Nothing is
ever tried out against a service. A secret is seen by the functions here and leaves none of them.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator

from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

from agents.worker.checks.marks import Mark

KEPT: dict[str, RegexBasedDetector] = {
    "AWS_KEY": AWSKeyDetector(),
    "AZURE_KEY": AzureStorageKeyDetector(),
    "DISCORD_TOKEN": DiscordBotTokenDetector(),
    "GITHUB_TOKEN": GitHubTokenDetector(),
    "GITLAB_TOKEN": GitLabTokenDetector(),
    "MAILCHIMP_KEY": MailchimpDetector(),
    "PRIVATE_KEY": PrivateKeyDetector(),
    "PYPI_TOKEN": PypiTokenDetector(),
    "SENDGRID_KEY": SendGridDetector(),
    "SLACK_TOKEN": SlackDetector(),
    "SQUARE_TOKEN": SquareOAuthDetector(),
    "STRIPE_KEY": StripeDetector(),
    "TELEGRAM_TOKEN": TelegramBotTokenDetector(),
    "TWILIO_KEY": TwilioKeyDetector(),
}
OWN = {
    "PRIVATE_KEY": r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s:,.\\-]{0,8000}",
    "DISCORD_WEBHOOK": r"https://(?:\w{1,10}\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d{17,20}/[\w-]{60,80}",
    "DISCORD_TOKEN": r"\bmfa\.[\w-]{80,90}",
    "HUGGING_FACE_TOKEN": r"\b(?:hf|api_org)_[A-Za-z0-9]{30,40}\b",
    "OPENAI_KEY": r"\bsk-(?:(?:proj|svcacct|admin|None)-[\w-]{20,200}|[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}|[A-Za-z0-9]{48}\b)",
    "ANTHROPIC_KEY": r"\bsk-ant-[\w-]{20,200}",
    "GOOGLE_KEY": r"\bAIza[\w-]{35}",
    "GOOGLE_OAUTH": r"\b(?:GOCSPX-[\w-]{28}|ya29\.[\w-]{30,500})",
    "GITHUB_TOKEN": r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
    "NPM_TOKEN": r"\bnpm_[A-Za-z0-9]{36}\b",
    "SLACK_TOKEN": r"\bx(?:app|oxe|oxb|oxp)-[\w-]{20,200}",
    "STRIPE_KEY": r"\b(?:[sr]k_live|whsec)_[0-9A-Za-z]{24,200}",
    "DIGITALOCEAN_TOKEN": r"\bdo[opr]_v1_[a-f0-9]{64}",
    "SHOPIFY_TOKEN": r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
    "DATABRICKS_TOKEN": r"\bdapi[a-f0-9]{32}\b",
    "GROQ_KEY": r"\bgsk_[A-Za-z0-9]{48,60}",
    "REPLICATE_TOKEN": r"\br8_[A-Za-z0-9]{37,40}\b",
    "VAULT_TOKEN": r"\bhv[sbr]\.[\w-]{24,200}",
    "LINEAR_KEY": r"\blin_api_[A-Za-z0-9]{40}",
    "NOTION_TOKEN": r"\b(?:ntn_[A-Za-z0-9]{40,60}|secret_[A-Za-z0-9]{43})\b",
    "ARTIFACTORY_KEY": r"\bAKC[A-Za-z0-9]{60,80}",
    "GRAFANA_TOKEN": r"\bglsa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}",
    "LOGIN_IN_URL": r"(?<=://)[^\s/:@{}<>\[\]]{1,80}:[^\s/:@{}<>\[\]]{3,200}(?=@[\w.-])",
}
"""Not, or not safely, known to detect-secrets."""
NAMED = re.compile(
    r"(?:api[ _-]?key|(?:secret|access|private|auth)[ _-]?(?:key|token)|client[ _-]?secret|password|passwd|passwort|pwd)"
    r"[\"']?\s{0,3}(?:=>?|:=?|\bis\b)\s{0,3}[\"']?([^\s\"',;<>()]{8,200})",
    re.IGNORECASE,
)
BEARER = re.compile(r"\bbearer\s{1,3}([\w.~+/-]{20,500}=*)", re.IGNORECASE)
SUSPECT = re.compile(
    r"[\w+/=.:-]{20}|passw|pwd|secret|key|token|://|bearer", re.IGNORECASE | re.ASCII
)
"""Without one of these no pattern can fit; most texts are done with this look."""
JWT = re.compile(r"\beyJ[\w=-]{8,2000}\.[\w=-]{8,8000}(?:\.[\w.+/=-]{0,2000})?")
PLACEHOLDER = re.compile(
    r"your|example|changeme|placeholder|dummy|redacted|\*{3}|x{5}|\.{3}|\{\{|\$\{|0{8}|1234567|abcdef",
    re.IGNORECASE,
)
LEAST_ENTROPY = 2.8
"""Bits per character from which on a value behind "password=" looks drawn, not written."""

PATTERNS = [
    *((kind, pattern) for kind, plugin in KEPT.items() for pattern in plugin.denylist),
    *((kind, re.compile(pattern)) for kind, pattern in OWN.items()),
]


def marks(text: str) -> list[Mark]:
    """Return where a text holds something that looks like a live key, token or password."""
    if not SUSPECT.search(text):
        return []
    found = [
        Mark(match.start(), match.end(), kind)
        for kind, pattern in PATTERNS
        for match in pattern.finditer(text)
        if not PLACEHOLDER.search(match.group(0))
    ]
    found.extend(_tokens(text))
    found.extend(_named(text))
    return found


def _tokens(text: str) -> Iterator[Mark]:
    for match in JWT.finditer(text):
        if JwtTokenDetector.is_formally_valid(match.group(0)):
            yield Mark(match.start(), match.end(), "JWT")


def _named(text: str) -> Iterator[Mark]:
    """Find values that are called a password or a key and look like one."""
    for pattern, kind in ((NAMED, "PASSWORD"), (BEARER, "BEARER_TOKEN")):
        for match in pattern.finditer(text):
            value = match.group(1)
            drawn = re.search(r"\d", value) and re.search(r"[^\W\d]", value)
            if drawn and not PLACEHOLDER.search(value) and _entropy(value) >= LEAST_ENTROPY:
                yield Mark(match.start(1), match.end(1), kind)


def _entropy(text: str) -> float:
    shares = [times / len(text) for times in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares)
