"""A process of Flux that is told to end, or whose editor or reader goes, in every state of a turn.

In `flux -p`, in the chat and in the server. After each: it ended within `BOUND_S` with its status, no process is left,
no file is half-written, and another process goes on with the session. POSIX: Windows has none of these signals.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flux.agent.session_store import SessionStore
from flux.core.messages import Message, Text, ToolResult
from flux.llm.scripted_provider import Step
from flux.workspace.disk import DiskWorkspace
from flux.workspace.ignore import TEMPORARY_PREFIX
from tests.support.lsp_client import NO_ANSWER, SERVE, LspClient, connected, environment, initialize, uri_of
from tests.support.talks import end, open_session, send

BOUND_S = 10.0
"""Seconds in which a process ends. Of its own it takes five at most; the rest is the machine's, which may be busy."""
REACHED_S = 60.0
"""Seconds for a process to come into its state."""
ASKED = "Please do it."
TEXT = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n"
EDITED = TEXT.replace("two", "TWO").replace("six", "SIX")
SLOW = "a" * 60 + "b\n"
EDITOR = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'flux', 'serve'], check=False)"
"""An editor that starts the server, and whose own ends of the pipes somebody else holds too."""

Script = Sequence[Mapping[str, Any]]


def call(name: str, **arguments: object) -> Mapping[str, Any]:
    return {"name": name, "arguments": arguments}


EDIT: Script = (
    {
        "text": "I will.",
        "tool_calls": [call("edit_file", path="a.txt", edits=[
            {"old_text": "two", "new_text": "TWO"}, {"old_text": "six", "new_text": "SIX"}
        ])],
    },
    {"text": "Done."},
)  # fmt: skip
SCRIPTS: Mapping[str, Script] = {
    "idle": [],
    "streaming": [{"text": "word " * 1000, "chunk": 5, "delay_s": 0.05}],
    "tool running": [{"tool_calls": [call("search", pattern="(a|aa)+$", is_regex=True)]}, {"text": "Done."}],
    "approval open": EDIT,
    "edit in flight": EDIT,
    "undo": EDIT,
}
"""What the model does in each state; where it is waited for, an Ollama is asked that never answers."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A door, the state in which it is, and how it is told to end. `status` None: nobody can see it."""

    door: str
    state: str
    way: str
    status: int | None

    def __str__(self) -> str:
        return f"{self.door}, {self.state}: {self.way}"


@dataclass(slots=True)
class Scene:
    """A project, Flux's folders, and an Ollama that never answers a message."""

    folder: Path
    silent: str
    asked: asyncio.Event
    variables: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def project(self) -> Path:
        return self.folder / "project"

    def environ(self, state: str) -> dict[str, str]:
        """The environment in which Flux comes into that state."""
        if state == "waiting":
            variables = {"FLUX_PROVIDER": "ollama", "FLUX_BASE_URL": self.silent, "FLUX_MODEL": "silent"}
        else:
            script = self.folder / "script.json"
            script.write_text(json.dumps(SCRIPTS[state]), encoding="utf-8")
            variables = {"FLUX_PROVIDER": "scripted", "FLUX_SCRIPT": str(script)}
        return environment(self.folder, PYTHONUNBUFFERED="1", **variables, **self.variables)


@asynccontextmanager
async def scene(folder: Path) -> AsyncGenerator[Scene]:
    asked = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b" /api/chat " in head:
                    asked.set()
                    await reader.read()  # until it is hung up
                elif b" /api/ps " in head:
                    writer.write(_answer(b'{"models": []}'))
                else:
                    await reader.readuntil(b"}")
                    writer.write(_answer(b'{"details": {}, "model_info": {}, "capabilities": ["tools"]}'))
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        made = Scene(folder, f"http://127.0.0.1:{port}", asked)
        made.project.mkdir(parents=True)
        (made.project / "a.txt").write_bytes(TEXT.encode())
        (made.project / "slow.txt").write_bytes(SLOW.encode())
        yield made


def _answer(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    return head + body


# The terminal.

ONCE_SEEN = {"streaming": b'"text_delta"', "tool running": b'"tool_call"'}
CHAT_SEEN = {
    "idle": b"/help shows",
    "streaming": b"word",
    "tool running": b"search",
    "approval open": b"+SIX",
    "undo": b"-SIX",
}


async def run_once(made: Scene, ending: Ending) -> float:
    return await _in_terminal(made, ending, ("-p", ASKED, "--json", "--yes"), (), ONCE_SEEN)


async def run_chat(made: Scene, ending: Ending) -> float:
    if ending.state == "idle":
        return await _in_terminal(made, ending, (), (), CHAT_SEEN)
    if ending.state != "undo":
        return await _in_terminal(made, ending, (), (ASKED,), CHAT_SEEN)

    def touch() -> str:
        (made.project / "a.txt").write_bytes(EDITED.replace("SIX", "6").encode())
        return "/undo"

    return await _in_terminal(made, ending, ("--yes",), (ASKED, touch), {"undo": b"SIX\n+"}, after=b"Done.")


Line = str | Callable[[], str]


async def _in_terminal(
    made: Scene,
    ending: Ending,
    arguments: Sequence[str],
    lines: Sequence[Line],
    seen: Mapping[str, bytes],
    after: bytes = b"",
) -> float:
    """How many seconds it took to end. Each line after the first is typed when `after` is seen."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "flux", *arguments,
        stdin=asyncio.subprocess.PIPE if ending.door == "chat" else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=made.environ(ending.state), cwd=made.project,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    errors = asyncio.create_task(process.stderr.read())
    shown = b""
    try:
        async with asyncio.timeout(REACHED_S):
            for number, line in enumerate(lines):
                while number and after not in shown:
                    shown += await _more(process.stdout, shown)
                assert process.stdin is not None
                process.stdin.write(((line if isinstance(line, str) else line()) + "\n").encode())
            if ending.state == "waiting":
                await made.asked.wait()
            while ending.state != "waiting" and seen[ending.state] not in shown:
                shown += await _more(process.stdout, shown)
        begun = time.monotonic()
        WAYS[ending.way](process)
        async with asyncio.timeout(BOUND_S):
            if ending.way != "reader gone":
                reading = asyncio.create_task(process.stdout.read())
            if ending.door == "chat" and ending.way == "SIGINT":
                assert process.stdin is not None
                process.stdin.write(b"/quit\n")  # the chat goes on, and takes the next line
            status = await process.wait()
        took = time.monotonic() - begun
        if ending.way != "reader gone":
            shown += await reading
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    told = (await errors).decode()
    assert "Traceback" not in told, told
    assert "Exception ignored" not in told, told
    assert status == ending.status, (status, told, shown[-300:])
    return took


async def _more(stream: asyncio.StreamReader, shown: bytes) -> bytes:
    data = await stream.read(1 << 16)
    assert data, f"it ended before: {shown.decode(errors='replace')}"
    return data


def _close_reader(process: asyncio.subprocess.Process) -> None:
    transport: Any = process._transport  # asyncio has no other way to close one end of a child's pipes
    transport.get_pipe_transport(1).close()


def _close_input(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()


WAYS: Mapping[str, Callable[[asyncio.subprocess.Process], None]] = {
    **{
        name: lambda process, number=signal.Signals[name]: process.send_signal(number)
        for name in ("SIGTERM", "SIGHUP", "SIGINT")
        if name in signal.Signals.__members__
    },
    "input closed": _close_input,
    "reader gone": _close_reader,
    "editor killed": lambda process: process.kill(),
}


# The server.


async def run_server(made: Scene, ending: Ending) -> float:
    command = (sys.executable, "-c", EDITOR) if ending.way == "editor killed" else SERVE
    async with connected(made.environ(ending.state), folder=made.folder, command=command) as client:
        approval = "ask" if ending.state == "approval open" else "auto"
        await initialize(
            client, made.project, process_id=client.process.pid, turnEvents=True, settings={"approval": approval}
        )
        client.open(uri_of(made.project / "a.txt"), TEXT)
        await _into_state(made, client, ending.state)
        begun = time.monotonic()
        WAYS[ending.way](client.process)
        async with asyncio.timeout(BOUND_S):
            if ending.way != "reader gone":
                await client.ended.wait()
            status = await client.process.wait()
        took = time.monotonic() - begun
    assert ending.status in {None, status}, status
    return took


async def _into_state(made: Scene, client: LspClient, state: str) -> None:
    def is_sent(method: str) -> Callable[[], bool]:
        return lambda: bool(client.sent(method))

    def is_told(kind: str) -> Callable[[], bool]:
        return lambda: any(event["type"] == kind for event in client.events())

    reached: Mapping[str, Callable[[], bool]] = {
        "streaming": is_told("text_delta"),
        "tool running": is_told("tool_call"),
        "approval open": is_sent("window/showMessageRequest"),
        "edit in flight": is_sent("workspace/applyEdit"),
        "undo": lambda: len(client.sent("workspace/applyEdit")) == 2,
    }
    silent = {method: lambda _: NO_ANSWER for method in ("window/showMessageRequest", "workspace/applyEdit")}
    if state == "idle":
        return
    if state == "undo":
        await client.command("flux.chat.send", {"text": ASKED})
        client.answers |= silent
        command = ("flux.turn.undo", {})
    else:
        client.answers |= silent
        command = ("flux.chat.send", {"text": ASKED})
    name, argument = command
    _, running = client.begin_request("workspace/executeCommand", {"command": name, "arguments": [argument]})
    running.add_done_callback(lambda done: done.exception())  # it has no answer where the process ends
    async with asyncio.timeout(REACHED_S):
        await (made.asked.wait() if state == "waiting" else client.until(reached[state]))


# What must hold.


async def check_left(made: Scene, ending: Ending) -> None:
    """Nothing is half-written and nothing left, and the session goes on."""
    assert [file.name for file in made.project.rglob(f"{TEMPORARY_PREFIX}*")] == []
    assert (made.project / "a.txt").read_text(encoding="utf-8") in {TEXT, EDITED, EDITED.replace("SIX", "6")}
    assert processes_of(made.folder) == []
    database = made.folder / "state" / "sessions.db"
    if ending.state == "idle" and not database.exists():
        return
    with closing(sqlite3.connect(database)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store = SessionStore(database, door="soak")
    try:
        await _check_session(store, made)
    finally:
        store.close()
    if ending.way != "editor killed":
        assert list((made.folder / "state" / "holders").iterdir()) == []


async def _check_session(store: SessionStore, made: Scene) -> None:
    for stored in store.sessions():
        script = [Step(text="On.", expect=(ASKED,))]
        workspace = DiskWorkspace([made.project])
        session = open_session(workspace, script, store=store, session_id=stored.id)
        ended = end(await send(session, "And now?"))
        assert ended.status == "completed", ended.error
        messages = store.live_messages(stored.id)
        assert [m.parts[-1] for m in messages if m.role == "user"] == [Text(ASKED), Text("And now?")]
        assert_whole(messages)


def assert_whole(messages: Sequence[Message]) -> None:
    """Every call has its result, right behind it."""
    for message, following in zip(messages, [*messages[1:], None], strict=True):
        calls = [made.id for made in message.tool_calls()]
        answered = [p.call_id for p in following.parts if isinstance(p, ToolResult)] if following else []
        assert calls == answered


def processes_of(folder: Path) -> list[str]:
    """The command lines of processes that have the folder in their environment; none where the system does not tell."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.fsencode(folder / "state") in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


# All of them.

DOORS: Mapping[str, Callable[[Scene, Ending], Awaitable[float]]] = {
    "flux -p": run_once,
    "chat": run_chat,
    "server": run_server,
}

_STATES = ("waiting", "streaming", "tool running")
_CANCELLED = {"SIGTERM": 130, "SIGHUP": 130, "SIGINT": 130}
_ENDED = {"SIGTERM": 143, "SIGHUP": 129}

ENDINGS = tuple(
    Ending(door, state, way, status)
    for door, states, ways in (
        ("flux -p", _STATES, _CANCELLED),
        ("flux -p", ("streaming", "tool running"), {"reader gone": 1}),
        ("chat", ("idle", *_STATES, "approval open", "undo"), _ENDED),
        ("chat", (*_STATES, "approval open"), {"SIGINT": 0}),
        ("chat", ("idle", "approval open", "undo"), {"input closed": 0}),
        ("chat", ("streaming",), {"reader gone": 1}),
        (
            "server",
            ("idle", *_STATES, "approval open", "edit in flight", "undo"),
            {**_ENDED, "SIGINT": 130, "input closed": 1, "editor killed": None},
        ),
        ("server", ("streaming",), {"reader gone": 1}),
    )
    for state in states
    for way, status in ways.items()
)
"""Not there: the chat's input closed while a turn runs, which then goes on to its end; and a reader that has gone
where nothing is written, which nobody can see."""


async def check(ending: Ending, folder: Path) -> float:
    """Try it; the seconds that the process took to end."""
    async with scene(folder) as made:
        try:
            took = await DOORS[ending.door](made, ending)
            await check_left(made, ending)
        except BaseException:
            print(f"{ending}, in {folder}", flush=True)
            raise
        return took
