"""Several folders at a time, and folders that come and go, over a real `flux serve`."""

from __future__ import annotations

from pathlib import Path

from tests.support.lsp_bench import bench, edit, tool
from tests.support.lsp_client import uri_of


async def test_two_roots_with_the_same_file_are_told_apart_and_one_may_go(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.py").write_text("there = 1\n", encoding="utf-8")
    both = [tool("read_file", path="workspace/a.py"), tool("read_file", path="other/a.py")]
    steps = (
        {"tool_calls": [tool("read_file", path="other/a.py")]},
        {"text": "One."},
        {"tool_calls": both},
        {"tool_calls": [edit("other/a.py", "there", "moved")]},
        {"text": "Two."},
        {"tool_calls": [tool("read_file", path="a.py"), tool("read_file", path=str(other / "a.py"))]},
        {"text": "Three."},
    )
    async with bench(tmp_path, *steps, disk={"a.py": "here = 1\n"}, options={"turnEvents": True}) as made:
        client = made.client

        async def told() -> list[str]:
            start = len(client.events())
            await client.command("flux.chat.send", {"text": "Look."})
            events = client.events()[start:]
            results = {event["call_id"]: event["content"] for event in events if event["type"] == "tool_result"}
            return [results[event["call_id"]] for event in events if event["type"] == "tool_call"]

        folder = {"uri": uri_of(other), "name": "other"}
        (missing,) = await told()
        assert "other/a.py" in missing
        client.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": [folder], "removed": []}})
        here, there, edited = await told()
        assert (here, there, edited) == ("here = 1\n", "there = 1\n", "Edited other/a.py: +1 -1 lines.")
        assert client.buffers[uri_of(other / "a.py")].text == "moved = 1\n"
        assert (other / "a.py").read_text(encoding="utf-8") == "there = 1\n"
        client.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": [], "removed": [folder]}})
        left = await told()
        assert [("outside the workspace" in text) for text in left].count(True) == 1
        assert [("a.py is unchanged" in text or text == "here = 1\n") for text in left].count(True) == 1, left
