"""`python -m tests.soak.kills`: a turn that streams, thinks, edits and calls several tools, killed at a random moment.

In the terminal (`flux -p --json`) and in the server under an editor. After each kill another process goes on with the
session; then the store, the files and the editor's buffers are compared with what had been shown before the kill.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flux.agent.session_store import SessionStore, StoredMessage
from flux.core.messages import Text, ToolCall, ToolResult
from flux.workspace.ignore import TEMPORARY_PREFIX
from tests.soak.results import Size, measured
from tests.support.lsp_client import connected, environment, initialize, uri_of

EDITED = ("a.txt", "b.txt", "c.txt")
FILLER = "".join(f"line {number} of some text that is there to be written\n" for number in range(2000))
WORDS = 60
NEW_FILE = FILLER[:1000]  # a call streams as slowly as a text
BOUND_S = 60.0
KILLED = "killed in the turn"
OVER = "over before the kill"

NOTE = (
    "Every killed turn was gone on with by another process. Nothing that had been shown was missing but at most the "
    "delta in flight; each file was as before or as after; no call was without a result, and each result said what the "
    "files show."
)

Event = Mapping[str, Any]


def text_of(value: int) -> str:
    """A file of the project: a number, and enough else that it is not written in one go."""
    return f"count: {value}\n{FILLER}"


@dataclass(slots=True)
class Try:
    """What one killed turn was about, and what of it was seen before the end."""

    message: str
    before: Mapping[str, int]
    said: str
    events: list[Event] = field(default_factory=list[Event])


@dataclass(slots=True)
class Scene:
    """A project and Flux's folders. `values` reads the numbers of the files as the user has them."""

    folder: Path
    chance: random.Random
    session: str = ""
    turn_events: int = 0
    tries: int = 0
    buffers: dict[str, str] = field(default_factory=dict[str, str])
    seen: Counter[str] = field(default_factory=Counter[str])

    def __post_init__(self) -> None:
        self.project.mkdir()
        for name in EDITED:
            (self.project / name).write_text(text_of(0), encoding="utf-8", newline="\n")

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def database(self) -> Path:
        return self.folder / "state" / "sessions.db"

    def environ(self, script: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        file = self.folder / "script.json"
        file.write_text(json.dumps(script), encoding="utf-8")
        return environment(self.folder, FLUX_PROVIDER="scripted", FLUX_SCRIPT=str(file))

    def text(self, name: str) -> str:
        return self.buffers.get(name) or (self.project / name).read_text(encoding="utf-8")

    def values(self) -> dict[str, int]:
        found = {name: re.match(r"count: (\d+)\n", self.text(name)) for name in EDITED}
        return {name: int(match[1]) if match else -1 for name, match in found.items()}

    def new_try(self) -> tuple[Try, list[Mapping[str, Any]]]:
        """The next turn, and the script that makes it."""
        self.tries += 1
        before, number = self.values(), self.tries
        texts = ["".join(f"{number}.{step}.{word} " for word in range(WORDS)) for step in range(3)]

        def edit(name: str) -> Mapping[str, Any]:
            old, new = f"count: {before[name]}\n", f"count: {before[name] + 1}\n"
            return call("edit_file", path=name, edits=[{"old_text": old, "new_text": new}])

        new = call("write_file", path=f"new-{number}.txt", text=NEW_FILE)
        pace = {"chunk": 7, "delay_s": 0.001}
        steps: list[Mapping[str, Any]] = [
            {
                **pace,
                "reasoning": "I think.",
                "text": texts[0],
                "tool_calls": [call("read_file", path="a.txt"), edit("a.txt")],
            },
            {**pace, "text": texts[1], "tool_calls": [edit("b.txt"), edit("c.txt"), new]},
            {**pace, "text": texts[2]},
        ]
        return Try(f"Message number {number}, please.", before, "".join(texts)), steps


def call(name: str, **arguments: object) -> Mapping[str, Any]:
    return {"name": name, "arguments": arguments}


@dataclass(frozen=True, slots=True)
class Kill:
    """When to kill: so many seconds after so many events were shown."""

    events: int
    seconds: float


Door = Callable[[Scene, str, Sequence[Mapping[str, Any]], Kill | None], Awaitable[tuple[list[Event], bool]]]
"""Says something in the scene's session by a process of its own: the events that were shown, whether it was killed."""


async def terminal(
    scene: Scene, message: str, script: Sequence[Mapping[str, Any]], kill: Kill | None
) -> tuple[list[Event], bool]:
    """`flux -p`, with every event as a line."""
    resumed = ["--resume", scene.session] if scene.session else []
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "flux", "-p", message, "--json", "--yes", *resumed,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=scene.environ(script), cwd=scene.project, limit=1 << 24,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    told = asyncio.create_task(process.stderr.read())
    events: list[Event] = []
    async with asyncio.timeout(BOUND_S):
        while line := await process.stdout.readline():
            if not line.endswith(b"\n"):
                break  # the process was killed in the middle of it
            events.append(json.loads(line))
            if kill is not None and len(events) == kill.events:
                await asyncio.sleep(kill.seconds)
                with suppress(ProcessLookupError):
                    process.kill()
        status = await process.wait()
    assert kill is not None or status == 0, (await told).decode()
    await told
    return events, status < 0


async def server(
    scene: Scene, message: str, script: Sequence[Mapping[str, Any]], kill: Kill | None
) -> tuple[list[Event], bool]:
    """`flux serve` under an editor that has the files open, and keeps its buffers when the server dies."""
    scene.buffers = scene.buffers or {name: scene.text(name) for name in EDITED}
    is_killed = False
    async with connected(scene.environ(script), folder=scene.folder) as client:
        client.bound_s = BOUND_S
        await initialize(client, scene.project, turnEvents=True, approval="auto")
        for name, text in scene.buffers.items():
            client.open(uri_of(scene.project / name), text)
        named = {"session": scene.session} if scene.session else {}
        sending = asyncio.create_task(client.command("flux.chat.send", {"text": message, **named}))
        if kill is None:
            await sending
        else:
            reached = asyncio.create_task(client.until(lambda: len(client.events()) >= kill.events))
            await asyncio.wait({sending, reached}, return_when=asyncio.FIRST_COMPLETED)
            reached.cancel()
            await asyncio.sleep(kill.seconds)
            if is_killed := not sending.done():
                client.process.kill()
                await client.process.wait()
                sending.cancel()
            await asyncio.wait({sending})
    scene.buffers = client.editor.texts()
    return list(client.events()), is_killed


async def kill_once(scene: Scene, door: Door) -> None:
    """One turn that is killed, and one that goes on after it; then everything is compared."""
    if not scene.turn_events:
        await _measure_turn(scene, door)
    made, script = scene.new_try()
    kill = Kill(scene.chance.randint(1, scene.turn_events), scene.chance.uniform(0, 0.005))
    made.events, is_killed = await door(scene, made.message, script, kill)
    scene.seen[KILLED if is_killed else OVER] += 1
    going_on = f"Going on after {scene.tries}."
    events, _ = await door(scene, f"And now, after {made.message}", [{"text": going_on, "expect": made.message}], None)
    assert going_on in said(events), events
    assert [event["status"] for event in events if event["type"] == "turn_end"] == ["completed"]
    check(scene, made)


async def _measure_turn(scene: Scene, door: Door) -> None:
    made, script = scene.new_try()
    made.events, _ = await door(scene, made.message, script, None)
    scene.session = made.events[0]["session_id"]
    scene.turn_events = len(made.events)
    assert scene.values() == {name: value + 1 for name, value in made.before.items()}


def check(scene: Scene, made: Try) -> None:
    """What must hold after any kill."""
    with closing(sqlite3.connect(scene.database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store = SessionStore(scene.database, door="soak")
    try:
        messages = list(store.messages(scene.session))
    finally:
        store.close()
    asked = [at for at, stored in enumerate(messages) if stored.message.parts[-1] == Text(made.message)]
    assert len(asked) == 1, "the user's message is there, once"
    of_turn = [stored for stored in messages if stored.turn_id == messages[asked[0]].turn_id]
    check_said(scene, made, of_turn)
    check_calls(scene, made, of_turn)
    check_files(scene, made)


def check_said(scene: Scene, made: Try, of_turn: Sequence[StoredMessage]) -> None:
    """At most the delta in flight is missing, and nothing is there that was not said."""
    stored = "".join(s.message.text() for s in of_turn if s.message.role == "assistant")
    assert made.said.startswith(stored), stored[-80:]
    shown = [event["text"] for event in made.events if event["type"] == "text_delta"]
    assert stored.startswith("".join(shown[:-1])), ("".join(shown)[-80:], stored[-80:])
    if not stored.startswith("".join(shown)):
        scene.seen["the delta in flight was missing"] += 1
    if len(stored) < len(made.said):
        scene.seen["killed while text came or was to come"] += 1


def check_calls(scene: Scene, made: Try, of_turn: Sequence[StoredMessage]) -> None:
    """No call is without its result, and each result says what the files show."""
    calls: dict[str, ToolCall] = {}
    results: dict[str, ToolResult] = {}
    for stored in of_turn:
        calls |= {call.id: call for call in stored.message.tool_calls()}
        results |= {part.call_id: part for part in stored.message.parts if isinstance(part, ToolResult)}
    assert calls.keys() == results.keys()
    now = scene.values()
    for call_id, made_call in calls.items():
        content = results[call_id].content
        if made_call.name != "edit_file":
            continue
        name = made_call.arguments()["path"]
        is_made = now[name] == made.before[name] + 1
        if content.startswith("Edited"):
            assert is_made, content
        elif f"may or may not have been changed, read it again: {name}" in content:
            scene.seen["an edit of which it could not be told whether it was made"] += 1
        elif "Interrupted" in content:
            told = re.search(rf"It was changed before that: [^.]*\.?[^:]*\b{re.escape(name)}", content)
            assert bool(told) == is_made, (content, now, made.before)
            scene.seen["calls marked as interrupted"] += 1
        else:
            raise AssertionError(content)


def check_files(scene: Scene, made: Try) -> None:
    """Each file is as before or as after, to the last letter; what was reported as made is made."""
    now = scene.values()
    for name in EDITED:
        assert now[name] - made.before[name] in {0, 1}, name
        assert scene.text(name) == text_of(now[name]), f"{name} is half-written"
    for event in made.events:
        if event["type"] == "edit_applied":
            assert all(now[name] == made.before[name] + 1 for name in event["paths"] if name in now), event
    new = scene.project / f"new-{scene.tries}.txt"
    if new.exists():
        assert new.read_text(encoding="utf-8") in {"", NEW_FILE}, "a new file is half-written"
    assert not list(scene.project.rglob(f"{TEMPORARY_PREFIX}*")), "what was about to be written is left behind"


def said(events: Sequence[Event]) -> str:
    return "".join(event["text"] for event in events if event["type"] == "text_delta")


async def measure_door(size: Size, door: Door, name: str, folder: Path) -> Counter[str]:
    """So many kills in one session of one project."""
    scene = Scene(folder, random.Random(f"{size.seed} {name}"))
    for number in size.numbers():
        try:
            await kill_once(scene, door)
        except BaseException:
            print(f"{name}: kill {number} of seed {size.seed}, in {folder}")
            raise
    return scene.seen


def measure(size: Size) -> Mapping[str, object]:
    """Half of the kills in the terminal and half in the server, side by side."""
    half = replace(size, runs=size.runs // 2)

    async def both(one: str, other: str) -> dict[str, Counter[str]]:
        async with asyncio.TaskGroup() as group:
            in_terminal = group.create_task(measure_door(half, terminal, "terminal", Path(one)))
            in_server = group.create_task(measure_door(half, server, "server", Path(other)))
        return {"terminal": in_terminal.result(), "server": in_server.result()}

    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        seen = asyncio.run(both(one, other))
    tries = sum(counts[KILLED] + counts[OVER] for counts in seen.values())
    figures = {f"{door}: {what}": count for door, counts in seen.items() for what, count in sorted(counts.items())}
    return {"tries": tries, **figures}


if __name__ == "__main__":
    sys.exit(measured("kills", measure, __doc__ or "", runs=1000, notes=[NOTE]))
