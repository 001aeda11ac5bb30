"""What git knows of a folder: its branch, its uncommitted changes, its history. Writes nothing, starts only git.

GitPython is imported when first needed, for a folder in a repository. Any other has an empty answer.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import IO, TYPE_CHECKING, cast

from flux.core.errors import NotText, SecretFile, WorkspaceError
from flux.edits.diff import unified_diff
from flux.workspace.encoding import MAX_TEXT_BYTES, decode
from flux.workspace.ignore import is_secret

if TYPE_CHECKING:
    from git import Repo

_TIMEOUT_S = 10.0
_MAX_NAMES_BYTES = 200_000
_MAX_UNSAVED = 50
_PLAIN_DIFF = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--relative")
_REVISION = re.compile(r"[A-Za-z0-9_][\w./@^~{}-]*")
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


def status(root: str, unsaved: Mapping[str, str | None], limit_chars: int) -> str:
    """The branch, and the names of `uncommitted_changes`. Blocks and raises as that."""
    on = branch(root)
    if not on:
        return ""
    with _repository(root) as repository:
        changes = _Changes(root, repository, unsaved, "") if repository is not None and not repository.bare else None
        return _cut("\n".join([f"on {on}", *(changes.names if changes else ())]) + "\n", limit_chars)


def uncommitted_changes(
    root: str, limit_chars: int, unsaved: Mapping[str, str | None] | None = None, path: str = ""
) -> str:
    """What differs from the last commit below `root`: names, then a diff, staged or not, then the untracked names.

    At most `limit_chars` long. `unsaved` are texts that stand over the disk, by their paths below the root. With a
    `path` (relative to the root) it is of that alone. Secret files are left out. Empty where nothing differs or there
    is no repository. Blocks, at most about half a minute; to be called in a thread. Raises WorkspaceError where git is
    missing or too slow, or the repository is damaged.
    """
    with _repository(root) as repository:
        if repository is None or repository.bare:
            return ""
        changes = _Changes(root, repository, unsaved or {}, path)
        if not changes.names:
            return ""
        return _cut("\n".join(changes.names) + "\n" + changes.diff(4 * limit_chars), limit_chars)


def staged_changes(root: str, limit_chars: int) -> str:
    """The diff of what the next commit would have, without secret files. Blocks and raises as `status`."""
    with _repository(root) as repository:
        if repository is None or repository.bare:
            return ""
        names = _git(root, ["diff", "--cached", "--name-only", "--no-renames", "--relative", "-z"], _MAX_NAMES_BYTES)
        secret = [name for name in names.split("\0") if name and is_secret(name)]
        command = ["diff", "--cached", *_PLAIN_DIFF, "--", ".", *map(_excluded, secret)]
        return _cut(_git(root, command, 4 * limit_chars), limit_chars) if names else ""


def history(root: str, path: str, commit: str, count: int, limit_chars: int) -> str:
    """The last commits, of a path or of all, up to a commit where one is named. Blocks and raises as `status`."""
    with _repository(root) as repository:
        if repository is None or not _has_commits(repository):
            return ""
        _check_visible(path)
        form = ["--format=%h %ad %an: %s", "--date=short", f"--max-count={count}"]
        command = ["log", *form, *_revision(commit), "--", *([path] if path else ["."])]
        return _cut(_git(root, command, 4 * limit_chars), limit_chars)


def show(root: str, commit: str, path: str, limit_chars: int) -> str:
    """A commit's message and what it changed, without secret files. Blocks and raises as `status`."""
    with _repository(root) as repository:
        if repository is None or not _has_commits(repository):
            return ""
        _check_visible(path)
        revision = _revision(commit)
        names = _git(root, ["show", "--format=", "--name-only", "--relative", "-z", *revision], _MAX_NAMES_BYTES)
        secret = [name for name in names.split("\0") if name and is_secret(name)]
        command = ["show", *_PLAIN_DIFF, "--stat", "--patch", *revision, "--", path or "."]
        return _cut(_git(root, [*command, *map(_excluded, secret)], 4 * limit_chars), limit_chars)


def blame(root: str, path: str, first: int, last: int | None, limit_chars: int) -> str:
    """Who last changed each line of a file as it is on the disk. Lines from 1. Blocks and raises as `status`."""
    with _repository(root) as repository:
        if repository is None or not _has_commits(repository):
            return ""
        _check_visible(path)
        lines = f"-L{max(first, 1)},{max(last, first) if last else ''}"
        return _cut(_git(root, ["blame", "--date=short", "-s", lines, "--", path], 4 * limit_chars), limit_chars)


class _Changes:
    """What differs from the last commit: `names`, each after its state, and the diff."""

    def __init__(self, root: str, repository: Repo, unsaved: Mapping[str, str | None], path: str) -> None:
        self._root = root
        self._base = ["HEAD"] if _has_commits(repository) else ["--cached"]
        self._paths = [path or "."]
        over = {
            name: diff
            for name, text in list(unsaved.items())[:_MAX_UNSAVED]
            if (not path or name == path or name.startswith(f"{path}/")) and not is_secret(name)
            for diff in [self._unsaved_diff(name, text)]
            if diff is not None
        }
        names = ["diff", "--name-status", "--no-renames", "--relative", "-z", *self._base, "--", *self._paths]
        changed = list(_pairs(_git(root, names, _MAX_NAMES_BYTES)))
        self._left_out = [name for _, name in changed if is_secret(name) or name in over]
        untracked = ["ls-files", "--others", "--exclude-standard", "--directory", "--no-empty-directory", "-z"]
        new = _git(root, [*untracked, "--", *self._paths], _MAX_NAMES_BYTES).split("\0")
        on_disk = [f"{state} {name}" for state, name in changed if name not in self._left_out]
        self._has_diff = bool(on_disk)
        unsaved_names = [f"M {name} (unsaved)" for name, diff in over.items() if diff]
        untracked_names = [f"? {name}" for name in new if name and not is_secret(name) and name not in over]
        self.names = [*on_disk, *unsaved_names, *untracked_names]
        self._unsaved = "".join(over.values())

    def diff(self, limit_bytes: int) -> str:
        left_out = list(map(_excluded, self._left_out))
        command = ["diff", *_PLAIN_DIFF, *self._base, "--", *self._paths, *left_out]
        on_disk = _git(self._root, command, limit_bytes) if self._has_diff else ""
        told = on_disk + self._unsaved
        return f"\n{told}" if told else ""

    def _unsaved_diff(self, name: str, text: str | None) -> str | None:
        """From the last commit to the text that stands over the disk; None where the disk says the same."""
        try:
            saved = _unified(decode(Path(self._root, name).read_bytes(), name).text)
        except (OSError, NotText):
            saved = None
        if (now := None if text is None else _unified(text)) == saved:
            return None
        try:
            data = _git_bytes(self._root, ["show", f"HEAD:./{name}"], MAX_TEXT_BYTES)
            before = _unified(decode(data, name).text)
        except (WorkspaceError, NotText):
            before = None  # not in the last commit
        return unified_diff(before, now, name)


def _has_commits(repository: Repo) -> bool:
    """Whether the branch has a commit, be it one that cannot be read any more: then git says what is wrong."""
    try:
        repository.head.dereference_recursive(repository, "HEAD")
    except ValueError:
        return False
    return True


def _unified(text: str) -> str:
    return text.replace("\r\n", "\n")


def _excluded(name: str) -> str:
    return f":(exclude,literal){name}"


def _check_visible(path: str) -> None:
    if path and is_secret(path):
        raise SecretFile(f"{path} may hold keys or passwords. Flux does not read it, nor what it was.", path=path)


def _revision(commit: str) -> list[str]:
    """Raises WorkspaceError for what is no name of a commit: an option, a range, a file in a commit."""
    if not commit:
        return []
    if not _REVISION.fullmatch(commit):
        raise WorkspaceError(f"{commit!r} is no name of a commit.", hint="Give a hash, a branch, a tag or HEAD~2.")
    return [commit]


def _cut(text: str, limit_chars: int) -> str:
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
    if not _may_be_in_repository(root):
        yield None
        return
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


def _may_be_in_repository(root: str) -> bool:
    """Whether it is worth loading GitPython, which starts git twice to see which one it is."""
    folders = (Path(root), *Path(root).parents)
    return any((folder / name).exists() for folder in folders for name in (".git", "HEAD"))  # HEAD: of a bare one


def _opened(root: str) -> Repo | None:
    from git import Repo
    from git.exc import InvalidGitRepositoryError, NoSuchPathError

    try:
        return Repo(root, search_parent_directories=True)
    except (InvalidGitRepositoryError, NoSuchPathError):
        return None


def _git(root: str, arguments: Sequence[str], limit_bytes: int) -> str:
    """The first `limit_bytes` that git prints."""
    return _git_bytes(root, arguments, limit_bytes).decode("utf-8", "replace")


def _git_bytes(root: str, arguments: Sequence[str], limit_bytes: int) -> bytes:
    """The same, as it is. A file watcher named in the repository's settings is not started."""
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
    return data[:limit_bytes]
