"""A file at one moment, and the name it has inside the workspace."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flux.core.text import main_line_end

Origin = Literal["buffer", "disk"]
"""`buffer`: open in an editor, perhaps unsaved. `disk`: as last written."""


@dataclass(frozen=True, slots=True, order=True)
class WorkspacePath:
    """A file below a workspace folder. Made only by `flux.workspace.paths`, which checks that it is inside.

    `root` is the absolute folder; `relative` has forward slashes, no `..`, and is never empty. `label` names the root
    in front of the path where the workspace has several, else it is empty.
    """

    root: str
    relative: str
    label: str = ""

    def absolute(self) -> Path:
        return Path(self.root, self.relative)

    def __str__(self) -> str:
        return f"{self.label}/{self.relative}" if self.label else self.relative


@dataclass(frozen=True, slots=True)
class FileSnapshot:
    """The text of a file as the user sees it, with what is needed to write it back unharmed.

    `text` has the file's own line ends and no byte order mark. `version` is the editor's number of an open buffer,
    None on disk. `encoding` is a Python codec name; `has_bom` says whether the file began with a byte order mark.
    `mode` is the file's permission bits, None where they are not known; two snapshots do not differ by it.
    """

    path: WorkspacePath
    text: str
    version: int | None = None
    origin: Origin = "disk"
    encoding: str = "utf-8"
    has_bom: bool = False
    mode: int | None = field(default=None, compare=False)

    @property
    def line_end(self) -> str:
        """The line end most used in the text, a line feed where there is none."""
        return main_line_end(self.text)
