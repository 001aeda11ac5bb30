"""Faults at the codecs: each kind at every event or byte of each recorded answer, on each wire, without a socket.

What may come of each is declared below; the table in docs/reliability.md is made of it.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from flux.core.errors import InvalidArguments
from flux.core.messages import ToolCall
from flux.llm.base_provider import Response, fold
from flux.llm.wire.sse import MAX_EVENT_BYTES
from tests.soak.results import Size, measured
from tests.support.recorded import (
    WIRES,
    Recorded,
    decode,
    recordings,
    with_broken_json,
    with_bytes,
    with_error_event,
    with_event_twice,
    with_events_swapped,
    with_long_line,
    without_event,
)

WHOLE = "whole"
CALLS = "calls whole"
AS_IT_CAME = "unseen"

LEGEND = """\
- `StreamBroken` and its like: a branch of the tree in `flux/core/errors.py`. What came before the fault is kept.
- whole: the answer as it was sent. So it always is where the fault is behind its end.
- calls whole: every call as it was sent; words, the model's name or the usage as they came.
- unseen: a piece of a call's arguments is missing, doubled or moved, and nothing on that wire numbers or repeats
  them, so nobody could see it. Only a broken server does this: TCP and TLS do not.

No call is ever run with arguments that were cut short or are not UTF-8."""

BROKEN = "StreamBroken"
OVERLOADED = "Overloaded"
REJECTED = "RequestRejected"

Outcomes = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CodecFault:
    """A row of the table. `outcomes` by wire: what may come of it at a point where the answer is not settled yet.

    `is_one_place`: only the event that the fault is in is another, so nothing is given once the fault is seen.
    """

    name: str
    at: Literal["byte", "event"]
    bend: Callable[[Recorded, int], bytes | Sequence[bytes]]
    outcomes: Mapping[str, Outcomes]
    is_one_place: bool = True


def on_every_wire(*outcomes: str) -> Mapping[str, Outcomes]:
    return dict.fromkeys(WIRES, outcomes)


_UNNUMBERED = {
    "anthropic": (BROKEN, WHOLE, CALLS, AS_IT_CAME),
    "openai": (BROKEN, WHOLE, CALLS),
    "chat": (BROKEN, WHOLE, CALLS, AS_IT_CAME),
    "ollama": (BROKEN, WHOLE, CALLS, AS_IT_CAME),
}

FAULTS: tuple[CodecFault, ...] = (
    CodecFault(
        "cut",
        "byte",
        lambda answer, at: answer.data[:at],
        {**on_every_wire(BROKEN, WHOLE), "chat": (BROKEN, WHOLE, CALLS)},
    ),
    CodecFault("error event", "event", with_error_event, {**on_every_wire(OVERLOADED), "ollama": (REJECTED,)}),
    CodecFault("broken JSON", "event", with_broken_json, on_every_wire(BROKEN)),
    CodecFault("event twice", "event", with_event_twice, _UNNUMBERED, is_one_place=False),
    CodecFault("event missing", "event", without_event, _UNNUMBERED, is_one_place=False),
    CodecFault("events swapped", "event", with_events_swapped, _UNNUMBERED, is_one_place=False),
    CodecFault("garbage line", "byte", partial(with_bytes, odd=b"\n%$ garbage\n"), on_every_wire(BROKEN, WHOLE)),
    CodecFault("not UTF-8", "byte", partial(with_bytes, odd=b"\xff"), on_every_wire(BROKEN, WHOLE, CALLS)),
    CodecFault("NUL byte", "byte", partial(with_bytes, odd=b"\0"), on_every_wire(BROKEN, WHOLE)),
    CodecFault("line without end", "event", partial(with_long_line, length=MAX_EVENT_BYTES), on_every_wire(BROKEN)),
)


@dataclass(frozen=True, slots=True)
class Try:
    fault: CodecFault
    answer: Recorded
    at: int

    @property
    def place(self) -> int:
        """The byte from which on the answer is another."""
        return self.at if self.fault.at == "byte" else self.answer.events[self.at][0]

    def check(self) -> str:
        """The outcome. Raises AssertionError where it is none that may be."""
        answer, fault = self.answer, self.fault
        bent = fault.bend(answer, self.at)
        deltas, error = decode(answer.wire, [bent] if isinstance(bent, bytes) else bent)
        outcome = type(error).__name__ if error else difference(answer.whole, fold(deltas))
        where = f"{fault.name} at {fault.at} {self.at} of {answer.name}: {outcome}, {error}"
        assert outcome in ((WHOLE,) if self.place >= answer.settled_at else fault.outcomes[answer.wire]), where
        before = answer.given_at[self.place]
        assert tuple(deltas[:before]) == answer.deltas[:before], where
        if error and fault.is_one_place:  # the event that the fault is in may have been complete before its blank line
            behind = next(end for _, end in answer.events if end > self.place)
            assert tuple(deltas) == answer.deltas[: len(deltas)], where
            assert len(deltas) <= answer.given_at[behind], where
        return outcome


def difference(whole: Response, came: Response) -> str:
    """How far an answer is the one that was sent."""
    if came == whole:
        return WHOLE
    return CALLS if _runnable(came) == _runnable(whole) else AS_IT_CAME


def _runnable(answer: Response) -> list[tuple[str, object]]:
    """The calls that would be run: those with a name, and with arguments that are an object."""
    calls = [(call.name, arguments) for call in answer.tool_calls if (arguments := _arguments(call)) is not None]
    return sorted(calls, key=repr)


def _arguments(call: ToolCall) -> object:
    try:
        return call.arguments() if call.name else None
    except InvalidArguments:
        return None


def every_try(answers: Iterable[Recorded] | None = None) -> Iterator[Try]:
    """Each fault at each place of each recorded answer."""
    for answer in recordings() if answers is None else answers:
        for fault in FAULTS:
            places = range(len(answer.data)) if fault.at == "byte" else range(len(answer.events))
            yield from (Try(fault, answer, at) for at in places)


def measure(size: Size) -> Mapping[str, object]:
    """The figures of so many tries at random; of all there are where `runs` is 0."""
    tries = list(every_try())
    if size.runs:
        tries = random.Random(size.seed).sample(tries, size.runs)
    outcomes = Counter(made.check() for made in tries)
    return {"recorded answers": len(recordings()), "tries": len(tries)} | dict(outcomes.most_common())


def rows() -> list[list[str]]:
    """The table of what may come of each fault, on each wire."""
    return [[fault.name, f"every {fault.at}", *(cell(fault.outcomes[wire]) for wire in WIRES)] for fault in FAULTS]


def cell(outcomes: Outcomes) -> str:
    """A cell of a table of faults: errors as code, all else as words."""
    return ", ".join(f"`{outcome}`" if outcome[0].isupper() else outcome for outcome in outcomes)


if __name__ == "__main__":
    sys.exit(measured("codec", measure, __doc__ or "", runs=0))
