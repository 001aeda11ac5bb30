"""What the three decoders have in common: bytes in, events apart, call ids unique, one Started, one Finished.

A decoder serves one answer. It takes a stream of events and, by the first byte, also one plain JSON answer: some
servers ignore `stream` (LiteLLM's mock responses do, facts of 2026-11-21).
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Literal

from flux.core.errors import RequestRejected, StreamBroken
from flux.core.usage import Usage
from flux.llm.base_provider import (
    Delta,
    Finished,
    FinishReason,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)
from flux.llm.wire.faults import Complaint, complaint_of, make_error, read_complaint
from flux.llm.wire.json_values import Object, mend_surrogates, parse_object
from flux.llm.wire.sse import EventSplitter

MAX_PLAIN_BYTES = 64 << 20

_SURROGATE = re.compile("[\ud800-\udfff]")
_NOT_AN_API = "Check the base URL: it must be an API's, not a web page's. Most end with /v1."


class Decoder(ABC):
    """`request_id` goes into Started. `taken_ids` are the ids of earlier calls, which no new call may have."""

    def __init__(self, request_id: str = "", taken_ids: Iterable[str] = ()) -> None:
        self.is_finished = False
        self._request_id = request_id
        self._taken_ids = set(taken_ids)
        self._splitter = EventSplitter()
        self._body = bytearray()
        self._kind: Literal["unknown", "events", "plain"] = "unknown"
        self._is_started = False
        self._call_count = 0
        self._held: dict[tuple[str, int], str] = {}
        self._usage = Usage()

    def feed(self, data: bytes) -> Iterator[Delta]:
        """The deltas that these bytes complete, in any chunking. What follows the end of the answer is left unread.

        Raises the ProviderError that the server reports, StreamBroken for what is no JSON, and RequestRejected for a
        web page; the deltas before it have then been given.
        """
        if self._kind == "unknown":
            self._body += data
            data = bytes(self._body)
            start = data.removeprefix(b"\xef\xbb\xbf"[: len(data)]).lstrip()
            if not start:
                return
            self._kind = "events" if start[:1] in b":deir" else "plain"  # comments; data, event, id, retry
            data = start
            self._body.clear()
        if self._kind == "plain":
            self._body += data
            if len(self._body) > MAX_PLAIN_BYTES:
                raise StreamBroken(f"the answer is longer than {MAX_PLAIN_BYTES >> 20} MB.")
            return
        if self.is_finished:
            return
        for event in self._splitter.feed(data):
            yield from self._read_event(*event)
            if self.is_finished:
                return

    def end(self) -> Iterator[Delta]:
        """What only the end of the bytes completes. Raises as `feed`, and StreamBroken without the terminal event."""
        if self.is_finished:
            return
        if self._kind == "plain":
            yield from self.decode_plain(bytes(self._body))
        elif self._kind == "events":
            for event in self._splitter.end():
                if not self.is_finished:
                    yield from self._read_event(*event)
        if not self.is_finished:
            yield from self._close()
        if not self.is_finished:
            raise StreamBroken("the answer ended before it was complete.")

    def decode_plain(self, body: bytes) -> Iterator[Delta]:
        """The deltas of an answer that came in one piece. Raises as `feed`."""
        if body.lstrip()[:1] == b"<":
            raise RequestRejected(
                f"a web page came instead of an answer: {read_complaint(body).words}", hint=_NOT_AN_API
            )
        source = body.decode("utf-8", "replace")
        try:
            answer = parse_object(source)
        except ValueError as e:
            raise StreamBroken(f"the answer is not JSON: {e}.") from None
        _check_no_error(answer)
        deltas = self._whole_answer(answer)
        yield from deltas if source.encode("utf-8", "replace") == body else _only_words(deltas)

    @abstractmethod
    def _event(self, name: str, event: Object) -> Iterable[Delta]:
        """The deltas of one event."""

    @abstractmethod
    def _whole_answer(self, answer: Object) -> Iterable[Delta]:
        """The deltas of an answer in one piece."""

    def _done(self) -> Iterable[Delta]:
        """What `data: [DONE]` says, which only Chat Completions knows."""
        return ()

    def _close(self) -> Iterable[Delta]:
        """A wire whose last event may be left out says here that the answer is complete all the same."""
        return ()

    def _read_event(self, name: str, payload: str, is_sound: bool) -> Iterator[Delta]:
        if payload == "[DONE]":
            yield from self._done()
            return
        try:
            event = parse_object(payload)
        except ValueError as e:
            if name == "error":
                raise make_error(Complaint(words=payload)) from None
            raise StreamBroken(f"an event of the answer is not JSON: {e}.") from None
        if name == "error":
            raise make_error(complaint_of(event))
        _check_no_error(event)
        deltas = self._event(name, event)
        yield from deltas if is_sound else _only_words(deltas)

    def _start(self, model: str) -> Iterator[Delta]:
        if not self._is_started:
            self._is_started = True
            yield Started(model, self._request_id)

    def _text(self, words: str, slot: int = 0) -> Iterator[Delta]:
        if words := self._whole(("text", slot), words):
            yield TextDelta(words)

    def _reasoning(self, words: str, slot: int = 0) -> Iterator[Delta]:
        if words := self._whole(("reasoning", slot), words):
            yield ReasoningDelta(words)

    def _new_call(self, call_id: str, name: str) -> ToolCallDelta:
        """The first delta of a call, with an id that no other call of the conversation has."""
        unique = call_id or f"call_{self._call_count}"
        n = 1
        while unique in self._taken_ids:
            n += 1
            unique = f"{call_id or 'call'}_{n}"
        self._taken_ids.add(unique)
        self._call_count += 1
        return ToolCallDelta(self._call_count - 1, unique, name)

    def _arguments(self, index: int, piece: str) -> Iterator[Delta]:
        if piece := self._whole(("call", index), piece):
            yield ToolCallDelta(index, arguments_json=piece)

    def _report(self, usage: Usage) -> Iterator[Delta]:
        if usage != self._usage:
            self._usage = usage
            yield UsageDelta(usage)

    def _finish(self, reason: FinishReason) -> Iterator[Delta]:
        """The end. An answer that calls tools ends with `tool_calls`, whatever the server calls it.

        Raises StreamBroken where it says that it calls tools and no call came.
        """
        if reason == "tool_calls" and not self._call_count:
            raise StreamBroken("the answer says that it calls a tool, but the call did not come.")
        self.is_finished = True
        if any(kind == "text" for kind, _ in self._held):
            yield TextDelta("\ufffd")  # half a character that nothing completed
        if reason == "stop" and self._call_count:
            reason = "tool_calls"
        yield Finished(reason)

    def _whole(self, slot: tuple[str, int], piece: str) -> str:
        """The piece without half a character: JavaScript servers cut texts between the halves of a surrogate pair."""
        if self._held:
            piece = self._held.pop(slot, "") + piece
        if piece.isascii() or not _SURROGATE.search(piece):
            return piece
        if "\ud800" <= piece[-1] <= "\udbff":
            self._held[slot] = piece[-1]
            piece = piece[:-1]
        return mend_surrogates(piece)


def arguments_text(value: object) -> str:
    """A call's arguments as text. They should be a text of JSON; some servers give the object itself."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _check_no_error(event: Object) -> None:
    if event.get("error"):
        raise make_error(complaint_of(event))


def _only_words(deltas: Iterable[Delta]) -> list[Delta]:
    """The deltas of what was not all UTF-8: one odd character in words is better than a lost answer.

    A token of a small model may be half a character. Raises StreamBroken where there are no words, or more than words.
    """
    found = list(deltas)
    has_words = any(isinstance(delta, TextDelta | ReasoningDelta) for delta in found)
    if not has_words or any(
        isinstance(d, ToolCallDelta) or (isinstance(d, ReasoningDelta) and d.opaque) for d in found
    ):
        raise StreamBroken("a part of the answer is damaged: it is not UTF-8.")
    return found
