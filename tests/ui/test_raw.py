"""`flux sessions show --raw`: what was sent as it was sent, and never a key."""

from __future__ import annotations

import asyncio
import json

from tests.support.fault_server import fault_server
from tests.support.shell import Shell

KEY = "key-of-the-test-0001"


async def test_what_was_sent_and_what_came_are_shown_turn_by_turn_and_no_key(shell: Shell) -> None:
    async with fault_server() as server:
        shell.variables |= {"FLUX_PROVIDER": "anthropic", "FLUX_MODEL": "ok", "FLUX_BASE_URL": server.base_url}
        shell.variables["FLUX_API_KEY"] = KEY
        await asyncio.to_thread(shell.flux, "-p", "first ✓ with sk-ant-0123456789abcdef in it")
        await asyncio.to_thread(shell.flux, "-p", "second", "--continue")
        bodies = [request.body.decode() for request in server.received if request.head.startswith(b"POST")]
    (listed,) = json.loads(shell.flux("sessions", "list", "--json").out)
    shown = shell.flux("sessions", "show", listed["id"], "--raw")
    raw = json.loads(shown.out)
    assert shown.status == 0
    assert [one["stored"]["role"] for one in raw["messages"]] == ["user", "assistant", "user", "assistant"]
    assert raw["messages"][2]["sent"]["anthropic"].removesuffix("}") in bodies[1]  # the last has a mark for the cache
    assert "with **** in it" in raw["messages"][0]["sent"]["anthropic"]
    assert raw["messages"][1]["stored"]["parts"] == [{"type": "text", "text": "Hello wörld"}]
    assert [(one["model"], one["usage"]["input_tokens"]) for one in raw["requests"]] == [("ok", 1000)] * 2
    assert json.dumps(raw["system"], ensure_ascii=False)[1:40] in bodies[0]
    assert raw["tools"]
    database = b"".join(file.read_bytes() for file in (shell.home / "state").iterdir() if file.is_file())
    assert KEY not in shown.out
    assert KEY.encode() not in database
    turn = raw["messages"][2]["turn"]
    only = json.loads(shell.flux("sessions", "show", listed["id"], "--raw", "--turn", turn).out)
    assert [one["turn"] for one in (*only["messages"], *only["requests"])] == [turn] * 3
