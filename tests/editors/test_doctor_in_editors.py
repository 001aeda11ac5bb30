"""The doctor where a user of an editor asks for it: by the command of the extension, and of the plugin."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.code_server import run_story
from tests.support.editors import ROOT, prepare, run_neovim

pytestmark = [pytest.mark.editor, pytest.mark.timeout(400)]


def with_a_problem(folder: Path, bound_ms: int) -> dict[str, str]:
    """An environment in which there is one thing to mend."""
    environ = prepare(folder, {"a.py": "cat = 1\n"}, [], FLUX_TEST_BOUND_MS=str(bound_ms))
    config = Path(environ["FLUX_CONFIG_FOLDER"])
    config.mkdir()
    (config / "config.toml").write_text('[providers.laptop]\nbase_url = "http://127.0.0.1:9/v1"\n', encoding="utf-8")
    return environ


def test_in_vs_code_it_is_a_document(tmp_path: Path) -> None:
    done = run_story(
        ROOT / "tests/editors/vscode/doctor.js",
        tmp_path,
        with_a_problem(tmp_path, 30_000),
        FLUX_TEST_SHOTS=os.environ.get("FLUX_TEST_SHOTS") or str(tmp_path),
        FLUX_TEST_BOUND_MS="30000",
    )
    assert done.returncode == 0, done.stdout


def test_in_neovim_it_is_a_buffer(tmp_path: Path) -> None:
    story = ROOT / "tests/editors/neovim/doctor.lua"
    done = run_neovim(with_a_problem(tmp_path, 15_000), story, "--cmd", f"set rtp^={ROOT / 'editors/neovim'}")
    assert done.returncode == 0, done.stderr
