"""The interactive chat: a line from the user, a turn, its events as they come; Ctrl-C stops the turn, not the chat."""

from __future__ import annotations

import argparse
import asyncio
import difflib
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing

from flux.agent.approval import ApproveAll, Approver
from flux.agent.sessions import Sessions
from flux.agent.turn import applied_diff
from flux.core.config import Settings, state_folder
from flux.core.errors import ConfigError, FluxError
from flux.core.messages import Text
from flux.core.trust import TrustQuestion
from flux.llm.provider_factory import WAYS_TO_SET_UP
from flux.ui.approval import AskOnTerminal
from flux.ui.input import EditedInput, PlainInput, open_input
from flux.ui.once import cancelled_by_ctrl_c
from flux.ui.opening import open_session, open_settings, open_store, say
from flux.ui.render import Renderer, model_line, painted, painted_diff, visible

HELP = """\
/help           this list
/model [NAME]   the models; or go on with another one, by name, beginning or number
/stats          tokens and cost of this session
/history        what was said in this session
/clear          begin a new conversation (the old one stays stored)
/undo           take back the changes of the last turn that made any
/quit           leave (also Ctrl-D)
Ctrl-C stops the running turn. Alt-Enter begins a new line. The session can be continued with --continue."""


def run_chat(arguments: argparse.Namespace) -> int:
    """Chat until the user leaves; the exit status. Raises ConfigError for settings that cannot be used."""
    settings = open_settings(arguments, ask=_ask_trust)
    try:
        sessions = Sessions(settings, open_store())
    except ConfigError as error:
        if settings.provider:
            raise
        sessions = Sessions(_offer_demo(settings, error), open_store())
    if sessions.reason:
        say(sessions.reason)
    return asyncio.run(_Chat(sessions, settings).run(arguments))


def _ask_trust(question: TrustQuestion) -> bool:
    if not sys.stdin.isatty():
        return False
    print(question)
    return input("Let it? [y/N] ").strip().lower() in {"y", "yes"}


def _offer_demo(settings: Settings, error: ConfigError) -> Settings:
    print(f"{error.message}\n{WAYS_TO_SET_UP}\n")
    if not sys.stdin.isatty():
        raise error
    if input("Try the offline demo model now? It follows fixed rules. [Y/n] ").strip().lower() in {"n", "no"}:
        raise error
    return settings.override({"provider": "demo"})


class _Chat:
    def __init__(self, sessions: Sessions, settings: Settings) -> None:
        self._sessions = sessions
        self._approver: Approver = ApproveAll() if settings.approval == "auto" else AskOnTerminal()
        self._renderer = Renderer(sys.stdout, sys.stdout)
        self._commands: Mapping[str, Callable[[str], Awaitable[None]]] = {
            "/help": self._help,
            "/model": self._model,
            "/stats": self._stats,
            "/history": self._history,
            "/clear": self._clear,
            "/undo": self._undo,
        }

    async def run(self, arguments: argparse.Namespace) -> int:
        try:
            self._session = await open_session(arguments, self._sessions)
            print(f"Flux with {self._sessions.provider.name}, {self._session.model.name}. /help shows the commands.")
            source = open_input(state_folder() / "input_history")
            while (line := await self._next(source)) is not None and line.strip() not in {"/quit", "/exit"}:
                await self._do(line.strip())
        finally:
            await self._sessions.close()
        return 0

    async def _next(self, source: PlainInput | EditedInput) -> str | None:
        try:
            return await source.line("› ")
        except EOFError:
            return None
        except KeyboardInterrupt:
            print("Ctrl-D or /quit leaves.")
            return ""

    async def _do(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        try:
            if word in self._commands:
                await self._commands[word](rest.strip())
            elif word.startswith("/") and word[1:].isalpha():
                near = difflib.get_close_matches(word, [*self._commands, "/quit"], 1)
                print(f"There is no command {word}." + (f" Did you mean {near[0]}?" if near else " See /help."))
            elif line:
                await self._turn(line)
        except FluxError as error:
            print(painted(f"! {error}", "red", sys.stdout))

    async def _turn(self, text: str) -> None:
        with cancelled_by_ctrl_c(self._session):
            async with aclosing(self._session.send_message(text, approver=self._approver)) as events:
                async for event in events:
                    self._renderer.show(event)

    async def _help(self, _: str) -> None:
        print(HELP)

    async def _model(self, wanted: str) -> None:
        if wanted:
            print(f"Going on with {await self._sessions.choose_model(wanted, self._session)}.")
            return
        for number, model in enumerate(self._sessions.models(), 1):
            print(model_line(number, model))
        print(f"Now: {self._session.model.name}")

    async def _stats(self, _: str) -> None:
        usage, cost = self._session.get_token_usage()
        print(f"Session {self._session.id}, {self._sessions.provider.name}, {self._session.model.name}")
        print(f"Tokens in   {usage.input_tokens:>10}  of them from the cache {usage.cache_read_tokens}")
        print(f"Tokens out  {usage.output_tokens:>10}  of them reasoning {usage.reasoning_tokens}")
        print(f"Cost        {cost!s:>10}")

    async def _history(self, _: str) -> None:
        for message in self._session.history():
            if message.role == "user":
                words = message.parts[-1].text if isinstance(message.parts[-1], Text) else ""
                print(painted(f"› {words}", "bold", sys.stdout))
            elif message.role == "assistant" and message.text():
                print(visible(message.text(), sys.stdout))
            for call in message.tool_calls():
                print(painted(f"· {call.name} {call.arguments_json[:100]}", "cyan", sys.stdout))

    async def _clear(self, _: str) -> None:
        self._session = await self._sessions.start(self._session.workspace)
        print("A new conversation.")

    async def _undo(self, _: str) -> None:
        applied = await self._session.undo()
        print(painted_diff(applied_diff(applied), sys.stdout), end="")
        print("Taken back.")
