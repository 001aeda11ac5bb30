"""A user at a shell: `flux` as a process, with folders and variables of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NO_HOME = dict.fromkeys(("FLUX_STATE_FOLDER", "FLUX_CONFIG_FOLDER"), "~a-user-that-is-not/flux")
"""Variables for a process that finds no home folder for its own folders."""
CIRCLE = "def area(r):\n    return 3 * r\n"


@dataclass
class Shell:
    """A user at a shell: a folder to work in, folders of their own, and variables."""

    home: Path
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        ours = ("FLUX_", "ANTHROPIC_", "OPENAI_", "NO_COLOR")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        state, config = str(self.home / "state"), str(self.home / "config")
        own = {"FLUX_STATE_FOLDER": state, "FLUX_CONFIG_FOLDER": config, "FLUX_MAP_TOKENS": "0"}
        return {**inherited, **own, **self.variables}

    def script(self, steps: Sequence[Mapping[str, Any]], *, is_recorded: bool = True) -> None:
        """From now on the model is this script, which records what it is asked."""
        file = self.home / "script.json"
        file.write_text(
            json.dumps({"steps": steps, "record": "requests.jsonl"} if is_recorded else steps), encoding="utf-8"
        )
        (self.home / "requests.jsonl").unlink(missing_ok=True)
        self.variables |= {"FLUX_PROVIDER": "scripted", "FLUX_SCRIPT": str(file)}

    def requests(self) -> list[dict[str, Any]]:
        lines = (self.home / "requests.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def asked(self, number: int = 0) -> str:
        """The last words of the user in a request."""
        return self.requests()[number]["messages"][-1]["parts"][-1]["text"]

    def results(self, number: int = 1) -> list[str]:
        """What tools answered before a request."""
        return [part["content"] for part in self.requests()[number]["messages"][-1]["parts"]]

    def flux(self, *arguments: str, stdin: str | bytes | None = None) -> Ended:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [sys.executable, "-m", "flux", *arguments],
            cwd=self.folder,
            env=self.environment(),
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return checked(done.returncode, done.stdout, done.stderr)

    def line(self, command: str) -> Ended:
        """A line of POSIX shell, in which FLUX stands for the program."""
        done = subprocess.run(
            ["/bin/sh", "-c", command.replace("FLUX", f"'{sys.executable}' -m flux")],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return checked(done.returncode, done.stdout, done.stderr)

    def read(self, name: str = "circle.py") -> str:
        return (self.folder / name).read_bytes().decode()


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def checked(status: int, out: bytes, err: bytes) -> Ended:
    """How a process ended. None of them, whatever happens, shows a person how Flux is made."""
    ended = Ended(status, out.decode().replace("\r\n", "\n"), err.decode().replace("\r\n", "\n"))
    for text in (ended.out, ended.err):
        assert "Traceback" not in text
        assert "Exception ignored" not in text
    return ended


def open_shell(folder: Path) -> Shell:
    """A project with one file in it."""
    project = folder / "project"
    project.mkdir()
    (project / "circle.py").write_bytes(CIRCLE.encode())
    return Shell(folder, project)
