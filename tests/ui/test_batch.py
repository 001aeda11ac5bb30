"""`flux batch` as a process, with services on real sockets: what is asked, what is kept, and what a kill costs."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.fault_server import FaultServer, fault_server
from tests.support.replay_server import Exchange, ReplayServer, briefly, replay_server
from tests.support.shell import Ended, Shell

MODEL = {"FLUX_PROVIDER": "anthropic", "FLUX_MODEL": "ok", "FLUX_API_KEY": "key-of-the-test-0001", "FLUX_ATTEMPTS": "1"}


def write(shell: Shell, *lines: dict[str, Any] | str) -> Path:
    file = shell.folder / "asked.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return file


async def batch(shell: Shell, server: FaultServer | ReplayServer, *arguments: str) -> Ended:
    shell.variables |= MODEL | {"FLUX_BASE_URL": server.base_url}
    return await asyncio.to_thread(shell.flux, "batch", "asked.jsonl", *arguments)


def results(shell: Shell, name: str = "asked.results.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (shell.folder / name).read_text(encoding="utf-8").splitlines()]


def prompts(server: FaultServer | ReplayServer) -> list[str]:
    found: list[str] = []
    for request in server.received:
        if request.head.startswith(b"POST"):
            messages: Any = request.json["messages"]
            content = messages[0]["content"]
            found.append(content if isinstance(content, str) else content[0]["text"])
    return found


def numbered(count: int) -> Sequence[dict[str, Any]]:
    return [{"id": f"q{n}", "prompt": f"question {n}"} for n in range(count)]


async def test_each_line_is_asked_once_and_what_is_done_is_not_asked_again(shell: Shell) -> None:
    write(shell, *numbered(9))
    async with fault_server() as server:
        first = await batch(shell, server, "--concurrency", "3")
        assert (first.status, first.out) == (0, "")
        assert "9 of 9 done" in first.err
        assert sorted(prompts(server)) == [f"question {n}" for n in range(9)]
        assert {one["text"] for one in results(shell)} == {"Hello wörld"}
        assert sorted(one["id"] for one in results(shell)) == [f"q{n}" for n in range(9)]
        write(shell, *numbered(9), {"id": "q9", "prompt": "one more"}, {"prompt": "question 3", "model": "plain"})
        again = await batch(shell, server, "-o", "asked.results.jsonl")
        assert again.status == 0
        assert "11 of 11 done, 9 from before" in again.err
        assert sorted(prompts(server)[9:]) == ["one more", "question 3"]
    usage = json.loads(shell.flux("usage", "--role", "--json").out)
    assert [(group["role"], group["requests"]) for group in usage["groups"]] == [("batch", 11)]


async def test_bad_lines_are_named_by_number_and_the_rest_goes_on(shell: Shell) -> None:
    write(shell, "{", '["a"]', {"prompt": ""}, {"prompt": "x", "colour": 1}, {"id": "a", "prompt": "good"}, "")
    with (shell.folder / "asked.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "a", "prompt": "twice"}\n{"prompt": "p", "max_tokens": "many"}\n')
    async with fault_server() as server:
        ended = await batch(shell, server)
        assert prompts(server) == ["good"]
    assert ended.status == 1
    for number, words in (
        (1, "not JSON"),
        (2, "no JSON object"),
        (3, "no prompt"),
        (4, "colour"),
        (7, "line 5"),
        (8, "max_tokens"),
    ):
        assert any(f"line {number} is left out" in line and words in line for line in ended.err.splitlines()), number
    assert [one["id"] for one in results(shell)] == ["a"]


async def test_what_failed_is_a_result_and_is_asked_again(shell: Shell) -> None:
    write(shell, {"id": "a", "prompt": "one"}, {"id": "b", "prompt": "two", "model": "bad_request"})
    async with fault_server() as server:
        ended = await batch(shell, server, "--concurrency", "1")
        assert ended.status == 1
        assert "b (line 2): " in ended.err
        assert "1 of 2 done, 1 failed" in ended.err
        assert [one["status"] for one in results(shell)] == ["done", "failed"]
        write(shell, {"id": "a", "prompt": "one"}, {"id": "b", "prompt": "two", "model": "ok"})
        assert (await batch(shell, server)).status == 0
        assert prompts(server) == ["one", "two", "two"]
        assert "key-of-the-test" not in json.dumps(results(shell))


async def test_a_kill_loses_at_most_what_is_in_flight(shell: Shell) -> None:
    write(shell, *numbered(8))
    asked = asyncio.Semaphore(0)

    async def never(exchange: Exchange) -> bool:
        asked.release()
        return await exchange.until_hung_up()

    async with replay_server() as server:
        server.next_answers = [*[briefly] * 4, never, never]
        shell.variables |= MODEL | {"FLUX_BASE_URL": server.base_url}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "flux", "batch", "asked.jsonl", "--concurrency", "2"),
            cwd=shell.folder,
            env=shell.environment(),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        async with asyncio.timeout(60):
            await asked.acquire()
            await asked.acquire()
        process.kill()
        await process.wait()
        done = results(shell)
        assert len(done) == 4
        file = shell.folder / "asked.results.jsonl"
        file.write_bytes(file.read_bytes() + b'{"id": "q7", "status": "do')
        server.received.clear()
        ended = await batch(shell, server)
        assert ended.status == 0
        assert "8 of 8 done, 4 from before" in ended.err
        answered = {f"question {one['id'][1:]}" for one in done}
        assert sorted(prompts(server)) == sorted({f"question {n}" for n in range(8)} - answered)
    assert sorted(one["id"] for one in results(shell)) == [f"q{n}" for n in range(8)]


@asynccontextmanager
async def hanging_batch(
    shell: Shell, answered: int, *arguments: str
) -> AsyncGenerator[tuple[asyncio.subprocess.Process, ReplayServer]]:
    """A batch that has so many answers, and has asked for one that never comes."""
    asked = asyncio.Event()

    async def never(exchange: Exchange) -> bool:
        asked.set()
        return await exchange.until_hung_up()

    async with replay_server() as server:
        server.next_answers = [*[briefly] * answered, never, never]
        shell.variables |= MODEL | {"FLUX_BASE_URL": server.base_url}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "flux", "batch", "asked.jsonl", *arguments),
            cwd=shell.folder,
            env=shell.environment(),
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            await asked.wait()
        yield process, server


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals as POSIX has them")
async def test_ctrl_c_ends_it_and_says_how_to_go_on(shell: Shell) -> None:
    write(shell, *numbered(3))
    async with hanging_batch(shell, 1, "--concurrency", "1") as (process, _):
        process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
    assert process.returncode == 130
    assert b"1 of 3 done" in errors
    assert b"goes on with what has no answer" in errors
    assert b"Traceback" not in errors


async def test_a_limit_of_money_stops_it_also_with_many_at_a_time(shell: Shell) -> None:
    write(shell, *({"prompt": f"q {n}", "max_tokens": 1000} for n in range(30)))
    (shell.home / "config").mkdir(exist_ok=True)
    prices = "[models.ok]\nwindow = 10000\ninput_price = 10\noutput_price = 10\n"
    (shell.home / "config" / "config.toml").write_text(f"budget_session = 0.06\n{prices}", encoding="utf-8")
    async with fault_server() as server:
        ended = await batch(shell, server, "--concurrency", "10")
        count = len(prompts(server))
    # Each answer costs $0.01007 (of 1,007 tokens), and may cost as much: six of them are more than the limit.
    assert ended.status == 1
    assert 4 <= count <= 5
    assert "stopped: The next request may cost up to" in ended.err
    assert sum(one["cost_usd"] for one in results(shell)) <= 0.06


async def test_two_batches_do_not_work_on_one_file_of_results(shell: Shell) -> None:
    write(shell, *numbered(2))
    async with hanging_batch(shell, 0) as (process, server):
        second = await batch(shell, server)
        process.kill()
        await process.communicate()
    assert second.status == 1
    assert "Another batch is at work" in second.err


async def test_kept_answers_are_shown_and_emptied_by_one_command(shell: Shell) -> None:
    shell.variables["FLUX_RESPONSE_CACHE"] = "1"
    write(shell, {"prompt": "Hello?"})
    async with fault_server() as server:
        await batch(shell, server)
    assert shell.flux("cache").out.startswith("1 kept answers, 0.0 MB")
    assert "1 kept answers" in shell.flux("doctor").out
    assert shell.flux("cache", "clear").out == "Deleted 1 kept answers, 0.0 MB.\n"
    assert shell.flux("cache").out.startswith("0 kept answers")
