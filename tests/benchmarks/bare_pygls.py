"""The peer of the language server's figures: pygls, requests that do nothing, and a command that sends."""

from lsprotocol import types
from pygls.lsp.server import LanguageServer

server = LanguageServer("bare-pygls", "1")


@server.feature("bench/nothing")
def nothing(ls: LanguageServer, params: object) -> None:
    return None


@server.feature(types.TEXT_DOCUMENT_CODE_ACTION)
def echo(ls: LanguageServer, params: types.CodeActionParams) -> list[types.CodeAction]:
    """An action with all that was sent: what reading and writing the request cost alone."""
    return [types.CodeAction("echo", types.CodeActionKind.QuickFix, diagnostics=params.context.diagnostics)]


@server.command("bench.deltas")
def deltas(ls: LanguageServer, count: int) -> None:
    """A notification for each delta, as a server does that joins nothing."""
    for _ in range(count):
        ls.protocol.notify("flux/turnEvent", {"type": "text_delta", "text": "word"})


server.start_io()
