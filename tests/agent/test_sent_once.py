"""A text that a request has already does not go along again, whichever way it comes: counted in each wire's bytes."""

from __future__ import annotations

import asyncio

from flux.context.item import Focus
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.core.text import Position, Range
from flux.llm.base_provider import ModelRequest
from flux.llm.scripted_provider import ScriptedProvider
from flux.workspace.memory import MemoryWorkspace
from tests.agent.test_same_bytes import WIRES
from tests.support.talks import call, open_session, send, step


def source(name: str, count: int = 60) -> str:
    """A text of `2 * count` lines; the line in the middle is nowhere else."""
    lines = [f"def {name}_{number}():\n    return {number}\n" for number in range(count)]
    lines[count // 2] = f"def {name}_{count // 2}():\n    return 'the middle of {name}'\n"
    return "".join(lines)


def check_once(request: ModelRequest, *names: str) -> None:
    for wire, encode in WIRES.items():
        body = encode(request)
        assert {name: body.count(f"the middle of {name}".encode()) for name in names} == dict.fromkeys(names, 1), wire


class FirstIsLast(MemoryWorkspace):
    """The first read of `a.py` is done only after the second has begun."""

    def __init__(self, files: dict[str, str]) -> None:
        super().__init__(files)
        self._has_begun = False
        self._second = asyncio.Event()

    async def read(self, path: WorkspacePath) -> FileSnapshot:
        if path.relative == "a.py" and self._has_begun:
            self._second.set()
        elif path.relative == "a.py":
            self._has_begun = True
            async with asyncio.timeout(5):
                await self._second.wait()
        return await super().read(path)


async def test_calls_of_one_answer_for_the_same_file_show_it_once_in_the_first_of_them() -> None:
    calls = [
        call("read_file", "c1", path="a.py"),
        call("read_file", "c2", path="a.py"),
        call("read_file", "c3", paths=["b.py", "a.py"]),
        call("read_file", "c4", path="b.py", start_line=1, end_line=90),
        call("read_file", "c5", path="./a.py"),
    ]
    provider = ScriptedProvider([step("", *calls), step("Read.")])
    await send(open_session(FirstIsLast({"a.py": source("a"), "b.py": source("b")}), provider), "Read them")
    request = provider.requests[-1]
    check_once(request, "a", "b")
    (result,) = [part.content for part in request.messages[-1].parts[:1]]
    assert result == source("a")


async def test_an_edit_between_two_reads_of_one_answer_is_told_by_its_difference() -> None:
    edit = call("edit_file", "c2", path="a.py", edits=[{"old_text": "return 7\n", "new_text": "return 77\n"}])
    read = [call("read_file", call_id, path="a.py") for call_id in ("c1", "c3")]
    provider = ScriptedProvider([step("", read[0], edit, read[1]), step("Done.")])
    await send(open_session(MemoryWorkspace({"a.py": source("a")}), provider), "Change it")
    check_once(provider.requests[-1], "a")
    assert "-    return 7\n+    return 77\n" in provider.requests[-1].messages[-1].parts[-1].content


async def test_files_behind_one_that_is_shown_in_part_are_known_and_so_is_the_part() -> None:
    files = {"long.py": source("long", 1500), "b.py": source("b"), "c.py": source("c")}
    files["long.py"] = files["long.py"].replace("return 100\n", "return 'the middle of the beginning'\n")
    calls = [
        call("read_file", "c1", paths=["none.py", "long.py", "b.py"]),
        call("read_file", "c2", path="b.py"),
        call("read_file", "c3", paths=["long.py", "c.py", "b.py"]),
        call("read_file", "c4", path="long.py"),
    ]
    provider = ScriptedProvider([*(step("", one) for one in calls), step("Read."), step("Yes.")])
    session = open_session(MemoryWorkspace(files), provider)
    await send(session, "Read them")
    await send(session, "Then @c.py")
    check_once(provider.requests[-1], "b", "c", "the beginning")


async def test_a_selection_and_parts_beside_their_whole_file_only_say_where_they_are() -> None:
    workspace = MemoryWorkspace({"a.py": source("a")})
    provider = ScriptedProvider([step("", call("read_file", path="a.py", start_line=10, end_line=110)), step("Yes.")])
    session = open_session(workspace, provider)
    focus = Focus(workspace.path("a.py"), Range(Position(20, 0), Position(100, 4)))
    await send(session, "See @a.py:30-90 and @a.py", focus=focus)
    check_once(provider.requests[-1], "a")
    told = provider.requests[0].messages[0].text()
    assert '<selection from="a.py lines 21-101">' in told
    assert "from: def a_10():\nto: def a_50():\n" in told


async def test_a_part_that_is_not_as_it_was_shown_is_sent() -> None:
    workspace = MemoryWorkspace({"a.py": source("a")})
    provider = ScriptedProvider([step("Yes."), step("", call("read_file", path="a.py", start_line=40)), step("Yes.")])
    session = open_session(workspace, provider)
    await send(session, "See @a.py")
    workspace.open_buffer("a.py", source("a").replace("the middle of a", "the new middle"))
    await send(session, "Look")
    assert "the new middle" in provider.requests[-1].messages[-1].parts[0].content
