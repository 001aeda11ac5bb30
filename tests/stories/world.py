"""A folder, one of the five editors on it, and a real `flux serve` between the two, whose model is a script.

What the user types are marks that stand nowhere else, so that no keystroke can be lost and no edit can be in the wrong
place unseen: without the marks, each text is exactly what the reported edits make of the first one.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.fake_editors.rules import Editor
from tests.support.lsp_client import LspClient, connected, environment, initialize, uri_of

Step = Mapping[str, Any]

MARKS = re.compile(r"⟪\d+⟫|⟦\d+⟧\r?\n")


def edit(path: str, old: str, new: str) -> dict[str, object]:
    return {"name": "edit_file", "arguments": {"path": path, "old_text": old, "new_text": new}}


def steps(*calls: Mapping[str, object]) -> list[Step]:
    """An answer with the calls, and a last word."""
    return [{"text": "I will.", "tool_calls": list(calls)}, {"text": "Done."}]


@dataclass(frozen=True)
class Turn:
    """What the editor's user and the model were told of a turn."""

    events: Sequence[Mapping[str, Any]]

    @property
    def end(self) -> Mapping[str, Any]:
        return self.events[-1]

    @property
    def status(self) -> str:
        return self.end["status"]

    @property
    def unsaved(self) -> list[str]:
        return list(self.end["unsaved"])

    def results(self) -> list[tuple[bool, str]]:
        """For each call, in the model's order, whether it was refused, and what the model was told."""
        calls = [event["call_id"] for event in self.events if event["type"] == "tool_call"]
        answers = {event["call_id"]: event for event in self.events if event["type"] == "tool_result"}
        return [(answers[call]["is_error"], answers[call]["content"]) for call in calls if call in answers]

    def refusals(self) -> list[str]:
        return [text for is_error, text in self.results() if is_error]


@dataclass
class World:
    """`files` are on the disk as they were at the beginning, and stay so."""

    folder: Path
    client: LspClient
    files: Mapping[str, str]
    typed: dict[str, list[str]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def editor(self) -> Editor:
        return self.client.editor

    def uri(self, name: str) -> str:
        return uri_of(self.folder / name)

    def text(self, name: str) -> str:
        return self.editor.buffers[self.uri(name)].text

    # The user.

    def type(self, name: str, before: str) -> None:
        """Type a mark right before the text."""
        self.type_at(name, self.text(name).index(before))

    def type_line(self, name: str, before: str) -> None:
        """Type a line of its own above the line that begins with the text."""
        self.type_at(name, self.text(name).index(before), "⟦{}⟧\n")

    def type_at(self, name: str, offset: int, mark: str = "⟪{}⟫") -> None:
        self.editor.insert(self.uri(name), offset, self.mark(name, mark))

    def mark(self, name: str, mark: str = "⟪{}⟫") -> str:
        """A text to be typed that stands nowhere else."""
        typed = mark.format(next(self._numbers))
        self.typed.setdefault(name, []).append(typed.rstrip("\n"))
        return typed

    # The model.

    async def begin(self, *script: Step, at: str = "a.py", uri: str = "") -> Any:
        """Start a turn that answers by the script; the result goes to `finish`. `uri` is for what is no file."""
        path = self.folder.parent / f"script-{next(self._numbers)}.json"
        path.write_text(json.dumps(script), encoding="utf-8")
        await self.client.request("flux/setSettings", {"script": str(path)})
        start = len(self.client.events())
        self.editor.flush()
        arguments = {"uri": uri or self.uri(at), "instruction": "Go."}
        _, running = self.client.begin_request(
            "workspace/executeCommand", {"command": "flux.edit", "arguments": [arguments]}
        )
        return start, running

    async def finish(self, begun: Any) -> Turn:
        start, running = begun
        await self.client.until(lambda: running.done() or self._ended(start))
        if running.done():
            running.result()
        await self.client.until(lambda: self._ended(start))
        await running
        await self.client.command("flux.chat.list")  # the last event comes a moment before the turn is over
        return Turn(self.client.events()[start:])

    def _ended(self, start: int) -> bool:
        return any(event["type"] == "turn_end" for event in self.client.events()[start:])

    async def run(self, *script: Step, at: str = "a.py") -> Turn:
        return await self.finish(await self.begin(*script, at=at))

    # What must hold.

    def check(self, changed: Mapping[str, str] | None = None, *, disk: Mapping[str, str] | None = None) -> None:
        """The texts as they would be saved, without what was typed; files that are not named are as they were.

        Nothing that was typed is lost, and nothing is saved but what `disk` has.
        """
        expected = {**self.files, **(changed or {})}
        found: dict[str, str] = {}
        for name, text in expected.items():
            uri = self.uri(name)
            saved = self.editor.as_saved(uri) if uri in self.editor.buffers else self.on_disk().get(name, "")
            assert sorted(self.typed.get(name, ())) == sorted(re.findall(r"⟪\d+⟫|⟦\d+⟧", saved)), saved
            found[name] = MARKS.sub("", saved)
            assert found[name] == text, saved
        assert self.on_disk() == {**self.files, **(disk or {})}

    def on_disk(self) -> dict[str, str]:
        files = sorted(path for path in self.folder.rglob("*") if path.is_file() and ".git" not in path.parts)
        return {path.relative_to(self.folder).as_posix(): path.read_bytes().decode() for path in files}


@asynccontextmanager
async def world(
    tmp_path: Path,
    rules: type[Editor],
    files: Mapping[str, str],
    *,
    opened: Sequence[str] = ("a.py",),
    encoding: str | None = None,
    **options: Any,
) -> AsyncIterator[World]:
    folder = tmp_path / "workspace"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
    script = tmp_path / "script.json"
    script.write_text("[]", encoding="utf-8")
    environ = environment(tmp_path, FLUX_PROVIDER="scripted", FLUX_SCRIPT=str(script))
    capabilities = dict(rules.capabilities)
    if encoding is not None:
        capabilities["general"] = {"positionEncodings": [encoding]}
    async with connected(environ, folder=folder, rules=rules) as client:
        taken = {"turnEvents": True, **options}
        await initialize(client, folder, capabilities=capabilities, name=rules.name, **taken)
        made = World(folder, client, dict(files))
        for name in opened:
            client.open(made.uri(name), files[name])
        yield made
