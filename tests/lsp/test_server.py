"""The connection itself: order of messages, bad messages, the end of the process. Over a real `flux serve`."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

from flux.core.text import Counting
from flux.lsp.convert import EditorText
from tests.lsp.test_code_actions import AREA
from tests.support.lsp_bench import bench, edit, tool, without
from tests.support.lsp_client import (
    BOUND_S,
    CAPABILITIES,
    LspClient,
    ResponseError,
    connected,
    environment,
    initialize,
    lsp_range,
)


async def check_refused(client: LspClient, code: int, words: str, method: str, params: object = None) -> None:
    """The request is answered by an error for a person, without a traceback."""
    with pytest.raises(ResponseError, match=words) as error:
        await client.request(method, params)
    assert error.value.code == code
    assert error.value.data is None


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (["utf-8", "utf-16", "utf-32"], "utf-8"),
        (["utf-32", "utf-8"], "utf-32"),
        (["utf-16"], "utf-16"),
        (None, "utf-16"),
    ],
)
async def test_the_first_encoding_of_the_editor_is_taken(
    tmp_path: Path, offered: list[str] | None, expected: str
) -> None:
    general = {"positionEncodings": offered} if offered else {}
    async with connected(environment(tmp_path), folder=tmp_path) as client:
        answer = await initialize(client, tmp_path, capabilities={**CAPABILITIES, "general": general})
        assert answer["capabilities"]["positionEncoding"] == expected
        assert answer["capabilities"]["textDocumentSync"] == {"openClose": True, "change": 2, "save": False}
        assert answer["serverInfo"]["name"] == "flux"


async def test_capabilities_of_a_later_protocol_do_not_lock_the_editor_out(tmp_path: Path) -> None:
    symbols = {"documentSymbol": {"symbolKind": {"valueSet": [1, 99]}}, "holograms": {"depth": 3}}
    later = {**CAPABILITIES, "textDocument": {**CAPABILITIES["textDocument"], **symbols}, "general": 7}
    async with bench(
        tmp_path,
        {"tool_calls": [edit("a.py", "3", "4")]},
        {"text": "Done."},
        buffers={"a.py": AREA},
        capabilities=later,
    ) as made:
        result = await made.client.command("flux.edit", {"uri": made.uri("a.py"), "instruction": "x"})
        assert result["unsaved"] == ["a.py"]


async def test_messages_out_of_order_are_answered_in_words(tmp_path: Path) -> None:
    async with connected(environment(tmp_path), folder=tmp_path) as client:
        await check_refused(client, -32002, "first message must be `initialize`", "workspace/executeCommand")
        client.notify("textDocument/didChange", {"nonsense": True})
        await initialize(client, tmp_path)
        await check_refused(client, -32600, "initialized once", "initialize", {"capabilities": {}, "processId": 1})
        await client.request("shutdown")
        await check_refused(client, -32600, "shutting down", "workspace/executeCommand")
        client.notify("exit")
        assert await client.process.wait() == 0


async def test_bad_messages_are_answered_and_harm_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "Hello."}, buffers={"a.py": AREA}) as made:
        client = made.client
        client.send_bytes(b"X-Nonsense: 1\r\n\r\nContent-Length: 5\r\n\r\n{oops")
        client.send_bytes(b"content-length: 2\r\ncontent-type: application/vscode-jsonrpc\r\n\r\n[]")
        await client.until(lambda: len(client.sent("")) == 2)
        assert [answer["error"]["code"] for answer in client.sent("")] == [-32700, -32600]
        await check_refused(client, -32601, "flux/nonsense", "flux/nonsense", {})
        await check_refused(client, -32601, "textDocument/hover", "textDocument/hover", _position(made.uri("a.py"), 0))
        wrong = {"textDocument": {"uri": 7}, "range": "all"}
        await check_refused(client, -32602, "parameters of textDocument/codeAction", "textDocument/codeAction", wrong)
        await check_refused(client, -32602, "parameters of", "workspace/executeCommand", {"arguments": 3})
        for notification, params in (
            ("textDocument/didChange", {"textDocument": {"uri": made.uri("a.py")}, "contentChanges": 3}),
            ("textDocument/didClose", {"textDocument": {"uri": "file:///never/opened"}}),
            ("$/cancelRequest", {"id": 4711}),
            ("window/workDoneProgress/cancel", {"token": "unknown"}),
            ("flux/nonsense", {"a": 1}),
        ):
            client.notify(notification, params)
        client.open(made.uri("a.py"), AREA)
        assert (await client.command("flux.chat.send", {"text": "Hi.", "uri": made.uri("a.py")}))["text"] == "Hello."
        assert AREA in made.said()


async def test_unknown_commands_and_wrong_arguments_are_answered_in_words(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:

        async def refused(words: str, name: str, *arguments: object) -> None:
            params = {"command": name, "arguments": list(arguments)}
            await check_refused(made.client, -32602, re.escape(words), "workspace/executeCommand", params)

        await refused("There is no command 'flux.nope'.", "flux.nope")
        await refused(
            "flux.chat.send needs `text`. It takes {text, session?, uri?, range?, replaces?, meanwhile?}.",
            "flux.chat.send",
        )
        await refused("flux.chat.send takes one JSON object", "flux.chat.send", "Hi.")
        await refused("flux.chat.send takes one JSON object", "flux.chat.send", {"text": "Hi."}, {})
        await refused("flux.chat.send: `text` must be a string.", "flux.chat.send", {"text": ["Hi."]})
        await refused("flux.chat.send does not know 'file'.", "flux.chat.send", {"text": "Hi.", "file": "a.py"})
        wrong_range = {"start": {"line": 0}, "end": {"line": 1, "character": -1}}
        await refused(
            "flux.edit: `range` must be an LSP range",
            "flux.edit",
            {"uri": "file:///a", "instruction": "x", "range": wrong_range},
        )


async def test_places_outside_the_workspace_are_refused_in_words(tmp_path: Path) -> None:
    async with bench(tmp_path, disk={"latin.txt": ""}) as made:
        (made.folder / "latin.txt").write_bytes(b"caf\xe9 \x81\n")

        async def refused(words: str, uri: str) -> None:
            arguments = [{"uri": uri, "instruction": "x", "range": lsp_range((0, 0), (0, 0))}]
            params = {"command": "flux.edit", "arguments": arguments}
            await check_refused(made.client, -32803, words, "workspace/executeCommand", params)

        await refused("is outside the workspace", (tmp_path / "outside.py").as_uri())
        await refused("is not a file", "git:/a.py")
        await refused("There is no", made.uri("missing.py"))
        await refused("keys or passwords", made.uri(".env"))
        assert made.requests() == []


async def test_positions_past_the_end_mean_the_end(tmp_path: Path) -> None:
    given = types.Range(types.Position(99, 99), types.Position(0, 99))
    found = EditorText("one\ntwo", Counting()).range(given)
    assert [(p.line, p.column) for p in (found.start, found.end)] == [(0, 3), (1, 3)]
    async with bench(tmp_path, {"text": "Done."}, buffers={"a.py": "one\ntwo"}) as made:
        far = lsp_range((999, 999), (1_000_000, 4_294_967_295))
        made.client.notify(
            "textDocument/didChange",
            {
                "textDocument": {"uri": made.uri("a.py"), "version": 2},
                "contentChanges": [{"range": lsp_range((1, 3), (1, 4_294_967_295)), "text": "!"}],
            },
        )
        result = await made.client.command("flux.edit", {"uri": made.uri("a.py"), "instruction": "x", "range": far})
        assert result["status"] == "completed"
        assert "one\ntwo!" in made.said()


async def test_the_process_ends_when_its_editor_is_gone_also_in_mid_turn(tmp_path: Path) -> None:
    steps = [{"text": "word " * 1000, "chunk": 5, "delay_s": 0.05}]
    async with bench(tmp_path, *steps, buffers={"a.py": AREA}) as made:
        made.client.begin_request(
            "workspace/executeCommand", {"command": "flux.chat.send", "arguments": [{"text": "Go."}]}
        )
        await made.client.until(lambda: len(made.client.sent("$/progress")) > 1)
        assert made.client.process.stdin is not None
        made.client.process.stdin.close()
        async with asyncio.timeout(5):
            assert await made.client.process.wait() == 1


async def test_a_turn_goes_on_while_the_editor_does_not_read(tmp_path: Path) -> None:
    """An editor may be busy or stopped; more is written here than any pipe holds."""
    text = "word " * 80_000
    steps = [{"text": text, "chunk": 1000, "tool_calls": [tool("list_files")]}, {"text": "Done."}]
    capabilities = without(CAPABILITIES, "window")  # a report of progress first waits for its token
    async with bench(tmp_path, *steps, capabilities=capabilities, options={"turnEvents": True}) as made:
        made.client.reads.clear()
        _, running = made.client.begin_request(
            "workspace/executeCommand", {"command": "flux.chat.send", "arguments": [{"text": "Go."}]}
        )
        async with asyncio.timeout(BOUND_S):
            while len(made.requests()) < 2:  # noqa: ASYNC110 -- nothing else tells what the process has done
                await asyncio.sleep(0.02)
        made.client.reads.set()
        assert (await running)["text"] == f"{text.strip()}\n\nDone."


async def test_two_editors_on_one_port_have_nothing_in_common(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "flux",
        "serve",
        "--tcp",
        "127.0.0.1:0",
        stderr=asyncio.subprocess.PIPE,
        env=environment(tmp_path, FLUX_PROVIDER="demo"),
        cwd=tmp_path,
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(BOUND_S):
            line = (await process.stderr.readline()).decode()
        port = int(line.rsplit(":", 1)[1])
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            body = json.dumps(
                {
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "initialize",
                    "params": {"capabilities": {}, "processId": None, "rootUri": None},
                }
            )
            writer.write(f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
            async with asyncio.timeout(BOUND_S):
                head = await reader.readuntil(b"\r\n\r\n")
                answer = json.loads(await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])))
            assert answer["result"]["serverInfo"]["name"] == "flux"
            writer.close()
    finally:
        process.terminate()
        await process.wait()


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    async with await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0) as taken:
        port = taken.sockets[0].getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "flux",
            "serve",
            "--tcp",
            f"127.0.0.1:{port}",
            stderr=asyncio.subprocess.PIPE,
            env=environment(tmp_path),
            cwd=tmp_path,
        )
        async with asyncio.timeout(BOUND_S):
            _, said = await process.communicate()
    assert process.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in said.decode()
    assert "Traceback" not in said.decode()


def test_nothing_of_weight_is_loaded_before_it_is_used() -> None:
    program = "import sys, flux.ui.cli; from flux.lsp.server import FluxServer; FluxServer(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    heavy = {"anthropic", "openai", "git", "tiktoken", "prompt_toolkit", "sqlite3", "pathspec", "flux.agent.session"}
    assert heavy & set(done.stdout.split()) == set()


def _position(uri: str, line: int) -> dict[str, Any]:
    return {"textDocument": {"uri": uri}, "position": {"line": line, "character": 0}}
