"""What tests in real editors share: the editor must be there; a story runs in a fresh folder, with scripted answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.lsp_client import environment

ROOT = Path(__file__).parent.parent.parent
NVIM = Path(os.environ.get("FLUX_TEST_NVIM") or ROOT / ".tools/neovim/usr/bin/nvim")

Script = Sequence[Mapping[str, object]]


def need(program: Path, how: str) -> None:
    """Skip the test, with the reason, where the program is not there; with FLUX_REQUIRE_EDITORS=1 fail it."""
    if not program.exists():
        reason = f"nothing at {program}: {how}"
        if os.environ.get("FLUX_REQUIRE_EDITORS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


def prepare(folder: Path, files: Mapping[str, str], script: Script, **variables: str) -> dict[str, str]:
    """A workspace below the folder, and the environment of a server there that answers by the script."""
    workspace = folder / "workspace"
    for name, text in files.items():
        path = workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    (folder / "script.json").write_text(json.dumps(script), encoding="utf-8")
    return environment(
        folder,
        FLUX_PROVIDER="scripted",
        FLUX_SCRIPT=str(folder / "script.json"),
        FLUX_PYTHON=sys.executable,
        FLUX_TEST_FOLDER=str(workspace),
        XDG_STATE_HOME=str(folder / "xdg"),
        **variables,
    )


def run_neovim(environ: Mapping[str, str], story: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a story (a Lua file) in Neovim without a screen; its checks are named on standard error."""
    need(NVIM, "run tests/editors/install_neovim.sh, or set FLUX_TEST_NVIM")
    return subprocess.run(
        [NVIM, "--headless", "--clean", *options, "-l", story],
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
