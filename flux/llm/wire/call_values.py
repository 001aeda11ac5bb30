"""From a value that a model has printed to the calls that it describes, whatever the model calls their parts."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import cast

from flux.core.messages import ToolSpec

NAME_KEYS = ("name", "tool_name", "tool", "function", "function_name", "action")
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "input", "action_input", "tool_input", "kwargs")
_OTHER_KEYS = ("type", "id", "tool_calls", "function_call", "thought", "reasoning")
KEYS = {*NAME_KEYS, *_ARGUMENT_KEYS, *_OTHER_KEYS}
"""The keys of which one stands first in an object that is a call."""

Described = tuple[str, Mapping[str, object]]
"""A tool's name and the arguments of a call."""


def read_value(source: str) -> object:
    """The value that the text is, as JSON or as Python writes it; None where it is none."""
    try:
        return json.loads(source, strict=False)  # models break lines inside of strings
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(source)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def read_calls(value: object, tools: Mapping[str, ToolSpec], *, is_marked: bool) -> Sequence[Described]:
    """The calls that a value describes; none where any part of it is none.

    `is_marked`: it stands where a call was announced. Then also a tool that is not there is called, which the turn
    tells the model, and what stands beside the name are the arguments.
    """
    found = [_described(item, is_marked=is_marked) for item in _items(value)]
    known = [call for call in found if call is not None and (is_marked or call[0] in tools)]
    return known if len(known) == len(found) else []


def read_parameter(value: str, tool: ToolSpec | None, key: str) -> object:
    """A parameter's text as what the tool's schema says it is."""
    if tool is None or _properties(tool).get(key, {}).get("type", "string") == "string":
        return value
    found = read_value(value)
    return value if found is None else found


def read_python(source: str, tools: Mapping[str, ToolSpec]) -> Sequence[Described]:
    """The calls of a Python expression: one, or a list of them; none where any is no known tool or is computed."""
    try:
        expression = ast.parse(source.strip(), mode="eval").body
        nodes = expression.elts if isinstance(expression, ast.List) else [expression]
        return [_python_call(node, tools) for node in nodes]
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return []


def _properties(tool: ToolSpec) -> Mapping[str, Mapping[str, object]]:
    return tool.parameters.get("properties") or {}


def _items(value: object) -> Sequence[object]:
    if isinstance(value, dict) and "tool_calls" in value:
        return _items(cast("object", value["tool_calls"]))
    return cast("list[object]", value) if isinstance(value, list) else [cast("object", value)]


def _described(value: object, *, is_marked: bool) -> Described | None:
    if not isinstance(value, dict):
        return None
    found = cast("dict[str, object]", value)
    for key in ("function", "function_call"):
        if isinstance(found.get(key), dict):
            return _described(found[key], is_marked=is_marked)
    name_key = next((key for key in NAME_KEYS if isinstance(found.get(key), str)), "")
    if not name_key:
        return None
    rest: dict[str, object] = {key: item for key, item in found.items() if key not in {name_key, *_OTHER_KEYS}}
    arguments_key = next((key for key in _ARGUMENT_KEYS if key in rest), "")
    if not arguments_key and rest and not is_marked:
        return None  # any object may have a name
    arguments: object = rest[arguments_key] if arguments_key else rest
    if isinstance(arguments, str):
        arguments = read_value(arguments) if arguments.strip() else {}
    if not isinstance(arguments, dict):
        return None if arguments is not None else (_bare(found[name_key]), {})
    return _bare(found[name_key]), cast("dict[str, object]", arguments)


def _bare(name: object) -> str:
    return str(name).removeprefix("functions.")


def _python_call(node: ast.expr, tools: Mapping[str, ToolSpec]) -> Described:
    if not isinstance(node, ast.Call):
        raise ValueError("not a call")
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name not in tools:
        raise ValueError("not a tool")
    names = list(_properties(tools[name]))
    if len(node.args) > len(names):
        raise ValueError("more arguments than there are")
    arguments = {key: _literal(value) for key, value in zip(names, node.args, strict=False)}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise ValueError("arguments that are computed")
        arguments[keyword.arg] = _literal(keyword.value)
    json.dumps(arguments)  # a set or bytes are no JSON
    return name, arguments


def _literal(node: ast.expr) -> object:
    if isinstance(node, ast.Name) and node.id in {"true", "false", "null"}:
        return {"true": True, "false": False, "null": None}[node.id]
    return ast.literal_eval(node)
