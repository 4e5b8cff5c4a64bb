import json
import random
import time

import pytest

from agents.jobs import FindingKind, Repair
from agents.worker.checks import likeness, personal_data, private, report, secrets
from agents.worker.checks.budget import Budget
from agents.worker.checks.facts import Facts
from agents.worker.checks.marks import covered
from agents.worker.checks.masks import safe, without_personal_data, without_secrets
from tests.worker.intake import SHARED_DATA, csv_of, read, read_by_worker
from tests.worker.planted import bank, banking77, pairs_of, say
from tests.worker.planted_secrets import PERSONAL, SECRETS

EACH = 25
AROUND = ("My config says {} and it fails", "{}", "Why is {} refused?", "use ({}) please,\nthanks")


def planted(kinds, rng):
    return [(name, draw(rng)) for name, draw in kinds.items() for _ in range(EACH)]


def clean_texts() -> list[str]:
    """Texts of well-known data sets and built ones, with many numbers, links and long words; no secrets in them."""
    texts = [text for text, _ in bank(2000, seed=2)]
    texts += [
        f"Order {n * 7919} of {n % 28 + 1}.11.2026, box {n}/{n + 4}, SKU-{n * 31:08}"
        for n in range(300)
    ]
    texts += [
        f"See https://shop.net/a/b-{n}/kettle?color=red&size={n} for the warranty"
        for n in range(300)
    ]
    texts += [
        "I forgot my password: how do I reset it?",
        "The key to success is work",
        "Token ring: what is it?",
    ] * 20
    texts += [
        "The API key is YOUR_API_KEY_HERE",
        "password=********",
        "Bearer of bad news",
        "pwd: xxxxxxxxx1",
    ] * 20
    texts += [
        f"sha256 {'ab12' * 16}",
        "3.14159265358979323846",
        "192.168.0.1:8080",
        "ISBN 978-3-16-148410-0",
    ] * 20
    texts += [text for text, _ in banking77() or []]
    path = SHARED_DATA / "alpaca_en_demo.json"
    if path.exists():
        rows = json.loads(path.read_text(encoding="utf-8"))
        texts += [f"{row['instruction']}\n{row['input']}\n{row['output']}" for row in rows]
    return texts


def measured(look, kinds):
    rng = random.Random(11)
    cases = planted(kinds, rng)
    found = dict.fromkeys(kinds, 0)
    hidden = 0
    for name, value in cases:
        text = rng.choice(AROUND).format(value)
        marks = look(text)
        found[name] += bool(marks)
        body = value.splitlines()[len(value.splitlines()) // 2].partition("@db.")[0].split()[-1]
        hidden += body[-8:] not in covered(text, marks)
    false_alarms = [text for text in clean_texts() if look(text)]
    flagged = sum(found.values())
    precision = flagged / (flagged + len(false_alarms))
    return found, hidden / len(cases), precision, false_alarms


def test_planted_secrets_are_found_and_masked_and_clean_text_is_left_alone():
    found, hidden, precision, false_alarms = measured(secrets.marks, SECRETS)

    recall = sum(found.values()) / (EACH * len(SECRETS))
    missed = {name: times for name, times in found.items() if times < EACH}
    say(
        f"secrets: {len(SECRETS)} kinds, recall {recall:.3f}, masked {hidden:.3f}, precision {precision:.3f}"
    )
    say(
        f"secrets: {len(false_alarms)} false alarms in {len(clean_texts()):,} clean texts; missed {missed}"
    )
    assert len(SECRETS) >= 20
    assert recall >= 0.95
    assert hidden >= 0.95
    assert precision >= 0.95, false_alarms[:5]


def test_planted_personal_data_is_found_and_masked_and_clean_text_is_left_alone():
    found, hidden, precision, false_alarms = measured(personal_data.marks, PERSONAL)

    recall = sum(found.values()) / (EACH * len(PERSONAL))
    missed = {name: times for name, times in found.items() if times < EACH}
    say(
        f"personal data: recall {recall:.3f}, masked {hidden:.3f}, precision {precision:.3f}, missed {missed}"
    )
    say(f"personal data: {len(false_alarms)} alarms in {len(clean_texts()):,} clean texts")
    assert recall >= 0.9
    assert hidden >= 0.9
    assert precision >= 0.9, false_alarms[:5]


@pytest.mark.parametrize(
    "text",
    [
        "write to anna@example.com",
        "DE00 1234 5678 9012 3456 78",
        "4111 1111 1111 1112",
        "call me at 10",
        "1.000.000,00",
    ],
)
def test_wrong_check_digits_and_nobody_s_addresses_are_no_personal_data(text):
    assert personal_data.marks(text) == []


def test_a_text_made_to_be_slow_is_not():
    bait = (
        "sk-" * 30_000,
        "://" + "a:" * 40_000,
        "1 " * 50_000,
        "a@" * 50_000,
        "eyJ." * 25_000,
        "key " * 25_000,
    )
    began = time.process_time()

    for text in bait:
        safe(text)

    assert time.process_time() - began < 10


def test_findings_samples_and_every_file_of_the_job_but_the_rows_hold_no_secret(tmp_path):
    rng = random.Random(1)
    values = [draw(rng) for name, draw in SECRETS.items() if name != "private key"]
    lines = csv_of(100) + "".join(
        f'"Where is order {n} of mine, {value.replace(chr(34), "")}?",fine {n}\n'
        for n, value in enumerate(values, 200)
    )

    result = read_by_worker(tmp_path, lines.encode())

    found = {finding.kind: finding for finding in result.payload.findings}
    assert found[FindingKind.SECRETS].count >= 0.95 * len(values)
    assert found[FindingKind.SECRETS].repairs == (Repair.MASK_SECRETS, Repair.DROP_SECRETS)
    told = "".join((tmp_path / name).read_text() for name in ("result.json", "progress.jsonl"))
    assert [value for value in values if value.split()[-1].strip('"')[-10:] in told] == []


def test_samples_and_labels_on_the_data_card_are_masked(tmp_path):
    rng = random.Random(4)
    keys = [SECRETS["GitLab"](rng) for _ in range(3)]
    lines = [
        f"{text},{keys[n % 3]}" for n, (text, _) in enumerate(bank(200, seed=5)) if "," not in text
    ]

    result = read(tmp_path, "\n".join(["prompt,completion", *lines]))

    turns = [turn for sample in result.samples for turn in sample.turns]
    assert {turn.text for turn in turns if turn.who == "assistant"} == {"[GITLAB_TOKEN]"}
    assert set(result.labels) == {"[GITLAB_TOKEN]"}


def test_a_finding_names_rows_and_kinds_and_shows_the_place_masked():
    rng = random.Random(2)
    key = SECRETS["Hugging Face"](rng)
    rows = [("fine", "a"), (f"my token {key} leaks", "b"), ("also fine", "anna.miller@firma.de")]
    facts = Facts(likeness.find(pairs_of(rows), Budget.of(10)), Budget.of(10))

    first, second = report.check(facts)[:2]

    assert (first.kind, first.rows) == (FindingKind.SECRETS, (3,))
    assert "1 × hugging face token" in first.sentence
    assert first.example == "row 3: “my token [HUGGING_FACE_TOKEN] leaks”"
    assert (second.kind, second.rows) == (FindingKind.PERSONAL_DATA, (4,))
    assert second.example == "row 4: “[EMAIL]”"
    assert key not in repr(report.check(facts))


def test_masking_leaves_the_rest_of_a_text_as_it_is():
    key = SECRETS["Stripe"](random.Random(3))

    assert without_secrets(f"a  b\n{key}, c") == "a  b\n[STRIPE_KEY], c"
    assert without_secrets("a  b@c.de") == "a  b@c.de"
    assert without_personal_data("mail  b@c.de now") == "mail  [EMAIL] now"


def test_out_of_time_the_rows_not_looked_at_are_named():
    facts = Facts(likeness.find(pairs_of([("a", "b"), ("c", "d")]), Budget.of(9)), Budget.of(0))

    assert private.with_secrets(facts) == {}
    assert facts.budget.left_out == {"keys and passwords": "rows from row 2 on"}
