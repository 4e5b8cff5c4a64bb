"""Cards as Discord shows them, within all of its limits whatever the card holds.

Lengths are counted in UTF-16 units: Discord's clients count so, and no other way of counting gives more.
"""

import io
from collections.abc import Sequence

import discord

from bot.discord.people import NAME, number_of
from bot.surface import Card, Field, Parcel, Tone

CONTENT, TITLE, DESCRIPTION, FOOTER, LABEL, ALT = 2000, 256, 4096, 2048, 80, 1024
FIELDS, FIELD_NAME, FIELD_VALUE = 25, 256, 1024
EMBED = 6000
"""Of all texts of an embed together."""
THREAD_NAME = 100
FILES = 10
BODY_RESERVE = 1500
"""What fields leave to the body, where it is that long."""
FOOTER_RESERVE = 1000
"""What a footer may take from the rest: it ends with the marker, which is short."""

COLOURS = {
    Tone.PLAIN: discord.Colour.light_grey(),
    Tone.WORKING: discord.Colour.blue(),
    Tone.QUESTION: discord.Colour.gold(),
    Tone.GOOD: discord.Colour.green(),
    Tone.BAD: discord.Colour.red(),
}
QUIET = discord.AllowedMentions.none()


def embed(card: Card) -> discord.Embed:
    """Return a card as an embed; its footer keeps its end, by which the message is found again."""
    title = clip(card.title, TITLE)
    footer = end_of(card.footer, FOOTER_RESERVE)
    left = EMBED - length(title) - length(footer)
    fields = _fields(card.fields, left - min(length(card.body), BODY_RESERVE))
    left -= sum(length(field.name) + length(field.value) for field in fields)
    shown = discord.Embed(
        title=title or None,
        description=clip_markdown(card.body, min(DESCRIPTION, left)) or None,
        colour=COLOURS[card.tone],
    )
    for field in fields:
        shown.add_field(name=field.name, value=field.value, inline=field.inline)
    if footer:
        shown.set_footer(text=footer)
    return shown


def content(card: Card) -> str | None:
    """Return the line above the embed, which is what a notification shows; None where nobody is notified."""
    if not card.notify:
        return None
    asked = " ".join(f"<@{user_id}>" for user_id in notified_ids(card))
    return clip(f"{asked} {card.title}".strip(), CONTENT) or None


def plain_text(card: Card) -> str:
    """Return a card without an embed, for channels where we may not embed; it ends with the footer too."""
    asked = " ".join(f"<@{user_id}>" for user_id in notified_ids(card))
    footer = end_of(card.footer, FOOTER_RESERVE)
    title = f"**{clip(card.title, TITLE)}**\n" if card.title.strip() else ""
    head = f"{asked}\n{title}".lstrip("\n")
    lines = [card.body, *(f"{field.name}: {field.value}" for field in card.fields)]
    room = CONTENT - length(head) - length(footer) - 1
    return f"{head}{clip_markdown(chr(10).join(lines), room)}\n{footer}"


def notified_ids(card: Card) -> list[int]:
    """Return the Discord ids of the people whom a card notifies."""
    return [number_of(person) for person in card.notify if person.startswith(f"{NAME}:")][:10]


def mentions(card: Card) -> discord.AllowedMentions:
    """Return who may be notified: those whom the card names, nobody else, whatever the text says."""
    users = [discord.Object(user_id) for user_id in notified_ids(card)]
    return discord.AllowedMentions(everyone=False, roles=False, replied_user=False, users=users)


def files(parcel: Parcel) -> list[discord.File]:
    """Return what is attached, opened anew for each try: sending closes it."""
    made = []
    for chart in parcel.charts[:FILES]:
        alt = clip(chart.alt, ALT) or None
        made.append(discord.File(io.BytesIO(chart.png), chart.name, description=alt))
    for file in parcel.files[: FILES - len(made)]:
        source = io.BytesIO(file.source) if isinstance(file.source, bytes) else file.source
        made.append(discord.File(source, file.name))
    return made


def label(text: str) -> str:
    """Return the words on a button."""
    return clip(text, LABEL)


def thread_name(name: str) -> str:
    """Return a name that a thread can have."""
    return clip(" ".join(name.split()), THREAD_NAME) or "run"


def length(text: str) -> int:
    """Return the length of a text in UTF-16 units."""
    return len(text) + sum(character > "\uffff" for character in text)


def clip(text: str, limit: int) -> str:
    """Cut a text to `limit` UTF-16 units, with a mark where something is missing; blank texts become empty."""
    text = text.strip()
    if length(text) <= limit:
        return text
    return _first(text, limit - 1).rstrip("\\") + "…" if limit > 0 else ""


def clip_markdown(text: str, limit: int) -> str:
    """Cut a text without leaving a code block open."""
    fence = "\n```"
    cut = clip(text, limit)
    if cut.count("```") % 2 and cut != text.strip():
        cut = clip(text, limit - len(fence))
        cut += fence if cut.count("```") % 2 else ""
    return cut


def end_of(text: str, limit: int) -> str:
    """Keep the end of a text."""
    text = text.strip()
    while length(text) > limit:
        text = text[-limit:] if len(text) > limit else text[1:]
    return text.strip()


def _fields(fields: Sequence[Field], room: int) -> list[Field]:
    kept = []
    for field in fields[:FIELDS]:
        name, value = clip(field.name, FIELD_NAME) or "–", clip_markdown(field.value, FIELD_VALUE)
        room -= length(name) + length(value or "–")
        if room < 0:
            break
        kept.append(Field(name, value or "–", field.inline))
    return kept


def _first(text: str, limit: int) -> str:
    """Return as many whole characters as fit into `limit` UTF-16 units."""
    units = text[:limit].encode("utf-16-le", "surrogatepass")[: 2 * limit]
    return units.decode("utf-16-le", "ignore")
