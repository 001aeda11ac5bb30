"""`flux -p`: one turn, its answer on standard output, all else on standard error."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import stat
import sys
from contextlib import aclosing

from flux.agent.approval import ApproveAll, Approver, DenyAll
from flux.agent.events import ApprovalAsked, TurnEnded, TurnEvent, to_json
from flux.agent.session import Session
from flux.agent.sessions import Sessions
from flux.core.config import find_user_folders
from flux.core.errors import ConfigError
from flux.ui.approval import AskOnTerminal
from flux.ui.input import PlainInput
from flux.ui.interrupt import ENDING, CtrlC, end_soon
from flux.ui.opening import approval_of, open_session, open_settings, open_store, say
from flux.ui.render import Renderer
from flux.ui.review import ReviewOnTerminal

_STATUS = {"completed": 0, "failed": 1, "cancelled": 130}


def run_once(arguments: argparse.Namespace) -> int:
    """Run the turn; the exit status. Raises ConfigError for settings that cannot be used."""
    settings = open_settings(arguments, ask=None)
    sessions = Sessions(settings, open_store(), find_user_folders().config)
    if sessions.reason:
        say(sessions.reason)
    approval = approval_of(arguments, settings)
    # Read outside of the event loop, where Ctrl-C still ends the program at once.
    text = _with_piped_input(arguments.prompt)
    once = _Once(arguments, ApproveAll() if approval == "auto" else _asker(), is_reviewed=approval == "review")
    return asyncio.run(once.run(sessions, text))


def _asker() -> Approver:
    return AskOnTerminal(PlainInput(sys.stderr)) if sys.stdin.isatty() and sys.stderr.isatty() else DenyAll()


class _Once:
    def __init__(self, arguments: argparse.Namespace, approver: Approver, *, is_reviewed: bool) -> None:
        self._arguments = arguments
        self._approver = approver
        self._is_reviewed = is_reviewed
        self._renderer = Renderer(sys.stdout, sys.stderr)
        self._has_explained = False

    async def run(self, sessions: Sessions, text: str) -> int:
        status = 1
        try:
            session = await open_session(self._arguments, sessions)
            with CtrlC(session.cancel, *ENDING):
                turn = session.send_message(text, approver=self._approver, is_reviewed=self._is_reviewed)
                async with aclosing(turn) as events:
                    async for event in events:
                        self._show(event)
                        if isinstance(event, TurnEnded):
                            status = _STATUS[event.status]
            await self._review(session)
            return status
        finally:
            await sessions.close()
            if status:  # else nothing can hang, and the reader of our output may be slow
                end_soon(status)

    async def _review(self, session: Session) -> None:
        pending = session.review.pending(session_id=session.id)
        if not (pending and self._is_reviewed):
            return
        if sys.stdin.isatty() and sys.stderr.isatty():
            await ReviewOnTerminal(PlainInput(sys.stderr), sys.stderr).run(session.review, pending)
        else:
            say(f"nothing was changed yet. To decide on it: flux --resume {session.id}, then /review.")

    def _show(self, event: TurnEvent) -> None:
        if not self._arguments.json:
            self._renderer.show(event)
        else:
            print(json.dumps(to_json(event)), flush=True)
            if isinstance(event, ApprovalAsked) and isinstance(self._approver, AskOnTerminal):
                self._renderer.show(event)
        if isinstance(event, ApprovalAsked) and event.decision == "no" and isinstance(self._approver, DenyAll):
            if not self._has_explained:
                say("the change was not made: nobody can be asked here. Give --yes to approve changes.")
            self._has_explained = True


def _with_piped_input(prompt: str) -> str:
    """The prompt, then what was piped or redirected into the command. Raises ConfigError where both are empty."""
    piped = _piped_input()
    if prompt.strip():
        return f"{prompt}\n\n<input>\n{piped}\n</input>" if piped.strip() else prompt
    if not piped.strip():
        raise ConfigError("There is nothing to send: the prompt is empty.", hint='For example: flux -p "What is this?"')
    return piped


def _piped_input() -> str:
    try:
        mode = stat.S_IFMT(os.fstat(sys.stdin.fileno()).st_mode)
    except (OSError, ValueError):
        return ""  # no standard input at all
    return sys.stdin.read() if mode in {stat.S_IFIFO, stat.S_IFREG, stat.S_IFSOCK} else ""
