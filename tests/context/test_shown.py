"""What a conversation shows already, of answers about several files at once: each file of them is known by itself."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from flux.context.builder import user_message
from flux.context.shown import CHANGED, UNCHANGED, Memory
from flux.core.messages import Message, ToolCall, ToolResult, assistant_message
from flux.tools.base import Arguments, Finding
from flux.tools.read_file import ReadFile
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import call

LONG = "word = 1\n" * 100
TEXTS = st.text(alphabet="ab[]: 12lines.py\r\n\f\u2028", max_size=60)


async def read(workspace: MemoryWorkspace, memory: Memory, asked: ToolCall) -> tuple[Message, Message]:
    """The messages with the call and its result, as the model gets it."""
    found = await ReadFile().call(Arguments(asked.arguments()), workspace)
    assert isinstance(found, Finding)
    result = ToolResult(asked.id, asked.name, memory.told_result(asked, found.text))
    return assistant_message(asked), Message("tool", (result,))


def content(messages: tuple[Message, Message]) -> str:
    (result,) = messages[1].parts
    assert isinstance(result, ToolResult)
    return result.content


async def test_a_file_of_several_is_not_sent_twice_whichever_way_it_comes() -> None:
    workspace = MemoryWorkspace({"a.py": f"a\n{LONG}", "b.py": f"b\n{LONG}", "c.py": f"c\n{LONG}"})
    memory = Memory()
    talk = list(await read(workspace, memory, call("read_file", "c1", paths=["a.py", "b.py", "none.py"])))
    memory.look_at(talk)
    assert content(await read(workspace, memory, call("read_file", "c2", path="b.py"))) == UNCHANGED
    assert UNCHANGED in (await user_message("@a.py", workspace, memory=memory)).message.text()

    workspace.open_buffer("a.py", f"another\n{LONG}")
    talk += await read(workspace, memory, call("read_file", "c3", paths=["c.py", "b.py", "a.py"]))
    memory.look_at(talk)
    changed = f"{CHANGED}\n--- shown\n+++ now\n@@ -1,3 +1,3 @@\n-a\n+another\n word = 1\n word = 1\n"
    assert content((talk[-2], talk[-1])) == "\n".join(
        [f"[c.py: 101 lines]\nc\n{LONG}", f"[b.py: 1 lines]\n{UNCHANGED}\n", f"[a.py: 8 lines]\n{changed}"]
    )
    assert content(await read(workspace, memory, call("read_file", "c4", path="c.py"))) == UNCHANGED


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_whatever_stands_in_the_files_each_is_known_as_it_is(texts: list[str]) -> None:
    files = {f"{number}.py": f"{text}{LONG}" for number, text in enumerate(texts)}

    async def check() -> None:
        workspace, memory = MemoryWorkspace(files), Memory()
        memory.look_at(await read(workspace, memory, call("read_file", paths=list(files))))
        for name in files:
            assert content(await read(workspace, memory, call("read_file", "c2", path=name))) == UNCHANGED

    asyncio.run(check())
