"""Server processes and a client that only waits: what it costs itself is the same for all of them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.lsp_client import environment

BOUND_S = 300.0
"""A process that has not ended by then is killed, and its figure fails."""

FLUX = (sys.executable, "-m", "flux")
FLUX_SERVE = (*FLUX, "serve")
BARE_PYGLS = (sys.executable, str(Path(__file__).with_name("bare_pygls.py")))


def clean_environment(folder: Path, **variables: str) -> dict[str, str]:
    """The environment of all that is measured: no settings of the user, and bytecode kept as where it is installed."""
    environ = environment(folder, **variables)
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if "FLUX_MAP_TOKENS" not in variables:
        del environ["FLUX_MAP_TOKENS"]
    return environ


class LanguageServer:
    """A language server process and the one client that talks to it, which blocks while it waits."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        self._folder = folder
        self._next_id = 1
        self.notices: list[dict[str, Any]] = []
        """The notifications that came while an answer was awaited."""
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            cwd=folder,
        )
        self._watch = threading.Timer(BOUND_S, self.process.kill)
        self._watch.daemon = True
        self._watch.start()

    def initialize(self, **options: object) -> None:
        """The handshake, up to the answer."""
        uri = self._folder.as_uri()
        folders = [{"uri": uri, "name": self._folder.name}]
        self.request(
            "initialize",
            {
                "processId": None,
                "rootUri": uri,
                "workspaceFolders": folders,
                "capabilities": {},
                "initializationOptions": options,
            },
        )

    def notify(self, method: str, params: object) -> None:
        self._send({"method": method, "params": params})

    def begin_request(self, method: str, params: object) -> int:
        number, self._next_id = self._next_id, self._next_id + 1
        self._send({"id": number, "method": method, "params": params})
        return number

    def request(self, method: str, params: object) -> Any:
        """The result, None where the answer is an error."""
        return self.answer(self.begin_request(method, params))

    def answer(self, number: int) -> Any:
        while True:
            message = self.read()
            if "method" in message:
                self.notices.append(message)
            elif message.get("id") == number:
                return message.get("result")

    def begin_command(self, name: str, *arguments: object) -> int:
        return self.begin_request("workspace/executeCommand", {"command": name, "arguments": list(arguments)})

    def command(self, name: str, *arguments: object) -> Any:
        return self.answer(self.begin_command(name, *arguments))

    def open(self, uri: str, text: str) -> None:
        item = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def barrier(self) -> None:
        """Until all that was sent has been handled: both servers refuse a method that nobody knows."""
        self.request("bench/barrier", None)

    def read(self) -> dict[str, Any]:
        """The next message."""
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise ConnectionError(f"{self.process.args} ended with {self.process.wait()}")
        return json.loads(self.process.stdout.read(length))

    def _send(self, message: Mapping[str, object]) -> None:
        assert self.process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def close(self) -> None:
        self._watch.cancel()
        end(self.process)


@contextmanager
def language_server(command: Sequence[str], environ: Mapping[str, str], folder: Path) -> Iterator[LanguageServer]:
    """A running server, not yet initialized."""
    server = LanguageServer(command, environ, folder)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def model_server(*, deltas: int, rate: int = 0, tells_arrivals: bool = False) -> Iterator[tuple[str, Iterator[bytes]]]:
    """A process that answers like a provider: its URL, and a line for each request where it shall tell of them.

    `rate` is deltas for a second, 0: as fast as they are taken.
    """
    command = [sys.executable, "-m", "tests.benchmarks.model_server", str(deltas), str(rate), str(int(tells_arrivals))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}", iter(process.stdout.readline, b"")
        finally:
            end(process)


def base_url(vendor: str, url: str) -> str:
    """Where the vendor's SDK finds the model server."""
    return url if vendor == "anthropic" else f"{url}/v1"


def wire_settings(vendor: str, url: str) -> dict[str, str]:
    """What makes Flux use the vendor's provider with the model server."""
    return {"FLUX_PROVIDER": vendor, "FLUX_BASE_URL": base_url(vendor, url), "FLUX_API_KEY": "not-a-key"}


def end(process: subprocess.Popen[bytes]) -> None:
    """It is gone afterwards."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
