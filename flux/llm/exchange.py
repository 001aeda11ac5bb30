"""One request as it left and its answer as it came, for who wants to look at both later. The key is in neither."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from flux.core.secret import Secret, hide, redact
from flux.llm.wire.json_values import Object, child, count, parse_object, to_bytes

MAX_BYTES = 4 << 20
"""Of the body of a request, and of that of an answer, so much is noted."""
_COOKIES = {"cookie", "set-cookie"}


@dataclass(slots=True)
class Exchange:
    """Filled while it happens: what is not filled did not happen. Bodies are as they are without compression."""

    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    status: int | None = None
    answer_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    answer: bytearray = field(default_factory=bytearray)
    is_cut: bool = False
    """A body was longer than what is noted of it."""
    error: str = ""
    _secrets: tuple[Secret, ...] = field(default=(), repr=False)

    def begin(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, secrets: tuple[Secret, ...]
    ) -> None:
        """The request leaves; `secrets` are in its headers."""
        self._secrets = secrets
        self.method = method
        self.url = redact(url, secrets)
        self.headers = self._without_keys(headers)
        self.body = body[:MAX_BYTES]
        self.is_cut = len(body) > MAX_BYTES

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """The answer begins."""
        self.status = status
        self.answer_headers = self._without_keys(headers)

    def add(self, chunk: bytes) -> None:
        """The next bytes of the answer."""
        room = MAX_BYTES - len(self.answer)
        self.answer += chunk[:room]
        self.is_cut = self.is_cut or len(chunk) > room

    def packed(self) -> bytes:
        """All of it, compressed; a megabyte takes about 30 ms, which let other threads work."""
        body, answer = self._hidden(self.body), self._hidden(self.answer)
        head: Object = {
            "request": {"method": self.method, "url": self.url, "headers": dict(self.headers)},
            "answer": {"status": self.status, "headers": dict(self.answer_headers)},
            "is_cut": self.is_cut,
            "error": self.error,
            "body_bytes": len(body),
        }
        return zlib.compress(b"\n".join((to_bytes(head), body + answer)), 1)

    def _hidden(self, body: bytes | bytearray) -> bytes:
        return hide(body.decode("utf-8", "backslashreplace"), self._secrets).encode()

    def _without_keys(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        return {name: "****" if name in _COOKIES else redact(value, self._secrets) for name, value in headers.items()}


def unpack(packed: bytes) -> Object:
    """What `Exchange.packed` made: `request` and `answer`, each with headers and a body as text."""
    head, _, bodies = zlib.decompress(packed).partition(b"\n")
    told = parse_object(head.decode("utf-8"))
    split = count(told, "body_bytes")
    del told["body_bytes"]
    child(told, "request")["body"] = bodies[:split].decode("utf-8")
    child(told, "answer")["body"] = bodies[split:].decode("utf-8")
    return told
