"""Settings from their sources: shipped values < a user's file < the environment.

Every problem of every source is reported at once (`configs.errors.ConfigError`); where there is one, nothing is loaded.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from configs import shape
from configs.errors import ConfigError, Problem, conceal, pointer_to, shown
from configs.read import CONFIG_VARIABLE, Layer, Tree, read_environment, read_file
from configs.schema import Settings

DEFAULT_CONFIG = Path(__file__).with_name("default_config.json")
BUILT_IN = "default"
"""Origin of a value that no source names, such as the fields of a server entry that are left out."""


@dataclass(frozen=True)
class Loaded:
    """Settings, and where each one comes from."""

    settings: Settings
    origins: dict[str, str]
    """Dotted path → `default_config.json`, the path of the user's file, `env NAME` or `default`."""


@dataclass(frozen=True)
class Row:
    """One setting as `config show` prints it."""

    path: str
    value_masked: str
    """JSON; a secret that is set is `"***"`."""
    origin: str


def load(environ: Mapping[str, str], config_file: Path | None = None) -> Loaded:
    """Load the settings. `config_file` wins over the variable TUNEWRIGHT_CONFIG.

    Raises: ConfigError: with every problem of every source.
    """
    layers, problems = _read(environ, config_file)
    secrets = {text for layer in layers for text in _secrets(layer.tree)}
    fitting: list[Layer] = []
    for layer in layers:
        tree = _fitted(layer.tree, (), layer.origin, secrets, problems)
        fitting.append(Layer(layer.origin, tree))
    merged: Tree = {}
    for layer in fitting:
        merged = _laid_over(merged, layer.tree)
    settings, misfits = _validated(merged, fitting, secrets)
    problems += misfits
    if problems or settings is None:
        raise ConfigError(problems)
    return Loaded(settings, dict(_origins(settings, fitting)))


def describe(loaded: Loaded) -> list[Row]:
    """List every setting with its value and origin, secrets masked."""
    values = loaded.settings.model_dump(mode="json")
    secrets = set(_secrets(loaded.settings.model_dump()))
    rows = []
    for place, value in _leaves(values):
        if shape.is_secret(shape.node_at(place)) and value is not None:
            value = "***"
        path = ".".join(place)
        text = conceal(json.dumps(value, ensure_ascii=False), secrets)
        rows.append(Row(path, text, loaded.origins[path]))
    return rows


def _read(
    environ: Mapping[str, str], config_file: Path | None
) -> tuple[list[Layer], list[Problem]]:
    """Read the sources in the order in which they win, least first."""
    layers: list[Layer] = []
    problems: list[Problem] = []
    files = [(DEFAULT_CONFIG, DEFAULT_CONFIG.name)]
    user_file = config_file or environ.get(CONFIG_VARIABLE)
    if user_file:
        files.append((Path(user_file), str(Path(user_file).absolute())))
    for path, origin in files:
        layer, flaws = read_file(path, origin)
        layers.append(layer)
        problems += flaws
    from_environment, flaws = read_environment(environ)
    return layers + from_environment, problems + flaws


def _fitted(
    tree: Tree, place: shape.Place, origin: str, secrets: set[str], problems: list[Problem]
) -> Tree:
    """Return the part of a tree that has a place in the schema; the rest becomes problems.

    Done per source, before they are laid over each other, so that no source hides another's mistake.
    """
    here = shape.node_at(place) or {}
    fitting: Tree = {}
    for key, value in tree.items():
        below = (*place, key)
        node = shape.node_at(below)
        if node is None:
            problems.append(_unknown_key(below, here, origin, secrets))
        elif not shape.is_section(node):
            fitting[key] = value
        elif isinstance(value, dict):
            fitting[key] = _fitted(value, below, origin, secrets, problems)
        else:
            allowed = shape.described(node)
            found = shown(value, node, secrets)
            problems.append(Problem(pointer_to(below), found, allowed, None, origin))
    return fitting


def _unknown_key(place: shape.Place, parent: shape.Node, origin: str, secrets: set[str]) -> Problem:
    pointer = conceal(pointer_to(place), secrets)
    allowed = shape.described_keys(parent)
    return Problem(pointer, "an unknown key", allowed, shape.nearest_key(place), origin)


def _laid_over(under: Tree, over: Tree) -> Tree:
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            value = _laid_over(below, value)
        result[key] = value
    return result


def _validated(
    tree: Tree, layers: list[Layer], secrets: set[str]
) -> tuple[Settings | None, list[Problem]]:
    problems = _unlisted_models(tree, layers, secrets)
    try:
        # JSON mode, strict: "80" is no number and 1 is no truth value, but lists are tuples and words enum members
        return Settings.model_validate_json(json.dumps(tree), strict=True), problems
    except ValidationError as error:
        for detail in error.errors(include_input=False, include_url=False):
            problems.append(_misfit(dict(detail), tree, layers, secrets))
        return None, problems


def _misfit(detail: dict[str, Any], tree: Tree, layers: list[Layer], secrets: set[str]) -> Problem:
    place = tuple(str(key) for key in detail["loc"] if key != "[key]")
    node = shape.node_at(place) or {}
    value = _value_at(tree, place)
    allowed = shape.described(node)
    if detail["type"] == "value_error":
        allowed = str(detail["ctx"]["error"])
    choices = shape.choices(node)
    meant = shape.nearest(value, choices) if isinstance(value, str) else None
    origin = _origin(layers, place)
    return Problem(pointer_to(place), shown(value, node, secrets), allowed, meant, origin)


def _unlisted_models(tree: Tree, layers: list[Layer], secrets: set[str]) -> list[Problem]:
    """Find servers whose default model is not in the catalogue: the one rule that spans two sections."""
    catalogue = _value_at(tree, ("models", "catalogue")) or {}
    guilds = _value_at(tree, ("discord", "guilds")) or {}
    problems: list[Problem] = []
    for guild_id, guild in guilds.items():
        place = ("discord", "guilds", guild_id, "default_model")
        model = guild.get("default_model")
        if isinstance(model, str) and model not in catalogue:
            found = shown(model, shape.node_at(place), secrets)
            allowed = "a model of the catalogue: " + ", ".join(catalogue)
            meant = shape.nearest(model, catalogue)
            origin = _origin(layers, place)
            problems.append(Problem(pointer_to(place), found, allowed, meant, origin))
    return problems


def _origin(layers: list[Layer], place: shape.Place) -> str:
    """Return the source that sets a place, or the nearest place above it."""
    while place:
        for layer in reversed(layers):
            if layer.says(place):
                return layer.origin
        place = place[:-1]
    return BUILT_IN


def _origins(settings: Settings, layers: list[Layer]) -> Iterator[tuple[str, str]]:
    for place, _ in _leaves(settings.model_dump(mode="json")):
        said = [layer.origin for layer in layers if layer.says(place)]
        yield ".".join(place), said[-1] if said else BUILT_IN


def _leaves(tree: Tree, place: shape.Place = ()) -> Iterator[tuple[shape.Place, object]]:
    """Walk over the values of a tree; an empty map is a value."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*place, key))
        else:
            yield (*place, key), value


def _secrets(tree: object, place: shape.Place = (), secret: bool = False) -> Iterator[str]:
    """Find the texts that stand where a secret belongs, at any depth."""
    secret = secret or shape.is_secret(shape.node_at(place))
    match tree:
        case dict():
            for key, value in tree.items():
                yield from _secrets(value, (*place, key), secret)
        case list():
            for value in tree:
                yield from _secrets(value, place, secret)
        case SecretStr() if tree.get_secret_value():
            yield tree.get_secret_value()
        case str() if secret and tree.strip():
            yield tree


def _value_at(tree: Any, place: shape.Place) -> Any:
    for key in place:
        match tree:
            case dict():
                tree = tree.get(key)
            case list():
                tree = tree[int(key)]
    return tree
