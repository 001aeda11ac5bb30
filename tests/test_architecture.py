"""The house as `docs/architecture.md` describes it: who may know whom, and who alone may do what."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "flux"
HEAVY = ("anthropic", "openai", "pygls", "git", "prompt_toolkit", "tiktoken")


def test_imports_point_down() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_version_loads_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "flux", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert done.stdout.startswith("flux ")
    assert "argparse" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_the_server_starts_without_what_its_first_answer_does_not_need() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "flux", "serve"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "flux.lsp.server" in loaded
    late = {
        "anthropic",
        "openai",
        "git",
        "prompt_toolkit",
        "tiktoken",
        "sqlite3",
        "difflib",
        "flux.edits",
        "flux.agent",
    }
    assert loaded.isdisjoint(late)


@pytest.mark.parametrize(
    ("right", "names", "holders"),
    [
        ("the environment", {"os.environ", "os.getenv", "os.putenv"}, {"core/config.py"}),
        ("the user's home", {"Path.home", "Path.expanduser", "os.path.expanduser"}, {"core/config.py"}),
        (
            "starting programs",
            {"subprocess", "asyncio.create_subprocess_exec", "os.system"},
            {"core/process.py", "workspace/git.py"},
        ),
        # The index's own process answers on its standard output, which is nobody's screen and no protocol of ours.
        ("printing", {"print", "sys.stdout"}, {"ui", "workspace/index/worker.py"}),
        ("LSP types", {"lsprotocol", "pygls"}, {"lsp"}),
    ],
)
def test_a_right_has_one_holder(right: str, names: set[str], holders: set[str]) -> None:
    users = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        if names & set(_names(ast.parse(file.read_text(encoding="utf-8"))))
    }
    assert {user for user in users if not any(user.startswith(holder) for holder in holders)} == set(), right


def _names(tree: ast.AST) -> Iterator[str]:
    """Every imported module, plain name and dotted name of a module."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module)):
                yield module.partition(".")[0]
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
                yield f"{owner}.{attribute}"
            case ast.Name(id=name):
                yield name
            case _:
                pass


def test_a_file_of_the_project_is_never_run_as_a_module(tmp_path: Path) -> None:
    for name in ("argparse", "pathspec", "flux_extra", "asyncio"):
        (tmp_path / f"{name}.py").write_text("print('RUN')\n", encoding="utf-8")
    (tmp_path / "a.txt").write_text("one\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "flux", "-p", 'replace "one" with "two" in a.txt', "--yes", "--provider", "demo"],
        cwd=tmp_path,
        env={**os.environ, "FLUX_STATE_FOLDER": str(tmp_path / "s"), "FLUX_CONFIG_FOLDER": str(tmp_path / "c")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "RUN" not in done.stdout
    assert (done.returncode, (tmp_path / "a.txt").read_text(encoding="utf-8")) == (0, "two\n"), done.stderr
