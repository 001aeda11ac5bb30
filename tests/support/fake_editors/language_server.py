"""A language server that a fake editor asks: names are words, and a definition is a line with `def` before one.

Knows what is in the buffers and, for closed files, on the disk; places are in the editor's encoding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.protocol import default_converter

from tests.support.fake_editors.texts import offset_of, position_of

if TYPE_CHECKING:
    from tests.support.fake_editors.rules import Editor

QUERIES = ("definition", "references", "hover", "symbols", "rename", "diagnostics")
DEFINITION = r"\b(?:def|class) (\w+)"


def answer(editor: Editor, folder: Path, params: Mapping[str, Any]) -> Any:
    """The answer to `flux/editor/query`."""
    texts = {path.as_uri(): path.read_bytes().decode() for path in sorted(folder.rglob("*.py"))}
    texts |= {uri: buffer.text for uri, buffer in editor.buffers.items()}

    def places(uri: str, pattern: str, group: int = 0) -> Iterator[types.Range]:
        for found in re.finditer(pattern, texts[uri]):
            ends = (position_of(texts[uri], at, editor.encoding, editor.line_ends) for at in found.span(group))
            yield types.Range(*ends)

    if params["kind"] == "symbols":
        wanted = [params["uri"]] if "uri" in params else list(texts)
        symbols = [
            types.SymbolInformation(types.Location(uri, place), name, types.SymbolKind.Function)
            for uri in wanted
            for place, name in zip(places(uri, DEFINITION, 1), re.findall(DEFINITION, texts[uri]), strict=True)
            if params.get("words", "") in name
        ]
        return {"symbols": _json(symbols)}
    uri = params["uri"]
    if uri not in texts:
        return None
    if uri in editor.buffers and params["version"] not in {0, editor.buffers[uri].version}:
        return None
    if params["kind"] == "diagnostics":
        wrong = [
            types.Diagnostic(place, "undefined name", types.DiagnosticSeverity.Error)
            for place in places(uri, r"\bundefined\b")
        ]
        return {"diagnostics": _json(wrong)}
    at = types.Position(params["position"]["line"], params["position"]["character"])
    offset = offset_of(texts[uri], at, editor.encoding, editor.line_ends)
    name = next((found[0] for found in re.finditer(r"\w+", texts[uri]) if found.start() <= offset < found.end()), "")
    if not name:
        return None
    found = {uri: list(places(uri, rf"\b{name}\b")) for uri in texts}
    match params["kind"]:
        case "definition":
            defined = [
                types.Location(uri, place) for uri in texts for place in places(uri, rf"\b(?:def|class) ({name})\b", 1)
            ]
            return {"locations": _json(defined)}
        case "references":
            return {"locations": _json([types.Location(uri, place) for uri in found for place in found[uri]])}
        case "hover":
            return {"text": f"what {name} is"}
        case "rename":
            changes = [
                types.TextDocumentEdit(
                    types.OptionalVersionedTextDocumentIdentifier(
                        uri, editor.buffers[uri].version if uri in editor.buffers else None
                    ),
                    [types.TextEdit(place, params["newName"]) for place in found[uri]],
                )
                for uri in found
                if found[uri]
            ]
            return {"documentChanges": _json(changes)}
        case kind:
            raise AssertionError(kind)


def _json(value: object) -> Any:
    return default_converter().unstructure(value)
