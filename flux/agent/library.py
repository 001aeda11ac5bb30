"""A session for programs: made from a configuration, closed at its end. The program asks, runs its tools and decides.

A door for programs. Knows no editor and no terminal; `flux.agent.blocking` is the same without an event loop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.core.config import Settings, settings_of
from flux.core.messages import ToolSpec
from flux.workspace.disk import DiskWorkspace
from flux.workspace.memory import MemoryWorkspace


@asynccontextmanager
async def open_session(
    config: Settings | Mapping[str, object],
    folder: str | Path | None = None,
    *,
    tools: Sequence[ToolSpec] = (),
    system_prompt: str | None = None,
    max_turns: int | None = None,
) -> AsyncGenerator[Session]:
    """A session that is kept in memory, and closed with its connections at the end of the block.

    With a `folder` the model has Flux's tools for the files in it, and `system_prompt` is added to Flux's own
    instructions; without one it has only `tools`, which the program runs (`Session.add_tool_result`), and the prompt is
    the program's alone. `max_turns`: how often the model may be asked for one message, calls of tools included.
    A mapping has the names of `config.toml`, as for `create_provider`. Raises ConfigError, and FileMissing where the
    folder is none.
    """
    settings = config if isinstance(config, Settings) else settings_of(config)
    given = {"system_prompt": system_prompt, "max_steps": max_turns}
    settings = settings.override({name: value for name, value in given.items() if value is not None})
    workspace = MemoryWorkspace({}) if folder is None else DiskWorkspace([folder])
    sessions = Sessions(settings, SessionStore(None))
    try:
        session = await sessions.start(workspace, tools={} if folder is None else None, own_tools=tools)
        try:
            yield session
        finally:
            await session.close()
    finally:
        await sessions.close()
