"""Text sync over a real `flux serve`: what the model is shown is what the editor has, whatever was typed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from lsprotocol import types

from tests.support.fake_editors.rules import Plain
from tests.support.lsp_bench import Bench, bench
from tests.support.lsp_client import CAPABILITIES

PIECES = [
    "a",
    "b c",
    "é",
    "한",
    "😋",
    "𐀀",
    "e\u0301",
    "\t",
    "\x0b",
    "\x0c",
    "\x85",
    "\u2028",
    "\ufeff",
    "\n",
    "\r\n",
    "\r",
    "",
]


async def check_shown(made: Bench, name: str) -> None:
    """The file as the next request to the model shows it."""
    await made.client.command("flux.chat.send", {"text": "Look.", "uri": made.uri(name)})
    shown = made.said().split(f'<file from="{name}">\n', 1)[1].rsplit("</file>", 1)[0]
    text = made.buffers()[name]
    assert shown == (text if text.endswith("\n") else f"{text}\n")


def random_edit(chance: random.Random) -> types.TextEdit:
    def place() -> types.Position:
        return types.Position(chance.randrange(8), chance.choice([0, 1, 2, 3, 5, 99]))

    ends = sorted((place(), place()), key=lambda p: (p.line, p.character))
    if chance.random() < 0.5:
        ends[1] = ends[0]
    return types.TextEdit(types.Range(*ends), "".join(chance.choices(PIECES, k=chance.randrange(5))))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_random_typing_arrives_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    chance = random.Random(encoding)
    capabilities = {**CAPABILITIES, "general": {"positionEncodings": [encoding]}}
    rounds = 20
    steps = [{"text": "Seen."}] * rounds
    async with bench(tmp_path, *steps, capabilities=capabilities, rules=Plain) as made:
        for number in range(rounds):
            name = f"{number}.txt"
            made.client.open(made.uri(name), "".join(chance.choices(PIECES, k=30)))
            for _ in range(30):
                made.client.editor.change(made.uri(name), [random_edit(chance)])
            await check_shown(made, name)


async def test_a_form_feed_and_a_past_end_position_do_not_corrupt_the_text(tmp_path: Path) -> None:
    # Both do with the document of pygls 2.1.1: see tests/core/test_text.py.
    async with bench(tmp_path, {"text": "Seen."}, {"text": "Seen."}, buffers={"a.py": "a = 1\x0c\nb = 2\n"}) as made:
        digit = types.Range(types.Position(1, 4), types.Position(1, 5))
        made.client.editor.change(made.uri("a.py"), [types.TextEdit(digit, "9")])
        await check_shown(made, "a.py")
        assert "a = 1\x0c\nb = 9\n" in made.said()
        made.client.open(made.uri("b.py"), "abc")
        made.client.type(made.uri("b.py"), 0, 99, "X")
        await check_shown(made, "b.py")
        assert "abcX" in made.said()


async def test_messages_against_the_protocol_leave_the_buffer_as_right_as_can_be(tmp_path: Path) -> None:
    async with bench(tmp_path, *[{"text": "Seen."}] * 3, disk={"a.py": "disk\n"}) as made:
        client, uri = made.client, made.uri("a.py")
        change = {"textDocument": {"uri": uri, "version": 5}, "contentChanges": [{"text": "all of it\n"}]}
        partial = {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}, "text": "x"}

        async def shown() -> str:
            await client.command("flux.chat.send", {"text": "Look.", "uri": uri})
            return made.said().split("\n", 3)[3].split("</file>")[0]

        client.notify("textDocument/didChange", {**change, "contentChanges": [partial]})
        await client.command("flux.chat.send", {"text": "Look.", "uri": uri})
        assert made.said() == "Look.", "what is on the disk need not be what the editor has"
        client.notify("textDocument/didChange", change)
        assert await shown() == "all of it\n"
        client.notify(
            "textDocument/didChange", {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [partial]}
        )
        assert await shown() == "xall of it\n"
