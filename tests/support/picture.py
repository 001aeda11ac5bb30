"""`python -m tests.support.picture`: take docs/images/flux.png anew, in a real VS Code, with Flux's demo model."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import dotenv

from tests.support.code_server import run_story
from tests.support.editors import ROOT
from tests.support.lsp_client import environment

SETTINGS = {
    "editor.minimap.enabled": False,
    "editor.fontSize": 12,
    "editor.autoIndent": "none",
    "editor.stickyScroll.enabled": False,
    "breadcrumbs.enabled": False,
    "window.menuBarVisibility": "hidden",
    "editor.scrollBeyondLastLine": False,
    "workbench.layoutControl.enabled": False,
    "window.commandCenter": False,
    "workbench.activityBar.location": "hidden",
}


def main() -> int:
    """Take the picture; the exit status."""
    with tempfile.TemporaryDirectory(prefix="flux-picture-") as name:
        folder = Path(name).resolve()
        workspace = folder / "dotenv"
        shutil.copytree(Path(dotenv.__file__).parent, workspace, ignore=shutil.ignore_patterns("__pycache__"))
        identity = ["-c", "user.name=picture", "-c", "user.email=picture@localhost"]
        for arguments in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "-m", "As it is."]):
            subprocess.run(["git", *arguments], cwd=workspace, check=True)
        environ = environment(folder, FLUX_PROVIDER="demo", FLUX_TEST_FOLDER=str(workspace))
        images = ROOT / "docs/images"
        done = run_story(
            ROOT / "tests/editors/vscode/picture.js", folder, environ, SETTINGS, FLUX_TEST_SHOTS=str(images)
        )
        print(done.stdout)
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
