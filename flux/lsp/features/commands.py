"""The commands: from checked arguments to what they do, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, assert_never

from lsprotocol import types

from flux.agent.queue import Meanwhile
from flux.core.errors import FluxError, InvalidArguments, WorkspaceError
from flux.lsp import results
from flux.lsp.approval import EditorApprover
from flux.lsp.features.shown_documents import refresh_after_turn
from flux.lsp.methods import (
    COMMANDS,
    ActionHelp,
    ActionRun,
    BudgetRaise,
    BudgetShow,
    ChatList,
    ChatNew,
    ChatOpenBuffer,
    ChatSend,
    ChatSendBuffer,
    ChatWithdraw,
    CheckpointList,
    CheckpointRestore,
    CheckpointSet,
    ContextCompact,
    ContextPin,
    ContextShow,
    Doctor,
    Edit,
    ModelList,
    ModelSet,
    ReviewAccept,
    ReviewList,
    ReviewReject,
    SessionDelete,
    SessionExport,
    SessionFork,
    SessionRename,
    SessionResume,
    SessionSearch,
    TurnCancel,
    TurnRedo,
    TurnUndo,
    UsageShow,
    read_arguments,
)
from flux.lsp.turns import TurnReport, Watch, spent_json

if TYPE_CHECKING:
    from flux.agent.session import Session
    from flux.context.item import Focus
    from flux.lsp.features.chat_buffer import Answer
    from flux.lsp.server import FluxServer

Json = Mapping[str, object]

_MEANWHILE: dict[str, Meanwhile] = {"refuse": "refuse", "queue": "queue", "steer": "steer"}


class Commands:
    """The commands of one connection."""

    def __init__(self, server: FluxServer) -> None:
        self._server = server

    async def run(self, name: str, arguments: Sequence[object], token: types.ProgressToken | None) -> Json:
        """The command's result. Raises InvalidArguments for an unknown command or wrong arguments, and FluxErrors."""
        kind = COMMANDS.get(name)
        if kind is None:
            raise InvalidArguments(f"There is no command {name!r}.", hint=f"There are: {', '.join(COMMANDS)}")
        given = read_arguments(name, kind, arguments)
        if isinstance(given, Doctor):  # before the store is opened, which may be what is broken
            return await self._doctor(given.deep is True)
        await self._server.sessions.open_store()
        match given:
            case ChatSend():
                return await self._turn(lambda: self._chat_send(given, token))
            case Edit():
                return await self._turn(lambda: self._edit(given, token))
            case ActionRun(id=offer_id):
                from flux.lsp.features.action_run import run_offer

                offer = self._server.code_actions.take(offer_id, self._server.files)
                return await self._turn(lambda: run_offer(self._server, self, offer, token))
            case ActionHelp():
                from flux.lsp.features.action_help import show_help

                return await show_help(self._server)
            case ChatOpenBuffer():
                return await self._open_buffer(given)
            case ChatSendBuffer(uri=uri):
                return await self._turn(lambda: self._send_buffer(uri, token))
            case ChatWithdraw():
                return await self._withdraw(given)
            case ChatNew():
                return {"session": (await self._server.sessions.start_chat()).id}
            case ChatList():
                return self._chat_list()
            case (
                SessionResume() | SessionFork() | SessionSearch() | SessionExport() | SessionRename() | SessionDelete()
            ):
                from flux.lsp.features.stored import run_stored

                return await run_stored(self._server.sessions, given, self._server.turns.session_ids())
            case TurnCancel(turn=turn, session=session_id):
                return {"cancelled": self._server.turns.cancel(turn, session_id)}
            case TurnUndo():
                return await self._server.timeline.undo(given)
            case TurnRedo():
                return await self._server.timeline.redo(given)
            case CheckpointSet(name=name):
                return await self._server.timeline.mark(name)
            case CheckpointList():
                return self._server.timeline.list()
            case CheckpointRestore():
                return await self._server.timeline.restore(given)
            case ReviewList(turn=turn):
                return self._server.review.list(turn)
            case ReviewAccept():
                return await self._server.review.accept(given)
            case ReviewReject():
                return await self._server.review.reject(given)
            case ModelList():
                return await self._model_list()
            case ModelSet(model=model):
                sessions = await self._server.sessions.sessions()
                chat = await self._server.sessions.chat() if self._server.sessions.present_id else None
                switch = await sessions.choose_model(model, chat)
                return {"provider": switch.provider, "model": switch.model, "notice": switch.notice}
            case ContextShow() | ContextPin() | ContextCompact():
                return await self._context(given)
            case UsageShow():
                return self._usage(given)
            case BudgetShow(session=session_id):
                return await self._budget(session_id)
            case BudgetRaise(period=period, amount=amount, session=session_id):
                from flux.agent.budget import raise_limit

                sessions = self._server.sessions
                which = sessions.store.find(session_id).id if session_id else sessions.present_id
                return {"text": raise_limit(sessions.store.ledger, period, amount, which)}
        assert_never(given)

    async def _doctor(self, is_deep: bool) -> Json | results.Started:
        from flux.lsp.features.health import examine_server, show_report

        if not self._server.protocol.client.waits_briefly:
            return (await examine_server(self._server, is_deep=is_deep)).to_json()
        self._server.in_background(lambda: show_report(self._server, is_deep=is_deep))
        return {"status": "started"}

    async def _turn(self, run: Callable[[], Awaitable[TurnReport]]) -> results.Turn | results.Started:
        if not self._server.protocol.client.waits_briefly:
            return (await run()).to_json()
        self._server.in_background(run)
        return {"status": "started"}

    async def _chat_send(self, given: ChatSend, token: types.ProgressToken | None) -> TurnReport:
        server, meanwhile = self._server, _MEANWHILE.get(given.meanwhile)
        if meanwhile is None:
            raise InvalidArguments(f"`meanwhile` is one of {', '.join(_MEANWHILE)}, not {given.meanwhile!r}.")
        session = await server.sessions.chat(given.session)
        if given.replaces:
            session = await server.sessions.chat((await server.sessions.fork(session.id, given.replaces)).session_id)
        try:
            focus = await self._focus(given.uri, given.range) if given.uri else None
        except WorkspaceError as e:
            # What the user said must not be lost because of what they happen to look at.
            server.editor.log(f"Flux: sent without the current file: {e.message}")
            focus = None
        if server.protocol.client.takes_turn_events:
            return await self._chat(session, given.text, focus, token, meanwhile)
        answer = server.chat_buffers.transcribe(session, given.text)
        return await self._chat_into(answer, session, focus, token, meanwhile)

    async def _send_buffer(self, uri: str, token: types.ProgressToken | None) -> TurnReport:
        answer = await self._server.chat_buffers.take(uri)
        session = await self._server.sessions.chat(answer.session_id)
        return await self._chat_into(answer, session, None, token, "queue")

    async def _chat_into(
        self,
        answer: Answer,
        session: Session,
        focus: Focus | None,
        token: types.ProgressToken | None,
        meanwhile: Meanwhile,
    ) -> TurnReport:
        """A turn whose answer goes into a document; shown otherwise where it has none."""
        from flux.lsp.features.explanations import show_text

        writing = asyncio.create_task(answer.write())  # it ends soon after the turn
        summary = "not done"
        try:
            report = await self._chat(session, answer.message, focus, token, meanwhile, answer.show)
            summary = report.summary()
        except FluxError as e:
            summary = f"not done: {e.message}"
            raise
        finally:
            answer.end(summary)
            await asyncio.wait([writing])
        self.tell(report)
        is_seen = writing.result() or not self._server.protocol.client.waits_briefly
        if not is_seen and report.status == "completed" and report.text:
            await show_text(self._server.editor, f"chat-{report.turn}", report.text)
        return report

    async def _chat(
        self,
        session: Session,
        text: str,
        focus: Focus | None,
        token: types.ProgressToken | None,
        meanwhile: Meanwhile,
        watch: Watch | None = None,
    ) -> TurnReport:
        report = await self.run_turn(session, text, focus, "Flux: chat", token, meanwhile, watch)
        if session.wants_summary and not session.is_busy:
            self._server.in_background(lambda: self._compact_meanwhile(session))
        return report

    async def _edit(self, given: Edit, token: types.ProgressToken | None) -> TurnReport:
        focus = await self._focus(given.uri, given.range)
        session = await self._server.sessions.start_once()
        text = f"{given.instruction}\n\nDo this by editing the current file."
        report = await self.run_turn(session, text, focus, "Flux: edit", token)
        if not self._server.protocol.client.takes_turn_events:
            self.tell(report)
        return report

    async def _open_buffer(self, given: ChatOpenBuffer) -> results.ChatBuffer | results.Started:
        server = self._server
        if not server.protocol.client.waits_briefly:
            return await server.chat_buffers.open(given)
        server.in_background(lambda: server.chat_buffers.open(given))
        return {"status": "started"}

    async def _withdraw(self, given: ChatWithdraw) -> results.Said:
        text = (await self._server.sessions.chat(given.session)).withdraw(given.message)
        if text is None:
            raise InvalidArguments("No such message waits: it may have been sent.")
        return {"text": text}

    async def run_turn(
        self,
        session: Session,
        text: str,
        focus: Focus | None,
        title: str,
        token: types.ProgressToken | None,
        meanwhile: Meanwhile = "refuse",
        watch: Watch | None = None,
    ) -> TurnReport:
        """One turn of the session, with approval as the settings have it."""
        from flux.agent.approval import ApproveAll

        server = self._server
        settings = (await server.sessions.sessions()).settings
        approver = EditorApprover(server.editor) if settings.approval == "ask" else ApproveAll()
        is_reviewed = settings.approval == "review"
        events = session.send_message(
            text, focus=focus, approver=approver, is_reviewed=is_reviewed, meanwhile=meanwhile
        )
        report = await server.turns.run(session, events, title=title, token=token, watch=watch)
        if report.proposed:
            # The user's answer to an offer may take long, and the turn has ended.
            server.in_background(lambda: server.review.offer(report.turn))
        server.in_background(lambda: refresh_after_turn(server, report.session))
        return report

    async def _focus(self, uri: str, selected: types.Range | None) -> Focus:
        from flux.lsp.features.focus import focus_of

        return await focus_of(self._server.files, uri, selected)

    def tell(self, report: TurnReport) -> None:
        """What a user must learn who sees neither events nor progress nor the command's result."""
        editor = self._server.editor
        if report.status == "failed":
            editor.show(f"Flux: {report.error}", "error")
        elif report.status == "returned":
            editor.show(f"Flux: {report.summary()}: {report.asked}", "warning")
        elif report.unsaved and not editor.client.shows_progress:
            editor.show(f"Flux: {report.summary()}")

    def _chat_list(self) -> results.StoredSessions:
        stored = self._server.sessions.store.sessions()
        listed: list[results.StoredSession] = [
            {"session": s.id, "title": s.title, "folder": s.folder, "usedAt": s.used_at} for s in stored
        ]
        return {"sessions": listed, "present": self._server.sessions.present_id}

    async def _context(self, given: ContextShow | ContextPin | ContextCompact) -> Json:
        session = await self._server.sessions.chat(given.session if isinstance(given, ContextShow) else "")
        match given:
            case ContextShow(text=text, uri=uri, range=selected):
                focus = await self._focus(uri, selected) if uri else None
                return (await self._server.sessions.preview(session, text, focus)).to_json()
            case ContextPin(path=path, pinned=pinned):
                if pinned is False:
                    session.pins.remove(path)
                else:
                    await session.pins.add(path)
                return {"pins": [{"kind": pin.kind, "name": pin.name} for pin in session.pins.all()]}
            case ContextCompact(undo=undo):
                if not undo:
                    summarized = await session.compact()
                    return {"summary": summarized.text if summarized else ""}
                session.undo_compaction()
                return {"summary": ""}
        assert_never(given)

    async def _compact_meanwhile(self, session: Session) -> None:
        """Summarize while the user reads: a message that comes earlier is not waited for."""
        try:
            summarized = await session.compact()
        except FluxError as e:
            self._server.editor.log(f"Flux: no summary was made: {e}")
            return
        if summarized is None:
            return
        server = self._server
        if not server.turns.tell(session.id, summarized) and not await server.chat_buffers.tell(session.id, summarized):
            server.editor.show(f"Flux: {summarized.words}")
        await refresh_after_turn(server, session.id)

    async def _model_list(self) -> results.Models:
        sessions = await self._server.sessions.sessions()
        models: list[results.Model] = [
            {
                "name": model.name,
                "provider": model.provider,
                "title": model.display_name,
                "speed": model.speed,
                "window": model.input_tokens,
                "images": model.takes_images,
                "thinks": bool(model.thinking),
                "price": [model.price.input, model.price.output] if model.price else None,
            }
            for model in await sessions.models()
        ]
        return {"provider": sessions.provider.name, "present": sessions.model_name, "models": models}

    async def _budget(self, session_id: str) -> results.Limits:
        from flux.agent.budget import Budget
        from flux.agent.sessions import budget_limits

        sessions = self._server.sessions
        which = sessions.store.find(session_id).id if session_id else sessions.present_id
        limits = budget_limits((await sessions.sessions()).settings)
        return {
            "limits": [
                {
                    "period": balance.period,
                    "limit": balance.limit_usd,
                    "spent": balance.spent.cost.usd,
                    "text": str(balance),
                }
                for balance in Budget(limits, sessions.store.ledger, which).balances()
            ]
        }

    def _usage(self, asked: UsageShow) -> results.Spent | results.SpentGroups:
        if not asked.by:
            return spent_json(*self._server.sessions.usage(asked.session))
        from flux.agent.store.ledger import GROUPINGS

        if asked.by not in GROUPINGS:
            raise InvalidArguments(f"Usage is not known by {asked.by!r}; it is by {', '.join(GROUPINGS)}.")
        ledger = self._server.sessions.store.ledger
        since = ledger.since(asked.since)
        groups: list[results.SpentGroup] = [
            {"key": group.key, "requests": group.spent.requests, **spent_json(group.spent.usage, group.spent.cost)}
            for group in ledger.groups(asked.by, since)
        ]
        return {"since": since, "groups": groups}
