"""The seam between Flux and the user's files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from flux.core.diagnostics import Diagnostic, ProblemReport
from flux.core.errors import FileMissing
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.plan import AppliedChange, AppliedPlan, EditPlan


class Workspace(Protocol):
    """One or several folders, and the buffers that an editor has open in them."""

    @property
    def roots(self) -> Sequence[str]:
        """The absolute folders, in the user's order. Never empty."""
        ...

    def path(self, text: str) -> WorkspacePath:
        """The file a person or a model names: relative to a root, `LABEL/relative` with several roots, or absolute.

        Raises OutsideWorkspace, also where a symbolic link leads out of every root.
        """
        ...

    async def read(self, path: WorkspacePath) -> FileSnapshot:
        """The file now: an open buffer wins over the disk.

        Raises FileMissing, NotText, SecretFile, OutsideWorkspace.
        """
        ...

    async def read_bytes(self, path: WorkspacePath, limit: int) -> bytes:
        """The file on disk as it is, such as a picture, at most `limit` bytes of it.

        Raises FileMissing, NotText where it is longer or no file, SecretFile, OutsideWorkspace.
        """
        ...

    async def list_files(self, folder: str = "") -> Sequence[WorkspacePath]:
        """All files below a folder (all roots by default), sorted, without ignored and secret ones.

        Files that exist only as open buffers are included. Of each root's files on the disk, and of a folder's, at most
        `ignore.MAX_LISTED`: who shows them says so. Raises FileMissing, OutsideWorkspace.
        """
        ...

    def open_buffers(self) -> Sequence[FileSnapshot]:
        """What the editor has open inside the roots, most recently used first. Empty on a terminal."""
        ...

    def unsaved(self) -> Mapping[WorkspacePath, FileSnapshot | None]:
        """The texts that stand over the disk: open buffers, most recently used first, and what is only proposed.

        None for a file that is on the disk and gone here. Whoever reads the disk by itself lays these over it.
        """
        ...

    async def diagnostics(self, path: WorkspacePath) -> Sequence[Diagnostic]:
        """What other tools report for the file's current text, as far as the editor tells."""
        ...

    async def diagnostics_after(self, change: AppliedChange, timeout_s: float) -> ProblemReport | None:
        """What other tools reported for the text after a change of the last plan, and not for the text before it.

        Waits for them up to the bound. None where nobody tells, or nobody did in time.
        """
        ...

    async def apply(self, plan: EditPlan) -> AppliedPlan:
        """Make all changes or none, on the text as it is now, and return what was verified.

        An edit is rebased onto what the user typed since its snapshot. Raises StaleSnapshot where that is not certain,
        WriteRefused where editor or disk do not take it, and the errors of `read`.
        """
        ...

    def hurry(self, plan: EditPlan) -> None:
        """The user no longer waits for the plan that is being applied: `apply` ends soon, made or refused.

        What a slow editor may still make of it is taken back then.
        """
        ...

    async def clear_leftovers(self, beside: Iterable[WorkspacePath]) -> None:
        """Remove what Flux was about to write beside these files when it was killed. May be called at any time."""
        ...


def unsaved_below(workspace: Workspace, root: str) -> dict[str, str | None]:
    """The texts that stand over the disk below one root, by their paths relative to it."""
    return {
        path.relative: snapshot.text if snapshot else None
        for path, snapshot in workspace.unsaved().items()
        if path.root == root
    }


async def read_or_none(workspace: Workspace, path: WorkspacePath) -> FileSnapshot | None:
    """The file as it is now, None where there is none. Raises what else `read` does."""
    try:
        return await workspace.read(path)
    except FileMissing:
        return None
