"""The floor of the map: all Python files below a folder, read, parsed with tree-sitter, its tags query run. Seconds."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import tree_sitter_python
from tree_sitter import Language, Parser, Query, QueryCursor

from flux.workspace.index.worker import NICE


def main() -> None:
    if hasattr(os, "nice"):
        os.nice(NICE)
    language = Language(tree_sitter_python.language())
    query = Query(language, tree_sitter_python.TAGS_QUERY)
    parser = Parser(language)
    began = time.perf_counter()
    for file in Path(sys.argv[1]).rglob("*.py"):
        QueryCursor(query).captures(parser.parse(file.read_bytes()).root_node)
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
