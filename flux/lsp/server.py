"""The language server: one `FluxServer` for each connection, and the two ways to connect.

Construction and registration only; what the parts do is in their own modules. What is not needed to answer `initialize`
is imported when it is first used.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from flux import __version__
from flux.core.errors import ConfigError, FluxError, InvalidArguments
from flux.core.living import lives
from flux.core.log import start_logging
from flux.lsp.clients import Client
from flux.lsp.decoding import make_converter
from flux.lsp.editor import LspEditor
from flux.lsp.names import REVIEW_ACCEPT, REVIEW_REJECT, SET_SETTINGS
from flux.lsp.protocol import FluxProtocol
from flux.lsp.sessions import EditorSessions
from flux.lsp.settings import SECTION, EditorSettings
from flux.lsp.streams import Frames, ThreadWriter, TooLarge, read_in_thread
from flux.lsp.uris import uri_of_path

if TYPE_CHECKING:
    from flux.lsp.features.chat_buffer import ChatBuffers
    from flux.lsp.features.code_actions import CodeActions
    from flux.lsp.features.commands import Commands
    from flux.lsp.features.review import EditorReview
    from flux.lsp.features.timeline import EditorTimeline
    from flux.lsp.turns import Turns
    from flux.lsp.workspace import LspWorkspace

logger = logging.getLogger(__name__)

CODE_ACTION_KINDS = (
    types.CodeActionKind.QuickFix,
    types.CodeActionKind.RefactorRewrite,
    types.CodeActionKind.Source,
    "flux.explain",
    "flux.chat",
    REVIEW_ACCEPT,
    REVIEW_REJECT,
)

ALL_FILES = types.FileOperationRegistrationOptions(
    [types.FileOperationFilter(types.FileOperationPattern("**/*"), scheme="file")]
)
SETTINGS_FILES = ("**/.env", "**/.flux/**")
OWN_SETTINGS_FILES = "{.env,config.toml,actions/*.toml}"

CLOSING_S = 2.0
"""Seconds for turns and connections to end in order once the editor is gone."""
EXIT_S = 4.0
"""Seconds after which the process ends whatever still runs."""
SWITCH_S = 0.0001
"""Seconds after which a thread that computes, such as one that imports, lets others go on: for the answer to an editor
three threads wait for that, one after the other."""
EDITOR_S = 2.0
"""How often it is looked whether the editor still lives, in seconds."""

_ENDING = tuple(signal.Signals[name] for name in ("SIGTERM", "SIGHUP", "SIGINT") if name in signal.Signals.__members__)


class FluxServer(LanguageServer):
    """The server side of one connection. `feed` it what arrives; `run` lasts until the connection ends."""

    protocol: FluxProtocol  # pyright: ignore[reportIncompatibleVariableOverride] -- the class given below

    def __init__(self, log_file: Path | None = None) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType] -- pygls passes its arguments on untyped
            "flux", __version__, protocol_cls=FluxProtocol, converter_factory=make_converter
        )
        self.editor = LspEditor(self.protocol)
        self.settings = EditorSettings(self.editor, log_file)
        self.sessions = EditorSessions(self.editor, self.settings)
        self._turns: Turns | None = None
        self._files: LspWorkspace | None = None
        self._code_actions: CodeActions | None = None
        self._commands: Commands | None = None
        self._review: EditorReview | None = None
        self._timeline: EditorTimeline | None = None
        self._chat_buffers: ChatBuffers | None = None
        self._key_follows = False
        self.shown_documents: set[str] = set()
        """Those of the scheme `flux:` that the editor has asked for."""
        self.editor_process: int | None = None
        """The number of the editor's process, where it is one of this machine."""
        self._frames = Frames()
        self._ended: asyncio.Future[int] | None = None
        self._background: set[asyncio.Task[None]] = set()
        options = types.CodeActionOptions(code_action_kinds=list(CODE_ACTION_KINDS))
        self.feature(types.TEXT_DOCUMENT_CODE_ACTION, options)(_offer_code_actions)
        self.feature(types.TEXT_DOCUMENT_CODE_LENS)(_show_lenses)
        self.feature(types.WORKSPACE_TEXT_DOCUMENT_CONTENT)(_show_document)
        self.feature(types.INITIALIZED)(_greet)
        self.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(_change_settings)
        self.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)(_reread_settings)
        self.feature(types.WORKSPACE_DID_RENAME_FILES, ALL_FILES)(_follow_renames)
        self.feature(types.WORKSPACE_DID_DELETE_FILES, ALL_FILES)(_follow_deletions)
        self.feature(SET_SETTINGS)(_set_settings)

    @property
    def turns(self) -> Turns:
        if self._turns is None:
            from flux.lsp.turns import Turns

            self._turns = Turns(self.editor)
        return self._turns

    @property
    def files(self) -> LspWorkspace:
        """The user's files, through the editor."""
        if self._files is None:
            from flux.lsp.language_service import EditorLanguageService
            from flux.lsp.workspace import LspWorkspace
            from flux.workspace.disk import DiskWorkspace

            self._files = LspWorkspace(self.protocol.documents, self.editor, DiskWorkspace)
            self.sessions.begin(self._files, EditorLanguageService(self.editor, self._files))
        return self._files

    @property
    def code_actions(self) -> CodeActions:
        if self._code_actions is None:
            from flux.lsp.features.code_actions import CodeActions

            self._code_actions = CodeActions(self.editor, self.settings)
        return self._code_actions

    @property
    def review(self) -> EditorReview:
        """Proposals that wait for the user."""
        if self._review is None:
            from flux.lsp.features.review import EditorReview

            self._review = EditorReview(self)
        return self._review

    @property
    def chat_buffers(self) -> ChatBuffers:
        """Chats in documents."""
        if self._chat_buffers is None:
            from flux.lsp.features.chat_buffer import ChatBuffers

            self._chat_buffers = ChatBuffers(self)
        return self._chat_buffers

    @property
    def timeline(self) -> EditorTimeline:
        """The ways back and forth in what Flux changed."""
        if self._timeline is None:
            from flux.lsp.features.timeline import EditorTimeline

            self._timeline = EditorTimeline(self)
        return self._timeline

    def begin(self, options: Mapping[str, object]) -> None:
        """Take the initialization options."""
        if self.process_id is not None and lives(self.process_id):
            self.editor_process = self.process_id
        self._key_follows = options.get("keyFollows") is True
        self.settings.begin(options)

    def feed(self, data: bytes) -> None:
        """Handle the messages that are complete with this piece of the input."""
        for body in self._frames.feed(data):
            if isinstance(body, TooLarge):
                self.protocol.refuse(body.size)
            else:
                self.protocol.receive(body)

    async def run_command(self, params: types.ExecuteCommandParams) -> Any:
        """The result of a command."""
        if self._commands is None:
            from flux.lsp.features.commands import Commands

            self._commands = Commands(self)
        _ = self.files  # the sessions work on it
        return await self._commands.run(params.command, params.arguments or (), params.work_done_token)

    def in_background(self, run: Callable[[], Awaitable[object]]) -> None:
        """Do it beside the request that asked for it; what fails is shown to the user."""

        async def fenced() -> None:
            try:
                await run()
            except FluxError as e:
                self.editor.show(f"Flux: {e}", "error")
            except Exception:
                logger.exception("A command failed in the background.")
                self.editor.show("Flux made a mistake; its log has the details.", "error")

        task = asyncio.create_task(fenced())  # owned by `run`, which stops what is left of them
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def follow(self, told: Iterable[tuple[str, str]]) -> None:
        """Files were moved, by their old and new URIs, or removed, with an empty new one."""
        if moves := self.files.moves_of(told):
            self.in_background(lambda: self.sessions.follow(moves))

    def end(self, status: int) -> None:
        """The connection is over; the first status counts."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(status)

    async def run(self) -> int:
        """Serve until `end`; the status for the process. Ends in some seconds whatever the parts are doing."""
        self._ended = asyncio.get_running_loop().create_future()
        status = await self._ended
        for task in list(self._background):
            task.cancel()
        if self._turns is not None:
            self._turns.cancel()
            await self._turns.settle(CLOSING_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                await self.sessions.close()
        return status

    def report_server_error(self, error: Exception, source: object) -> None:
        """pygls shows these to the user as they are; they belong into the log."""
        logger.error("%s: %s", source, error)

    async def load_settings(self) -> None:
        """Take up what is set now, so that what is wrong with it is said when it is typed. Asks nothing."""
        await self.settings.loaded(self.protocol.documents.folder_paths()[0])

    async def greet(self) -> None:
        """Say it once where there is no model to work with, unless a key is yet to come."""
        if self._key_follows:
            return
        try:
            settings = await self.settings.load(self.protocol.documents.folder_paths()[0], may_ask=False)
            if not self.settings.waits_for_trust:
                from flux.llm.provider_factory import choose_provider

                choose_provider(settings)
        except ConfigError as e:
            self.editor.show(f"Flux: {e}", "warning")


async def _offer_code_actions(ls: FluxServer, params: types.CodeActionParams) -> list[types.CodeAction | types.Command]:
    await ls.sessions.open_store()
    client = ls.protocol.client
    return [
        *ls.chat_buffers.actions(client, params),
        *ls.review.menu.actions(client, params),
        *await ls.code_actions.offer(ls.files, params),
    ]


async def _show_lenses(ls: FluxServer, params: types.CodeLensParams) -> list[types.CodeLens]:
    await ls.sessions.open_store()
    uri = params.text_document.uri
    return [*ls.chat_buffers.lenses(uri), *ls.review.menu.lenses(uri)]


async def _show_document(ls: FluxServer, params: types.TextDocumentContentParams) -> types.TextDocumentContentResult:
    from flux.lsp.features.shown_documents import shown_document

    await ls.sessions.open_store()
    return types.TextDocumentContentResult(await shown_document(ls, params.uri))


def _greet(ls: FluxServer, params: types.InitializedParams) -> None:
    ls.in_background(ls.greet)  # pygls complains of a handler that the end of the server cancels
    ls.in_background(lambda: ls.editor.register(_wanted(ls.protocol.client)))


def _wanted(client: Client) -> list[types.Registration]:
    """What Flux wants to be told of as soon as it changes: its settings, also where they stand in files.

    It relies on no such notice: these files, like all others, are looked at when they are needed.
    """
    from flux.core.config import find_user_folders

    wanted: list[types.Registration] = []
    if client.registers_configuration:
        section = types.DidChangeConfigurationRegistrationOptions(SECTION)
        method = types.WORKSPACE_DID_CHANGE_CONFIGURATION
        wanted.append(types.Registration("flux-settings", method, section))
    if client.watches_files:
        watchers = [types.FileSystemWatcher(pattern) for pattern in SETTINGS_FILES]
        if client.watches_anywhere and (own := find_user_folders().config) is not None:
            pattern = types.RelativePattern(uri_of_path(str(own)), OWN_SETTINGS_FILES)
            watchers.append(types.FileSystemWatcher(pattern))
        files = types.DidChangeWatchedFilesRegistrationOptions(watchers)
        wanted.append(types.Registration("flux-files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, files))
    return wanted


def _change_settings(ls: FluxServer, params: types.DidChangeConfigurationParams) -> None:
    ls.settings.change(params.settings)
    ls.in_background(ls.load_settings)


def _reread_settings(ls: FluxServer, params: types.DidChangeWatchedFilesParams) -> None:
    ls.in_background(ls.load_settings)


def _follow_renames(ls: FluxServer, params: types.RenameFilesParams) -> None:
    ls.follow((file.old_uri, file.new_uri) for file in params.files)


def _follow_deletions(ls: FluxServer, params: types.DeleteFilesParams) -> None:
    ls.follow((file.uri, "") for file in params.files)


async def _set_settings(ls: FluxServer, params: object) -> dict[str, object]:
    if not isinstance(params, dict):
        raise InvalidArguments(f"{SET_SETTINGS} takes one JSON object: settings by their names.")
    ls.settings.give(cast("dict[str, object]", params))
    _ = ls.files  # the sessions work on it
    sessions = await ls.sessions.sessions()
    return {"provider": sessions.provider.name, "model": sessions.model_name}


def serve_stdio(log_file: Path | None = None) -> int:
    """Serve one editor on standard input and output, which nothing else can use then; the process's exit status."""
    _begin(log_file)
    input_, output = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    with suppress(OSError):  # there may be no standard error
        os.dup2(2, 1)  # a stray print must not break the protocol
    return asyncio.run(_serve_descriptors(input_, output, log_file))


def _begin(log_file: Path | None) -> None:
    start_logging(log_file)
    sys.setswitchinterval(SWITCH_S)


async def _serve_descriptors(input_: int, output: int, log_file: Path | None) -> int:
    server = FluxServer(log_file)
    writer = ThreadWriter(output, lambda: server.end(1))
    server.protocol.set_writer(writer)
    running = asyncio.ensure_future(server.run())
    read_in_thread(input_, server.feed, lambda: server.end(1))
    _end_by_signals(server)
    watching = asyncio.create_task(_end_with_editor(server))
    gc.freeze()  # what was imported is never garbage; looking through it again costs pauses
    status = 1
    try:
        status = await running
    finally:
        watching.cancel()
        writer.close()
        _exit_soon(status)
    return status


def _end_by_signals(server: FluxServer) -> None:
    """Turns end in order, and the status is 128 and the signal's number."""
    loop = asyncio.get_running_loop()

    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
        loop.call_soon_threadsafe(server.end, 128 + number)

    for name in _ENDING:
        signal.signal(name, end)


async def _end_with_editor(server: FluxServer) -> None:
    """LSP 3.17, `InitializeParams.processId`: another program may have our input open when the editor is gone.

    A number that no process has here is one of another machine or container, and says nothing.
    """
    while server.editor_process is None or lives(server.editor_process):  # noqa: ASYNC110  no event tells of it
        await asyncio.sleep(EDITOR_S)
    server.end(1)


def _exit_soon(status: int) -> None:
    """A thread that hangs (a network disk, a child's pipe) must not keep the process when its editor is gone."""
    timer = threading.Timer(EXIT_S, os._exit, [status])
    timer.daemon = True
    timer.start()


def serve_tcp(host: str, port: int, announce: Callable[[str], None], log_file: Path | None = None) -> int:
    """Serve every editor that connects, each on its own, until interrupted. `announce` is told where it listens.

    Raises ConfigError where it cannot listen there.
    """
    _begin(log_file)
    asyncio.run(_serve_connections(host, port, announce, log_file))
    return 0


async def _serve_connections(host: str, port: int, announce: Callable[[str], None], log_file: Path | None) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = FluxServer(log_file)
        server.protocol.set_writer(cast("Any", writer))  # its `write` takes bytes and its `close` nothing, as asked
        async with asyncio.TaskGroup() as group:
            running = group.create_task(server.run())
            await asyncio.sleep(0)
            reading = group.create_task(_read_stream(reader, server))
            await running
            reading.cancel()
        writer.close()

    try:
        listening = await asyncio.start_server(serve, host, port)
    except OSError as e:
        raise ConfigError(f"Flux cannot listen on {host}:{port}: {e.strerror or e}") from e
    names = ", ".join(f"{name[0]}:{name[1]}" for name in (socket.getsockname() for socket in listening.sockets))
    announce(f"listening on {names}")
    async with listening:
        await listening.serve_forever()


async def _read_stream(reader: asyncio.StreamReader, server: FluxServer) -> None:
    try:
        while data := await reader.read(1 << 16):
            server.feed(data)
    except OSError as e:
        logger.info("The connection broke: %s", e)
    server.end(1)
