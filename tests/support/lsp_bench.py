"""A folder, a script for the model, and a client on a real `flux serve` over both."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.fake_editors.rules import Editor, VsCode
from tests.support.lsp_client import CAPABILITIES, LspClient, connected, environment, initialize, uri_of

Step = Mapping[str, Any]


def tool(name: str, **arguments: object) -> dict[str, object]:
    return {"name": name, "arguments": arguments}


def edit(path: str, old: str, new: str) -> dict[str, object]:
    return tool("edit_file", path=path, old_text=old, new_text=new)


@dataclass
class Bench:
    """`folder` is the workspace, `answer` that to `initialize`; `requests()` are those that the model got."""

    folder: Path
    client: LspClient
    record: Path
    answer: Mapping[str, Any]

    def uri(self, name: str) -> str:
        return uri_of(self.folder / name)

    def on_disk(self) -> dict[str, str]:
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes().decode() for path in files}

    def buffers(self) -> dict[str, str]:
        prefix = f"{uri_of(self.folder)}/"
        return {uri.removeprefix(prefix): buffer.text for uri, buffer in self.client.buffers.items()}

    def requests(self) -> list[dict[str, Any]]:
        if not self.record.exists():
            return []
        *whole, _ = self.record.read_text(encoding="utf-8").split("\n")  # the last one may be on its way
        return [json.loads(line) for line in whole]

    def said(self, number: int = -1) -> str:
        """All text of the last message that the model was sent."""
        return "".join(part.get("text", "") for part in self.requests()[number]["messages"][-1]["parts"])


@asynccontextmanager
async def bench(
    tmp_path: Path,
    *steps: Step,
    disk: Mapping[str, str] | None = None,
    buffers: Mapping[str, str] | None = None,
    capabilities: Mapping[str, Any] = CAPABILITIES,
    name: str = "test",
    rules: type[Editor] = VsCode,
    variables: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    answers: Mapping[str, Any] | None = None,
) -> AsyncIterator[Bench]:
    """`variables` None: the scripted provider is set by the environment."""
    folder = tmp_path / "workspace"
    folder.mkdir(exist_ok=True)
    for file, text in (disk or {}).items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(text.encode())
    script, record = tmp_path / "script.json", tmp_path / "record.jsonl"
    script.write_text(json.dumps({"steps": list(steps), "record": str(record)}), encoding="utf-8")
    scripted = {"FLUX_PROVIDER": "scripted", "FLUX_SCRIPT": str(script)}
    environ = environment(tmp_path, **(scripted if variables is None else variables))
    async with connected(environ, folder=folder, rules=rules) as client:
        client.answers.update(answers or {})
        answer = await initialize(client, folder, capabilities=capabilities, name=name, **(options or {}))
        made = Bench(folder, client, record, answer)
        for file, text in (buffers or {}).items():
            client.open(made.uri(file), text)
        yield made


def without(capabilities: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """The capabilities without one, named by the keys on the way to it."""
    first, *rest = keys
    copy = dict(capabilities)
    if rest:
        copy[first] = without(copy[first], *rest)
    else:
        del copy[first]
    return copy


def titles(actions: Sequence[Mapping[str, Any]]) -> list[str]:
    return [action["title"] for action in actions]
