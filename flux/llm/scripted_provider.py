"""The shipped fake: answers from a script and records what it was asked. No model is behind it.

A script is a JSON file (setting `script`, `FLUX_SCRIPT`): a list of steps, or `{"steps": [...], "record": "FILE"}` with
a file, beside the script unless absolute, that gets each request as a JSON line. The first request gets the first step,
and so on, over all conversations of the process. Everything in a step is optional:

    text            what it says                        reasoning    what it thinks, said before
    tool_calls      [{"name", "arguments" (an object) or "arguments_json" (text as a model wrote it), "id"}]
    usage           {"input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"}
    finish_reason   stop | length | tool_calls | refused, or "none": the answer breaks off without its end
    error           {"kind": "RateLimited", "message", "status", "retry_after_s"}: raised after what comes before it;
                    kind is any provider error of `flux.core.errors`
    chunk           characters of a delta (default: one delta for each text)
    delay_s         seconds of waiting between two deltas
    expect          a text, or several, that the request must contain; where it does not, the request is rejected
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, TypeVar, cast, get_args

from flux.core import errors
from flux.core.config import Settings
from flux.core.errors import ConfigError, ProviderError, RequestRejected
from flux.core.messages import Part, ToolCall
from flux.core.usage import Usage
from flux.llm.base_provider import (
    BaseLLMProvider,
    Delta,
    Finished,
    FinishReason,
    ModelRequest,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)

_T = TypeVar("_T")

End = FinishReason | Literal["none"]

_ERRORS: Mapping[str, type[ProviderError]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, ProviderError)
}

_WORDS: Mapping[type, str] = {str: "a text", int: "a whole number", list: "a list"}


@dataclass(frozen=True, slots=True)
class Fault:
    """An error to raise. `kind` is the name of a class of provider errors."""

    kind: str
    message: str = "A fault of the script."
    status: int | None = None
    retry_after_s: float | None = None

    def error(self, model: str) -> ProviderError:
        kind = _ERRORS[self.kind]
        if issubclass(kind, errors.RateLimited | errors.Overloaded):
            return kind(
                self.message, retry_after_s=self.retry_after_s, endpoint="scripted", model=model, status=self.status
            )
        return kind(self.message, endpoint="scripted", model=model, status=self.status)


@dataclass(frozen=True, slots=True)
class Step:
    """One answer. `finish_reason` empty: `tool_calls` where there are any, else `stop`."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    finish_reason: End | Literal[""] = ""
    error: Fault | None = None
    chunk: int = 0
    delay_s: float = 0.0
    expect: tuple[str, ...] = ()


class ScriptedProvider(BaseLLMProvider):
    """Answers the n-th request with the n-th step. `requests` are those it got, in order."""

    name = "scripted"

    def __init__(self, steps: Sequence[Step], record: Path | None = None) -> None:
        self._steps = tuple(steps)
        self._record = record
        self.requests: list[ModelRequest] = []

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        self.requests.append(request)
        number = len(self.requests)
        if self._record is not None:
            _append(self._record, json.dumps({"request": number, **request_json(request)}, ensure_ascii=False))
        if number > len(self._steps):
            raise ProviderError(
                f"The script of the scripted provider (a fake) has {len(self._steps)} steps, "
                f"and this is request {number}.",
                endpoint="scripted",
                model=request.model,
            )
        step = self._steps[number - 1]
        _check_expected(step, number, request)
        yield Started(request.model, f"scripted-{number}")
        is_first = True
        for delta in _content(step, step.chunk if request.is_streamed else 0):
            # Also without a delay the loop gets its turn, or nobody could cancel.
            await asyncio.sleep(0 if is_first else step.delay_s)
            is_first = False
            yield delta
        if step.delay_s:
            await asyncio.sleep(step.delay_s)
        if step.usage is not None:
            yield UsageDelta(step.usage)
        if step.error is not None:
            raise step.error.error(request.model)
        end = step.finish_reason or ("tool_calls" if step.tool_calls else "stop")
        if end != "none":
            yield Finished(end)


def create(settings: Settings) -> ScriptedProvider:
    """The provider of the file that the settings name. Raises ConfigError where it cannot be read as a script."""
    if settings.script is None:
        raise ConfigError(
            "The scripted provider is a fake that needs a script.",
            key="script",
            hint="Set FLUX_SCRIPT to a JSON file of steps.",
        )
    return load_script(settings.script)


def load_script(file: Path) -> ScriptedProvider:
    """The provider that a file of steps describes. Raises ConfigError where it is no script."""
    try:
        content: object = json.loads(file.read_text(encoding="utf-8"))
    except OSError as e:
        raise ConfigError(f"The script {file} cannot be read: {e.strerror}", key="script") from e
    except ValueError as e:
        raise ConfigError(f"The script {file} is not JSON: {e}", key="script") from e
    record: Path | None = None
    if isinstance(content, dict):
        where = f"The script {file}"
        script = _object(cast("object", content), {"steps", "record"}, where)
        record = file.parent / _value(script, "record", str, "", where) if "record" in script else None
        content = script.get("steps")
    if not isinstance(content, list):
        raise ConfigError(f"The script {file} must be a list of steps.", key="script")
    steps = cast("list[object]", content)
    return ScriptedProvider([_step(step, n, f"Step {n} of {file}") for n, step in enumerate(steps, 1)], record)


def request_json(request: ModelRequest) -> dict[str, object]:
    """A request as JSON, for a record."""
    return {
        "model": request.model,
        "system": request.system,
        "messages": [
            {"role": message.role, "parts": [{"type": type(part).__name__, **asdict(part)} for part in message.parts]}
            for message in request.messages
        ],
        "tools": [tool.name for tool in request.tools],
        "max_output_tokens": request.max_output_tokens,
        "temperature": request.temperature,
        "tool_choice": request.tool_choice,
        "is_streamed": request.is_streamed,
        "session_id": request.session_id,
    }


def _content(step: Step, chunk: int) -> Iterator[Delta]:
    for piece in _pieces(step.reasoning, chunk):
        yield ReasoningDelta(piece)
    for piece in _pieces(step.text, chunk):
        yield TextDelta(piece)
    for index, call in enumerate(step.tool_calls):
        yield ToolCallDelta(index, call.id, call.name)
        for piece in _pieces(call.arguments_json, chunk):
            yield ToolCallDelta(index, arguments_json=piece)


def _pieces(text: str, chunk: int) -> Iterator[str]:
    size = chunk or len(text) or 1
    return (text[at : at + size] for at in range(0, len(text), size))


def _check_expected(step: Step, number: int, request: ModelRequest) -> None:
    texts = [request.system, *(_words(part) for message in request.messages for part in message.parts)]
    for expected in step.expect:
        if not any(expected in text for text in texts):
            raise RequestRejected(
                f"Step {number} of the script expects a request that contains {expected!r}; this one does not.",
                endpoint="scripted",
                model=request.model,
            )


def _words(part: Part) -> str:
    return "\n".join(value for field in fields(part) if isinstance(value := getattr(part, field.name), str))


def _append(file: Path, line: str) -> None:
    with file.open("a", encoding="utf-8", newline="\n") as out:
        out.write(line + "\n")


def _step(value: object, number: int, where: str) -> Step:
    step = _object(value, {f.name for f in fields(Step)}, where)
    finish: object = step.get("finish_reason", "")
    if finish not in {"", "none", *get_args(FinishReason)}:
        raise ConfigError(f"{where}: finish_reason is {finish!r}, which no answer ends with.", key="script")
    expect = step.get("expect", [])
    expected = cast("list[object]", expect) if isinstance(expect, list) else [expect]
    if not all(isinstance(text, str) for text in expected):
        raise ConfigError(f"{where}: expect must be a text or a list of texts.", key="script")
    calls = _value(step, "tool_calls", list, cast("list[object]", []), where)
    return Step(
        text=_value(step, "text", str, "", where),
        reasoning=_value(step, "reasoning", str, "", where),
        tool_calls=tuple(_call(call, f"call_{number}_{n}", where) for n, call in enumerate(calls, 1)),
        usage=_usage(step["usage"], where) if "usage" in step else None,
        finish_reason=cast("End | Literal['']", finish),  # checked above
        error=_fault(step["error"], where) if "error" in step else None,
        chunk=_value(step, "chunk", int, 0, where),
        delay_s=_seconds(step, "delay_s", where) or 0.0,
        expect=tuple(str(text) for text in expected),
    )


def _call(value: object, default_id: str, where: str) -> ToolCall:
    call = _object(value, {"id", "name", "arguments", "arguments_json"}, where)
    arguments = json.dumps(call.get("arguments", {}), ensure_ascii=False)
    return ToolCall(
        _value(call, "id", str, default_id, where),
        _value(call, "name", str, "", where),
        _value(call, "arguments_json", str, arguments, where),
    )


def _usage(value: object, where: str) -> Usage:
    counts = _object(value, {f.name for f in fields(Usage)}, where)
    return Usage(**{name: _value(counts, name, int, 0, where) for name in counts})


def _fault(value: object, where: str) -> Fault:
    fault = _object(value, {f.name for f in fields(Fault)}, where)
    kind = _value(fault, "kind", str, "", where)
    if kind not in _ERRORS:
        raise ConfigError(f"{where}: there is no provider error {kind!r}. There are: {', '.join(_ERRORS)}.")
    return Fault(
        kind,
        _value(fault, "message", str, "A fault of the script.", where),
        _value(fault, "status", int, 0, where) or None,
        _seconds(fault, "retry_after_s", where),
    )


def _seconds(found: Mapping[str, object], name: str, where: str) -> float | None:
    value = found.get(name)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value >= 0):
        return value
    raise ConfigError(f"{where}: {name} must be a number of seconds.", key="script")


def _object(value: object, names: set[str], where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a JSON object.", key="script")
    found = cast("dict[str, object]", value)
    if unknown := sorted(set(found) - names):
        raise ConfigError(f"{where} has no {', '.join(unknown)}; it may have {', '.join(sorted(names))}.", key="script")
    return found


def _value(found: Mapping[str, object], name: str, kind: type[_T], default: _T, where: str) -> _T:
    value = found.get(name, default)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ConfigError(f"{where}: {name} must be {_WORDS.get(kind, kind.__name__)}.", key="script")
    return value
