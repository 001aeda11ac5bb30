"""The environment: Python, the programs that Flux or its user may want, and what this folder's own files may set."""

from __future__ import annotations

import asyncio
import platform
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import flux
from flux.agent.doctor.finding import Finding
from flux.core.config import Loaded, is_in_container, program_environment
from flux.core.process import TooMuchOutput, run

PROGRAM_S = 5.0
EDITORS = ("code", "codium", "nvim", "hx", "emacs", "kate", "subl", "zed", "zeditor")
"""Commands of the editors for which there is an extension or a page of configuration."""
AREA = "machine"


async def look_at_machine(folder: Path) -> list[Finding]:
    """What Flux runs on, and which programs there are."""
    git, ripgrep = await asyncio.gather(_version(folder, "git"), _version(folder, "rg"))
    editors = [name for name in EDITORS if _program(folder, name)]
    here = "in a container, " if is_in_container() else ""
    return [
        Finding(AREA, "flux", "ok", f"{flux.__version__}, {here}{platform.system()} {platform.machine()}."),
        Finding(
            AREA, "python", "ok", f"{platform.python_version()} at {sys.executable}, SQLite {sqlite3.sqlite_version}."
        ),
        Finding(AREA, "git", "ok", f"{git}.")
        if git
        else Finding(
            AREA,
            "git",
            "warning",
            "There is no git: the model is not told of uncommitted changes, and @diff has none.",
            "Install git, and see that it is in PATH.",
        ),
        Finding(AREA, "ripgrep", "ok", f"{ripgrep or 'There is none'}; Flux searches by itself."),
        Finding(
            AREA, "editors", "ok", f"In PATH: {', '.join(editors)}." if editors else "None of those known in PATH."
        ),
    ]


async def _version(folder: Path, name: str) -> str:
    """The first line of what the program says of itself, empty where there is none or it fails."""
    program = _program(folder, name)
    if not program:
        return ""
    try:
        done = await run([program, "--version"], program_environment(), timeout_s=PROGRAM_S)
    except (OSError, TimeoutError, TooMuchOutput):
        return ""
    words = done.output.decode("utf-8", "replace").strip().partition("\n")[0]
    return words if done.status == 0 else ""


def _program(folder: Path, name: str) -> str:
    """Where it is, empty where it is not; never one in the folder itself, where Windows looks first."""
    found = shutil.which(name)
    return found if found and Path(found).resolve().parent != folder.resolve() else ""


def look_at_settings(loaded: Loaded, folder: Path) -> Iterator[Finding]:
    """What is wrong with settings, and whether this folder's own files take effect."""
    for warning in loaded.warnings:
        yield Finding("settings", "files", "warning", warning)
    if loaded.trust_question is not None:
        names = ", ".join(dict.fromkeys(f"{item.name} in {item.source}" for item in loaded.ignored))
        text = f"{folder} is not trusted, so these have no effect: {names}."
        hint = "Start the chat here and answer its question, or give --trust; an editor asks by itself."
        yield Finding("settings", "trust", "warning", text, hint)
        return
    names = _of_project(loaded)
    text = f"{folder} is trusted, and sets {', '.join(names)}." if names else f"{folder} sets nothing of its own."
    yield Finding("settings", "trust", "ok", text)


def _of_project(loaded: Loaded) -> Sequence[str]:
    layers = [layer for layer in loaded.settings.layers if layer.source.is_project]
    return list(dict.fromkeys(name for layer in layers for name in layer.values))
