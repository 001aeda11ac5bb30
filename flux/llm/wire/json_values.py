"""JSON at the edge: foreign values out, where what is missing or of another type counts as absent; bytes in."""

from __future__ import annotations

import json
from typing import cast

Object = dict[str, object]


def parse_object(source: str) -> Object:
    """The object that the text is. Raises ValueError where it is none; NaN and infinities are no JSON."""
    try:
        value: object = _DECODER.decode(source)
    except RecursionError as e:
        raise ValueError("nested too deeply") from e
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return cast("Object", value)  # keys of a JSON object are strings


def text(found: Object, name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def count(found: Object, name: str) -> int:
    """A number of things, 0 where there is none."""
    value = found.get(name)
    return value if isinstance(value, int) and value > 0 else 0


def position(found: Object, name: str) -> int:
    """An index, -1 where there is none."""
    value = found.get(name)
    return value if isinstance(value, int) else -1


def child(found: Object, name: str) -> Object:
    value = found.get(name)
    return cast("Object", value) if isinstance(value, dict) else {}


def children(found: Object, name: str) -> list[Object]:
    value = found.get(name)
    if not isinstance(value, list):
        return []
    return [cast("Object", item) for item in cast("list[object]", value) if isinstance(item, dict)]


def to_bytes(value: object) -> bytes:
    """Compact JSON in UTF-8. Half of a surrogate pair, which no JSON reader has to accept, becomes U+FFFD."""
    encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return encoded.encode("utf-8")
    except UnicodeEncodeError:
        return mend_surrogates(encoded).encode("utf-8")


def mend_surrogates(broken: str) -> str:
    """The text with the halves of surrogate pairs put together, and what stays half as U+FFFD."""
    return broken.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def arguments_object(arguments_json: str) -> Object:
    """A tool call's arguments as an object that every server accepts; what is none is wrapped, so that nothing is lost.

    The model sees its own mistake in the history, beside the tool's word on it.
    """
    if not arguments_json.strip():
        return {}
    try:
        return parse_object(arguments_json)
    except ValueError:
        return {"invalid_json": arguments_json}


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)  # once: making one costs as much as decoding an event
