"""Whether JSON is of a shape that Flux declares, to the last field; what is of LSP in it, by LSP's own meta model.

Stricter than what reads such JSON: an unknown field, a null where none belongs, a number out of range are misfits too.
"""

from __future__ import annotations

import dataclasses
import types as python_types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from lsprotocol import types

from tests.support import meta_model


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
            yield from meta_model.nearest([misfits(value, choice, where) for choice in get_args(hint)])
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
    if hint.__module__ == types.__name__:
        yield from meta_model.misfits(value, meta_model.named(hint.__name__), where)
    elif dataclasses.is_dataclass(hint):
        given = get_type_hints(hint)
        shown = {field.name: (given[field.name], True) for field in dataclasses.fields(hint)}
        yield from _misfits_of_fields(value, shown, hint.__name__, where)
    elif is_typeddict(hint):
        given = get_type_hints(hint, include_extras=True)
        fields = {name: (kind, hint.__total__ and get_origin(kind) is not NotRequired) for name, kind in given.items()}
        yield from _misfits_of_fields(value, fields, hint.__name__, where)
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
