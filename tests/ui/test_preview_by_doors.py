"""The preview by each door is, byte for byte, what the door sends next: one session that goes from door to door."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tests.support.lsp_client import LspClient, connected, initialize
from tests.support.replay_server import ReplayServer, replay_server
from tests.support.shell import Shell

SOURCE = "".join(f"def f{number}(value):\n    return value + {number}\n\n" for number in range(60))
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\s")


@asynccontextmanager
async def served(shell: Shell, provider: str) -> AsyncGenerator[ReplayServer]:
    for name in ("a.py", "b.py", "c.py"):
        (shell.folder / name).write_text(f"# {name}\n{SOURCE}", encoding="utf-8")
    async with replay_server() as server:
        shell.variables |= {"FLUX_PROVIDER": provider, "FLUX_MODEL": "m", "FLUX_API_KEY": "k"}
        shell.variables |= {"FLUX_BASE_URL": server.base_url + ("" if provider == "anthropic" else "/v1")}
        yield server


@asynccontextmanager
async def editor(shell: Shell) -> AsyncGenerator[LspClient]:
    async with connected(shell.environment(), folder=shell.folder) as client:
        await initialize(client, shell.folder)
        yield client


async def by_command(shell: Shell, server: ReplayServer, text: str) -> None:
    shown = await asyncio.to_thread(shell.flux, "context", "--continue", "--json", text)
    ended = await asyncio.to_thread(shell.flux, "--continue", "-p", text)
    assert ended.status == 0, ended.err
    assert server.received[-1].body == json.loads(shown.out)["body"].encode()


async def by_editor(client: LspClient, server: ReplayServer, text: str, session: str) -> str:
    """Why the past was rewritten, as the preview has it."""
    shown = await client.command("flux.context.show", {"text": text, "session": session})
    await client.command("flux.chat.send", {"text": text, "session": session})
    assert server.received[-1].body == shown["body"].encode()
    return " ".join(rewrite["reason"] for rewrite in shown["rewrites"])


@pytest.mark.parametrize("provider", ["anthropic", "openai", "compatible"])
async def test_of_the_command_and_of_an_editor(shell: Shell, provider: str) -> None:
    """Over a resume by another process, a change of door, of files and of rules, a summary and a fork."""
    async with served(shell, provider) as server:
        await asyncio.to_thread(shell.flux, "-p", "See @a.py")
        await by_command(shell, server, "And @b.py, please")
        async with editor(shell) as client:
            session = (await client.command("flux.session.resume", {}))["session"]
            await by_editor(client, server, "Is @a.py the same?", session)
            (shell.folder / "AGENTS.md").write_text("Use tabs.\n", encoding="utf-8")
            (shell.folder / "a.py").write_text(f"# a.py\n{SOURCE}# more\n", encoding="utf-8")
            await by_editor(client, server, "And @a.py now?", session)
            await client.command("flux.context.compact", {})
            assert "A summary stands for" in await by_editor(client, server, "Go on", session)
            forked = (await client.command("flux.session.fork", {"session": session, "message": "2"}))["session"]
            assert "from before message 2" in await by_editor(client, server, "And @c.py instead", forked)
        await by_command(shell, server, "And again @c.py")


@pytest.mark.skipif(sys.platform == "win32", reason="the chat is driven through a POSIX terminal")
async def test_of_the_chat_are_the_lines_that_the_command_prints_and_the_request_is_sent(shell: Shell) -> None:
    from tests.ui.test_chat import Terminal

    text = "And @b.py, please"
    async with served(shell, "compatible") as server:
        await asyncio.to_thread(shell.flux, "-p", "See @a.py")
        chat = Terminal(shell.home, shell.folder, shell.environment(), "--continue")
        try:
            await asyncio.to_thread(chat.at_prompt)
            shown = json.loads((await asyncio.to_thread(shell.flux, "context", "--continue", "--json", text)).out)
            chat.types(f"/context {text}")
            seen = await asyncio.to_thread(chat.at_prompt)
            assert ESCAPE.sub("", shown["text"]) in ESCAPE.sub("", seen)
            chat.types(text)
            await asyncio.to_thread(chat.at_prompt)
            assert server.received[-1].body == shown["body"].encode()
            assert await asyncio.to_thread(chat.leaves) == 0
        finally:
            chat.screen.close(force=True)
