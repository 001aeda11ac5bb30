"""Files beside Flux in VS Code: moved and removed in its explorer, which tells of it, and watched on the disk."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.editors.test_neovim import edit
from tests.support.code_server import run_story
from tests.support.editors import ROOT, prepare

STORY, REMOVED, WATCHED = (ROOT / "tests/editors/vscode" / name for name in ("files.js", "removed.js", "watched.js"))

pytestmark = [pytest.mark.editor, pytest.mark.timeout(400)]


def run(folder: Path, *, beside: bool) -> subprocess.CompletedProcess[str]:
    environ = prepare(
        folder, {"a.py": "cat = 1\ndog = 2\n"}, [{"tool_calls": [edit("cat = 1\n", "ocelot = 1\n")]}, {"text": "Done."}]
    )
    return in_explorer(STORY, folder, environ, "auto", beside=beside)


def in_explorer(
    story: Path, folder: Path, environ: Mapping[str, str], approval: str, *, beside: bool
) -> subprocess.CompletedProcess[str]:
    """What its user does in the explorer, or something else beside VS Code."""
    return run_story(
        story,
        folder,
        environ,
        {"flux.approval": approval},
        FLUX_TEST_BESIDE="1" if beside else "",
        FLUX_TEST_SHOTS=os.environ.get("FLUX_TEST_SHOTS") or str(folder),
        FLUX_TEST_BOUND_MS="30000",
    )


def test_what_flux_did_to_a_file_is_taken_back_where_the_explorer_moved_it(tmp_path: Path) -> None:
    done = run(tmp_path, beside=False)
    assert done.returncode == 0, done.stdout


def test_a_move_that_nobody_tells_of_fails_the_story(tmp_path: Path) -> None:
    done = run(tmp_path, beside=True)
    assert done.returncode != 0
    assert "FAIL what was done to it is taken back in b.py" in done.stdout


def run_removed(folder: Path, *, beside: bool) -> subprocess.CompletedProcess[str]:
    """The model writes what was removed, once its user has said yes to another change, and must be told why not."""
    cat, ocelot, lynx = (f"{name} = 1\n" for name in ("cat", "ocelot", "lynx"))
    removed = ("a.py", "old/x.py")
    environ = prepare(
        folder,
        {"a.py": cat, "b.py": cat, "old/x.py": cat},
        [
            {"tool_calls": [edit(cat, ocelot, path) for path in ("b.py", *removed)]},
            {"text": "Done."},
            {"tool_calls": [edit(ocelot, lynx, "b.py")]},
            {"tool_calls": [{"name": "write_file", "arguments": {"path": path, "text": cat}} for path in removed]},
            {"text": "As you wish.", "expect": [f"The user removed {path}." for path in removed]},
        ],
    )
    return in_explorer(REMOVED, folder, environ, "ask", beside=beside)


def test_what_the_explorer_removed_comes_up_again_neither_by_a_turn_nor_by_its_undo(tmp_path: Path) -> None:
    done = run_removed(tmp_path, beside=False)
    assert done.returncode == 0, done.stdout


def test_a_removal_that_nobody_tells_of_fails_the_story(tmp_path: Path) -> None:
    done = run_removed(tmp_path, beside=True)
    assert done.returncode != 0
    assert "FAIL what was removed does not come up again" in done.stdout


def write_own(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """A file with a setting that there is not, in the user's own folder."""
    environ = prepare(folder, {"a.py": "cat = 1\n"}, [])
    own = Path(environ["FLUX_CONFIG_FOLDER"])
    own.mkdir()
    return run_story(WATCHED, folder, environ, FLUX_TEST_WRITTEN=str(own / name), FLUX_TEST_BOUND_MS="20000")


def test_what_is_wrong_in_the_users_own_settings_is_named_as_soon_as_they_are_on_the_disk(tmp_path: Path) -> None:
    done = write_own(tmp_path, "config.toml")
    assert done.returncode == 0, done.stdout


def test_a_file_that_is_not_watched_fails_the_story(tmp_path: Path) -> None:
    done = write_own(tmp_path, "other.toml")
    assert done.returncode != 0
    assert "FAIL what is wrong in it is named" in done.stdout
