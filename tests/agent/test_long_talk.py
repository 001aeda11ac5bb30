"""Thirty turns over the real sources of an installed package, in a window of 8,000 tokens."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from itertools import islice
from pathlib import Path

import prompt_toolkit

from flux.agent.events import Noticed
from flux.agent.next_request import TurnSettings
from flux.agent.session_store import SessionStore
from flux.core.limits import ModelLimits
from flux.core.messages import Reasoning, Text, ToolCall, ToolResult
from flux.llm.base_provider import (
    BaseLLMProvider,
    Delta,
    Finished,
    ModelRequest,
    Started,
    TextDelta,
    ToolCallDelta,
)
from flux.llm.tokens import EstimatedCounter
from flux.workspace.disk import DiskWorkspace
from tests.support.talks import call, end, open_session, send

IMPORT = "from __future__ import annotations\n"
WINDOW = 8000
OUTPUT = 1500
TURNS = 30
COUNTER = EstimatedCounter()


class Diligent(BaseLLMProvider):
    """Reads the file that the last message of the user names, puts a line before its first import, reads it again.

    Where a result was cut or shortened it does as it was told: it asks for a smaller part.
    """

    name = "diligent"

    def __init__(self) -> None:
        self.requests: list[ModelRequest] = []

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        self.requests.append(request)
        yield Started(request.model)
        calls = self._calls(request)
        if not calls:
            yield TextDelta("Marked, and looked at twice. " + "Here is what I did in detail. " * 20)
        for index, made in enumerate(calls):
            yield ToolCallDelta(index, made.id, made.name, made.arguments_json)
        yield Finished("tool_calls" if calls else "stop")

    def _calls(self, request: ModelRequest) -> list[ToolCall]:
        asked = max(i for i, message in enumerate(request.messages) if message.role == "user")
        name = request.messages[asked].text().rpartition("mark ")[2]
        done = [
            part for message in request.messages[asked + 1 :] for part in message.parts if isinstance(part, ToolCall)
        ]
        number = len(self.requests)
        if not done:
            return [call("read_file", f"c{number}", path=name)]
        results = {
            part.call_id: part for message in request.messages for part in message.parts if isinstance(part, ToolResult)
        }
        if not any(made.name == "edit_file" for made in done):
            last = results[done[-1].id].content
            if IMPORT not in last:
                return [call("read_file", f"c{number}", path=name, start_line=1, end_line=60)]
            edit = {"old_text": IMPORT, "new_text": f"# marked {name}\n{IMPORT}"}
            return [
                call("edit_file", f"c{number}", path=name, edits=[edit]),
                call("search", f"s{number}", pattern="# marked"),
            ]
        if not any(json.loads(made.arguments_json).get("end_line") == 40 for made in done):
            return [call("read_file", f"c{number}", path=name, start_line=1, end_line=40)]
        return []


def tokens(request: ModelRequest) -> int:
    """The whole request by the counter: what a provider would count, at the least."""
    texts = [request.system, json.dumps([[t.name, t.description, dict(t.parameters)] for t in request.tools])]
    for message in request.messages:
        for part in message.parts:
            match part:
                case Text(text) | Reasoning(text):
                    texts.append(text)
                case ToolCall():
                    texts += (part.name, part.arguments_json)
                case ToolResult():
                    texts.append(part.content)
                case _:
                    raise AssertionError(part)
    return sum(map(COUNTER.count, texts))


def copied_sources(folder: Path) -> list[str]:
    """Files of the package that are neither tiny nor huge, as they were installed."""
    source = Path(prompt_toolkit.__path__[0])
    names: list[str] = []
    for file in islice(
        (
            file
            for file in sorted(source.rglob("*.py"))
            if 4_000 < file.stat().st_size < 60_000 and file.read_text(encoding="utf-8").count(IMPORT) == 1
        ),
        TURNS,
    ):
        name = file.relative_to(source).as_posix()
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(file.read_bytes())
        names.append(name)
    assert len(names) == TURNS
    return names


async def test_thirty_turns_of_real_files_in_a_window_of_8000_tokens(tmp_path: Path) -> None:
    folder = tmp_path / "src"
    names = copied_sources(folder)
    before = {name: (folder / name).read_bytes() for name in names}
    (folder / "AGENTS.md").write_text("Be careful. " * 2000, encoding="utf-8")
    provider = Diligent()
    store = SessionStore(tmp_path / "sessions.db")
    session = open_session(
        DiskWorkspace([folder]),
        provider,
        limits=ModelLimits(WINDOW, WINDOW, OUTPUT),
        settings=TurnSettings(max_output_tokens=OUTPUT),
        store=store,
    )
    notices: list[str] = []
    for name in names:
        events = await send(session, f"Please mark {name}")
        assert (end(events).status, end(events).error) == ("completed", "")
        notices += [event.text for event in events if isinstance(event, Noticed)]

    for name in names:
        expected = before[name].replace(IMPORT.encode(), f"# marked {name}\n{IMPORT}".encode(), 1)
        assert (folder / name).read_bytes() == expected
    for request in provider.requests:
        assert tokens(request) + request.max_output_tokens <= WINDOW
        calls = [part.id for message in request.messages for part in message.parts if isinstance(part, ToolCall)]
        answered = [
            part.call_id for message in request.messages for part in message.parts if isinstance(part, ToolResult)
        ]
        assert calls == answered
        assert request.messages[0].role == "user"
    assert any("shortened to one line" in notice for notice in notices)
    assert any("left out but for your words" in notice for notice in notices)
    # Rare big steps: between two of them requests share their beginning.
    shared = sum(
        later.messages[: len(earlier.messages)] == earlier.messages
        for earlier, later in zip(provider.requests, provider.requests[1:], strict=False)
    )
    print(f"{len(provider.requests)} requests, {len(notices)} notices, {shared} extend the one before")
    assert shared > len(provider.requests) / 2
    asked = [message for message in session.history() if message.role == "user"]
    assert len(asked) == TURNS  # the history is whole, whatever was taken out of the requests
    store.close()
