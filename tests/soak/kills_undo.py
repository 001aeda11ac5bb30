"""`python -m tests.soak.kills_undo`: an undo in the terminal, killed at a random moment since it was stored as begun.

Afterwards another process goes on; then the files and the store are compared.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

from flux.agent.session_store import SessionStore
from tests.soak.kills import BOUND_S, EDITED, OVER, Scene, call, terminal, text_of
from tests.soak.results import Size, measured

NOTE = (
    "After every kill each file was as before or as after, to the last letter. The next process settled by the files "
    "what had been done, said so, and went on with undo or redo; then the store and the files agreed."
)
GOING_ON = ("/undo\n/redo\n/redo\n", "/redo\n")
"""Either way all that was taken back is made again, however much of it that was."""
JUDGED_RUNS = 50
"""Of so many kills some must come when a part was undone: every sixth does."""
SPREAD_S = 0.02
"""An undo of a few files takes about as long."""


async def measure_undo(size: Size, folder: Path) -> Counter[str]:
    """So many kills in one session of one project."""
    scene = Scene(folder, random.Random(f"{size.seed} undo"))
    edits = [
        call("edit_file", path=name, edits=[{"old_text": "count: 0\n", "new_text": "count: 1\n"}]) for name in EDITED
    ]
    new = call("write_file", path="new-0.txt", text="new\n")
    events, _ = await terminal(scene, "Change it.", [{"tool_calls": [*edits, new]}, {"text": "Done."}], None)
    scene.session = events[0]["session_id"]
    _check(scene)
    for number in size.numbers():
        try:
            await _kill_once(scene)
        except BaseException:
            print(f"undo: kill {number} of seed {size.seed}, in {folder}")
            raise
    in_the_middle = sum(scene.seen[_killed_when(undone)] for undone in (1, 2, 3))
    assert in_the_middle or size.runs < JUDGED_RUNS, scene.seen
    return scene.seen


async def _kill_once(scene: Scene) -> None:
    killed = await _begin(scene, "/undo\n")
    begun = asyncio.create_task(_until_stored(scene))
    ended = asyncio.create_task(killed.wait())
    async with asyncio.timeout(BOUND_S):
        await asyncio.wait({begun, ended}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(scene.chance.uniform(0, SPREAD_S))
        begun.cancel()
        with suppress(ProcessLookupError):
            killed.kill()
        await ended
    undone = sum(value == 0 for value in scene.values().values()) + (not (scene.project / "new-0.txt").exists())
    # By itself it ends well, on every system; killed it does not.
    scene.seen[_killed_when(undone) if killed.returncode else OVER] += 1
    for name, value in scene.values().items():
        assert scene.text(name) == text_of(value), f"{name} is half-written"
    going_on = await _begin(scene, scene.chance.choice(GOING_ON))
    async with asyncio.timeout(BOUND_S):
        said, _ = await going_on.communicate()
    assert going_on.returncode == 0, said.decode()
    if b"Flux ended in the middle of an undo" in said:
        scene.seen["the next process said so"] += 1
    _check(scene)


def _killed_when(undone: int) -> str:
    return f"killed when {undone} of 4 files were undone"


async def _begin(scene: Scene, lines: str) -> asyncio.subprocess.Process:
    """A chat that goes on with the session and is told these lines."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "flux", "--resume", scene.session, "--yes",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env=scene.environ([]), cwd=scene.project,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(lines.encode())
    process.stdin.close()
    return process


async def _until_stored(scene: Scene) -> None:
    """Until the undo is stored as one that is about to be done."""
    with closing(sqlite3.connect(scene.database, isolation_level=None)) as database:
        while database.execute("SELECT count(*) FROM way").fetchone() == (0,):  # noqa: ASYNC110 -- of another process
            await asyncio.sleep(0.0005)


def _check(scene: Scene) -> None:
    """All is made in the files and in the store, and nothing is left to be settled."""
    assert scene.values() == dict.fromkeys(EDITED, 1)
    assert all(scene.text(name) == text_of(1) for name in EDITED)
    assert (scene.project / "new-0.txt").read_text(encoding="utf-8") == "new\n"
    with closing(sqlite3.connect(scene.database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store = SessionStore(scene.database, door="soak")
    try:
        entries = {entry.key: entry for entry in store.journal.entries(session_id=scene.session)}
        depth = dict.fromkeys(entries, 0)
        for entry in entries.values():
            depth[entry.key] = depth[entry.parent] + 1 if entry.parent in depth else 0
        standing = [key for key, entry in entries.items() if entry.stands]
        assert len(standing) == len(EDITED) + 1
        assert all(depth[key] % 2 == 0 for key in standing), "the store has something as taken back"
        assert not store.journal.left_behind(session_id=scene.session)
    finally:
        store.close()


def measure(size: Size) -> Mapping[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        seen = asyncio.run(measure_undo(size, Path(folder)))
    tries = sum(count for what, count in seen.items() if what.startswith("killed"))
    return {"tries": tries, **dict(sorted(seen.items()))}


if __name__ == "__main__":
    sys.exit(measured("undo", measure, __doc__ or "", runs=300, notes=[NOTE], module="kills_undo"))
