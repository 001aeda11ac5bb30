"""A provider that stops asking a service which keeps failing, and finds out by one request whether it answers again.

A circuit is of one address and one model, and all sessions of the process share it. It is closed while requests go
through, open while none does, and half open when the next one is the trial. A service that refuses a request, or that
asks for patience, does answer: neither is a failure. Knows no session and waits for nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from flux.core.errors import CircuitOpen, ConnectionFailed, PermanentProviderError, RateLimited, TransientProviderError
from flux.llm.base_provider import BaseLLMProvider, Delta, ModelRequest, Waiting, is_of_the_answer
from flux.llm.wrapped_provider import WrappedProvider

FAILURES = 5
"""So many in a row open a circuit."""
FIRST_PAUSE_S = 10.0
"""How long a circuit is open before the trial; twice as long after each trial that failed."""
LONGEST_PAUSE_S = 120.0

State = Literal["closed", "open", "half-open"]


@dataclass(frozen=True, slots=True)
class CircuitState:
    """How a model at an address does. `failures` in a row; `retry_after_s` until the trial; `reason`: the last fault.

    Half open with 0 seconds: the next request is the trial, or is it already.
    """

    address: str
    model: str
    state: State
    failures: int
    retry_after_s: float
    reason: str

    def __str__(self) -> str:
        match self.state:
            case "closed":
                now = "asked as usual"
            case "open":
                now = f"asked again in {self.retry_after_s:.0f} s"
            case "half-open":
                now = "the next request finds out whether it answers again"
        return f"{self.model} at {self.address}: {self.failures} failed in a row; {now}. Last: {self.reason}"


class Circuit:
    """What happened to the requests for one model at one address. Safe to use from several threads."""

    def __init__(self, address: str, model: str, clock: Callable[[], float]) -> None:
        self._address = address
        self._model = model
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._open_until: float | None = None
        self._is_trying = False
        self._last = _NOTHING

    @property
    def state(self) -> CircuitState:
        left_s = 0.0 if self._open_until is None else max(self._open_until - self._clock(), 0.0)
        state: State = "closed" if self._open_until is None else "open" if left_s else "half-open"
        return CircuitState(self._address, self._model, state, self._failures, left_s, self._last.message)

    def enter(self) -> bool:
        """Let a request through; whether it is the trial. Raises CircuitOpen where it must not go."""
        if self._open_until is None:
            return False
        with self._lock:
            if self._is_trying or self._clock() < self._open_until:
                raise self.error()
            self._is_trying = True
        return True

    def leave(self) -> None:
        """The trial is over, whatever came of it: another one may be made."""
        self._is_trying = False

    def answered(self) -> None:
        """The service did what it should."""
        self._failures, self._pause_s, self._open_until, self._last = 0, FIRST_PAUSE_S, None, _NOTHING

    def failed(self, error: TransientProviderError, *, is_trial: bool) -> bool:
        """The request failed; whether the circuit is open now."""
        self._failures += 1
        self._last = error
        if is_trial:
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
        if is_trial or (self._open_until is None and self._failures >= FAILURES):
            self._open_until = self._clock() + self._pause_s
        return self._open_until is not None

    def error(self) -> CircuitOpen:
        """Why a request does not go, with all that the last fault said."""
        state, last = self.state, self._last
        when = f"in {state.retry_after_s:.0f} s" if state.retry_after_s else "as soon as the request on its way is over"
        words = f"{state.reason} It failed {state.failures} times in a row; Flux asks again {when}."
        return CircuitOpen(
            words,
            retry_after_s=state.retry_after_s,
            model=self._model,
            hint=last.hint,
            endpoint=last.endpoint,
            request_id=last.request_id,
            status=last.status,
        )


_NOTHING = TransientProviderError("")
"""In the place of the last fault where there is none."""


class Circuits:
    """All circuits that share a clock, which counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._made: dict[tuple[str, str], Circuit] = {}

    def of(self, address: str, model: str) -> Circuit:
        """The circuit of that model at that address, the same one each time."""
        circuit = self._made.get((address, model))
        # `setdefault` alone would make one for each request.
        return circuit or self._made.setdefault((address, model), Circuit(address, model, self._clock))

    def troubled(self) -> Sequence[CircuitState]:
        """Those of which a request has failed and none was answered since."""
        states = [circuit.state for circuit in list(self._made.values())]
        return [state for state in states if state.failures]


CIRCUITS = Circuits()
"""Those of this process."""


class BreakingProvider(WrappedProvider):
    """`address` is where `inner` sends its requests."""

    def __init__(self, inner: BaseLLMProvider, address: str, circuits: Circuits = CIRCUITS) -> None:
        super().__init__(inner)
        self._address = address
        self._circuits = circuits

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        circuit = self._circuits.of(self._address, request.model)
        is_trial = circuit.enter()
        is_shown = False
        try:
            async with aclosing(self.inner.stream(request)) as deltas:
                async for delta in deltas:
                    if is_trial and not isinstance(delta, Waiting):
                        is_trial = False  # an answer may take minutes, and others need not wait for its end
                        circuit.answered()
                        circuit.leave()
                    is_shown = is_shown or is_of_the_answer(delta)
                    yield delta
            circuit.answered()
        except (RateLimited, PermanentProviderError):
            circuit.answered()
            raise
        except TransientProviderError as e:
            if isinstance(e, ConnectionFailed) and e.is_lasting:
                raise  # told at once each time, so that it is noticed at once when somebody has mended it
            if not circuit.failed(e, is_trial=is_trial) or is_shown:
                raise
            fault = circuit.error()
        else:
            return
        finally:
            if is_trial:
                circuit.leave()
        raise fault  # here and not in the handler: it says all that the last fault said
