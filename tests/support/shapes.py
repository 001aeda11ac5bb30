"""Whether JSON is of a declared shape: of LSP's own types or of a TypedDict of ours, to the last field.

Stricter than what reads such JSON: an unknown field, a null where none belongs, a number out of range are misfits too.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import types as python_types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

import attrs
from lsprotocol import types
from pygls.protocol import default_converter

default_converter()  # resolves what the types of LSP name before they have it


def misfits(value: object, hint: Any, where: str = "") -> list[str]:
    """What is wrong with the value, each with its place; empty where it fits."""
    return list(_misfits(value, hint, where))


def _misfits(value: object, hint: Any, where: str) -> Iterator[str]:
    if hint in {Any, object}:
        return
    match get_origin(hint):
        case origin if origin in {Annotated, NotRequired}:
            yield from _misfits(value, get_args(hint)[0], where)
        case origin if origin in {Union, python_types.UnionType}:
            wrong = [misfits(value, choice, where) for choice in get_args(hint)]
            yield from () if [] in wrong else max(wrong, key=_depth)
        case origin if origin is Literal:
            if value not in get_args(hint):
                yield f"{where}: {value!r} is none of {get_args(hint)}"
        case origin if origin in {list, tuple, Sequence} and isinstance(origin, type):
            if not isinstance(value, list):
                yield f"{where}: {value!r} is no list"
                return
            of_each = get_args(hint)
            if origin is tuple and ... not in of_each:
                if len(value) != len(of_each):
                    yield f"{where}: {value!r} has not {len(of_each)} items"
                for number, (item, kind) in enumerate(zip(value, of_each, strict=False)):
                    yield from _misfits(item, kind, f"{where}[{number}]")
                return
            for number, item in enumerate(value):
                yield from _misfits(item, of_each[0], f"{where}[{number}]")
        case origin if origin in {dict, Mapping}:
            if not isinstance(value, dict):
                yield f"{where}: {value!r} is no object"
                return
            for key, item in value.items():
                yield from _misfits(item, get_args(hint)[1], f"{where}.{key}")
        case _:
            yield from _misfits_of_class(value, hint, where)


def _misfits_of_class(value: object, hint: Any, where: str) -> Iterator[str]:
    if attrs.has(hint):
        fields = {
            _json_name(field.name): (
                field.type if types.is_special_property(hint, field.name) else _without_null(field.type),
                field.default is attrs.NOTHING,
            )
            for field in attrs.fields(hint)
        }
        yield from _misfits_of_fields(value, fields, hint.__name__, where)
    elif dataclasses.is_dataclass(hint):
        given = get_type_hints(hint)
        shown = {field.name: (given[field.name], True) for field in dataclasses.fields(hint)}
        yield from _misfits_of_fields(value, shown, hint.__name__, where)
    elif is_typeddict(hint):
        given = get_type_hints(hint, include_extras=True)
        fields = {name: (kind, hint.__total__ and get_origin(kind) is not NotRequired) for name, kind in given.items()}
        yield from _misfits_of_fields(value, fields, hint.__name__, where)
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        if value not in [member.value for member in hint]:
            yield f"{where}: {value!r} is no {hint.__name__}"
    elif hint in {None, type(None)}:
        if value is not None:
            yield f"{where}: {value!r} is not null"
    elif hint is float:
        if not isinstance(value, float | int) or isinstance(value, bool):
            yield f"{where}: {value!r} is no number"
    elif hint is int:
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**31:
            yield f"{where}: {value!r} is no integer of LSP"
    elif not isinstance(value, hint):
        yield f"{where}: {value!r} is no {hint.__name__}"


def _misfits_of_fields(value: object, fields: Mapping[str, tuple[Any, bool]], name: str, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is no {name}"
        return
    for key in value:
        if key not in fields:
            yield f"{where}.{key}: {name} has no such field"
    for key, (kind, is_needed) in fields.items():
        if key in value:
            yield from _misfits(value[key], kind, f"{where}.{key}")
        elif is_needed:
            yield f"{where}.{key}: {name} needs it"


def _without_null(hint: Any) -> Any:
    """The types of LSP have None for a field that may be left out; as null it may only stand where that is said."""
    if get_origin(hint) is not Union:
        return hint
    return Union[tuple(kind for kind in get_args(hint) if kind is not type(None))]  # noqa: UP007 -- of a tuple


def _json_name(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name.removesuffix("_"))


def _depth(wrong: Sequence[str]) -> tuple[int, int]:
    """Of several types that a value could have been meant for, that which it fits furthest."""
    return -len(wrong), max(item.partition(":")[0].count(".") for item in wrong)
