"""`flux sessions show --raw`: what was sent as it was sent, and never a key."""

from __future__ import annotations

import asyncio
import json

from tests.support.fault_server import STREAMS, fault_server
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
    assert [one["request"]["body"] for one in raw["exchanges"]] == [
        bodies[0].replace("sk-ant-0123456789abcdef", "****"),
        bodies[1].replace("sk-ant-0123456789abcdef", "****"),
    ]
    assert raw["exchanges"][0]["request"]["headers"]["authorization"] == "Bearer ****"
    assert raw["exchanges"][1]["answer"]["body"] == "".join(STREAMS["anthropic"])
    assert [(one["model"], one["usage"]["input_tokens"]) for one in raw["used"]] == [("ok", 1000)] * 2
    database = b"".join(file.read_bytes() for file in (shell.home / "state").iterdir() if file.is_file())
    assert KEY not in shown.out
    assert KEY.encode() not in database
    turn = raw["exchanges"][1]["turn"]
    only = json.loads(shell.flux("sessions", "show", listed["id"], "--raw", "--turn", turn).out)
    assert (only["exchanges"], only["used"]) == (raw["exchanges"][1:], raw["used"][1:])
