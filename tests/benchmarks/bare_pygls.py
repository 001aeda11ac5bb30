"""The peer of the language server's figures: pygls, a request that does nothing, and a command that sends."""

from pygls.lsp.server import LanguageServer

server = LanguageServer("bare-pygls", "1")


@server.feature("bench/nothing")
def nothing(ls: LanguageServer, params: object) -> None:
    return None


@server.command("bench.deltas")
def deltas(ls: LanguageServer, count: int) -> None:
    """A notification for each delta, as a server does that joins nothing."""
    for _ in range(count):
        ls.protocol.notify("flux/turnEvent", {"type": "text_delta", "text": "word"})


server.start_io()
