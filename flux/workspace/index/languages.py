"""The languages with a grammar, and the definitions of a text as its syntax tree has them.

Each row: the suffixes, the package of the grammar, and what counts as a definition: a kind and a pattern of
tree-sitter's query language that captures the whole as `@it` and its name as `@name`. A grammar that cannot be loaded
leaves its language to `plain`.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from flux.workspace.index.definitions import MAX_DEFINITIONS, Definition, signature
from flux.workspace.index.plain import plain_outline, suffix_of

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, Query

logger = logging.getLogger(__name__)

MAX_DATA_BYTES = 200_000
"""A longer file of data (JSON, YAML, HTML …) is records, not structure."""

DATA_KINDS = frozenset(("key", "selector", "element"))


@dataclass(frozen=True, slots=True)
class Grammar:
    """Where a language's grammar is, and its definitions as (kind, pattern).

    `words`: where given, a definition below the top of the file has one of them as a token of its own, so that only
    those places are looked at. To look all over a tree takes a third of the time of parsing.
    """

    package: str
    patterns: Sequence[tuple[str, str]]
    function: str = "language"
    words: Sequence[str] = ()

    @property
    def is_data(self) -> bool:
        return all(kind in DATA_KINDS for kind, _ in self.patterns)


def outline(path: str, data: bytes) -> list[Definition]:
    """The definitions in a file's bytes, in order: by its grammar, else by the look of its lines."""
    grammar = _BY_SUFFIX.get(suffix_of(path))
    if grammar is None:
        return plain_outline(path, data)
    if grammar.is_data and len(data) > MAX_DATA_BYTES:
        return []
    loaded = _loaded(grammar)
    return plain_outline(path, data) if loaded is None else _nested(loaded.find(data), data)


Found = tuple[int, int, int, str, bytes, int]
"""Where a definition begins and ends in bytes, where its text ends, its kind, its name, its line from 0."""


def _nested(found: Sequence[Found], data: bytes) -> list[Definition]:
    """In the order of the text, each once, with how deep it lies in others."""
    definitions: list[Definition] = []
    ends: list[int] = []
    seen: set[int] = set()
    for start, end, text_end, kind, name, line in sorted(found, key=lambda one: (one[0], -one[1])):
        if start in seen:
            continue
        seen.add(start)
        while ends and ends[-1] <= start:
            ends.pop()
        text = signature(data[start:text_end])
        definitions.append(Definition(line + 1, len(ends), kind, _plain_name(kind, name), text))
        ends.append(end)
        if len(definitions) == MAX_DEFINITIONS:
            break
    return definitions


def _plain_name(kind: str, name: bytes) -> str:
    """A definition's name as it is used: without what it belongs to (`C::m`, `M.f`) and its parameters (`G<T>`)."""
    text = name.decode("utf-8", "replace").strip()
    if kind not in {"function", "class"}:
        return text
    return text.partition("<")[0].rpartition("::")[2].rpartition(".")[2] or text


def has_grammars() -> bool:
    """Whether syntax trees can be had at all: what was read without is to be read again."""
    return importlib.util.find_spec("tree_sitter") is not None


def code_places(path: str, data: bytes) -> Callable[[int, int], bool]:
    """Tells whether a stretch of the file's bytes is code: not in a comment nor in a string, where a grammar tells."""
    grammar = _BY_SUFFIX.get(suffix_of(path))
    loaded = _loaded(grammar) if grammar is not None and not grammar.is_data else None
    if loaded is None:
        return lambda _start, _end: True
    root = loaded.parser.parse(data).root_node

    def is_code(start: int, end: int) -> bool:
        node = root.descendant_for_byte_range(start, end)
        return node is None or not ("comment" in node.type or "string" in node.type)

    return is_code


@dataclass(frozen=True, slots=True)
class _Loaded:
    parser: Parser
    query: Query
    kinds: Sequence[str]
    words: Sequence[str]

    def find(self, data: bytes) -> list[Found]:
        found: list[Found] = []
        for pattern, captures in self._matches(self.parser.parse(data).root_node, data):
            node, name = captures["it"][0], captures["name"][0]
            start, end = name.start_byte, name.end_byte
            line: int = node.start_point[0]
            found.append(
                (node.start_byte, node.end_byte, _text_end(node, data), self.kinds[pattern], data[start:end], line)
            )
        return found

    def _matches(self, root: Node, data: bytes) -> Iterator[tuple[int, dict[str, list[Node]]]]:
        from tree_sitter import QueryCursor

        cursor = QueryCursor(self.query)
        if not self.words:
            yield from cursor.matches(root)
            return
        cursor.set_max_start_depth(0)
        yield from cursor.matches(root)
        for word in self.words:
            for place in re.finditer(rb"%b\b" % word.encode("ascii"), data):  # one word at a time is ten times faster
                token = root.descendant_for_byte_range(*place.span())
                if token is not None and token.type == word and token.parent is not None:
                    yield from cursor.matches(token.parent)


@cache
def _loaded(grammar: Grammar) -> _Loaded | None:
    """The language, ready to parse; None where its grammar is not there."""
    try:
        from tree_sitter import Language, Parser, Query

        module: Any = importlib.import_module(grammar.package)
        language = Language(getattr(module, grammar.function)())  # pyright: ignore[reportDeprecated]  # a capsule
        query = Query(language, "\n".join(pattern for _, pattern in grammar.patterns))
    except (ImportError, AttributeError, ValueError, OSError) as e:  # not installed, of another ABI, damaged
        logger.warning("no grammar of %s: %s", grammar.package, e)
        return None
    return _Loaded(Parser(language), query, [kind for kind, _ in grammar.patterns], grammar.words)


def _text_end(node: Node, data: bytes) -> int:
    """Where the text that stands for a definition ends: before its body, or at its first line's end."""
    body = node.child_by_field_name("body")
    if body is not None:
        return body.start_byte
    end = data.find(b"\n", node.start_byte, node.end_byte)
    return end if end >= 0 else node.end_byte


_JAVASCRIPT = (
    ("class", "(class_declaration name: (_) @name) @it"),
    ("function", "(function_declaration name: (identifier) @name) @it"),
    ("function", "(generator_function_declaration name: (identifier) @name) @it"),
    ("function", "(method_definition name: (_) @name) @it"),
    (
        "function",
        (
            "(lexical_declaration (variable_declarator name: (identifier) @name "
            "value: [(arrow_function) (function_expression)])) @it"
        ),
    ),
    (
        "function",
        (
            "(variable_declaration (variable_declarator name: (identifier) @name "
            "value: [(arrow_function) (function_expression)])) @it"
        ),
    ),
    (
        "function",
        (
            "(assignment_expression left: (member_expression property: (property_identifier) @name) "
            "right: [(arrow_function) (function_expression)]) @it"
        ),
    ),
    ("function", "(pair key: (property_identifier) @name value: [(arrow_function) (function_expression)]) @it"),
    (
        "constant",
        "(program (export_statement (lexical_declaration (variable_declarator name: (identifier) @name)) @it))",
    ),
)
_TYPESCRIPT = (
    *_JAVASCRIPT,
    ("class", "(abstract_class_declaration name: (_) @name) @it"),
    ("class", "(interface_declaration name: (_) @name) @it"),
    ("class", "(enum_declaration name: (_) @name) @it"),
    ("class", "(type_alias_declaration name: (_) @name) @it"),
    ("module", "(internal_module name: (_) @name) @it"),
    ("function", "(function_signature name: (_) @name) @it"),
    ("function", "(method_signature name: (_) @name) @it"),
    ("function", "(abstract_method_signature name: (_) @name) @it"),
)
_C = (
    ("function", "(function_definition declarator: (function_declarator declarator: (identifier) @name)) @it"),
    (
        "function",
        (
            "(function_definition declarator: (pointer_declarator declarator: "
            "(function_declarator declarator: (identifier) @name))) @it"
        ),
    ),
    ("function", "(declaration declarator: (function_declarator declarator: (identifier) @name)) @it"),
    ("class", "(struct_specifier name: (type_identifier) @name body: (_)) @it"),
    ("class", "(union_specifier name: (type_identifier) @name body: (_)) @it"),
    ("class", "(enum_specifier name: (type_identifier) @name body: (_)) @it"),
    ("class", "(type_definition declarator: (type_identifier) @name) @it"),
    ("constant", "(preproc_def name: (identifier) @name) @it"),
    ("function", "(preproc_function_def name: (identifier) @name) @it"),
)

_GRAMMARS: Mapping[str, Grammar] = {
    ".py .pyi": Grammar(
        "tree_sitter_python",
        (
            ("class", "(class_definition name: (identifier) @name) @it"),
            ("function", "(function_definition name: (identifier) @name) @it"),
            ("constant", "(module (expression_statement (assignment left: (identifier) @name)) @it)"),
        ),
        words=("class", "def"),
    ),
    ".js .jsx .mjs .cjs": Grammar("tree_sitter_javascript", _JAVASCRIPT),
    ".ts .mts .cts": Grammar("tree_sitter_typescript", _TYPESCRIPT, "language_typescript"),
    ".tsx": Grammar("tree_sitter_typescript", _TYPESCRIPT, "language_tsx"),
    ".go": Grammar(
        "tree_sitter_go",
        (
            ("function", "(function_declaration name: (identifier) @name) @it"),
            ("function", "(method_declaration name: (field_identifier) @name) @it"),
            ("class", "(type_spec name: (type_identifier) @name) @it"),
            ("class", "(type_alias name: (type_identifier) @name) @it"),
            ("constant", "(source_file (const_declaration (const_spec name: (identifier) @name) @it))"),
            ("constant", "(source_file (var_declaration (var_spec name: (identifier) @name) @it))"),
        ),
    ),
    ".rs": Grammar(
        "tree_sitter_rust",
        (
            ("class", "(struct_item name: (_) @name) @it"),
            ("class", "(enum_item name: (_) @name) @it"),
            ("class", "(union_item name: (_) @name) @it"),
            ("class", "(trait_item name: (_) @name) @it"),
            ("class", "(type_item name: (_) @name) @it"),
            ("class", "(impl_item type: (_) @name) @it"),
            ("function", "(function_item name: (_) @name) @it"),
            ("function", "(function_signature_item name: (_) @name) @it"),
            ("function", "(macro_definition name: (_) @name) @it"),
            ("module", "(mod_item name: (_) @name body: (_)) @it"),
            ("constant", "(const_item name: (_) @name) @it"),
            ("constant", "(static_item name: (_) @name) @it"),
        ),
    ),
    ".java": Grammar(
        "tree_sitter_java",
        (
            ("class", "(class_declaration name: (_) @name) @it"),
            ("class", "(interface_declaration name: (_) @name) @it"),
            ("class", "(enum_declaration name: (_) @name) @it"),
            ("class", "(record_declaration name: (_) @name) @it"),
            ("class", "(annotation_type_declaration name: (_) @name) @it"),
            ("function", "(method_declaration name: (_) @name) @it"),
            ("function", "(constructor_declaration name: (_) @name) @it"),
        ),
    ),
    ".c .h": Grammar("tree_sitter_c", _C),
    ".cc .cpp .cxx .hh .hpp .hxx": Grammar(
        "tree_sitter_cpp",
        (
            *_C,
            ("class", "(class_specifier name: (_) @name body: (_)) @it"),
            ("class", "(alias_declaration name: (_) @name) @it"),
            ("module", "(namespace_definition name: (_) @name) @it"),
            ("function", "(function_definition declarator: (function_declarator declarator: (_) @name)) @it"),
            ("function", "(field_declaration declarator: (function_declarator declarator: (_) @name)) @it"),
            (
                "function",
                (
                    "(function_definition declarator: (_ declarator: "
                    "(function_declarator declarator: (field_identifier) @name))) @it"
                ),
            ),
        ),
    ),
    ".cs": Grammar(
        "tree_sitter_c_sharp",
        (
            ("module", "(namespace_declaration name: (_) @name) @it"),
            ("class", "(class_declaration name: (_) @name) @it"),
            ("class", "(interface_declaration name: (_) @name) @it"),
            ("class", "(struct_declaration name: (_) @name) @it"),
            ("class", "(record_declaration name: (_) @name) @it"),
            ("class", "(enum_declaration name: (_) @name) @it"),
            ("class", "(delegate_declaration name: (_) @name) @it"),
            ("function", "(method_declaration name: (_) @name) @it"),
            ("function", "(constructor_declaration name: (_) @name) @it"),
            ("constant", "(property_declaration name: (_) @name) @it"),
        ),
    ),
    ".rb .rake": Grammar(
        "tree_sitter_ruby",
        (
            ("module", "(module name: (_) @name) @it"),
            ("class", "(class name: (_) @name) @it"),
            ("function", "(method name: (_) @name) @it"),
            ("function", "(singleton_method name: (_) @name) @it"),
            ("constant", "(assignment left: (constant) @name) @it"),
        ),
    ),
    ".php": Grammar(
        "tree_sitter_php",
        (
            ("module", "(namespace_definition name: (_) @name) @it"),
            ("class", "(class_declaration name: (_) @name) @it"),
            ("class", "(interface_declaration name: (_) @name) @it"),
            ("class", "(trait_declaration name: (_) @name) @it"),
            ("class", "(enum_declaration name: (_) @name) @it"),
            ("function", "(function_definition name: (_) @name) @it"),
            ("function", "(method_declaration name: (_) @name) @it"),
        ),
        "language_php",
    ),
    ".lua": Grammar(
        "tree_sitter_lua",
        (
            ("function", "(function_declaration name: (identifier) @name) @it"),
            ("function", "(function_declaration name: (_ field: (identifier) @name)) @it"),
            ("function", "(function_declaration name: (_ method: (identifier) @name)) @it"),
            (
                "function",
                (
                    "(assignment_statement (variable_list name: (_) @name) "
                    "(expression_list value: (function_definition))) @it"
                ),
            ),
        ),
    ),
    ".sh .bash": Grammar("tree_sitter_bash", (("function", "(function_definition name: (_) @name) @it"),)),
    ".html .htm": Grammar(
        "tree_sitter_html",
        (
            (
                "element",
                (
                    "(element (start_tag (attribute (attribute_name) @_id "
                    "(quoted_attribute_value (attribute_value) @name)) "
                    '(#eq? @_id "id")) @it)'
                ),
            ),
        ),
    ),
    ".css": Grammar("tree_sitter_css", (("selector", "(rule_set (selectors) @name) @it"),)),
    ".json": Grammar(
        "tree_sitter_json", (("key", "(document (object (pair key: (string (string_content) @name)) @it))"),)
    ),
    ".yaml .yml": Grammar(
        "tree_sitter_yaml",
        (("key", "(document (block_node (block_mapping (block_mapping_pair key: (_) @name) @it)))"),),
    ),
    ".toml": Grammar(
        "tree_sitter_toml",
        (
            ("key", "(table . (_) @name) @it"),
            ("key", "(table_array_element . (_) @name) @it"),
            ("key", "(document (pair . (_) @name) @it)"),
        ),
    ),
    ".md .markdown": Grammar(
        "tree_sitter_markdown",
        (
            ("heading", "(section (atx_heading heading_content: (inline) @name)) @it"),
            ("heading", "(setext_heading heading_content: (paragraph) @name) @it"),
        ),
    ),
}
_BY_SUFFIX = {suffix: grammar for suffixes, grammar in _GRAMMARS.items() for suffix in suffixes.split()}
