"""Which files are not listed, and which are never touched.

Ignored files (`.gitignore`, `.fluxignore`, caches and installed packages) are left out of listings but may be read by
name. Secret files are neither read, listed nor written. Knows no workspace.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from flux.core.errors import SecretFile
from flux.core.snapshot import WorkspacePath

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

TEMPORARY_PREFIX = ".flux-"
TEMPORARY_SUFFIX = ".tmp"

_NEVER_LISTED = frozenset(
    [
        ".git",
        ".hg",
        ".svn",
        ".jj",
        "node_modules",
        ".venv",
        "__pycache__",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".tox",
        ".nox",
        ".hypothesis",
        ".ds_store",
    ]
)
_IGNORE_FILES = frozenset([".git", ".gitignore", ".fluxignore"])
"""Where one of these is, there may be rules: `.git` has some of its own."""

_SECRET_FOLDERS = frozenset([".ssh", ".aws", ".gnupg", ".azure", ".kube", ".gcloud"])
_VERSION_CONTROL = frozenset([".git", ".hg", ".svn", ".jj"])
_SECRET_NAMES = frozenset(
    [
        ".netrc",
        "_netrc",
        ".npmrc",
        ".pypirc",
        ".pgpass",
        ".git-credentials",
        ".htpasswd",
        ".dockercfg",
        ".envrc",
        ".vault-token",
        "credentials",
        "application_default_credentials.json",
        ".terraformrc",
        "terraform.rc",
    ]
)
_SECRET_PATTERN = re.compile(
    r"""
      \.env | \.env\.(?!(example|sample|template|dist|defaults)$).* | .+\.env
    | .*\.(pem|key|p12|pfx|jks|keystore|ppk|kdbx|tfstate)
    | id_(rsa|dsa|ecdsa|ed25519)(?!.*\.pub$).*
    | (credentials|secrets?)\.(json|ya?ml|toml|ini|xml|csv|enc)
    | (client_secret|service[-_]account).*\.json
    """,
    re.VERBOSE,
)


def is_secret(path: str) -> bool:
    """Whether the name, or a folder in it, is one that keys and passwords are kept under. Case does not matter."""
    parts = [part for part in path.replace("\\", "/").casefold().split("/") if part not in ("", ".")]
    if not parts:
        return False
    *folders, name = parts
    if name in _SECRET_NAMES or _SECRET_PATTERN.fullmatch(name) or not _SECRET_FOLDERS.isdisjoint(parts):
        return True
    return name == "config.json" and folders[-1:] == [".docker"]


def check_allowed(path: WorkspacePath, real_path: str = "") -> None:
    """Raises SecretFile for a secret file and for what belongs to version control, by its name or its real place."""
    for name in (path.relative, os.path.relpath(real_path, os.path.realpath(path.root)) if real_path else ""):
        if is_secret(name):
            raise SecretFile(
                f"{path} may hold keys or passwords. Flux neither reads nor writes it.",
                path=str(path),
                hint="Go on without it; ask the user for what is needed from it.",
            )
        if not _VERSION_CONTROL.isdisjoint(Path(name.casefold()).parts):
            raise SecretFile(f"{path} belongs to version control, which Flux leaves alone.", path=str(path))


MAX_LISTED = 100_000
"""Of so many files, in the order of the walk, a listing and an index know: who asks waits for it."""


def is_never_listed(name: str) -> bool:
    """Whether a file or folder of this name is left out of every listing, whatever the ignore files say."""
    is_temporary = name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX)
    return name.casefold() in _NEVER_LISTED or is_temporary or name.endswith((".pyc", ".pyo"))


def is_listed(path: str, read_text: Callable[[str], str | None]) -> bool:
    """Whether a file, relative to its root, belongs in a listing; `read_text` gives the ignore files by their paths."""
    rules: list[_Rules] = []
    *folders, name = path.split("/")
    prefix = ""
    for folder in folders:
        rules += _rules_of(prefix, read_text)
        prefix = f"{prefix}{folder}/"
        if is_never_listed(folder) or _is_ignored(prefix, rules):
            return False
    rules += _rules_of(prefix, read_text)
    return not (is_never_listed(name) or is_secret(path) or _is_ignored(path, rules))


def is_listed_on_disk(root: str, path: str) -> bool:
    """The same for a file below a folder of the disk."""
    return is_listed(path, _reader(root))


@dataclass(frozen=True, slots=True)
class Folder:
    """What is listed directly in a folder. `prefix` is the folder relative to the root, ends with `/`, or is empty.

    `files` and `folders` are relative to the root, sorted; `is_cut`: it has more than were looked at, so it has none.
    """

    prefix: str
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    is_cut: bool = False


def walk(root: str, folder: str = "", most: int = MAX_LISTED) -> Iterator[str]:
    """The first files below `folder` (relative to `root`), relative to `root`, without ignored and secret ones.

    Folders that are symbolic links are not entered. A folder that cannot be read counts as empty.
    """
    files = (file for found in walk_folders(root, folder) for file in found.files)
    return islice(files, most)


def walk_folders(root: str, folder: str = "", limit: int = 0) -> Iterator[Folder]:
    """The folder and all below it, those before their own folders. `limit` is what `list_folder` takes."""
    prefix = "".join(f"{part}/" for part in folder.split("/") if part not in ("", "."))
    yield from _walk(Path(root), prefix, _rules_above(root, prefix), _reader(root), limit)


def list_folder(root: str, prefix: str, limit: int = 0) -> Folder:
    """What is directly in one folder. One of more than `limit` entries is not looked into; 0: there is no limit."""
    return _listed(Path(root), prefix, _rules_above(root, prefix), _reader(root), limit)[0]


def _reader(root: str) -> Callable[[str], str | None]:
    def read_text(path: str) -> str | None:
        try:
            return Path(root, path).read_text(encoding="utf-8-sig", errors="replace")
        except OSError:
            return None

    return read_text


def _rules_above(root: str, prefix: str) -> list[_Rules]:
    """The rules of the folders above one."""
    rules: list[_Rules] = []
    above = ""
    for part in prefix.split("/")[:-1]:
        rules += _rules_of(above, _reader(root))
        above = f"{above}{part}/"
    return rules


class _Rules:
    """The ignore files of one folder. `prefix` is the folder relative to the root, with a final slash or empty."""

    def __init__(self, prefix: str, spec: GitIgnoreSpec) -> None:
        self._prefix = prefix
        self._spec = spec

    def verdict(self, path: str) -> bool | None:
        """Ignored, expressly not ignored, or not mentioned."""
        return self._spec.check_file(path.removeprefix(self._prefix)).include


def _walk(
    root: Path, prefix: str, rules_above: Sequence[_Rules], read_text: Callable[[str], str | None], limit: int
) -> Iterator[Folder]:
    found, rules = _listed(root, prefix, rules_above, read_text, limit)
    yield found
    for folder in found.folders:
        yield from _walk(root, f"{folder}/", rules, read_text, limit)


def _listed(
    root: Path, prefix: str, rules_above: Sequence[_Rules], read_text: Callable[[str], str | None], limit: int
) -> tuple[Folder, Sequence[_Rules]]:
    """What is in the folder, and the rules that hold below it."""
    try:
        with os.scandir(root / prefix) as listed:
            entries = sorted(islice(listed, limit + 1 if limit else None), key=lambda entry: entry.name)
    except OSError:
        return Folder(prefix), rules_above
    if limit and len(entries) > limit:
        return Folder(prefix, is_cut=True), rules_above
    names = {entry.name for entry in entries}
    if prefix and "pyvenv.cfg" in names:
        return Folder(prefix), rules_above  # installed packages, whatever the user called the environment
    rules = rules_above
    if not names.isdisjoint(_IGNORE_FILES):
        rules = [*rules_above, *_rules_of(prefix, read_text)]
    files: list[str] = []
    folders: list[str] = []
    for entry in entries:
        path = f"{prefix}{entry.name}"
        if is_never_listed(entry.name) or is_secret(path):
            continue
        if entry.is_dir(follow_symlinks=False):
            if not _is_ignored(f"{path}/", rules):
                folders.append(path)
        elif _is_ordinary_file(entry, root) and not _is_ignored(path, rules):
            files.append(path)
    return Folder(prefix, tuple(files), tuple(folders)), rules


def _is_ordinary_file(entry: os.DirEntry[str], root: Path) -> bool:
    try:
        if not entry.is_file():
            return False
        if not entry.is_symlink():
            return True
        target = os.path.relpath(os.path.realpath(entry.path), os.path.realpath(root))
        return not target.startswith("..") and not is_secret(target)
    except (OSError, ValueError):  # ValueError: another drive
        return False


def _is_ignored(path: str, rules: Sequence[_Rules]) -> bool:
    for rule in reversed(rules):
        verdict = rule.verdict(path)
        if verdict is not None:
            return verdict
    return False


def _rules_of(prefix: str, read_text: Callable[[str], str | None]) -> list[_Rules]:
    """The rules of one folder, none or one; a later line wins over an earlier one."""
    names = (".gitignore", ".fluxignore") if prefix else (".git/info/exclude", ".gitignore", ".fluxignore")
    lines = [line for name in names for line in (read_text(f"{prefix}{name}") or "").split("\n")]
    lines = [line.removesuffix("\r") for line in lines if line.strip()]
    return [_Rules(prefix, _spec_of(lines))] if lines else []


def _spec_of(lines: Sequence[str]) -> GitIgnoreSpec:
    """Git passes over a pattern that it cannot read; so does this."""
    from pathspec import GitIgnoreSpec  # not loaded where nothing is ignored

    valid: list[str] = []
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue
        valid.append(line)
    return GitIgnoreSpec.from_lines(valid)
