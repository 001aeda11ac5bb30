"""LSP's own meta model, and whether JSON is what it declares, to the last field.

`lsp.json` is the model from which lsprotocol 2025.0.0 is generated (`generator/lsp.json` of its source, whose SHA-256
begins with ead7901c70d4), without the documentation. It says 3.17.0 and has what 3.18 adds, marked with `since` and
`proposed`. Microsoft's, under the MIT licence beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Type = Mapping[str, Any]
"""A type as the model writes it: `{"kind": "reference", "name": "Range"}`."""

_MODEL = json.loads(Path(__file__).with_name("lsp.json").read_text(encoding="utf-8"))


def _by(key: str, *sections: str) -> dict[str, Any]:
    return {one[key]: one for section in sections for one in _MODEL[section]}


METHODS: Mapping[str, Mapping[str, Any]] = _by("method", "requests", "notifications")
"""By their names. Those with a `result` are requests."""
_STRUCTURES = _by("name", "structures")
_ENUMERATIONS = _by("name", "enumerations")
_ALIASES = _by("name", "typeAliases")

TAKES_PROPOSED = {"WorkspaceOptions.textDocumentContent", "CodeActionOptions.documentation"}
"""What is only proposed, and is sent to who announces that it takes it: `protocol_check` sees to that."""


def named(name: str) -> Type:
    return {"kind": "reference", "name": name}


def misfits(value: object, kind: Type, where: str = "") -> list[str]:
    """What is wrong with the value, each with its place; empty where it fits."""
    return list(_misfits(value, kind, where))


def nearest(wrong: Sequence[Sequence[str]]) -> Sequence[str]:
    """Of the misfits with several types that a value could have been meant for, those with the one it fits furthest."""
    depth = [(-len(one), max((item.partition(":")[0].count(".") for item in one), default=0)) for one in wrong]
    return () if [] in wrong else wrong[depth.index(max(depth))]


def _misfits(value: object, kind: Type, where: str) -> Iterator[str]:
    match kind["kind"]:
        case "base":
            yield from _misfits_of_base(value, kind["name"], where)
        case "reference":
            yield from _misfits_of_named(value, kind["name"], where)
        case "or":
            yield from nearest([misfits(value, one, where) for one in kind["items"]])
        case "and":
            yield from _misfits_of_fields(value, [f for one in kind["items"] for f in _fields(one["name"])], "", where)
        case "literal":
            yield from _misfits_of_fields(value, kind["value"]["properties"], "literal", where)
        case "stringLiteral":
            if value != kind["value"]:
                yield f"{where}: {value!r} is not {kind['value']!r}"
        case "map":
            if not isinstance(value, dict):
                yield f"{where}: {value!r} is no object"
                return
            for key, item in value.items():
                yield from _misfits(key, kind["key"], where)
                yield from _misfits(item, kind["value"], f"{where}.{key}")
        case "array" | "tuple" as form:
            if not isinstance(value, list) or (form == "tuple" and len(value) != len(kind["items"])):
                yield f"{where}: {value!r} is no list" + (f" of {len(kind['items'])}" if form == "tuple" else "")
                return
            kinds = kind["items"] if form == "tuple" else [kind["element"]] * len(value)
            for number, (item, one) in enumerate(zip(value, kinds, strict=True)):
                yield from _misfits(item, one, f"{where}[{number}]")
        case other:
            raise AssertionError(other)


_RANGES = {"integer": (-(2**31), 2**31 - 1), "uinteger": (0, 2**31 - 1)}


def _misfits_of_base(value: object, name: str, where: str) -> Iterator[str]:
    match name:
        case "null":
            fits = value is None
        case "boolean":
            fits = isinstance(value, bool)
        case "integer" | "uinteger":
            least, most = _RANGES[name]
            fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        case "decimal":
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        case "string" | "URI" | "DocumentUri":
            fits = isinstance(value, str)
        case _:
            raise AssertionError(name)
    if not fits:
        yield f"{where}: {value!r} is no {name}"


def _misfits_of_named(value: object, name: str, where: str) -> Iterator[str]:
    if name in {"LSPAny", "LSPObject", "LSPArray"}:
        return
    if name in _ALIASES:
        yield from _misfits(value, _ALIASES[name]["type"], where)
    elif name in _ENUMERATIONS:
        declared = _ENUMERATIONS[name]
        known = {one["value"] for one in declared["values"] if "proposed" not in one}
        if declared.get("supportsCustomValues"):
            yield from _misfits(value, declared["type"], where)
        elif isinstance(value, list | dict) or value not in known:
            yield f"{where}: {value!r} is no {name}"
    else:
        yield from _misfits_of_fields(value, _fields(name), name, where)


def _fields(name: str) -> Sequence[Mapping[str, Any]]:
    """The properties of a structure, also of those that it extends."""
    declared = _STRUCTURES[name]
    above = [
        one for base in [*declared.get("extends", ()), *declared.get("mixins", ())] for one in _fields(base["name"])
    ]
    own = {one["name"] for one in declared["properties"]}
    return [*(one for one in above if one["name"] not in own), *declared["properties"]]


def _misfits_of_fields(value: object, fields: Sequence[Mapping[str, Any]], name: str, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is no {name}"
        return
    known = {one["name"]: one for one in fields}
    for key, item in value.items():
        if key not in known:
            yield f"{where}.{key}: {name} has no such field"
            continue
        if known[key].get("proposed") and f"{name}.{key}" not in TAKES_PROPOSED:
            yield f"{where}.{key}: it is only proposed"
        yield from _misfits(item, known[key]["type"], f"{where}.{key}")
    yield from (f"{where}.{key}: {name} needs it" for key in known if key not in value and "optional" not in known[key])
