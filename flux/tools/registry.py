"""Which tools there are."""

from __future__ import annotations

from collections.abc import Mapping

from flux.tools.base import Tool
from flux.tools.delete_file import DeleteFileTool
from flux.tools.edit_file import EditFileTool
from flux.tools.list_files import ListFiles
from flux.tools.move_file import MoveFile
from flux.tools.read_file import ReadFile
from flux.tools.search import Search
from flux.tools.symbols import Symbols
from flux.tools.write_file import WriteFile
from flux.workspace.index.client import SymbolIndex


def builtin_tools(index: SymbolIndex | None = None) -> Mapping[str, Tool]:
    """The tools by name, in the order in which the model is told of them. `index` belongs to the caller."""
    tools: tuple[Tool, ...] = (
        ReadFile(),
        EditFileTool(),
        WriteFile(),
        MoveFile(),
        DeleteFileTool(),
        ListFiles(),
        Search(),
        Symbols(index or SymbolIndex()),
    )
    return {tool.spec.name: tool for tool in tools}
