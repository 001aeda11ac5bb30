"""The Python of the how-to pages for programs, run as it stands there, in a process and a folder of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


def blocks(page: str, language: str) -> list[str]:
    text = (PAGES / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def run(folder: Path, *arguments: str) -> str:
    """What a program prints that has the folder's modules, and neither keys nor settings of the user's."""
    environ = {
        "PYTHONPATH": str(folder),
        "PYTHONUTF8": "1",
        "FLUX_CONFIG_FOLDER": str(folder / "config"),
        "FLUX_STATE_FOLDER": str(folder / "state"),
        "SYSTEMROOT": r"C:\Windows",
    }
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, env=environ, cwd=folder, capture_output=True, encoding="utf-8", timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_of_use_as_a_library_runs(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("\n".join(blocks("use-as-a-library.md", "python")), encoding="utf-8")
    printed = run(tmp_path, str(program))
    assert "It is sunny in Rome.\n" in printed
    assert "It snows in Oslo. True\n" in printed
    assert "('a.py',) x = 2\n" in printed
    assert "True (ProposedHunk(" in printed


def test_the_example_package_of_add_a_provider_is_used_by_name_once_it_is_installed(tmp_path: Path) -> None:
    entry_points = tomllib.loads(blocks("add-a-provider.md", "toml")[0])["project"]["entry-points"]["flux.providers"]
    (tmp_path / "parrot.py").write_text("\n".join(blocks("add-a-provider.md", "python")), encoding="utf-8")
    info = tmp_path / "parrot-1.0.dist-info"  # what an installer writes
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: parrot\nVersion: 1.0\n", encoding="utf-8")
    lines = [f"{name} = {target}" for name, target in entry_points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[flux.providers]", *lines, ""]), encoding="utf-8")
    asked = ("-m", "flux", "-p", "hello, parrot", "--provider", "parrot", "--model", "any")
    assert "hello, parrot" in run(tmp_path, *asked)
