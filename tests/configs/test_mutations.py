"""A working configuration, broken in every way that the schema knows: all of it is found, in one pass, at its place."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from configs import shape
from configs.errors import ConfigError, Problem, pointer_to
from configs.load import load
from configs.schema import Settings

TOKEN = "canary-token-5d1f"
API_KEY = "canary-key-77aa"
GUILD = "123456789012345678"


@dataclass(frozen=True)
class Mutation:
    """One mistake, and what ought to be said about it."""

    place: shape.Place
    """What is broken: its section is unknown afterwards or its value is wrong."""
    key: str
    """The key as the mistake writes it."""
    value: object
    meant: str | None = None
    """The key or word that ought to be named, if any."""

    @property
    def pointer(self) -> str:
        return pointer_to((*self.place[:-1], self.key))


def working_config() -> dict[str, Any]:
    config = Settings().model_dump(mode="json")
    config["discord"]["token"] = TOKEN
    config["llm"]["api_key"] = API_KEY
    config["discord"]["guilds"] = {GUILD: {"starter_role_id": "1", "approver_role_id": "2"}}
    config["knowledge"]["sql"] = {GUILD: {"file": "/srv/shop.sqlite", "views": ["orders"]}}
    return config


def places() -> list[tuple[shape.Place, shape.Node]]:
    """Every setting of the schema, at a place where the working configuration has it."""
    found = []
    for place, _ in shape.settings():
        place = tuple(GUILD if key == shape.ANY_NAME else key for key in place)
        node = shape.node_at(place)
        assert node is not None
        found.append((place, node))
    return found


def wrong_types() -> Iterator[Mutation]:
    for place, node in places():
        an_object: list[object] = [] if shape.is_section(node) else [{"a": 1}]
        for value in [*an_object, [[]], True, 3.5, "text", None]:
            if not fits(value, node):
                yield Mutation(place, place[-1], value)


def out_of_range() -> Iterator[Mutation]:
    for place, node in places():
        for kind in node.get("anyOf", [node]):
            if "minimum" in kind:
                yield Mutation(place, place[-1], kind["minimum"] - 1)
            if "exclusiveMinimum" in kind:
                yield Mutation(place, place[-1], kind["exclusiveMinimum"])
            if "maximum" in kind:
                yield Mutation(place, place[-1], kind["maximum"] + 1)
            if "exclusiveMaximum" in kind:
                yield Mutation(place, place[-1], kind["exclusiveMaximum"])


def bad_choices(rng: random.Random) -> Iterator[Mutation]:
    for place, node in places():
        for word in shape.choices(node):
            yield Mutation(place, place[-1], misspelled(word, rng), meant=word)


def misspelled_keys(rng: random.Random) -> Iterator[Mutation]:
    sections = {place[:n] for place, _ in places() for n in range(1, len(place))}
    named = [place for place, _ in places()] + sorted(s for s in sections if s[-1] != GUILD)
    for place in named:
        for typo in {misspelled(place[-1], rng) for _ in range(4)}:
            yield Mutation(place, typo, value_at(working_config(), place), meant=place[-1])


def no_sections() -> Iterator[Mutation]:
    for section in sorted({place[:1] for place, _ in places() if len(place) > 1}):
        for value in [TOKEN, 5, [TOKEN], None]:
            yield Mutation(section, section[-1], value)


def misspelled(word: str, rng: random.Random) -> str:
    """One slip of the fingers, or the habit of another language."""
    at = rng.randrange(len(word) - 1)
    typos = [
        word[:at] + word[at + 1 :],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at] + word[at:],
        word[:at] + "x" + word[at + 1 :],
        word.replace("_", "-"),
        word.title().replace("_", ""),
        word.swapcase(),
    ]
    return rng.choice([typo for typo in typos if typo != word])


def fits(value: object, node: shape.Node) -> bool:
    root = shape.published()
    validator = jsonschema.Draft202012Validator({"$defs": root["$defs"], **node})
    return bool(validator.is_valid(value))


def value_at(config: Any, place: shape.Place) -> Any:
    for key in place:
        config = config.get(key)
    return config


def mutated(*mutations: Mutation) -> dict[str, Any]:
    config = working_config()
    for mutation in mutations:
        *above, key = mutation.place
        section = value_at(config, tuple(above))
        section.pop(key, None)
        section[mutation.key] = mutation.value
    return config


def problems_of(config: dict[str, Any], folder: Path) -> list[Problem]:
    path = folder / "user.json"
    path.write_text(json.dumps(config))
    with pytest.raises(ConfigError) as caught:
        load({}, path)
    assert "canary" not in str(caught.value)
    assert {problem.origin for problem in caught.value.problems} == {str(path)}
    return caught.value.problems


def all_mutations() -> list[Mutation]:
    rng = random.Random(17)
    kinds = [
        list(wrong_types()),
        list(out_of_range()),
        list(bad_choices(rng)),
        list(misspelled_keys(rng)),
        list(no_sections()),
    ]
    assert [len(kind) >= 10 for kind in kinds] == [True] * len(kinds)
    return [mutation for kind in kinds for mutation in kind]


def test_the_unbroken_configuration_loads(tmp_path):
    path = tmp_path / "user.json"
    path.write_text(json.dumps(working_config()))

    assert load({}, path).settings.guild(GUILD).approver_role_id == "2"


def test_every_single_mistake_is_reported_at_its_place_and_only_there(tmp_path):
    mutations = all_mutations()

    told = [[p.pointer for p in problems_of(mutated(m), tmp_path)] for m in mutations]

    # a list is judged item by item
    expected = [([m.pointer], [m.pointer + "/0"]) for m in mutations]
    assert len(mutations) >= 400
    assert [(t, e) for t, e in zip(told, expected, strict=True) if t not in e] == []


def test_the_published_schema_refuses_what_the_loader_refuses(tmp_path):
    validator = jsonschema.Draft202012Validator(shape.published())

    assert validator.is_valid(working_config())
    assert [m for m in all_mutations() if validator.is_valid(mutated(m))] == []


def test_the_nearest_key_or_word_is_the_one_that_was_meant(tmp_path):
    mutations = [m for m in all_mutations() if m.meant is not None]

    told = [problems_of(mutated(m), tmp_path)[0].nearest for m in mutations]

    missed = [
        (m.key, m.value, m.meant, t) for m, t in zip(mutations, told, strict=True) if t != m.meant
    ]
    assert len(mutations) >= 200
    assert len(missed) <= 0.05 * len(mutations), missed


def test_many_mistakes_in_one_file_are_all_reported_in_one_pass(tmp_path):
    rng = random.Random(3)
    pool = all_mutations()

    for _ in range(120):
        mutations = independent(rng.sample(pool, 6))
        problems = problems_of(mutated(*mutations), tmp_path)

        found = {problem.pointer.removesuffix("/0") for problem in problems}
        assert found == {mutation.pointer for mutation in mutations}


def independent(mutations: list[Mutation]) -> list[Mutation]:
    """Leave out mistakes inside of a section that another mistake takes away, and second ones at a place."""
    kept: list[Mutation] = []
    for mutation in sorted(mutations, key=lambda m: len(m.place)):
        if not any(mutation.place[: len(k.place)] == k.place for k in kept):
            kept.append(mutation)
    return kept
