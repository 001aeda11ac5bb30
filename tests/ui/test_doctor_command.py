"""`flux doctor` as a process: what it prints, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os

from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.core.config import settings_of
from flux.llm.resilience.breaker import CIRCUITS, FAILURES
from flux.workspace.memory import MemoryWorkspace
from tests.support.fault_server import fault_server
from tests.support.shell import Shell
from tests.support.talks import send


def test_with_the_demo_all_is_well(shell: Shell) -> None:
    shell.variables["FLUX_PROVIDER"] = "demo"
    ended = shell.flux("doctor")
    assert (ended.status, ended.err) == (0, "")
    assert "provider demo\n  ok address" in ended.out
    assert ended.out.splitlines()[-1].startswith("All is well: ")


def test_a_problem_is_a_status_of_one_and_the_same_as_json(shell: Shell) -> None:
    shell.variables |= {"FLUX_PROVIDER": "compatible", "FLUX_BASE_URL": "http://127.0.0.1:9", "FLUX_MODEL": "one"}
    ended = shell.flux("doctor", "--json")
    report = json.loads(ended.out)
    assert (ended.status, report["healthy"]) == (1, False)
    assert [one["name"] for one in report["findings"] if one["state"] == "problem"] == ["address"]


def test_settings_that_cannot_be_read_are_a_finding(shell: Shell) -> None:
    config = shell.home / "config"
    config.mkdir()
    (config / "config.toml").write_text("provider = [", encoding="utf-8")
    ended = shell.flux("doctor")
    assert ended.status == 1
    assert "✗  files" in ended.out
    assert "config.toml" in ended.out


async def test_a_model_that_keeps_failing_for_another_process_is_named_as_long_as_that_runs(shell: Shell) -> None:
    async with fault_server() as server:
        address = f"{server.base_url}/v1"
        shell.variables |= {"FLUX_PROVIDER": "compatible", "FLUX_MODEL": "html502", "FLUX_BASE_URL": address}
        store = SessionStore(shell.home / "state" / "sessions.db", door="VS Code")
        given = {"provider": "compatible", "base_url": address, "model": "html502", "attempts": 1}
        sessions = Sessions(settings_of(given), store)
        session = await sessions.start(MemoryWorkspace({}))
        for _ in range(FAILURES):
            await send(session, "Hi")
        found = await asyncio.to_thread(circuits, shell)
        await sessions.close()
        gone = await asyncio.to_thread(circuits, shell)
    CIRCUITS.of(address, "html502").answered()
    (text,) = found
    assert text.startswith(f"html502 at {address}: 5 failed in a row; asked again in ")
    assert text.endswith(f"(in VS Code, process {os.getpid()})")
    assert gone == []


def circuits(shell: Shell) -> list[str]:
    report = json.loads(shell.flux("doctor", "--json").out)
    return [one["text"] for one in report["findings"] if one["name"] == "circuit"]
