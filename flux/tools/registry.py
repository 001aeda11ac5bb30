"""Which tools there are."""

from __future__ import annotations

from collections.abc import Mapping

from flux.tools.base import Tool
from flux.tools.delete_file import DeleteFileTool
from flux.tools.diagnostics import Diagnostics
from flux.tools.edit_file import EditFileTool
from flux.tools.git import Git
from flux.tools.list_files import ListFiles
from flux.tools.move_file import MoveFile
from flux.tools.read_file import ReadFile
from flux.tools.search import Search
from flux.tools.symbols import Symbols
from flux.tools.write_file import WriteFile
from flux.workspace.index.client import SymbolIndex
from flux.workspace.ripgrep import find_ripgrep


def builtin_tools(index: SymbolIndex | None = None) -> Mapping[str, Tool]:
    """The tools by name, in the order in which the model is told of them. `index` belongs to the caller."""
    tools: tuple[Tool, ...] = (
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
    )
    return {tool.spec.name: tool for tool in tools}
