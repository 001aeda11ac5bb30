"""An answer that is kept for exactly equal requests, as the service sent it, and decoded again.

Equal are requests to the same address with the same bytes and the same headers of the user's own. The key that
authenticates is no part of it, and nothing of a request is kept but what stands for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
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
from flux.llm.exchange import Exchange
from flux.llm.wire.decoder import Decoder


class Keeping:
    """The answer to one request: looked for, or kept at its end."""

    def __init__(self, answers: KeptAnswers, key: bytes, *, keeps_raw: bool) -> None:
        self._answers = answers
        self._key = key
        self._keeps_raw = keeps_raw
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

    def look_at(self, delta: Delta) -> None:
        """How the answer ended decides whether it is kept: a whole one, that was not cut or declined."""
        if isinstance(delta, Finished):
            self._is_whole = delta.reason == "stop"

    def keep(self, exchange: Exchange) -> None:
        """The answer has come to its end. One that was too long to be noted as a whole is not kept."""
        if self._is_whole and not exchange.is_cut:
            self._answers.put(self._key, bytes(exchange.answer))
