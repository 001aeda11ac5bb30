"""An answer that is kept for exactly equal requests, as the service sent it, and decoded again.

Equal are requests to the same address with the same bytes and the same headers of the user's own. The key that
authenticates is no part of it, and nothing of a request is kept but what stands for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Self

from flux.core.errors import ProviderError
from flux.core.secret import Secret
from flux.core.usage import Usage
from flux.llm.base_provider import (
    FROM_CACHE,
    Delta,
    Finished,
    KeptAnswers,
    ModelRequest,
    RawDelta,
    UsageDelta,
)
from flux.llm.wire.decoder import Decoder

MAX_BYTES = 4 << 20
"""A longer answer is not kept."""


class Keeping:
    """The answer to one request: looked for, or noted as it comes and kept at its end."""

    def __init__(self, answers: KeptAnswers, key: bytes, *, keeps_raw: bool) -> None:
        self._answers = answers
        self._key = key
        self._keeps_raw = keeps_raw
        self._noted = bytearray()
        self._is_whole = False

    @classmethod
    def of(
        cls, request: ModelRequest, base_url: str, path: str, headers: Mapping[str, Secret], body: bytes
    ) -> Self | None:
        """None where answers are not kept."""
        if request.answers is None:
            return None
        own = "\n".join(f"{name}: {value.reveal()}" for name, value in sorted(headers.items()))
        digest = hashlib.sha256()
        for part in (base_url.encode(), path.encode(), request.model.encode(), own.encode(), body):
            digest.update(b"%d\n" % len(part) + part)
        return cls(request.answers, digest.digest(), keeps_raw=request.keeps_raw)

    def replayed(self, decoder: Decoder) -> Sequence[Delta]:
        """The kept answer, with nothing used; empty where there is none, or none that can be read any more."""
        body = self._answers.get(self._key)
        if body is None:
            return ()
        with suppress(ProviderError):
            deltas = [*decoder.feed(body)]
            if not decoder.is_finished:
                deltas += decoder.end()
            raw = [RawDelta(body)] if self._keeps_raw else []
            return [FROM_CACHE, *raw, *(UsageDelta(Usage()) if isinstance(d, UsageDelta) else d for d in deltas)]
        return ()

    async def noting(self, chunks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """The same chunks, which are noted as they pass."""
        async with aclosing(chunks):
            async for chunk in chunks:
                if len(self._noted) <= MAX_BYTES:
                    self._noted += chunk
                yield chunk

    def look_at(self, delta: Delta) -> None:
        """How the answer ended decides whether it is kept: a whole one, that was not cut or declined."""
        if isinstance(delta, Finished):
            self._is_whole = delta.reason == "stop"

    def keep(self) -> None:
        """The answer has come to its end."""
        if self._is_whole and len(self._noted) <= MAX_BYTES:
            self._answers.put(self._key, bytes(self._noted))
