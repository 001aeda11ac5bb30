"""The seam to the language servers that a door can ask: what they know of a project's code. Knows no protocol."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Literal, Protocol

from flux.core.snapshot import FileSnapshot
from flux.edits.plan import EditPlan

Query = Literal["definition", "references", "hover", "symbols", "rename"]
"""What can be asked for."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a file, from 1, with its text or what is there. `path` is as the model names it."""

    path: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Places:
    """What was found, in the servers' order. `hidden` names files beside it that are not shown: ignored or outside."""

    shown: Sequence[Place]
    hidden: Sequence[str] = ()


class LanguageService(Protocol):
    """Each method raises WorkspaceError where nobody can tell, ToolTimedOut where nobody did within the bound.

    A place is an offset of a snapshot. Raises StaleSnapshot where the servers know the file otherwise.
    """

    @property
    def queries(self) -> Set[str]:
        """Those of `Query` that can be asked for, beside others."""
        ...

    async def find(self, query: Literal["definition", "references"], at: FileSnapshot, offset: int) -> Places: ...

    async def hover(self, at: FileSnapshot, offset: int) -> str:
        """Types and documentation as Markdown, empty where there is nothing to tell."""
        ...

    async def symbols_of(self, snapshot: FileSnapshot) -> Places:
        """What a file defines."""
        ...

    async def symbols_named(self, words: str) -> Places:
        """What the project defines by names like this."""
        ...

    async def rename(self, at: FileSnapshot, offset: int, new_name: str) -> EditPlan:
        """The edits that give what stands there another name, everywhere. Also raises SecretFile, OutsideWorkspace."""
        ...
