"""The demo model in a session: what the conversation shows already is only pointed to, and it works nevertheless."""

from __future__ import annotations

from flux.context.item import Focus
from flux.llm.demo_provider import DemoProvider
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import end, open_session, send

TEXT = "".join(f"def area_{number}(r):\n    return area(r, {number})\n\n\n" for number in range(40))


async def test_a_file_that_is_shown_already_is_renamed_in_again_and_again() -> None:
    workspace = MemoryWorkspace({"a.py": TEXT})
    session = open_session(workspace, DemoProvider())
    path = workspace.path("a.py")
    for old, new in (("area", "surface"), ("surface", "plane"), ("plane", "face"), ("face", "area")):
        ended = end(await send(session, f"rename {old} to {new} in a.py", focus=Focus(path)))
        assert ended.status == "completed"
        assert f"return {new}(r, 39)" in (await workspace.read(path)).text
    assert (await workspace.read(path)).text == TEXT
