"""Whether a file that parsed still parses after an edit, for languages whose parser is at hand.

Asked only of edits that were placed leniently: what a model quoted to the letter is its own decision.
"""

from __future__ import annotations

import ast
import json
import tomllib
import warnings
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from flux.core.errors import EditError

MAX_LINES = 5_000
"""Parsing holds the interpreter: at most some 40 ms for so many lines of Python."""


def check_still_parses(path: str, before: str, after: str) -> None:
    """Raises EditError, with the parser's reason, where `before` parses and `after` does not."""
    parse = _PARSERS.get(PurePosixPath(path).suffix.lower())
    if parse is None or max(before.count("\n"), after.count("\n")) >= MAX_LINES:
        return
    reason = _reason(parse, after)
    if reason and not _reason(parse, before):
        raise EditError(
            f"old_text is not in {path} to the letter, and with the edit at the most similar place the file no longer "
            f"parses: {reason}. Nothing was changed.",
            hint="Read the file again and quote old_text and new_text exactly, with their indentation.",
        )


def _reason(parse: Callable[[str], object], text: str) -> str:
    """Why the text does not parse; empty where it does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parse(text)
    except SyntaxError as e:
        return f"{e.msg} (line {e.lineno})"
    except (ValueError, RecursionError, MemoryError) as e:
        return str(e) or type(e).__name__
    return ""


_PARSERS: Mapping[str, Callable[[str], object]] = {
    ".py": ast.parse,
    ".pyi": ast.parse,
    ".json": json.loads,
    ".toml": tomllib.loads,
}
