"""What Flux adds to a vendor's SDK: from `flux -p` to its first request, and from a message to its answer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Literal

from flux.agent.approval import DenyAll
from flux.agent.events import TextStreamed, TurnEnded
from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.core.config import load_settings
from flux.core.messages import Message, Text
from flux.workspace.disk import DiskWorkspace
from tests.benchmarks.figures import Bound, Effort, Figure, in_turn, median
from tests.benchmarks.servers import FLUX, base_url, clean_environment, end, model_server, wire_settings

VENDORS = ("anthropic", "openai")
SDK_ONLY = (sys.executable, str(Path(__file__).with_name("sdk_only.py")))
HISTORY = tuple(("user" if n % 2 == 0 else "assistant", "word " * 800) for n in range(100))
"""A hundred messages of 4 KB."""
SESSION_TURNS = 20
"""Then a new session begins, so that the history stays about as long as it says."""


def first_request(effort: Effort, folder: Path) -> list[Figure]:
    return [_first_request(effort, folder, vendor) for vendor in VENDORS]


def _first_request(effort: Effort, folder: Path, vendor: str) -> Figure:
    with model_server(deltas=3, tells_arrivals=True) as (url, arrivals):
        environ = clean_environment(folder, **wire_settings(vendor, url))
        flux, sdk = in_turn(
            effort.of(15),
            lambda: _until_arrival((*FLUX, "-p", "hello"), environ, folder, arrivals),
            lambda: _until_arrival((*SDK_ONLY, vendor, base_url(vendor, url)), environ, folder, arrivals),
        )
    name = f"flux -p: start to first request, {vendor}"
    return Figure(name, "ms", median(flux), median(sdk), "a script with the SDK", Bound("ratio", "<=", 1.25))


def _until_arrival(
    command: Sequence[str], environ: Mapping[str, str], folder: Path, arrivals: Iterator[bytes]
) -> float:
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=dict(environ), cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        next(arrivals)
        taken_ms = (time.perf_counter() - began) * 1000
        _, errors = process.communicate(timeout=60)
        if process.returncode:
            raise ChildProcessError(errors.decode("utf-8", "replace"))
    finally:
        end(process)
    return taken_ms


def first_event(effort: Effort, folder: Path) -> list[Figure]:
    return [
        figure
        for vendor in VENDORS
        for history, what in (((), "short history"), (HISTORY, "after 100 messages of 4 KB"))
        for figure in asyncio.run(_first_event(effort, folder, vendor, history, what))
    ]


async def _first_event(
    effort: Effort, folder: Path, vendor: str, history: Sequence[tuple[str, str]], what: str
) -> list[Figure]:
    """Both in this process, connected and warm, so that what differs is what Flux does with a message.

    The first message of a session is not among them: it collects what the project is, which asks git.
    """
    of_flux: list[float] = []
    of_sdk: list[float] = []
    with model_server(deltas=3) as (url, _):
        environ = clean_environment(folder, **wire_settings(vendor, url))
        sessions = Sessions(load_settings(folder, {}, environ=environ).settings, SessionStore(folder / "sessions.db"))
        async with _anthropic(url, history) if vendor == "anthropic" else _openai(url, history) as ask_sdk:
            for _ in range(effort.of(200 // SESSION_TURNS)):
                session = await _session(sessions, folder, history)
                await _until_text_ms(_texts(session))
                await _until_text_ms(ask_sdk())
                for _ in range(SESSION_TURNS):
                    of_flux.append(await _until_text_ms(_texts(session)))
                    of_sdk.append(await _until_text_ms(ask_sdk()))
        await sessions.close()
    name = f"a message to its first text, {vendor}, {what}"
    return [Figure(name, "ms", median(of_flux), median(of_sdk), "the SDK's call", Bound("difference", "<=", 2.0))]


async def _session(sessions: Sessions, folder: Path, history: Sequence[tuple[str, str]]) -> Session:
    """A session in which all that was said already."""
    workspace = DiskWorkspace([str(folder)])
    session = await sessions.start(workspace)
    for role, text in history:
        sessions.store.add_message(session.id, "", Message("user" if role == "user" else "assistant", (Text(text),)))
    return await sessions.resume(session.id, workspace)


async def _until_text_ms(texts: AsyncGenerator[str]) -> float:
    """Milliseconds to the first text; the rest is read too, as the connection is used again."""
    taken_ms = 0.0
    began = time.perf_counter()
    async with aclosing(texts):
        async for _ in texts:
            taken_ms = taken_ms or (time.perf_counter() - began) * 1000
    return taken_ms


async def _texts(session: Session) -> AsyncGenerator[str]:
    async with aclosing(session.send_message("go on", approver=DenyAll())) as events:
        async for event in events:
            if isinstance(event, TextStreamed):
                yield event.text
            elif isinstance(event, TurnEnded) and event.status != "completed":
                raise RuntimeError(event.error)


Ask = Callable[[], AsyncGenerator[str]]


@asynccontextmanager
async def _anthropic(url: str, history: Sequence[tuple[str, str]]) -> AsyncGenerator[Ask]:
    from anthropic import AsyncAnthropic
    from anthropic.types import AssistantMessageParam, UserMessageParam

    said = [*history, ("user", "go on")]
    messages = [
        UserMessageParam(role="user", content=text)
        if role == "user"
        else AssistantMessageParam(role="assistant", content=text)
        for role, text in said
    ]

    async def texts() -> AsyncGenerator[str]:
        stream = await client.messages.create(
            model="claude-sonnet-5-5", max_tokens=8192, messages=messages, stream=True
        )
        async for event in stream:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                yield event.delta.text

    async with AsyncAnthropic(base_url=url, api_key="not-a-key") as client:
        yield texts


@asynccontextmanager
async def _openai(url: str, history: Sequence[tuple[str, str]]) -> AsyncGenerator[Ask]:
    from openai import AsyncOpenAI
    from openai.types.responses import ResponseInputItemParam

    said = [*history, ("user", "go on")]
    messages: list[ResponseInputItemParam] = [{"role": _role(role), "content": text} for role, text in said]

    async def texts() -> AsyncGenerator[str]:
        async for event in await client.responses.create(model="gpt-6.1-sol", input=messages, stream=True):
            if event.type == "response.output_text.delta":
                yield event.delta

    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="not-a-key") as client:
        yield texts


def _role(role: str) -> Literal["user", "assistant"]:
    return "user" if role == "user" else "assistant"
