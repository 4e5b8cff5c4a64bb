"""Hold a part of a file against its shape: wrong values are problems, unknown keys are warnings."""

from collections.abc import Collection, Iterator, Mapping
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from agents.workflow.problems import Place, Problem, Severity, nearest
from agents.workflow.shapes import Shape
from agents.workflow.yaml_source import Source

S = TypeVar("S", bound=Shape)

MESSAGES = {
    "missing": "is missing",
    "string_type": "must be text",
    "string_pattern_mismatch": "must not be blank",
    "string_too_short": "must not be blank",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "list_type": "must be a list",
    "dict_type": "must have keys of its own",
    "model_type": "must have keys of its own",
}


def fit(
    source: Source,
    shape: type[S],
    value: object,
    place: Place,
    problems: list[Problem],
    foreign: Collection[str] = (),
) -> S | None:
    """Return a part as its shape, or None where it does not fit; what is wrong goes to `problems`.

    Args:
        source: For the lines of problems.
        shape: What the part should look like.
        value: The plain value that stands there.
        place: Where it stands.
        problems: What is found is added here.
        foreign: Keys that have a meaning somewhere else and are judged there.
    """
    try:
        fitted = shape.model_validate(value)
    except ValidationError as error:
        problems.extend(_wrong(source, place, value, error))
        fitted = None
    problems.extend(unknown_keys(source, shape, value, place, foreign))
    return fitted


def unknown_keys(
    source: Source, shape: type[Shape], value: object, place: Place, foreign: Collection[str] = ()
) -> Iterator[Problem]:
    """Find keys without meaning, in a part and below it: the original takes them without a word."""
    if not isinstance(value, Mapping):
        return
    for key, below in value.items():
        if key not in shape.model_fields:
            if key not in foreign:
                meant = nearest(key, shape.model_fields)
                yield source.problem(
                    "unknown-key",
                    (*place, key),
                    "is no key that means something here, so it does nothing",
                    severity=Severity.WARNING,
                    nearest=meant,
                )
            continue
        inner = _shape_in(shape.model_fields[key].annotation)
        if inner is None:
            continue
        if isinstance(below, list):
            for number, item in enumerate(below):
                yield from unknown_keys(source, inner, item, (*place, key, number))
        else:
            yield from unknown_keys(source, inner, below, (*place, key))


def _wrong(
    source: Source, place: Place, value: object, error: ValidationError
) -> Iterator[Problem]:
    seen: set[Place] = set()
    for detail in error.errors():
        below = _real_place(value, detail["loc"])
        # of a union each member complains; the place is one
        if below not in seen:
            seen.add(below)
            message = _message(detail)
            code = "missing" if detail["type"] == "missing" else "wrong-type"
            yield source.problem(code, (*place, *below), message)


def _real_place(value: object, loc: tuple[int | str, ...]) -> Place:
    """Drop what pydantic adds to a place for the member of a union that it tried."""
    place: list[str | int] = []
    for position, key in enumerate(loc):
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list):
            if not isinstance(key, int) or key >= len(value):
                continue
            value = value[key]
        elif isinstance(value, Mapping) and position == len(loc) - 1:
            value = None
        else:
            continue
        place.append(key)
    return tuple(place)


def _message(detail: Mapping[str, Any]) -> str:
    known = MESSAGES.get(detail["type"])
    if known is not None:
        return known.format(**detail.get("ctx", {}))
    message = str(detail["msg"])
    return message[0].lower() + message[1:]


def _shape_in(annotation: Any) -> type[Shape] | None:
    """Return the shape that a field holds: itself, in a list, or as a member of a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation if issubclass(annotation, Shape) else None
    if get_origin(annotation) in {list, Union, UnionType}:
        for inner in get_args(annotation):
            found = _shape_in(inner)
            if found is not None:
                return found
    return None
