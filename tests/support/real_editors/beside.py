"""Flux and Ruff as one language server, as a multiplexer gives them to Emacs, which has one server for a buffer.

python beside.py FLUX RUFF serve: Flux gets all, Ruff what is told of documents; the problems that it finds come back.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO, cast

TOLD = {"initialize", "initialized", "textDocument/didOpen", "textDocument/didChange", "textDocument/didClose"}


def main() -> None:
    _, flux, ruff, *arguments = sys.argv
    with start(flux, *arguments) as first, start(ruff, "server") as second:
        lock = threading.Lock()

        def to_editor(bodies: Iterator[bytes]) -> None:
            for body in bodies:
                with lock:
                    send(sys.stdout.buffer, body)

        threading.Thread(target=to_editor, args=(received(first.stdout),), daemon=True).start()
        problems = (body for body in received(second.stdout) if method_of(body) == "textDocument/publishDiagnostics")
        threading.Thread(target=to_editor, args=(problems,), daemon=True).start()
        for body in received(sys.stdin.buffer):
            send(first.stdin, body)
            if method_of(body) in TOLD:
                send(second.stdin, body)
        second.kill()


def start(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def received(stream: object) -> Iterator[bytes]:
    lines = cast("BinaryIO", stream)
    while head := lines.readline():
        while lines.readline().strip():
            pass
        yield lines.read(int(head.split(b":")[1]))


def send(stream: object, body: bytes) -> None:
    to = cast("BinaryIO", stream)
    to.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    to.flush()


def method_of(body: bytes) -> str:
    return json.loads(body).get("method", "")


if __name__ == "__main__":
    main()
