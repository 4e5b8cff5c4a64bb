"""Whatever a card holds, what is sent stays within Discord's limits and can be found again."""

import string
from dataclasses import replace
from datetime import UTC, datetime

import discord
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot import scenes
from bot.charts import Chart
from bot.discord import gate_buttons, render
from bot.discord.gates import MARKER
from bot.surface import Card, Field, File, Parcel, Question, Tone
from storage.models import Event
from tests.wire import limits

TEXT = st.text(max_size=60) | st.text(
    alphabet=st.sampled_from("a`\\*_\n 😀…|<@!>&"), max_size=400
).map(lambda text: text * 20)
HEX = st.text(alphabet="0123456789abcdef", min_size=64, max_size=64)
PEOPLE = st.integers(1, 2**63).map(lambda number: f"discord:{number}") | st.just("terminal:root")
QUESTIONS = st.builds(
    Question,
    approval_id=st.integers(1, 10**9),
    shown_sha256=HEX,
    yes=TEXT,
    no=TEXT,
)
CARDS = st.builds(
    Card,
    title=TEXT,
    body=TEXT,
    fields=st.lists(st.builds(Field, TEXT, TEXT, st.booleans()), max_size=40).map(tuple),
    tone=st.sampled_from(Tone),
    footer=TEXT,
    question=st.none() | QUESTIONS,
    notify=st.lists(PEOPLE, max_size=30).map(tuple),
)
MARK = "run #12345678 · message 87654321"
HUGE = Card(
    title="😀" * 300,
    body="```\n" + "😀" * 5000,
    fields=tuple(Field("n" * 300, "`" * 2000) for _ in range(30)),
    footer="f" * 3000,
)


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@settings(max_examples=200, deadline=None)
@given(CARDS)
@example(HUGE)
def test_every_card_fits_and_keeps_its_marker(card: Card) -> None:
    marked = replace(card, footer=f"{card.footer} {MARK}")

    embed = render.embed(marked).to_dict()
    view = gate_buttons.view(marked.question)
    payload = {
        "content": render.content(marked),
        "embeds": [embed],
        "components": view.to_components() if view else [],
    }

    limits.check_message(payload, [], 10**7)
    texts = [embed.get("title"), embed.get("description"), embed["footer"]["text"]]
    texts += [part for field in embed.get("fields", []) for part in (field["name"], field["value"])]
    assert sum(units(text or "") for text in texts) <= 6000
    assert all(
        field["name"].strip() and field["value"].strip() for field in embed.get("fields", [])
    )
    assert embed["footer"]["text"].endswith(MARK)
    text = render.plain_text(marked)
    assert units(text) <= 2000
    assert text.endswith(MARK)


@given(TEXT, st.integers(0, 300))
def test_a_text_is_cut_to_its_limit_and_never_inside_a_character(text: str, limit: int) -> None:
    cut = render.clip(text, limit)

    assert units(cut) <= limit
    assert render.length(cut) == units(cut)
    assert cut.encode().decode() == cut
    assert cut in (text.strip(), "") or cut.endswith("…")


@given(TEXT, st.integers(10, 300))
def test_a_cut_never_leaves_a_code_block_open(text: str, limit: int) -> None:
    whole = f"```\n{text.replace('```', '')}\n```"

    cut = render.clip_markdown(whole, limit)

    assert units(cut) <= limit
    assert cut.count("```") % 2 == 0


@given(st.text(max_size=300))
def test_every_goal_makes_a_thread_name(name: str) -> None:
    made = render.thread_name(name)

    assert 1 <= units(made) <= 100
    assert made.strip() == made


def test_a_body_keeps_its_share_beside_many_fields() -> None:
    card = Card(title="t", body="b" * 4000, fields=tuple(Field("n", "v" * 1000) for _ in range(25)))

    embed = render.embed(card)

    assert len(embed.description or "") >= render.BODY_RESERVE
    assert len(embed.fields) >= 3


def test_only_those_who_are_asked_are_notified() -> None:
    asked = ("discord:42", "terminal:here")
    card = Card(title="@everyone <@&7> <@9>", body="<@10>", notify=asked)

    allowed: object = render.mentions(card).to_dict()

    assert allowed == {"parse": [], "users": [42]}
    assert render.content(card) == "<@42> @everyone <@&7> <@9>"
    assert render.content(replace(card, notify=())) is None


def test_buttons_say_what_they_do_and_name_what_was_shown() -> None:
    view = gate_buttons.view(Question(17, "0123456789abcdef" * 4, "carry it out", "don't"))

    assert view is not None
    assert view.is_persistent()
    shown = [(b["label"], b["custom_id"]) for b in view.to_components()[0]["components"]]
    assert shown == [
        ("carry it out", "tw:gate:17:0123456789ab:yes"),
        ("don't", "tw:gate:17:0123456789ab:no"),
    ]
    assert gate_buttons.view(None) is None


def test_a_picture_is_attached_with_its_words() -> None:
    parcel = Parcel(
        key="k",
        marker="m",
        maybe_sent=False,
        charts=(Chart("loss.png", b"png", "loss falls " * 200),),
        files=tuple(File(f"{letter}.md", b"x") for letter in string.ascii_lowercase),
    )

    made = render.files(parcel)

    assert len(made) == render.FILES
    assert made[0].filename == "loss.png"
    assert 0 < len(made[0].description or "") <= 1024
    for file in made:
        file.close()


def test_the_marker_of_a_card_is_read_back() -> None:
    event = Event(id=87, run_id=12, key="k", kind="plan", created_at=datetime.now(UTC))

    found = MARKER.search(f"some words {scenes.marker(event)}")

    assert found is not None
    assert found.groups() == ("12", "87")
    assert (
        discord.Embed().set_footer(text=scenes.marker(event)).footer.text == "run #12 · message 87"
    )
