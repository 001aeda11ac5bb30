"""`python -m tests.soak.machine`: Flux on a machine that fails it, and told to end in every state of a turn.

Disks that are full or read-only, no handles, a clock that jumps, a second Flux on the same project: it goes on
with a clear word, or ends with one; nothing is half-written. The endings are in `tests.soak.endings`.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from flux.agent.session_store import SessionStore
from flux.core.messages import Text
from flux.llm.scripted_provider import Step
from flux.workspace.disk import DiskWorkspace
from tests.soak.endings import ENDINGS, assert_whole, check
from tests.soak.results import Size, measured
from tests.support.lsp_bench import Bench, bench, edit
from tests.support.lsp_client import SERVE, ResponseError, connected, environment, initialize, uri_of
from tests.support.shell import CIRCLE, Shell, open_shell
from tests.support.talks import call, end, open_session, send

FIXED = CIRCLE.replace("3 * r", "3.14 * r**2")
FIX = ({"text": "I look.", "tool_calls": [edit("circle.py", "3 * r", "3.14 * r**2")]}, {"text": "Done."})
LONG = "much to say " * 20_000


NOTE = (
    "Endings: every way of being told to end (SIGTERM, SIGHUP, SIGINT, input closed, reader gone, editor killed) in "
    "every state (idle, waiting for the provider, streaming, a tool running, an approval open, an edit in flight, an "
    "undo). Each time another process went on with the session."
)


class NotHere(Exception):
    """This machine does not let us make the trouble; the reason."""


@asynccontextmanager
async def small_disk(folder: Path, kilobytes: int) -> AsyncGenerator[Path]:
    """A file system of that size at the folder. Raises NotHere where none can be mounted."""
    folder.mkdir(parents=True)
    await _mount("-t", "tmpfs", "-o", f"size={kilobytes}k,mode=0700", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", "-l", str(folder)], check=True)


async def make_read_only(disk: Path) -> None:
    await _mount("-o", "remount,ro", str(disk))


async def _mount(*arguments: str) -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise NotHere("only root mounts a small file system, and only on Linux")
    done = await asyncio.to_thread(subprocess.run, ["mount", *arguments], capture_output=True, check=False)
    if done.returncode:
        raise NotHere(f"no small file system can be mounted: {done.stderr.decode().strip()}")


def kept(folder: Path) -> dict[str, bytes]:
    """All that is in the folder, what is hidden too."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# Disks.


async def a_full_state_disk_under_the_terminal(folder: Path) -> None:
    shell = open_shell(folder)
    async with small_disk(folder / "state", 300):
        shell.script([{**FIX[0], "text": LONG}, {"text": LONG}, {"text": LONG}], is_recorded=False)
        ended = await asyncio.to_thread(shell.flux, "-p", "go", "--yes")
    assert ended.status == 0
    assert ended.err.count("This session is no longer stored: ") == 1, ended.err
    assert shell.read() == FIXED


async def a_full_state_disk_under_the_server(folder: Path) -> None:
    async with (
        small_disk(folder / "state", 300),
        bench(folder, {**FIX[0], "text": LONG}, {"text": LONG}, buffers={"circle.py": CIRCLE}, options=EVENTS) as made,
    ):
        turn = await _turn(made)
        assert turn["status"] == "completed"
        notices = [event["text"] for event in made.client.events() if event["type"] == "notice"]
        assert "".join(notices).count("This session is no longer stored: ") == 1, notices
        assert made.buffers() == {"circle.py": FIXED}


async def a_project_disk_that_is_full_in_mid_write(folder: Path) -> None:
    """Two files of one plan: there is room for the first, and not for the second."""
    async with small_disk(folder / "project", 64) as project:
        (project / "circle.py").write_bytes(CIRCLE.encode())
        shell = Shell(folder, project)
        before = kept(project)
        long = {"name": "write_file", "arguments": {"path": "new.txt", "text": LONG}}
        shell.script([{"tool_calls": [*FIX[0]["tool_calls"], long]}, {"text": "I see."}])
        ended = await asyncio.to_thread(shell.flux, "-p", "go", "--yes")
        assert (ended.status, ended.out) == (0, "I see.\n"), ended.err
        assert "new.txt cannot be written: No space left on device. Nothing was changed." in "".join(shell.results())
        assert kept(project) == before


async def a_read_only_project(folder: Path) -> None:
    async with small_disk(folder / "project", 64) as project:
        (project / "circle.py").write_bytes(CIRCLE.encode())
        shell = Shell(folder, project)
        before = kept(project)
        await make_read_only(project)
        shell.script(FIX)
        ended = await asyncio.to_thread(shell.flux, "-p", "go", "--yes")
        assert (ended.status, kept(project)) == (0, before)
        assert "Nothing was changed." in shell.results()[0], shell.results()


async def a_read_only_home(folder: Path) -> None:
    shell = open_shell(folder)
    async with small_disk(folder / "state", 64) as state:
        await make_read_only(state)
        shell.script(FIX)
        ended = await asyncio.to_thread(shell.flux, "-p", "go", "--yes")
        assert (ended.status, shell.read()) == (0, FIXED)
        assert "sessions will not be stored" in ended.err


# Handles.

FEWEST = 8
"""Below that the interpreter does not start, or its event loop."""


async def few_handles_in_the_terminal(folder: Path) -> None:
    """From too few for anything to enough: it works, or says why not, and changes the file as a whole or not at all."""
    shell = open_shell(folder)
    statuses: set[int] = set()
    for number in (*range(FEWEST, 16), 20, 24, 32):
        shell.script(FIX, is_recorded=False)
        (shell.folder / "circle.py").write_bytes(CIRCLE.encode())
        ended = await asyncio.to_thread(shell.line, f"ulimit -n {number}; FLUX -p go --yes")
        is_fixed = shell.read() == FIXED
        assert is_fixed or (shell.read() == CIRCLE and ended.err), (number, ended)
        assert kept(shell.folder).keys() == {"circle.py"}
        statuses.add(ended.status)
    assert 0 in statuses
    assert statuses <= {0, 1, 2}


async def few_handles_in_the_server(folder: Path) -> None:
    told: list[str] = []
    for number in (12, 16, 24, 40):
        made = folder / str(number)
        (made / "project").mkdir(parents=True)
        script = made / "script.json"
        script.write_text(json.dumps(FIX), encoding="utf-8")
        environ = environment(made, FLUX_PROVIDER="scripted", FLUX_SCRIPT=str(script))
        limited = ("/bin/sh", "-c", f'ulimit -n {number}; exec "$0" "$@"', *SERVE)
        async with connected(environ, folder=made, command=limited) as client:
            await initialize(client, made / "project", turnEvents=True)
            uri = uri_of(made / "project" / "circle.py")
            client.open(uri, CIRCLE)
            try:
                turn = await client.command("flux.chat.send", {"text": "go", "uri": uri})
            except ResponseError as error:
                told.append(str(error))
                assert client.editor.texts()["circle.py"] == CIRCLE
            else:
                assert turn["status"] in {"completed", "failed"}
                assert client.editor.texts()["circle.py"] == (FIXED if turn["paths"] else CIRCLE)
                told.append(turn["error"])
    assert told[-1] == ""
    assert not any("made a mistake" in words for words in told), told


# The clock.


async def a_clock_that_jumps(folder: Path) -> None:
    """What was said stays in its order, and is gone on with and taken back, whatever the clock says meanwhile."""
    chance = random.Random(7)
    database = folder / "sessions.db"
    (folder / "a.txt").write_bytes(b"one\n")
    workspace = DiskWorkspace([folder])
    words = [f"message {number}" for number in range(8)]
    for number, word in enumerate(words):
        store = SessionStore(database, lambda: chance.choice([0.0, -1e9, 1e12, time.time(), chance.uniform(0, 4e9)]))
        old, new = ("one", "two") if number % 2 == 0 else ("two", "one")
        edits = [{"old_text": old, "new_text": new}]
        steps = [Step(tool_calls=(call("edit_file", "e1", path="a.txt", edits=edits),)), Step(text=f"to {word}")]
        session = open_session(workspace, steps, store=store)
        assert end(await send(session, word)).status == "completed"
        assert [m.parts[-1] for m in session.history() if m.role == "user"] == [Text(w) for w in words[: number + 1]]
        assert_whole(store.live_messages("s1"))
        assert [found.id for found in store.sessions()] == ["s1"]
        await session.undo()
        assert (folder / "a.txt").read_bytes() == f"{old}\n".encode()
        await session.redo()
        assert (folder / "a.txt").read_bytes() == f"{new}\n".encode()
        store.close()


# Two at once.


async def two_servers_on_one_project(folder: Path) -> None:
    """Each has its session, and what it says and edits comes to nobody else."""
    project = folder / "project"
    project.mkdir()
    for name in ("one", "two"):
        (project / f"{name}.txt").write_bytes(b"count 0\n")

    async def work(name: str) -> str:
        script = folder / f"{name}.json"
        turns = 5
        steps: list[Mapping[str, Any]] = []
        for turn in range(turns):
            call = edit(f"{name}.txt", f"count {turn}", f"count {turn + 1}")
            steps += [{"text": f"{name} " * 50, "chunk": 10, "tool_calls": [call]}, {"text": f"{name} did {turn}."}]
        script.write_text(json.dumps(steps), encoding="utf-8")
        environ = environment(folder, FLUX_PROVIDER="scripted", FLUX_SCRIPT=str(script))
        async with connected(environ, folder=folder) as client:
            await initialize(client, project)
            client.open(uri_of(project / f"{name}.txt"), "count 0\n")
            for turn in range(turns):
                done = await client.command("flux.chat.send", {"text": f"{name}, turn {turn}"})
                assert (done["status"], done["unsaved"]) == ("completed", [f"{name}.txt"]), done
            assert client.editor.texts() == {f"{name}.txt": f"count {turns}\n"}
            return done["session"]

    sessions = dict(zip(("one", "two"), await asyncio.gather(work("one"), work("two")), strict=True))
    assert kept(project) == dict.fromkeys(("one.txt", "two.txt"), b"count 0\n")
    store = SessionStore(folder / "state" / "sessions.db")
    for name, other in (("one", "two"), ("two", "one")):
        messages = store.live_messages(sessions[name])
        assert_whole(messages)
        said = [m.parts[-1] for m in messages if m.role == "user"]
        assert said == [Text(f"{name}, turn {turn}") for turn in range(5)]
        assert not any(f"{other} " in message.text() for message in messages)
    store.close()


async def two_terminals_on_one_file(folder: Path) -> None:
    """Each edit is made on the file as it is then, or refused: none is lost."""
    shell = open_shell(folder)
    lines = [f"line {number} of two\n" for number in range(40)]
    (shell.folder / "circle.py").write_text("".join(lines), encoding="utf-8", newline="\n")
    ends: list[Any] = []

    async def work(numbers: range) -> None:
        own = Shell(folder / f"from-{numbers.start}", shell.folder, {"FLUX_STATE_FOLDER": str(folder / "state")})
        own.home.mkdir()
        own.script(
            [*({"tool_calls": [edit("circle.py", f"line {n} of", f"LINE {n} of")]} for n in numbers), {"text": "."}]
        )
        ended = await asyncio.to_thread(own.flux, "-p", "go", "--yes")
        assert ended.status == 0, ended.err
        ends.extend(
            (n, result) for n, result in zip(numbers, [own.results(at + 1)[0] for at in range(20)], strict=True)
        )

    await asyncio.gather(work(range(20)), work(range(20, 40)))
    made = {number for number, result in ends if result.startswith("Edited")}
    expected = [line.replace("line", "LINE") if at in made else line for at, line in enumerate(lines)]
    assert shell.read() == "".join(expected)
    assert kept(shell.folder).keys() == {"circle.py"}


EVENTS = {"turnEvents": True}


async def _turn(made: Bench) -> Any:
    return await made.client.command("flux.chat.send", {"text": "go", "uri": made.uri("circle.py")})


TROUBLES: tuple[Callable[[Path], Awaitable[None]], ...] = (
    a_full_state_disk_under_the_terminal,
    a_full_state_disk_under_the_server,
    a_project_disk_that_is_full_in_mid_write,
    a_read_only_project,
    a_read_only_home,
    few_handles_in_the_terminal,
    few_handles_in_the_server,
    a_clock_that_jumps,
    two_servers_on_one_project,
    two_terminals_on_one_file,
)


async def measure(runs: int) -> tuple[Counter[str], dict[str, float]]:
    """Each ending and each trouble so many times: how often each thing held, and the longest that a door took."""
    held: Counter[str] = Counter()
    longest: dict[str, float] = {}
    for _ in range(runs):
        for ending in ENDINGS:
            with tempfile.TemporaryDirectory() as folder:
                took = await check(ending, Path(folder) / "scene")
            held[f"{ending.door}: ended in order, of {len(ENDINGS)} endings"] += 1
            longest[ending.door] = max(took, longest.get(ending.door, 0.0))
        for trouble in TROUBLES:
            name = trouble.__name__.replace("_", " ")
            with tempfile.TemporaryDirectory() as folder:
                try:
                    await trouble(Path(folder))
                    held[name] += 1
                except NotHere as reason:
                    held[f"{name}: not tried, {reason}"] += 1
    return held, longest


def figures(size: Size) -> Mapping[str, object]:
    held, longest = asyncio.run(measure(size.runs))
    return {**held} | {f"{door}: longest until it had ended": f"{seconds:.1f} s" for door, seconds in longest.items()}


if __name__ == "__main__":
    sys.exit(measured("machine", figures, __doc__ or "", runs=1, notes=[NOTE]))
