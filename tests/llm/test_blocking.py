"""Providers without an event loop: from one thread and several, streams, an interrupted wait, the end of a program."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

from flux.core.errors import ConfigError, ConnectionFailed
from flux.llm import TextDelta
from flux.llm.blocking import Provider, create_provider, iterate, run
from flux.llm.scripted_provider import ScriptedProvider, Step


def test_an_answer_is_waited_for() -> None:
    with create_provider({"provider": "demo"}) as provider:
        assert provider.name == "demo"
        assert provider.supports_tools() is True
        assert provider.complete("Hello").content


def test_a_stream_is_an_iterator_and_may_be_left_early() -> None:
    provider = Provider(ScriptedProvider([Step(text="one two three"), Step(text="four")]))
    deltas = provider.stream("go", model="scripted")
    first = next(delta for delta in deltas if isinstance(delta, TextDelta))
    deltas.close()
    assert "one two three".startswith(first.text)
    assert provider.complete("again", model="scripted").content == "four"


def test_several_threads_ask_at_a_time() -> None:
    provider = create_provider({"provider": "demo"})
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: provider.complete("Hello").content, range(40)))
    assert len(set(answers)) == 1


def test_errors_are_the_same_as_elsewhere() -> None:
    with pytest.raises(ConfigError, match="Unsupported provider: nobody"):
        create_provider({}, "nobody")
    with (
        create_provider(
            {"provider": "compatible", "base_url": "http://127.0.0.1:9/v1", "model": "m", "attempts": 1}
        ) as provider,
        pytest.raises(ConnectionFailed),
    ):
        provider.complete("Hello")


def test_inside_its_own_event_loop_it_refuses_to_hang() -> None:
    async def inside() -> None:
        with pytest.raises(RuntimeError, match="inside its own event loop"):
            next(iterate(ScriptedProvider([Step(text="x")]).stream("go", model="scripted")))

    run(inside())


def in_a_program(source: str) -> subprocess.CompletedProcess[str]:
    """A program of its own, which must come to its end by itself."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(source)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False)


def test_an_interrupt_ends_the_wait_and_cancels_what_was_waited_for() -> None:
    done = in_a_program("""
        import _thread, asyncio, threading
        from flux.llm.blocking import run

        async def for_ever():
            asyncio.get_running_loop().call_later(0.1, _thread.interrupt_main)  # while it is waited for
            try:
                await asyncio.Event().wait()
            finally:
                print("cancelled", flush=True)
                ended.set()

        ended = threading.Event()
        try:
            run(for_ever())
        except KeyboardInterrupt:
            print("interrupted", ended.wait(5))
        """)
    assert (sorted(done.stdout.split()), done.returncode) == (["True", "cancelled", "interrupted"], 0), done.stderr


def test_an_interrupt_at_any_moment_cancels_what_was_waited_for() -> None:
    done = in_a_program("""
        import _thread, asyncio, random, threading
        from flux.llm import blocking

        blocking.INTERRUPTIBLE_S = 0.0001  # it looks often, and an interrupt is seen in the middle of that

        async def for_ever(ended):
            looking = asyncio.ensure_future(look())
            asyncio.get_running_loop().call_later(random.random() * 0.003, _thread.interrupt_main)
            try:
                await asyncio.Event().wait()
            finally:
                looking.cancel()
                ended.set()

        async def look():
            while True:
                await asyncio.sleep(0)

        cancelled = 0
        for _ in range(1_500):
            ended = threading.Event()
            try:
                blocking.run(for_ever(ended))
            except KeyboardInterrupt:
                cancelled += ended.wait(5)
        print(cancelled)
        """)
    assert (done.stdout, done.stderr) == ("1500\n", "")


def test_a_program_that_closes_nothing_ends_in_order() -> None:
    done = in_a_program("""
        from flux.llm.blocking import create_provider
        provider = create_provider({"provider": "demo"})
        kept = provider.stream("Hello")
        next(kept)
        print("done")
        """)
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)
