"""Sessions for programs without an event loop: what is asynchronous runs as `flux.llm.blocking` says.

Everything is done on that one loop, so a session may be used from several threads; a second message meanwhile is Busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from flux.agent import library
from flux.agent.approval import ApprovalRequest, Approver, Decision
from flux.agent.events import TurnEvent
from flux.agent.result import TurnResult
from flux.agent.session import Session as AsyncSession
from flux.agent.session import Switch
from flux.core.config import Settings
from flux.core.messages import Message, ToolSpec
from flux.core.snapshot import WorkspacePath
from flux.core.usage import Cost, Usage
from flux.llm.blocking import iterate, run

Approve = Callable[[ApprovalRequest], Decision]
"""Asked before files are changed, in a thread of its own."""

_T = TypeVar("_T")


class Session:
    """A session whose methods wait; each as in `flux.agent.session.Session`, which is `inner`."""

    def __init__(self, inner: AsyncSession) -> None:
        self.inner = inner

    def send_message(self, text: str = "", *, approve: Approve | None = None) -> Generator[TurnEvent]:
        """The events of a turn as they come. Closing it cancels the turn."""
        return iterate(self.inner.send_message(text, approver=_approver(approve)))

    def ask(self, text: str = "", *, approve: Approve | None = None) -> TurnResult:
        return run(self.inner.ask(text, approver=_approver(approve)))

    def cancel(self) -> bool:
        return _on_loop(self.inner.cancel)

    def add_tool_result(self, tool_use_id: str, result: str, *, is_error: bool = False) -> None:
        _on_loop(lambda: self.inner.add_tool_result(tool_use_id, result, is_error=is_error))

    def clear_history(self) -> None:
        _on_loop(self.inner.clear_history)

    def history(self) -> Sequence[Message]:
        return _on_loop(self.inner.history)

    def get_token_usage(self) -> tuple[Usage, Cost]:
        return _on_loop(self.inner.get_token_usage)

    def set_current_file_context(self, path: WorkspacePath | str | None) -> None:
        _on_loop(lambda: self.inner.set_current_file_context(path))

    def get_model(self) -> str:
        return _on_loop(self.inner.get_model)

    def set_model(self, name: str) -> Switch:
        return run(self.inner.set_model(name))


@contextmanager
def open_session(
    config: Settings | Mapping[str, object],
    folder: str | Path | None = None,
    *,
    tools: Sequence[ToolSpec] = (),
    system_prompt: str | None = None,
    max_turns: int | None = None,
) -> Generator[Session]:
    """As `flux.agent.library.open_session`."""
    opened = library.open_session(config, folder, tools=tools, system_prompt=system_prompt, max_turns=max_turns)
    inner = run(opened.__aenter__())
    try:
        yield Session(inner)
    finally:
        run(opened.__aexit__(None, None, None))


def _approver(approve: Approve | None) -> Approver | None:
    return None if approve is None else _InThread(approve)


class _InThread:
    """Asks outside the event loop: the program may take its time, and may block."""

    def __init__(self, approve: Approve) -> None:
        self._approve = approve

    async def ask(self, question: ApprovalRequest) -> Decision:
        return await asyncio.to_thread(self._approve, question)


def _on_loop(work: Callable[[], _T]) -> _T:
    async def inside() -> _T:
        return work()

    return run(inside())
