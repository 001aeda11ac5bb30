"""What the user is looking at, and a piece of what the model is shown."""

from __future__ import annotations

from dataclasses import dataclass

from flux.core.diagnostics import Diagnostic
from flux.core.snapshot import WorkspacePath
from flux.core.text import Range


@dataclass(frozen=True, slots=True)
class Focus:
    """Where the user is: a file, perhaps a selection in it, and the problems they point at.

    `selection` is in code points of the file's current text; None means the whole file.
    """

    path: WorkspacePath
    selection: Range | None = None
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class ContextItem:
    """One piece for the model. `kind` is a word such as `file` or `rules`; `origin` says where it is from."""

    kind: str
    origin: str
    text: str
