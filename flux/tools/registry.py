"""Which tools there are."""

from __future__ import annotations

from collections.abc import Mapping

from flux.tools.base import Tool
from flux.tools.delete_file import DeleteFileTool
from flux.tools.diagnostics import Diagnostics
from flux.tools.edit_file import EditFileTool
from flux.tools.git import Git
from flux.tools.language_servers import QUERIES, LanguageServer, RenameSymbol
from flux.tools.list_files import ListFiles
from flux.tools.move_file import MoveFile
from flux.tools.read_file import ReadFile
from flux.tools.search import Search
from flux.tools.symbols import Symbols
from flux.tools.write_file import WriteFile
from flux.workspace.index.client import SymbolIndex
from flux.workspace.language_service import LanguageService
from flux.workspace.ripgrep import find_ripgrep


def builtin_tools(index: SymbolIndex | None = None, languages: LanguageService | None = None) -> Mapping[str, Tool]:
    """The tools by name, in the order in which the model is told of them. `index` belongs to the caller.

    `languages` are the language servers that the door can ask; without them there are no tools for it.
    """
    tools: list[Tool] = [
        ReadFile(),
        EditFileTool(),
        WriteFile(),
        MoveFile(),
        DeleteFileTool(),
        ListFiles(),
        Search(find_ripgrep()),
        Symbols(index or SymbolIndex()),
        Diagnostics(),
        Git(),
    ]
    if languages is not None and not languages.queries.isdisjoint(QUERIES):
        tools.append(LanguageServer(languages))
    if languages is not None and "rename" in languages.queries:
        tools.append(RenameSymbol(languages))
    return {tool.spec.name: tool for tool in tools}
