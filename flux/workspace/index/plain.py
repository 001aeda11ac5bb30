"""Definitions by the look of a line: for languages without a grammar here, and for the first look at a project.

Knows no language by name; a line that begins like a definition in one of many languages is taken for one.
"""

from __future__ import annotations

import re

from flux.workspace.index.definitions import MAX_DEFINITIONS, Definition, signature

SUFFIXES = frozenset(
    (
        ".py",
        ".pyi",
        ".pyx",
        ".js",
        ".jsx",
        ".mjs",
        ".cjs",
        ".ts",
        ".tsx",
        ".mts",
        ".cts",
        ".go",
        ".rs",
        ".java",
        ".c",
        ".h",
        ".cc",
        ".cpp",
        ".cxx",
        ".hh",
        ".hpp",
        ".hxx",
        ".cs",
        ".rb",
        ".rake",
        ".php",
        ".lua",
        ".sh",
        ".bash",
        ".html",
        ".htm",
        ".css",
        ".scss",
        ".json",
        ".yaml",
        ".yml",
        ".toml",
        ".md",
        ".markdown",
        ".kt",
        ".kts",
        ".swift",
        ".scala",
        ".groovy",
        ".dart",
        ".ex",
        ".exs",
        ".erl",
        ".hrl",
        ".hs",
        ".ml",
        ".mli",
        ".fs",
        ".fsx",
        ".clj",
        ".cljs",
        ".el",
        ".lisp",
        ".scm",
        ".rkt",
        ".pl",
        ".pm",
        ".r",
        ".jl",
        ".nim",
        ".zig",
        ".d",
        ".pas",
        ".vb",
        ".ps1",
        ".sql",
        ".proto",
        ".thrift",
        ".graphql",
        ".vue",
        ".svelte",
        ".tf",
        ".cmake",
        ".vim",
        ".fish",
        ".zsh",
        ".v",
        ".sv",
        ".vhd",
        ".f90",
        ".m",
        ".mm",
        ".sol",
        ".cr",
        ".gd",
        ".tcl",
        ".asm",
    )
)
NAMED = frozenset(("makefile", "dockerfile", "rakefile", "gemfile", "cmakelists.txt"))

_KINDS = {
    b"class": "class",
    b"struct": "class",
    b"interface": "class",
    b"trait": "class",
    b"enum": "class",
    b"union": "class",
    b"record": "class",
    b"protocol": "class",
    b"object": "class",
    b"module": "module",
    b"namespace": "module",
    b"package": "module",
    b"defmodule": "module",
    b"mod": "module",
    b"message": "class",
    b"service": "class",
    b"table": "class",
    b"view": "class",
    b"type": "class",
    b"impl": "class",
    b"extension": "class",
}
_DEFINITION = re.compile(
    rb"""^(?P<indent>[ \t]*)
    (?:(?:export|default|public|private|protected|internal|static|final|abstract|async|pub(?:\([a-z]+\))?|unsafe|sealed
        |open|data|inline|extern|virtual|override|partial|readonly|declare|local|const|CREATE|OR|REPLACE|@\w+)\s+)*
    (?P<word>class|struct|interface|trait|enum|union|record|protocol|object|module|namespace|package|defmodule|mod
        |message|service|type|impl|extension|def|defp|defn|defmacro|fn|func|function|fun|sub|proc|procedure|macro|rpc
        |TABLE|VIEW|FUNCTION|PROCEDURE|table|view)\s+
    (?:\([^)\n]{0,60}\)\s*)?(?:IF\s+NOT\s+EXISTS\s+)?
    (?P<name>[A-Za-z_$][\w$]*(?:(?:\.|::)[A-Za-z_$][\w$]*)*)(?=[\s(:<{\[=;,!?]|$)
    |^(?P<indent2>[ \t]*)\((?P<word2>defn-?|defun|defmacro|define|defclass|defstruct)\s+\(?(?P<name2>[\w*+!?<>=/-]+)
    """,
    re.MULTILINE | re.VERBOSE,
)
# Of one language only, a third of the time: in a large project the first look is most of what one waits for. A pattern
# that begins with a newline is looked for by it, so the text gets one in front; a match then begins where a line does.
_PYTHON = re.compile(
    rb"\n(?P<indent>[ \t]*)(?=[acd])(?:async[ \t]+)?(?P<word>class|def)[ \t]+(?P<name>\w+)(?P<indent2>)(?P<name2>)"
)
_HEADING = re.compile(rb"^(?P<marks>\#{1,6})[ \t]+(?P<name>\S.*?)[ \t#]*$", re.MULTILINE)


def is_indexed(path: str) -> bool:
    """Whether a file of this name is looked into."""
    return suffix_of(path) in SUFFIXES or path.rpartition("/")[2].lower() in NAMED


def suffix_of(path: str) -> str:
    """A file's suffix in small letters, with its dot; empty where it has none."""
    _, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return f"{dot}{suffix.lower()}" if dot else ""


def plain_outline(path: str, data: bytes) -> list[Definition]:
    """The definitions as far as single lines show them, in order; levels follow the indentation."""
    if suffix_of(path) in {".md", ".markdown"}:
        return _headings(data)
    found: list[Definition] = []
    indents: list[int] = []
    line, at = 1, 0
    is_python = suffix_of(path) in {".py", ".pyi"}
    matches = _PYTHON.finditer(b"\n" + data) if is_python else _DEFINITION.finditer(data)
    for match in matches:
        line, at = line + data.count(b"\n", at, match.start()), match.start()
        indent = len((match["indent"] or match["indent2"] or b"").expandtabs(4))
        while indents and indents[-1] >= indent:
            indents.pop()
        name = (match["name"] or match["name2"]).decode("utf-8", "replace").rpartition("::")[2]
        kind = _KINDS.get((match["word"] or b"").lower(), "function")
        end = data.find(b"\n", at)
        text = signature(data[at : end if end >= 0 else len(data)])
        found.append(Definition(line, len(indents), kind, name, text))
        indents.append(indent)
        if len(found) == MAX_DEFINITIONS:
            break
    return found


def _headings(data: bytes) -> list[Definition]:
    found: list[Definition] = []
    line, at = 1, 0
    for match in _HEADING.finditer(data):
        line, at = line + data.count(b"\n", at, match.start()), match.start()
        text = signature(match[0])
        found.append(Definition(line, len(match["marks"]) - 1, "heading", text.lstrip("# "), text))
    return found[:MAX_DEFINITIONS]
