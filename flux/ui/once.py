"""`flux -p`: one turn, its answer on standard output, all else on standard error."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import stat
import sys
from contextlib import aclosing, suppress

from flux.agent.approval import ApproveAll, Approver, DenyAll
from flux.agent.events import ApprovalAsked, TurnEnded, TurnEvent, to_json
from flux.agent.session import Session
from flux.agent.sessions import Sessions
from flux.ui.approval import AskOnTerminal
from flux.ui.opening import open_session, open_settings, open_store, say
from flux.ui.render import Renderer

_STATUS = {"completed": 0, "failed": 1, "cancelled": 130}


def run_once(arguments: argparse.Namespace) -> int:
    """Run the turn; the exit status. Raises ConfigError for settings that cannot be used."""
    settings = open_settings(arguments, ask=None)
    sessions = Sessions(settings, open_store())
    if sessions.reason:
        say(sessions.reason)
    is_auto = arguments.yes or settings.approval == "auto"
    return asyncio.run(_run(arguments, sessions, ApproveAll() if is_auto else _asker()))


def _asker() -> Approver:
    return AskOnTerminal() if sys.stdin.isatty() and sys.stderr.isatty() else DenyAll()


async def _run(arguments: argparse.Namespace, sessions: Sessions, approver: Approver) -> int:
    renderer = Renderer(sys.stdout, sys.stderr)
    try:
        session = await open_session(arguments, sessions)
        text = arguments.prompt + _piped_input()
        with cancelled_by_ctrl_c(session):
            async with aclosing(session.send_message(text, approver=approver)) as events:
                async for event in events:
                    if arguments.json:
                        print(json.dumps(to_json(event)), flush=True)
                    else:
                        renderer.show(event)
                    _explain_denial(event, approver)
                    if isinstance(event, TurnEnded):
                        return _STATUS[event.status]
    finally:
        await sessions.close()
    return 1


def _explain_denial(event: TurnEvent, approver: Approver) -> None:
    if isinstance(event, ApprovalAsked) and event.decision == "no" and isinstance(approver, DenyAll):
        say("the change was not made: nobody can be asked here. Give --yes to approve changes.")


def _piped_input() -> str:
    """What was piped or redirected into the command, ready to follow the prompt."""
    try:
        mode = stat.S_IFMT(os.fstat(sys.stdin.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):
        return ""  # no standard input at all
    if mode not in {stat.S_IFIFO, stat.S_IFREG, stat.S_IFSOCK}:
        return ""
    text = sys.stdin.read()
    return f"\n\n<input>\n{text}\n</input>" if text.strip() else ""


class cancelled_by_ctrl_c:  # noqa: N801  # reads as what it does, like contextlib's own
    """While it holds, Ctrl-C and SIGTERM cancel the session's turn; a second Ctrl-C ends the program."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()

        def cancel(number: int, _frame: object) -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            loop.call_soon_threadsafe(self._session.cancel)

        for name in (signal.SIGINT, signal.SIGTERM):
            self._before[name] = signal.signal(name, cancel)

    def __exit__(self, *_: object) -> None:
        for name, handler in self._before.items():
            with suppress(TypeError, ValueError):
                signal.signal(name, handler)  # pyright: ignore[reportArgumentType] -- what signal.signal gave us
