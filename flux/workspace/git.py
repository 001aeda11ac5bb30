"""What git knows of a folder: its branch and its uncommitted changes. Writes nothing and starts nothing but git.

GitPython is imported when first needed. A folder that is in no repository has an empty answer.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from subprocess import Popen
from typing import IO, TYPE_CHECKING, cast

from flux.core.errors import WorkspaceError
from flux.workspace.ignore import is_secret

if TYPE_CHECKING:
    from git import Repo

_TIMEOUT_S = 10.0
_MAX_NAMES_BYTES = 200_000
_CUT = "\n… (cut)\n"


def branch(root: str) -> str:
    """The branch checked out, `detached at …`, or empty where there is no repository.

    Blocks; to be called in a thread. Raises WorkspaceError.
    """
    with _repository(root) as repository:
        if repository is None:
            return ""
        if repository.head.is_detached:
            return f"detached at {repository.head.commit.hexsha[:10]}"
        return str(repository.active_branch.name)


def uncommitted_changes(root: str, limit_chars: int) -> str:
    """What differs from the last commit below `root`: names, then a diff, staged or not, then the untracked names.

    At most `limit_chars` long. Secret files are left out. Empty where nothing differs or there is no repository.
    Blocks, at most about half a minute; to be called in a thread. Raises WorkspaceError where git is missing or too
    slow, or the repository is damaged.
    """
    with _repository(root) as repository:
        if repository is None or repository.bare:
            return ""
        base = ["HEAD"] if repository.head.is_valid() else ["--cached"]
        names = ["diff", "--name-status", "--no-renames", "--relative", "-z", *base, "--", "."]
        changed = list(_pairs(_git(root, names, _MAX_NAMES_BYTES)))
        secret = [name for _, name in changed if is_secret(name)]
        untracked = [
            "ls-files",
            "--others",
            "--exclude-standard",
            "--directory",
            "--no-empty-directory",
            "-z",
            "--",
            ".",
        ]
        new = [name for name in _git(root, untracked, _MAX_NAMES_BYTES).split("\0") if name and not is_secret(name)]
        lines = [f"{state} {name}" for state, name in changed if name not in secret] + [f"? {name}" for name in new]
        if not lines:
            return ""
        diff = ["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--relative", *base, "--", "."]
        diff += [f":(exclude,literal){name}" for name in secret]
        text = "\n".join(lines) + "\n"
        if any(name not in secret for _, name in changed):
            text += "\n" + _git(root, diff, 4 * limit_chars)
    if len(text) <= limit_chars:
        return text
    kept = text[: max(0, limit_chars - len(_CUT))]
    return (kept[: kept.rfind("\n") + 1].rstrip("\n") + _CUT)[:limit_chars]


def _pairs(output: str) -> Iterator[tuple[str, str]]:
    fields = output.split("\0")
    return zip(fields[0:-1:2], fields[1:-1:2], strict=False)


@contextmanager
def _repository(root: str) -> Generator[Repo | None]:
    """The repository that `root` is in, None where there is none; what goes wrong inside is told as WorkspaceError."""
    try:
        from git.exc import GitError
    except ImportError as e:  # also GitPython's own word for a missing git program
        raise WorkspaceError("The program git was not found.", path=root, hint="Install git, or go on without.") from e
    repository: Repo | None = None
    try:
        repository = _opened(root)
        yield repository
    except (GitError, OSError, ValueError, TypeError) as e:
        reason = str(e).strip().partition("\n")[0]
        raise WorkspaceError(f"The git repository of {root} cannot be read: {reason}", path=root) from e
    finally:
        if repository is not None:
            repository.close()


def _opened(root: str) -> Repo | None:
    from git import Repo
    from git.exc import InvalidGitRepositoryError, NoSuchPathError

    try:
        return Repo(root, search_parent_directories=True)
    except (InvalidGitRepositoryError, NoSuchPathError):
        return None


def _git(root: str, arguments: Sequence[str], limit_bytes: int) -> str:
    """The first `limit_bytes` that git prints. A file watcher named in the repository's settings is not started."""
    from git import Git

    options = ["--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false"]
    options += ["-c", "core.safecrlf=false"]  # its warnings would fill the error pipe that nobody reads meanwhile
    command = ["git", *options, *arguments]
    running = Git(root).execute(command, as_process=True)
    process = cast("Popen[bytes]", running.proc)  # pyright: ignore[reportUnknownMemberType]  # GitPython: `Popen | None`
    output, errors = cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stderr)  # both are pipes
    timer = threading.Timer(_TIMEOUT_S, process.kill)
    timer.start()
    try:
        data = output.read(limit_bytes + 1)
        is_cut = len(data) > limit_bytes
        if is_cut:
            process.kill()
        error = errors.read().decode("utf-8", "replace").strip().partition("\n")[0]
        status = process.wait()
        is_late = timer.finished.is_set()
    finally:
        timer.cancel()
    if status and not is_cut:
        reason = f"no answer within {_TIMEOUT_S:.0f} s" if is_late else error or f"status {status}"
        raise WorkspaceError(f"git {arguments[0]} failed in {root}: {reason}", path=root)
    return data[:limit_bytes].decode("utf-8", "replace")
