"""What no client should send: each is answered by the protocol's rules, and nothing of the user's is lost by it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.lsp.test_code_actions import AREA
from tests.support.lsp_bench import Bench, bench, edit
from tests.support.lsp_client import CAPABILITIES, NO_ANSWER, LspClient, ResponseError

PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS = -32700, -32600, -32602
EDIT = ({"tool_calls": [edit("a.py", "3", "4")]}, {"text": "Done."})
CHANGED = AREA.replace("3", "4")


def framed(body: bytes, length: int | None = None) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body) if length is None else length, body)


async def check_lives(client: LspClient) -> None:
    assert "turns" not in (await client.command("flux.chat.list"))


async def check_answers(made: Bench, *sent: tuple[bytes, Any, int]) -> None:
    """(message, id, code) each: the message is answered by that error, in their order, and the server works on."""
    for message, _, _ in sent:
        made.client.send_bytes(message)
    await check_lives(made.client)
    answers = [(answer["id"], answer["error"]["code"]) for answer in made.client.sent("")]
    assert answers == [(id_, code) for _, id_, code in sent]
    made.client.check.faults = [fault for fault in made.client.check.faults if "nothing was asked" not in fault]


async def test_what_is_no_message_of_json_rpc_is_answered(tmp_path: Path) -> None:
    at = {"start": {"line": 0, "character": 0}, "end": {"line": 1, "character": 0}}
    menu = {"textDocument": {"uri": "file:///a.py"}, "range": at, "context": {"diagnostics": [{"range": 3}]}}
    offering = {"jsonrpc": "2.0", "id": 104, "method": "textDocument/codeAction", "params": menu}
    async with bench(tmp_path) as made:
        await check_answers(
            made,
            (framed(b"{oops"), None, PARSE_ERROR),
            (framed(b""), None, PARSE_ERROR),
            (framed(b'{"jsonrpc": "2.0", "method": "\xff\xfe"}'), None, PARSE_ERROR),
            (framed(b"[" * 100_000), None, PARSE_ERROR),
            (framed(b'[{"jsonrpc": "2.0", "id": 1, "method": "shutdown"}]'), None, INVALID_REQUEST),
            (framed(b"7"), None, INVALID_REQUEST),
            (framed(b'{"jsonrpc": "2.0", "id": 100, "method": 7}'), None, INVALID_REQUEST),
            (framed(b'{"jsonrpc": "2.0", "id": {"a": 1}, "method": "shutdown"}'), None, INVALID_REQUEST),
            (framed(b'{"jsonrpc": "1.0", "id": 101, "method": "shutdown"}'), 101, INVALID_REQUEST),
            (framed(b'{"id": 102, "method": "shutdown"}'), 102, INVALID_REQUEST),
            (framed(b'{"jsonrpc": "2.0", "id": 103, "method": "workspace/executeCommand"}'), 103, INVALID_PARAMS),
            (framed(json.dumps(offering).encode()), 104, INVALID_PARAMS),
            (framed(b'{"jsonrpc": "2.0", "id": "x", "method": "no/such"}'), "x", -32601),
        )


async def test_after_a_wrong_length_the_next_message_but_one_is_understood(tmp_path: Path) -> None:
    chat_list = {"jsonrpc": "2.0", "id": 200, "method": "workspace/executeCommand"}
    body = json.dumps({**chat_list, "params": {"command": "flux.chat.list"}}).encode()
    async with bench(tmp_path) as made:
        made.client.check.faults = []
        for length in (len(body) - 7, len(body) + 7):
            made.client.send_bytes(framed(body, length))
            made.client.send_bytes(framed(b'{"jsonrpc": "2.0", "method": "flux/filler", "params": {}}'))
            await check_lives(made.client)
        made.client.send_bytes(b"Content-Length: 12\r\nContent-Length: x\r\n\r\nNo-Length: 3\r\n\r\n\r\n\r\n")
        made.client.send_bytes(framed(b'{"jsonrpc": "2.0", "method": "flux/filler", "params": {}}'))
        await check_lives(made.client)
        assert {answer["error"]["code"] for answer in made.client.sent("")} == {PARSE_ERROR}


async def test_a_message_of_300_million_bytes_is_passed_over_and_the_user_told(tmp_path: Path) -> None:
    async with bench(tmp_path, *EDIT, *EDIT, buffers={"a.py": AREA}) as made:
        assert made.client.process.stdin is not None
        made.client.send_bytes(b"Content-Length: 300000000\r\n\r\n")
        for _ in range(300):
            made.client.send_bytes(b"x" * 1_000_000)
            await made.client.process.stdin.drain()
        await check_lives(made.client)
        assert [answer["error"]["code"] for answer in made.client.sent("")] == [INVALID_REQUEST]
        assert "300 million bytes was passed over" in made.client.sent("window/showMessage")[-1]["message"]
        if sys.platform == "linux":
            status = Path(f"/proc/{made.client.process.pid}/status").read_text(encoding="utf-8")
            assert int(status.partition("VmHWM:")[2].split()[0]) < 150_000, "kB at most"
        # It may have been a change of any document.
        await check_unknown(made)


async def check_unknown(made: Bench) -> None:
    """Nobody knows the text of a.py, so it is not edited; once it was opened again it is, as ever."""
    ask = {"uri": made.uri("a.py"), "instruction": "x"}
    before = made.buffers()
    assert (await made.client.command("flux.edit", ask))["paths"] == []
    assert made.buffers() == before
    assert "does not know its text" in json.dumps(made.requests()[-1]["messages"][-1])
    made.client.close(made.uri("a.py"))
    made.client.open(made.uri("a.py"), AREA)
    assert (await made.client.command("flux.edit", ask))["unsaved"] == ["a.py"]
    assert made.buffers() == {"a.py": CHANGED}


def change(**document: object) -> dict[str, object]:
    at = {"line": 0, "character": 0}
    return {"textDocument": document, "contentChanges": [{"range": {"start": at, "end": at}, "text": "#"}]}


@pytest.mark.parametrize("lost", ["its text is missing", "its range is a number", "it is not JSON"])
async def test_after_a_change_that_could_not_be_read_the_file_is_not_edited(tmp_path: Path, lost: str) -> None:
    async with bench(tmp_path, *EDIT, *EDIT, buffers={"a.py": AREA}) as made:
        document = {"uri": made.uri("a.py"), "version": 2}
        if lost == "its text is missing":
            made.client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{}]})
        elif lost == "its range is a number":
            made.client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{"range": 3}]})
        else:
            made.client.send_bytes(framed(b'{"jsonrpc": "2.0", "method": "textDocument/didChange", "par'))
        # What comes then is placed in a text that is not the editor's.
        made.client.notify("textDocument/didChange", change(**{**document, "version": 3}))
        await check_unknown(made)


async def test_after_its_whole_text_a_file_is_edited_again(tmp_path: Path) -> None:
    async with bench(tmp_path, *EDIT, *EDIT, buffers={"a.py": AREA}) as made:
        uri = made.uri("a.py")
        for version, changes in ((2, [{}]), (3, [{"text": AREA}])):
            document = {"uri": uri, "version": version}
            made.client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": changes})
            made.client.buffers[uri].version = version
            done = await made.client.command("flux.edit", {"uri": uri, "instruction": "x"})
            assert done["paths"] == (["a.py"] if version == 3 else [])
        assert made.buffers() == {"a.py": CHANGED}


OPENINGS = {
    "textDocument/didOpen": lambda uri: {"textDocument": {"uri": uri, "version": 1}},
    "notebookDocument/didOpen": lambda uri: {"notebookDocument": {"uri": uri, "version": 1}},
    "notebookDocument/didChange": lambda uri: {"notebookDocument": {"uri": uri, "version": 2}, "change": {}},
}


@pytest.mark.parametrize("method", OPENINGS)
async def test_after_an_opening_that_could_not_be_read_that_file_alone_is_not_edited(
    tmp_path: Path, method: str
) -> None:
    """The editor may have another text than the disk. All other texts are known as before."""
    other = {"tool_calls": [edit("b.py", "3", "4")]}, {"text": "Done."}
    async with bench(tmp_path, *other, *EDIT, *other, disk={"b.py": AREA}, buffers={"a.py": AREA}) as made:
        client, b = made.client, made.uri("b.py")
        client.notify(method, OPENINGS[method](b))
        ask = {"uri": made.uri("a.py"), "instruction": "x"}
        assert (await client.command("flux.edit", ask))["paths"] == []
        assert "does not know its text" in json.dumps(made.requests()[-1]["messages"][-1])
        assert (await client.command("flux.edit", ask))["unsaved"] == ["a.py"]
        document, _, _ = method.partition("/")
        client.notify(f"{document}/didClose", {document: {"uri": b}, "cellTextDocuments": []})
        assert (await client.command("flux.edit", ask))["paths"] == ["b.py"]
        assert made.buffers()["a.py"] == made.buffers()["b.py"] == CHANGED


async def test_a_file_that_was_changed_before_it_was_opened_counts_once_it_is_opened(tmp_path: Path) -> None:
    async with bench(tmp_path, *EDIT, disk={"a.py": "old = 3\n"}) as made:
        made.client.notify("textDocument/didChange", change(uri=made.uri("a.py"), version=7))
        made.client.open(made.uri("a.py"), AREA)
        await made.client.command("flux.edit", {"uri": made.uri("a.py"), "instruction": "x"})
        assert (made.buffers(), made.on_disk()) == ({"a.py": CHANGED}, {"a.py": "old = 3\n"})


async def test_a_second_opening_and_a_version_that_goes_back_are_believed(tmp_path: Path) -> None:
    async with bench(tmp_path, *EDIT, buffers={"a.py": "old\n"}) as made:
        made.client.open(made.uri("a.py"), AREA)
        made.client.buffers[made.uri("a.py")].version = -5
        made.client.type(made.uri("a.py"), 0, 0, "# back\n")
        result = await made.client.command("flux.edit", {"uri": made.uri("a.py"), "instruction": "x"})
        assert (result["status"], made.buffers()) == ("completed", {"a.py": f"# back\n{CHANGED}"})


@pytest.mark.parametrize("line", ["x", " ", "f(", "语"])
async def test_an_open_file_with_a_line_of_a_million_characters_is_asked_about_and_edited(
    tmp_path: Path, line: str
) -> None:
    text = f"{AREA}{line * (1_000_000 // len(line))}\n"
    async with bench(tmp_path, *EDIT, buffers={"a.py": text}) as made:
        result = await made.client.command("flux.edit", {"uri": made.uri("a.py"), "instruction": "x"})
        assert (result["status"], result["unsaved"]) == ("completed", ["a.py"])
        assert made.buffers() == {"a.py": text.replace("3", "4")}
        assert AREA in made.said(0)
        assert len(made.said(0)) < 100_000


async def test_answers_and_cancellations_by_ids_that_are_not_theirs_do_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, *EDIT, buffers={"a.py": AREA}) as made:
        client = made.client

        def confuse(params: Any) -> Any:
            """While our own request runs, and the server waits for this answer."""
            for id_ in (1, running, "no-such", None):
                client.send({"id": id_, "result": {"applied": False}})
                client.send({"id": id_, "error": {"code": 1, "message": "no"}})
            client.send({"id": None})
            for id_ in (client.messages[-1].id, "no-such", 4711):
                client.notify("$/cancelRequest", {"id": id_})
            client.notify("$/cancelRequest", {"id": [1]})
            client.notify("$/cancelRequest")
            return client._answer({"method": "workspace/applyEdit", "params": params})

        client.answers["workspace/applyEdit"] = confuse
        arguments = [{"uri": made.uri("a.py"), "instruction": "x"}]
        running, answer = client.begin_request(
            "workspace/executeCommand", {"command": "flux.edit", "arguments": arguments}
        )
        assert (await answer)["status"] == "completed"
        assert made.buffers() == {"a.py": CHANGED}


async def test_a_shutdown_in_mid_turn_leaves_the_turn_stored_and_answers_what_was_asked(tmp_path: Path) -> None:
    steps = [{"text": "word " * 1000, "chunk": 5, "delay_s": 0.02}]
    async with bench(tmp_path, *steps, capabilities=CAPABILITIES, options={"turnEvents": True}) as made:
        _, running = made.client.begin_request(
            "workspace/executeCommand", {"command": "flux.chat.send", "arguments": [{"text": "Go."}]}
        )
        await made.client.until(lambda: any(event["type"] == "text_delta" for event in made.client.events()))
        assert await made.client.request("shutdown") is None
        assert (await running)["status"] == "cancelled"
        with pytest.raises(ResponseError, match="shutting down"):
            await made.client.command("flux.chat.list")
        made.client.notify("exit")
        assert await made.client.process.wait() == 0
    async with bench(tmp_path) as made:
        resumed = await made.client.command("flux.session.resume", {})
        assert [message["role"] for message in resumed["messages"]] == ["user", "assistant"]
        assert resumed["messages"][1]["text"].startswith("word word")


async def test_a_client_that_dies_in_mid_turn_or_in_a_message_ends_the_server_and_the_turn_is_stored(
    tmp_path: Path,
) -> None:
    steps = [{"text": "word " * 1000, "chunk": 5, "delay_s": 0.02}]
    async with bench(tmp_path, *steps, options={"turnEvents": True}) as made:
        _, running = made.client.begin_request(
            "workspace/executeCommand", {"command": "flux.chat.send", "arguments": [{"text": "Go."}]}
        )
        running.add_done_callback(lambda done: done.exception())  # its answer may be lost
        await made.client.until(lambda: any(event["type"] == "text_delta" for event in made.client.events()))
        assert made.client.process.stdin is not None
        made.client.send_bytes(b"Content-Length: 100\r\n\r\n{")
        made.client.process.stdin.close()
        assert await made.client.process.wait() == 1
    async with bench(tmp_path) as made:
        resumed = await made.client.command("flux.session.resume", {})
        assert [message["role"] for message in resumed["messages"]] == ["user", "assistant"]
        assert resumed["messages"][1]["text"].startswith("word word")


async def test_a_client_that_never_answers_an_edit_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    """An edit is waited for as long as its user may look at it; all else goes on, and the end is in order."""
    async with bench(tmp_path, *EDIT, buffers={"a.py": AREA}) as made:
        client = made.client
        client.answers["workspace/applyEdit"] = lambda _: NO_ANSWER
        ask = {"uri": made.uri("a.py"), "instruction": "x"}
        _, running = client.begin_request("workspace/executeCommand", {"command": "flux.edit", "arguments": [ask]})
        await client.until(lambda: bool(client.sent("workspace/applyEdit")))
        assert await client.code_actions(made.uri("a.py"), (0, 0), (1, 5))
        await check_lives(client)
        assert not running.done()
        assert await client.request("shutdown") is None
        client.notify("exit")
        assert await client.process.wait() == 0
        running.add_done_callback(lambda done: done.exception())  # its answer may be lost
        assert made.buffers() == {"a.py": AREA}
    async with bench(tmp_path, buffers={"a.py": AREA}) as made:
        with pytest.raises(ResponseError, match="There is no change of Flux to take back"):
            await made.client.command("flux.turn.undo", {})


@pytest.mark.parametrize("uri", ["", "nonsense", "http://[::1", "file:///", "file:///%00", "file://host/x", "git:/a"])
async def test_a_document_that_is_none_is_refused_in_words_and_harms_nothing(tmp_path: Path, uri: str) -> None:
    async with bench(tmp_path, *EDIT, buffers={"a.py": AREA}) as made:
        client = made.client
        document = {"textDocument": {"uri": uri, "version": 1}}
        client.notify("textDocument/didChange", change(uri=uri, version=1))
        client.notify("textDocument/didClose", document)
        client.notify("notebookDocument/didChange", {"notebookDocument": {"uri": uri, "version": 1}, "change": {}})
        client.notify("notebookDocument/didClose", {"notebookDocument": {"uri": uri}, "cellTextDocuments": []})
        client.notify("workspace/didRenameFiles", {"files": [{"oldUri": uri, "newUri": made.uri("a.py")}]})
        client.notify("workspace/didDeleteFiles", {"files": [{"uri": uri}]})
        assert await client.code_actions(uri, (0, 0), (99, 99)) == []
        with pytest.raises(ResponseError) as refused:
            await client.command("flux.edit", {"uri": uri, "instruction": "x"})
        assert (refused.value.code, made.requests()) == (-32803, [])
        await client.command("flux.edit", {"uri": made.uri("a.py"), "instruction": "x"})
        assert made.buffers() == {"a.py": CHANGED}
