"""What the doctor finds, over real sockets and real files: what works, what does not, and that it costs nothing."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import pytest

from flux.agent.doctor.examination import Case, examine
from flux.agent.doctor.finding import Finding, Report
from flux.agent.doctor.storage import look_at_state
from flux.agent.session_store import SessionStore
from flux.agent.store.schema import FORMAT
from flux.core.config import UserFolders, load_settings
from flux.core.errors import ConfigError, ConnectionFailed
from flux.core.messages import Text, user_message
from flux.llm.resilience.breaker import CIRCUITS
from tests.support.fault_server import FaultServer, Received, fault_server
from tests.support.replay_server import replay_server

KEY = "key-of-the-test-0001"


@dataclass(slots=True)
class Service(FaultServer):
    """Answers whatever it is asked with one status, a list of models, and the clock that it has. Or never."""

    status: int = 200
    ahead_s: float = 0.0
    is_silent: bool = False

    async def _answer(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self.is_silent:
            await reader.read(1)
            return False
        body = json.dumps({"data": [{"id": "one", "max_model_len": 9000}, {"id": "two"}]}).encode()
        head = [f"HTTP/1.1 {self.status} Said", "content-type: application/json", f"content-length: {len(body)}"]
        head.append(f"date: {formatdate(time.time() + self.ahead_s, usegmt=True)}")
        is_head = request.head.startswith(b"HEAD ")
        writer.write("\r\n".join([*head, "", ""]).encode() + (b"" if is_head else body))
        await writer.drain()
        return True


@asynccontextmanager
async def service(**how: object) -> AsyncGenerator[Service]:
    server = Service(**how)  # type: ignore[arg-type]
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    listening.close()
    await server.hang_up()


async def look(
    folder: Path, environ: dict[str, str], *, is_deep: bool = False, within_s: float | None = None
) -> Report:
    """What the doctor finds with these variables, for an empty project and folders of its own."""
    project = folder / "project"
    project.mkdir(exist_ok=True)
    folders = UserFolders(folder / "config", folder / "state")
    try:
        loaded = load_settings(project, {}, environ=environ, user_folders=folders)
    except ConfigError as e:
        loaded = e
    case = Case(project, folders.state, loaded, (), (lambda: SessionStore(None)) if is_deep else None)
    return await examine(case, within_s)


def compatible(server: FaultServer, **variables: str) -> dict[str, str]:
    return {"FLUX_PROVIDER": "compatible", "FLUX_BASE_URL": f"{server.base_url}/v1", "FLUX_API_KEY": KEY, **variables}


def of(report: Report, name: str, area: str = "") -> Finding:
    return next(one for one in report.findings if one.name == name and one.area.startswith(area))


async def test_a_service_that_works_is_told_of_step_by_step_and_costs_nothing(tmp_path: Path) -> None:
    async with service() as server:
        report = await look(tmp_path, compatible(server, FLUX_MODEL="one"))
        assert {request.head[:4] for request in server.received} == {b"HEAD", b"GET "}
        assert b"authorization" not in server.received[0].head.lower()
    states = {one.name: one.state for one in report.findings if one.area == "provider compatible"}
    assert states == {
        "address": "ok",
        "clock": "ok",
        "key": "ok",
        "model": "ok",
        "window": "ok",
        "price": "ok",
        "tools": "ok",
    }
    assert of(report, "window").text == "one: 9,000 tokens."
    assert report.is_healthy
    assert KEY not in json.dumps(report.to_json())
    assert "****0001" in of(report, "key").text


async def test_a_model_that_keeps_failing_in_this_process_is_named(tmp_path: Path) -> None:
    async with service() as server:
        circuit = CIRCUITS.of(f"{server.base_url}/v1", "one")
        circuit.failed(ConnectionFailed("nothing listens there."), is_trial=False)
        found = of(await look(tmp_path, compatible(server, FLUX_MODEL="one")), "circuit")
        circuit.answered()
    assert found.state == "warning"
    assert found.text == (
        f"one at {server.base_url}/v1: 1 failed in a row; asked as usual. Last: nothing listens there."
    )


@pytest.mark.parametrize(
    ("how", "name", "state", "words"),
    [
        ({"status": 401}, "key", "problem", "key"),
        ({"status": 500}, "models", "problem", "500"),
        ({"status": 404}, "models", "warning", "no list of models"),
        ({"ahead_s": 3600.0}, "clock", "warning", "behind"),
        ({"ahead_s": -3600.0}, "clock", "warning", "ahead of"),
        ({"is_silent": True}, "time", "problem", "not wholly looked at"),
    ],
)
async def test_what_is_wrong_with_a_service_is_named(
    how: dict[str, object], name: str, state: str, words: str, tmp_path: Path
) -> None:
    async with service(**how) as server:
        found = of(await look(tmp_path, compatible(server, FLUX_MODEL="one"), within_s=3.0), name, "provider")
    assert (found.state, words in found.text) == (state, True), found


async def test_a_model_that_is_not_there_has_the_nearest_names(tmp_path: Path) -> None:
    async with service() as server:
        found = of(await look(tmp_path, compatible(server, FLUX_MODEL="ones")), "model")
    assert (found.state, found.hint) == ("warning", "Near it are one.")


async def test_nothing_listens_and_the_others_are_looked_at_all_the_same(tmp_path: Path) -> None:
    async with service() as server:
        environ = compatible(server, FLUX_MODEL="one") | {"OLLAMA_BASE_URL": "http://127.0.0.1:9"}
        folder = tmp_path / "config"
        folder.mkdir()
        (folder / "config.toml").write_text('[providers.ollama]\nmodel = "qwen"\n', encoding="utf-8")
        report = await look(tmp_path, environ)
    found = of(report, "address", "provider ollama")
    assert (found.state, "ollama serve" in found.hint) == ("problem", True)
    assert of(report, "address", "provider compatible").state == "ok"


async def test_a_certificate_that_is_not_believed_is_named_with_what_to_do(tmp_path: Path) -> None:
    async with replay_server("self_signed") as server:
        environ = {"FLUX_PROVIDER": "compatible", "FLUX_BASE_URL": server.base_url, "FLUX_MODEL": "one"}
        found = of(await look(tmp_path, environ), "address", "provider")
    assert (found.state, "FLUX_CA_BUNDLE" in found.hint) == ("problem", True)


async def test_with_deep_an_answer_is_tried_and_counted(tmp_path: Path) -> None:
    store = SessionStore(None)
    async with fault_server() as server:
        environ = {"FLUX_PROVIDER": "anthropic", "FLUX_BASE_URL": server.base_url, "FLUX_API_KEY": KEY}
        loaded = load_settings(None, {}, environ={**environ, "FLUX_MODEL": "ok"}, user_folders=UserFolders(None, None))
        report = await examine(Case(tmp_path, None, loaded, (), lambda: store))
    assert of(report, "streaming").text.startswith("ok: 2 pieces in ")
    tools = [one for one in report.findings if one.name == "tools"][-1]
    assert (tools.state, "called no tool" in tools.text) == ("warning", True)
    assert "The trial of ok used 1007 tokens" in of(report, "cost").text
    assert [(group.key, group.spent.requests) for group in store.ledger.groups("role")] == [("doctor", 1)]


async def test_a_limit_of_money_holds_for_trials(tmp_path: Path) -> None:
    async with fault_server() as server:
        environ = {"FLUX_PROVIDER": "anthropic", "FLUX_BASE_URL": server.base_url, "FLUX_API_KEY": KEY}
        environ |= {"FLUX_MODEL": "claude-sonnet-5-5", "FLUX_BUDGET_DAY": "0.000001"}
        report = await look(tmp_path, environ, is_deep=True)
        assert [request for request in server.received if request.head.startswith(b"POST")] == []
    assert (of(report, "trial").state, "pass the limit" in of(report, "trial").text) == ("problem", True)


async def test_settings_that_cannot_be_read_keep_nothing_else_from_being_looked_at(tmp_path: Path) -> None:
    report = await look(tmp_path, {"FLUX_MAX_TOKENS": "many"})
    assert (of(report, "files", "settings").state, of(report, "python").state) == ("problem", "ok")
    assert "FLUX_MAX_TOKENS" in of(report, "files", "settings").text


async def test_without_a_provider_the_ways_to_set_one_up_are_told(tmp_path: Path) -> None:
    found = of(await look(tmp_path, {}), "provider", "settings")
    assert (found.state, "FLUX_PROVIDER=demo" in found.hint) == ("problem", True)


async def test_a_folder_that_is_not_trusted_is_told_of_with_what_it_would_set(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / ".env").write_text("FLUX_MODEL=one\n", encoding="utf-8")
    found = of(await look(tmp_path, {"FLUX_PROVIDER": "demo"}), "trust")
    assert (found.state, "FLUX_MODEL" in found.text) == ("warning", True)


# The state folder.


def check_state(folder: Path, name: str, state: str, words: str) -> None:
    found = next(one for one in look_at_state(folder) if one.name == name and one.state == state)
    assert words in found.text, found


def fill(file: Path) -> None:
    store = SessionStore(file)
    store.create("s", "/w")
    for number in range(300):
        store.add_message("s", "t", user_message(Text(f"{number} " * 200).text))
    store.close()


def test_a_whole_file_of_sessions_and_its_size(tmp_path: Path) -> None:
    check_state(tmp_path, "sessions", "ok", "Nothing is stored yet.")
    fill(tmp_path / "sessions.db")
    check_state(tmp_path, "sessions", "ok", "1 in ")
    check_state(tmp_path, "folder", "ok", "can be written")


def test_a_damaged_file_of_sessions_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    fill(file)
    data = bytearray(file.read_bytes())
    data[8192:40960] = b"\x5a" * 32768
    file.write_bytes(data)
    check_state(tmp_path, "sessions", "problem", "damaged")
    file.write_bytes(b"no database at all" * 100)
    check_state(tmp_path, "sessions", "problem", "cannot be read")
    assert file.read_bytes() == b"no database at all" * 100
    (tmp_path / "sessions-damaged-20261121-100000.db").write_bytes(b"x")
    check_state(tmp_path, "set aside", "warning", "1 damaged files")


def test_a_file_of_a_newer_flux_and_of_an_older_one(tmp_path: Path) -> None:
    fill(tmp_path / "sessions.db")
    for version, state, words in ((FORMAT + 1, "problem", "newer Flux"), (1, "ok", "of format 1")):
        with closing(sqlite3.connect(tmp_path / "sessions.db")) as db:
            db.execute(f"PRAGMA user_version = {version}")
        check_state(tmp_path, "sessions", state, words)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a file").write_bytes(b"")
    check_state(tmp_path / "a file" / "state", "folder", "problem", "Nothing can be written")
    assert look_at_state(None)[0].state == "warning"
