"""The sources of a configuration, read strictly: JSON files and the environment.

Reading only turns text into trees; whether the trees fit the schema is judged in `configs.load`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs import shape
from configs.errors import MAX_SHOWN_CHARS, Problem, pointer_to

PREFIX = "TUNEWRIGHT__"
CONFIG_VARIABLE = "TUNEWRIGHT_CONFIG"
SHORT_NAMES: dict[str, shape.Place] = {
    "DISCORD_TOKEN": ("discord", "token"),
    "DISCORD_API_BASE": ("discord", "api_base"),
    "DISCORD_GATEWAY_URL": ("discord", "gateway_url"),
    "TUNEWRIGHT_DATA_DIR": ("data_dir",),
    "HF_TOKEN": ("hub", "token"),
    "HF_ENDPOINT": ("hub", "endpoint"),
}
FILE_SUFFIX = "_FILE"

Tree = dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """What one source says."""

    origin: str
    tree: Tree

    def says(self, place: shape.Place) -> bool:
        """Tell whether this source sets a place, or something below it."""
        tree: object = self.tree
        for key in place:
            if not isinstance(tree, dict) or key not in tree:
                return False
            tree = tree[key]
        return True


class _Object(dict[str, Any]):
    """A JSON object that remembers which keys came twice."""

    repeated: tuple[str, ...] = ()


def read_file(path: Path, origin: str) -> tuple[Layer, list[Problem]]:
    """Read a JSON file; one that cannot be read says nothing. `$schema` at its top is for editors and dropped."""
    tree, problems = _read_tree(path, origin)
    tree.pop("$schema", None)
    return Layer(origin, tree), problems


def _read_tree(path: Path, origin: str) -> tuple[Tree, list[Problem]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        found = error.strerror or "an error"
        return {}, [_file_problem(found, "a file that can be read", origin)]
    except UnicodeDecodeError as error:
        found = f"a byte that is not UTF-8, number {error.start + 1}"
        return {}, [_file_problem(found, "a file in UTF-8", origin)]
    try:
        tree = _parsed(text)
    except json.JSONDecodeError as error:
        return {}, [_syntax_problem(error, origin)]
    except (ValueError, RecursionError) as error:
        found = "brackets too deep" if isinstance(error, RecursionError) else str(error)
        return {}, [_file_problem(found, "valid JSON", origin)]
    if not isinstance(tree, _Object):
        return {}, [_file_problem("something else", "a JSON object: { … }", origin)]
    return tree, list(_repeated(tree, origin))


def read_environment(environ: Mapping[str, str]) -> tuple[list[Layer], list[Problem]]:
    """Read every variable that is ours, each as a layer of its own.

    An empty variable counts as not set. `NAME_FILE` names a file that holds the secret of NAME.
    Two variables for one setting are a problem: nobody could tell which one was meant.
    """
    layers: list[Layer] = []
    problems: list[Problem] = []
    for name, place, from_file in sorted(_ours(environ), key=lambda ours: (len(ours[1]), ours[0])):
        value = _value(environ[name], name, place, from_file)
        earlier = [layer for layer in layers if layer.says(place) and _is_leaf(place)]
        if isinstance(value, Problem):
            problems.append(value)
        elif earlier:
            found = f"two variables for one setting, the other is {earlier[0].origin}"
            problems.append(Problem(pointer_to(place), found, "one of the two", None, _env(name)))
        else:
            layers.append(Layer(_env(name), _nested(place, value)))
    return layers, problems + list(_one_underscore(environ))


def variable_of(place: shape.Place) -> str:
    """Return the name of the environment variable that sets a place."""
    return PREFIX + "__".join(place).upper()


def _ours(environ: Mapping[str, str]) -> Iterator[tuple[str, shape.Place, bool]]:
    """Find our variables: name, place, and whether the value is the name of a file."""
    for name, value in environ.items():
        if not value:
            continue
        base = name.removesuffix(FILE_SUFFIX)
        if base != name and shape.is_secret(shape.node_at(_place(base) or ())):
            yield name, _place(base) or (), True
        elif place := _place(name):
            yield name, place, False


def _place(name: str) -> shape.Place | None:
    if name in SHORT_NAMES:
        return SHORT_NAMES[name]
    if name.startswith(PREFIX):
        return tuple(name.removeprefix(PREFIX).lower().split("__"))
    return None


def _value(text: str, name: str, place: shape.Place, from_file: bool) -> object:
    node = shape.node_at(place)
    if from_file:
        try:
            text = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            found = error.strerror if isinstance(error, OSError) else "a file that is not UTF-8"
            return Problem(pointer_to(place), str(found), "a readable file", None, _env(name))
        if not text.strip():
            return Problem(pointer_to(place), "an empty file", "a secret", None, _env(name))
    try:
        text.encode()
    except UnicodeEncodeError:
        found = "bytes that are not UTF-8"
        return Problem(pointer_to(place), found, "text in UTF-8", None, _env(name))
    return text.strip() if shape.is_secret(node) else _typed(text, node)


def _typed(text: str, node: shape.Node | None) -> object:
    """Read JSON where it is JSON; where any text may stand, `123` and `true` are text."""
    try:
        value = _parsed(text)
    except (ValueError, RecursionError):
        return text
    if node is not None and shape.takes_text(node):
        as_json = isinstance(value, str) or (value is None and shape.takes_null(node))
        return value if as_json else text
    return value


def _one_underscore(environ: Mapping[str, str]) -> Iterator[Problem]:
    """Find variables that were meant for us but spelled with too few underscores; nobody would miss them."""
    names = {variable_of(place).replace("_", ""): place for place, _ in shape.settings()}
    known = {*SHORT_NAMES, CONFIG_VARIABLE}
    for name in sorted(environ):
        if name in known or name.startswith(PREFIX) or not name.startswith("TUNEWRIGHT_"):
            continue
        if place := names.get(name.upper().replace("_", "")):
            allowed = "the name with two underscores between its parts"
            yield Problem(
                pointer_to(place), f"the variable {name}", allowed, variable_of(place), _env(name)
            )


def _parsed(text: str) -> object:
    """Parse JSON. Half a surrogate pair cannot be stored or printed: refused.

    Raises: ValueError (json.JSONDecodeError is one), RecursionError.
    """
    value = json.loads(text, object_pairs_hook=_object)
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("half of a surrogate pair (\\ud800 … \\udfff)") from error
    return value


def _object(pairs: list[tuple[str, object]]) -> _Object:
    found = _Object(pairs)
    keys = [key for key, _ in pairs]
    found.repeated = tuple(dict.fromkeys(key for key in keys if keys.count(key) > 1))
    return found


def _repeated(tree: object, origin: str, place: shape.Place = ()) -> Iterator[Problem]:
    if not isinstance(tree, _Object):
        return
    for key in tree.repeated:
        found = "the same key more than once"
        yield Problem(pointer_to((*place, key)), found, "each key once", None, origin)
    for key, below in tree.items():
        yield from _repeated(below, origin, (*place, key))


def _syntax_problem(error: json.JSONDecodeError, origin: str) -> Problem:
    lines = error.doc.splitlines() or [""]
    line = lines[min(error.lineno, len(lines)) - 1]
    start = max(0, error.colno - MAX_SHOWN_CHARS // 2)
    shown = _only_known_words(line)[start : start + MAX_SHOWN_CHARS].strip()
    found = f"line {error.lineno}, column {error.colno}: {shown}"
    reason = error.msg[0].lower() + error.msg[1:]
    if error.doc[: error.pos].rstrip().endswith(",") and error.doc[error.pos :][:1] in {"}", "]"}:
        reason = "no comma before a closing bracket"
    return Problem("", found, f"valid JSON ({reason})", None, f"{origin}:{error.lineno}")


def _only_known_words(line: str) -> str:
    """Star out every word of a line that is no setting, choice or number: the line may hold a token."""
    known = {key for place, _ in shape.settings() for key in place} | {"true", "false", "null"}
    known |= {word for _, node in shape.settings() for word in shape.choices(node)}

    def starred(word: re.Match[str]) -> str:
        keep = word[0] in known or re.fullmatch(r"[0-9.]{1,12}", word[0])
        return word[0] if keep else "*" * len(word[0])

    return re.sub(r"\w[^\s\"'{}\[\],:]*", starred, line)


def _file_problem(found: str, allowed: str, origin: str) -> Problem:
    return Problem("", found, allowed, None, origin)


def _is_leaf(place: shape.Place) -> bool:
    node = shape.node_at(place)
    return node is not None and not shape.is_section(node)


def _nested(place: shape.Place, value: object) -> Tree:
    for key in reversed(place):
        value = {key: value}
    return value  # type: ignore[return-value]  # a place has at least one key


def _env(name: str) -> str:
    return f"env {name}"
