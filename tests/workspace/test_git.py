"""A real repository, and folders that are none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flux.core.errors import WorkspaceError
from flux.workspace.git import branch, history, staged_changes, uncommitted_changes

Git = Callable[..., None]


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """Runs git in the test's folder, which is a new repository on the branch `trunk`."""

    def run(*arguments: str) -> None:
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", *identity, *arguments]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=20)

    run("init", "-q", "-b", "trunk")
    return run


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", newline="")


def test_staged_and_unstaged_changes_and_new_names_are_told(tmp_path: Path, git: Git) -> None:
    write(tmp_path, {"staged.py": "a = 1\n", "changed.py": "b = 1\n", "gone.py": "c\n", "kept.py": "k\n"})
    git("add", ".")
    git("commit", "-q", "-m", "first")
    write(tmp_path, {"staged.py": "a = 2\n"})
    git("add", ".")
    write(tmp_path, {"changed.py": "b = 2\n", "new.py": "n\n", "folder/é.py": "n\n"})
    (tmp_path / "gone.py").unlink()
    text = uncommitted_changes(str(tmp_path), 10_000)
    assert text.startswith("M changed.py\nD gone.py\nM staged.py\n? folder/\n? new.py\n\ndiff --git")
    for line in ("-a = 1\n+a = 2\n", "-b = 1\n+b = 2\n", "-c\n"):
        assert line in text
    assert branch(str(tmp_path)) == "trunk"


def test_a_clean_repository_has_nothing_to_tell(tmp_path: Path, git: Git) -> None:
    write(tmp_path, {"a.py": "a\n"})
    git("add", ".")
    git("commit", "-q", "-m", "first")
    assert uncommitted_changes(str(tmp_path), 1000) == ""
    git("checkout", "-q", "--detach")
    assert branch(str(tmp_path)).startswith("detached at ")


def test_secret_files_are_in_no_answer(tmp_path: Path, git: Git) -> None:
    write(tmp_path, {".env": "KEY=old\n", "a.py": "a\n", "b/.env": "KEY=deep\n", "b/x [1].pem": "KEY=pem\n"})
    git("add", "-f", ".")
    git("commit", "-q", "-m", "first")
    write(
        tmp_path, {".env": "KEY=new\n", "a.py": "aa\n", "b/.env": "KEY=other\n", "b/x [1].pem": "KEY\n", "id_rsa": "K"}
    )
    text = uncommitted_changes(str(tmp_path), 10_000)
    git("add", "-f", ".")
    for told in (text, staged_changes(str(tmp_path), 10_000)):
        assert "+aa" in told
        for word in ("KEY", ".env", ".pem", "id_rsa"):
            assert word not in told


def test_what_is_staged_is_told_without_what_is_not(tmp_path: Path, git: Git) -> None:
    write(tmp_path, {"a.py": "a\n", "b.py": "b\n"})
    git("add", ".")
    git("commit", "-q", "-m", "first")
    write(tmp_path, {"a.py": "aa\n", "b.py": "bb\n"})
    assert staged_changes(str(tmp_path), 1000) == ""
    git("add", "a.py")
    assert staged_changes(str(tmp_path), 1000).endswith("-a\n+aa\n")
    assert "b.py" not in staged_changes(str(tmp_path), 1000)
    assert staged_changes(str(tmp_path), 60).endswith("… (cut)\n")


def test_only_changes_below_the_folder_are_told(tmp_path: Path, git: Git) -> None:
    write(tmp_path, {"a.py": "a\n", "sub/b.py": "b\n"})
    git("add", ".")
    git("commit", "-q", "-m", "first")
    write(tmp_path, {"a.py": "aa\n", "sub/b.py": "bb\n", "sub/new.py": ""})
    text = uncommitted_changes(str(tmp_path / "sub"), 10_000)
    assert text.startswith("M b.py\n? new.py\n\ndiff --git a/b.py b/b.py\n")
    assert "a.py" not in text


def test_without_a_commit_what_is_staged_is_new(tmp_path: Path, git: Git) -> None:
    write(tmp_path, {"a.py": "a\n", "b.py": "b\n"})
    git("add", "a.py")
    text = uncommitted_changes(str(tmp_path), 10_000)
    assert text.startswith("A a.py\n? b.py\n")
    assert "+a\n" in text
    assert branch(str(tmp_path)) == "trunk"


@pytest.mark.parametrize("limit", [0, 5, 40, 500, 5000])
def test_a_long_diff_is_cut_at_a_line(tmp_path: Path, git: Git, limit: int) -> None:
    write(tmp_path, {"a.py": ""})
    git("add", ".")
    git("commit", "-q", "-m", "first")
    write(tmp_path, {"a.py": "a line of é\n" * 200_000})
    text = uncommitted_changes(str(tmp_path), limit)
    assert len(text) <= limit
    if limit >= 500:
        assert text.endswith("+a line of é\n… (cut)\n")


def test_nothing_of_the_repositorys_own_settings_is_started(tmp_path: Path, git: Git) -> None:
    write(tmp_path, {"a.py": "a\n", ".gitattributes": "*.py diff=own\n"})
    git("add", ".")
    git("commit", "-q", "-m", "first")
    started = tmp_path / ".git" / "started"
    for name in ("core.fsmonitor", "diff.external", "diff.own.command", "diff.own.textconv"):
        git("config", name, f"touch '{started}' #")
    write(tmp_path, {"a.py": "b\n"})
    assert "+b\n" in uncommitted_changes(str(tmp_path), 1000)
    assert not started.exists()
    git("diff")
    assert started.exists(), "the trap itself must work"


@pytest.mark.parametrize("is_repository", [True, False])
def test_without_the_git_program_there_is_a_message_where_it_would_be_needed(
    tmp_path: Path, is_repository: bool
) -> None:
    if is_repository:
        (tmp_path / ".git").mkdir()
    script = "import sys; from flux.workspace.git import branch; branch(sys.argv[1])"
    environment = {**os.environ, "PATH": str(tmp_path)}
    command = [sys.executable, "-c", script, str(tmp_path)]
    run = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)
    assert ("WorkspaceError: The program git was not found." in run.stderr) == is_repository
    assert (run.returncode != 0) == is_repository


def test_a_folder_that_is_no_repository_has_an_empty_answer(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert uncommitted_changes(str(folder), 1000) == ""
        assert branch(str(folder)) == ""


def test_a_bare_repository_has_no_changes(tmp_path: Path, git: Git) -> None:
    git("clone", "-q", "--bare", ".", "bare.git")
    assert uncommitted_changes(str(tmp_path / "bare.git"), 1000) == ""


def damage_index(repository: Path) -> None:
    (repository / "index").write_bytes(b"damaged")


def damage_objects(repository: Path) -> None:
    for file in (repository / "objects").rglob("*"):
        if file.is_file():
            file.unlink()


def damage_settings(repository: Path) -> None:
    (repository / "config").write_text("[core", encoding="utf-8")


@pytest.mark.parametrize("damage", [damage_index, damage_objects, damage_settings])
def test_a_damaged_repository_is_told_as_such(tmp_path: Path, git: Git, damage: Callable[[Path], None]) -> None:
    write(tmp_path, {"a.py": "a\n"})
    git("add", ".")
    git("commit", "-q", "-m", "first")
    damage(tmp_path / ".git")
    with pytest.raises(WorkspaceError, match=r"git \w+ failed") as error:
        uncommitted_changes(str(tmp_path), 1000)
    assert "Traceback" not in str(error.value)
    if damage is not damage_index:  # of which the history knows nothing
        with pytest.raises(WorkspaceError, match="git log failed"):
            history(str(tmp_path), "", "", 10, 1000)


def test_a_repository_without_a_commit_has_no_history(tmp_path: Path, git: Git) -> None:
    assert history(str(tmp_path), "", "", 10, 1000) == ""
