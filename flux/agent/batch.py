"""Many requests from a file, some at a time, each answer in a file of results as soon as it is whole.

What is in that file is not asked again, so a batch that was ended, by whatever, goes on where it was: at most the
requests in flight are lost. A request is known by its id and by all that it says. Knows no terminal.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from flux.agent.budget import Budget, Forecast
from flux.agent.sessions import Sessions, budget_limits
from flux.agent.store.holder import lock_file
from flux.agent.turn import ModelChoice
from flux.core.errors import BudgetExceeded, FluxError, SessionError, WriteRefused
from flux.core.usage import Cost, Spent, Usage
from flux.llm.base_provider import FROM_CACHE, BaseLLMProvider, Folder, Options
from flux.llm.provider_factory import choose_model

_FIELDS: dict[str, tuple[type, ...]] = {
    "id": (str, int),
    "prompt": (str,),
    "system": (str,),
    "provider": (str,),
    "model": (str,),
    "max_tokens": (int,),
    "temperature": (int, float),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A request of the file. `number` is that of its line, from 1; `digest` stands for all that it says."""

    number: int
    id: str
    digest: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no request, and why."""

    number: int
    reason: str


def read_lines(text: str) -> Iterator[Line | BadLine]:
    """The requests of a file, one JSON object on each line; lines without anything are passed over."""
    seen: dict[str, int] = {}
    for number, raw in enumerate(text.split("\n"), 1):
        if not raw.strip():
            continue
        try:
            line = _read(number, raw)
        except ValueError as e:
            yield BadLine(number, str(e))
            continue
        if line.id in seen:
            yield BadLine(number, f"its id {line.id!r} is that of line {seen[line.id]}")
            continue
        seen[line.id] = number
        yield line


def _read(number: int, raw: str) -> Line:
    try:
        found: object = json.loads(raw)
    except ValueError as e:
        raise ValueError(f"it is not JSON: {e}") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    values = cast("dict[str, Any]", found)
    if unknown := values.keys() - _FIELDS:
        raise ValueError(f"it has {', '.join(sorted(unknown))}; it may have {', '.join(_FIELDS)}")
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, _FIELDS[name]):
            raise ValueError(f"its {name} is no {_FIELDS[name][-1].__name__}")
    if not str(values.get("prompt", "")).strip():
        raise ValueError("it has no prompt")
    id_ = str(values.pop("id", f"line-{number}"))
    return Line(number, id_, hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16], values)


class Results:
    """The file of results, open for one batch at a time. Raises SessionError where another has it, and OSError.

    Each result is one write of one line. Half a line at the end is of a process that was killed, and goes.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock_file = file.with_name(f"{file.name}.lock")
        self._done: set[tuple[str, str]] = set()

    def __enter__(self) -> Self:
        self._lock = os.open(self._lock_file, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            lock_file(self._lock)
        except OSError:
            os.close(self._lock)
            raise SessionError(f"Another batch is at work on {self._file}.") from None
        self._descriptor = os.open(self._file, os.O_CREAT | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o600)
        self._read()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        os.close(self._descriptor)
        os.close(self._lock)
        with suppress(OSError):
            self._lock_file.unlink()

    def has(self, line: Line) -> bool:
        """Whether the request was answered."""
        return (line.id, line.digest) in self._done

    def add(self, line: Line, result: dict[str, object]) -> None:
        """Raises WriteRefused."""
        values = {"id": line.id, "line": line.number, "digest": line.digest, **result}
        data = json.dumps(values, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
            os.fsync(self._descriptor)
        except OSError as e:
            raise WriteRefused(f"The result of {line.id} could not be written to {self._file}: {e.strerror}") from e

    def _read(self) -> None:
        whole = 0
        with self._file.open("rb") as file:
            for raw in file:
                if not raw.endswith(b"\n"):
                    break
                whole += len(raw)
                with suppress(ValueError, KeyError, TypeError):
                    found = json.loads(raw)
                    if found["status"] == "done":
                        self._done.add((found["id"], found["digest"]))
        os.ftruncate(self._descriptor, whole)
        os.lseek(self._descriptor, 0, os.SEEK_END)


@dataclass(slots=True)
class Progress:
    """How far a batch is. `kept` were done by an earlier run, and cost nothing now."""

    total: int
    kept: int = 0
    done: int = 0
    failed: int = 0
    in_flight: int = 0
    spent: Spent = field(default_factory=Spent)
    stopped: str = ""
    """Why no more requests are sent, in words for the user; empty while they are."""

    @property
    def is_complete(self) -> bool:
        return self.kept + self.done == self.total

    def __str__(self) -> str:
        kept = f", {self.kept} from before" if self.kept else ""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.kept + self.done} of {self.total} done{kept}{failed}, {self.spent.cost}"


class Batch:
    """One run over the requests. `tell` is called after each step, with what the user should know besides, if anything.

    What it uses counts under the role `batch`, in a session of its own: a limit for a session is one for the run.
    """

    def __init__(self, sessions: Sessions, results: Results, tell: Callable[[Progress, str], None]) -> None:
        self._sessions = sessions
        self._results = results
        self._tell = tell
        self._session_id = uuid.uuid4().hex[:12]
        self._budget = Budget(budget_limits(sessions.settings), sessions.store.ledger, self._session_id)
        self._models: dict[tuple[str, str], ModelChoice] = {}
        self._choosing = asyncio.Lock()
        self._reserved_usd = 0.0
        self.progress = Progress(0)

    async def run(self, lines: Sequence[Line], concurrency: int) -> None:
        """Ask for all that has no result yet, so many at a time; a request that fails has that as its result.

        Raises WriteRefused.
        """
        waiting = [line for line in lines if not self._results.has(line)]
        self.progress = Progress(len(lines), kept=len(lines) - len(waiting))
        self._tell(self.progress, "")
        if not waiting:
            return
        self._sessions.store.create(self._session_id, "")
        left = iter(waiting)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(concurrency, len(waiting))):
                    group.create_task(self._work(left))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _work(self, left: Iterator[Line]) -> None:
        for line in left:
            if self.progress.stopped:
                return
            self.progress.in_flight += 1
            try:
                result = await self._answer(line)
            except BudgetExceeded as e:
                self.progress.stopped = self.progress.stopped or str(e)
                return
            except FluxError as e:
                self.progress.failed += 1
                self._results.add(line, {"status": "failed", "error": str(e)})
                self._tell(self.progress, f"{line.id} (line {line.number}): {e.message}")
            else:
                self.progress.done += 1
                self._results.add(line, result)
            finally:
                self.progress.in_flight -= 1
                self._tell(self.progress, "")

    async def _answer(self, line: Line) -> dict[str, object]:
        settings, values = self._sessions.settings, line.values
        name = str(values.get("provider", "")).strip().lower() or self._sessions.provider.name
        provider = self._sessions.registry.provider(name)
        model = values.get("model") or await self._default_model(provider, name)
        choice = await self._choice(provider, name, model)
        options: Options = {"model": choice.name}
        for option in ("system", "max_tokens", "temperature"):
            if option in values:
                options[option] = values[option]
        most = min(int(values.get("max_tokens", settings.max_tokens)), choice.limits.max_output_tokens)
        sent = choice.counter.count(str(values.get("system", settings.system_prompt)) + str(values["prompt"]))
        reserved = self._reserve(Forecast(choice.name, Usage(sent, most), choice.price))
        folder, is_kept = Folder(), False
        try:
            async with aclosing(provider.stream(str(values["prompt"]), **options)) as deltas:
                async for delta in deltas:
                    folder.add(delta)
                    is_kept = is_kept or delta == FROM_CACHE
        finally:  # what was used is used, also where the answer broke off
            self._reserved_usd -= reserved
            cost = self._count(line, provider, choice, folder.response().usage)
        response = folder.response()
        return {
            "status": "done",
            "provider": provider.name,
            "model": choice.name,
            "text": response.content,
            "finish_reason": response.finish_reason,
            "from_cache": is_kept,
            "usage": asdict(response.usage),
            "cost_usd": cost.usd if cost.is_complete else None,
        }

    async def _default_model(self, provider: BaseLLMProvider, name: str) -> str:
        if provider is self._sessions.provider:
            return await self._sessions.current_model_name()
        return choose_model(self._sessions.settings, name) or await provider.default_model()

    async def _choice(self, provider: BaseLLMProvider, name: str, model: str) -> ModelChoice:
        """Asked for once, however many requests want it at the same time."""
        async with self._choosing:
            if (name, model) not in self._models:
                self._models[name, model] = await self._sessions.model_choice(provider, model)
        return self._models[name, model]

    def _reserve(self, forecast: Forecast) -> float:
        """Dollars that the request may cost at most, which no other one may count on. Raises BudgetExceeded."""
        for notice in self._budget.check(forecast, self._reserved_usd):
            self._tell(self.progress, notice)
        most = forecast.price.cost_usd(forecast.usage) if forecast.price else 0.0
        self._reserved_usd += most
        return most

    def _count(self, line: Line, provider: BaseLLMProvider, choice: ModelChoice, usage: Usage) -> Cost:
        cost = Cost.of(usage, choice.price)
        if usage.total_tokens:
            ledger = self._sessions.store.ledger
            ledger.add(self._session_id, line.id, provider.name, choice.name, usage, cost, "batch")
            self.progress.spent += Spent(1, usage, cost)
        return cost
