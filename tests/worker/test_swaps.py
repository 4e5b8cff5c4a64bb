"""Twins of texts: one attribute changed, everything else as it was, and none where that is not sure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.jobs import Attribute
from agents.worker import swap_words
from agents.worker.swaps import CONTROL, Kind, Neutral, Twin, twins

KNOWN = swap_words.read()
PAIRED = ("gendered", "spelling", "contracted", "neutral")
FILLERS = (
    "the",
    "parcel",
    "Invoice",
    "42",
    "own",
    "account",
    "is",
    "to",
    "\u017fhe",
    "h\u0131s",
    "Straße",
)
MARKS = (" ", " ", " ", ", ", ". ", "! ", " - ", "\n", "'s ", "@", "/")


def made(text: str) -> dict[Kind, Twin]:
    return twins(text, KNOWN)


def texts_of(text: str) -> dict[str, str]:
    return {kind.value: twin.text for kind, twin in made(text).items()}


@pytest.mark.parametrize(
    ("text", "kind", "twin"),
    [
        ("He said that Mr Smith waited for him.", "gender_words", "She said that Mrs Smith waited for her."),
        ("HE LEFT", "gender_words", "SHE LEFT"),
        ("I told her.", "gender_words", "I told him."),
        ("I told her that it works", "gender_words", "I told him that it works"),
        ("Please close her account.", "gender_words", "Please close his account."),
        ("Is it his?", "gender_words", "Is it hers?"),
        ("she's in her own room", "gender_words", "he's in his own room"),
        ("an actor and a waiter", "gender_words", "an actress and a waitress"),
        ("The Colour of my neighbour", "spelling", "The Color of my neighbor"),
        ("We organize it", "spelling", "We organise it"),
        ("I do not know, it can't be", "tone", "I don't know, it cannot be"),
        ("Perhaps anyone can", "neutral_words", "Maybe anybody can"),
    ],
)  # fmt: skip
def test_one_attribute_changes_with_its_case(text: str, kind: str, twin: str) -> None:
    assert texts_of(text)[kind] == twin


def test_a_first_name_changes_its_gender_with_the_words_about_it_or_its_origin_or_nothing() -> None:
    text = "Dear team, Emily's card is gone. Emily said she told her husband."
    found = made(text)

    of = {kind: dict(twin.swapped)["Emily"].lower() for kind, twin in found.items()}
    assert KNOWN.of_name["emily"] == ("English", "female")
    assert KNOWN.of_name[of[Attribute.GENDER_NAMES]] == ("English", "male")
    region, gender = KNOWN.of_name[of[Attribute.ORIGIN]]
    assert (region != "English", gender) == (True, "female")
    assert KNOWN.of_name[of[Neutral.NAMES]] == ("English", "female")
    name = of[Attribute.GENDER_NAMES].title()
    assert found[Attribute.GENDER_NAMES].text == (
        f"Dear team, {name}'s card is gone. {name} said he told his wife."
    )
    assert found[Attribute.ORIGIN].text.endswith(" said she told her husband.")
    assert Attribute.GENDER_WORDS not in found


def test_several_names_stay_several_persons() -> None:
    twin = made("Emily met Susan, then Emily met Thomas")[Attribute.GENDER_NAMES]

    (first, one), (second, two), (again, three), (third, four) = twin.swapped
    assert (first, second, again, third) == ("Emily", "Susan", "Emily", "Thomas")
    assert one == three
    assert len({one, two, four, "Emily", "Susan", "Thomas"}) == 6


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("We gave her account details", "gender_words"),  # to her, or of hers
        ("I know her neighbours and he left", "gender_words"),
        ("his and mine", "gender_words"),
        ("We gave him money", "gender_words"),  # of the twin nobody could tell whose money it is
        ("Ask Mark whether he agrees", "gender_words"),
        ("Mark said that he agrees with Emily", "gender_names"),
        ("Grace told Emily", "origin"),
        ("When was Thomas Edison born?", "gender_names"),
        ("Where does Prince William live?", "origin"),
        ("Write to emily@example.com, Emily", "neutral_names"),
        ("She is pregnant", "gender_words"),
        ("What is her gender?", "gender_words"),
        ("Ms Smith said he left", "gender_words"),
        ("My mother tongue is Welsh", "gender_words"),
        ("Why don't you call", "tone"),
        ("a huge box arrived, not an enormous one", "neutral_words"),
        ("hE left", "gender_words"),
        ("he-goats and he", "gender_words"),
        ("see files/colour/red.txt for the colour", "spelling"),
    ],
)
def test_what_is_not_sure_gets_no_twin(text: str, absent: str) -> None:
    assert absent not in texts_of(text)


def test_a_name_that_is_also_a_word_is_a_word_where_the_next_one_says_so() -> None:
    assert texts_of("Will he call? May I ask?")["gender_words"] == "Will she call? May I ask?"


def test_words_inside_others_are_no_words() -> None:
    assert made("There the theme is a colourist, mankindly") == {}


def test_letters_that_only_look_like_others_make_no_words_and_no_trouble() -> None:
    assert (
        texts_of("\u017fhe and h\u0131s and she")["gender_words"] == "\u017fhe and h\u0131s and he"
    )
    assert made("\u017fu\u017fan") == {}


def test_a_text_is_of_a_side_where_all_its_words_are() -> None:
    sides = {
        text: made(text)[Attribute.GENDER_WORDS].side
        for text in ("he and his father", "she told her own mother", "he told her")
    }

    assert list(sides.values()) == [0, 1, None]
    assert made("the color")[Attribute.SPELLING].side == 1
    assert made("Mehmet left")[Attribute.ORIGIN].side == 1
    assert made("Emily left")[Attribute.GENDER_NAMES].side == 1


def test_an_answer_is_read_as_it_stands_and_with_the_swap_taken_back() -> None:
    name = made("Emily asks who called")[Attribute.GENDER_NAMES]
    man = dict(name.swapped)["Emily"]
    words = made("Is she there?")[Attribute.GENDER_WORDS]
    spelling = made("the colour of the theatre")[Attribute.SPELLING]

    assert f"Emily called, in her coat, of the {man.lower()}" not in name.swap.readings(man)
    assert "It was Emily, she said so" in name.swap.readings(f"It was {man}, he said so")
    assert {"tell her", "tell his", "tell him"} <= set(words.swap.readings("tell her"))
    assert "my favourite" in spelling.swap.readings("my favorite")
    assert spelling.swap.readings("nothing") == ("nothing",)


def words_of(name: str) -> list[str]:
    return [word for pair in getattr(KNOWN, name) for word in pair]


WORDS = st.one_of(
    st.sampled_from(FILLERS),
    st.sampled_from(("his", "her", "him", "hers")),
    *(st.sampled_from(words_of(name)) for name in PAIRED),
    st.sampled_from(sorted(KNOWN.of_name)),
)
CASES = st.sampled_from([str.lower, str.upper, str.title, str.capitalize, lambda word: word])


@st.composite
def texts(draw: st.DrawFn) -> str:
    count = draw(st.integers(1, 8))
    parts = [draw(CASES)(draw(WORDS)) + draw(st.sampled_from(MARKS)) for _ in range(count)]
    return "".join(parts)


@given(texts())
def test_a_swap_done_twice_gives_the_text_back_and_nothing_else_changes(text: str) -> None:
    for twin in made(text).values():
        again = twin.swap.of(twin.text)
        assert again is not None
        assert again.text == text != twin.text
        at, there = 0, 0
        for old, new in twin.swapped:
            before = text.index(old, at)
            length = before - at
            assert twin.text[there : there + length] == text[at:before]
            assert twin.text[there + length :].startswith(new)
            at, there = before + len(old), there + length + len(new)
        assert twin.text[there:] == text[at:]
        assert text in twin.swap.readings(twin.text)


def test_the_words_are_told_apart() -> None:
    listed = {name: words_of(name) for name in PAIRED}
    names = [name for both in KNOWN.names.values() for name in (*both.male, *both.female)]

    assert len(names) == len(set(names)) == len(KNOWN.of_name) > 250
    assert all(len(both.male) >= 12 and len(both.female) >= 12 for both in KNOWN.names.values())
    assert not set(names) & KNOWN.also_words
    for words in listed.values():
        assert len(words) == len(set(words)) > 20
        assert all(word == word.lower() for word in words)
    assert not set(listed["gendered"]) & KNOWN.gendered_alone
    assert set(KNOWN.asked_for) == set(Attribute) == set(CONTROL)
