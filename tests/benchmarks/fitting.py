"""How well requests are counted, what an editing session costs beside its floor, and what pruning takes."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import prompt_toolkit
import pyright

from flux.agent.session import system_prompt
from flux.agent.session_store import Preface, SessionStore
from flux.agent.tally import Tally
from flux.context.pruning import prune
from flux.core.limits import TokenCounter
from flux.core.messages import Message, Text, ToolCall, ToolResult, assistant_message, user_message
from flux.core.usage import Usage
from flux.llm.scripted_provider import ScriptedProvider
from flux.llm.tokens import O200K, EstimatedCounter, Ranks
from flux.llm.wire.anthropic_messages import encode_request
from flux.tools.registry import builtin_tools
from flux.workspace.disk import DiskWorkspace
from tests.benchmarks.figures import Bound, Effort, Figure, median
from tests.support.languages import ARTICLE
from tests.support.talks import call, open_session, send, step
from tests.support.tokenizer import CL100K, HOW, real_counter

PROJECT = Path(__file__).parents[2]
SOURCES = Path(prompt_toolkit.__path__[0])
MINIFIED = Path(pyright.__path__[0]) / "dist/dist/vendor.js"
NEW_SHARE = 0.3


def counting(effort: Effort, folder: Path) -> list[Figure]:
    """Requests that go on from a reported total, up to 30 % of each new, on text that the estimate was not fitted to.

    Against the tokenizer that it was fitted to, and against another one, whose reports have to correct it. What that
    makes of a script that no report was of yet (of Georgian six times as much) nobody can know: its p95 is not judged.
    """
    del folder
    return [*_counting(effort, O200K, 6.0), *_counting(effort, CL100K, None)]


def _counting(effort: Effort, ranks: Ranks, p95: float | None) -> list[Figure]:
    truth = real_counter(ranks)
    name = f"the next request's total in {ranks.name}: error"
    if truth is None:
        return [Figure(name, "%", None, note=f"{ranks.name} is not on the disk: {HOW}")]
    errors = sorted(error for seed in range(effort.of(40)) for error in _errors(truth, random.Random(seed)))
    found = (("median", median(errors), 2.0), ("p95", errors[int(len(errors) * 0.95)], p95))
    return [
        Figure(f"{name}, {which}", "%", value * 100, bound=Bound("measured", "<=", most) if most else None)
        for which, value, most in found
    ]


def _errors(truth: TokenCounter, chance: random.Random) -> list[float]:
    """The errors over one conversation of ten requests, whose user speaks one language beside all that is code."""
    language = chance.choice(list(ARTICLE.values()))
    tally = Tally(SessionStore(None).fitted, "s")
    tally.use("p", "m", EstimatedCounter())
    preface = Preface(system_prompt(), tuple(tool.spec for tool in builtin_tools().values()))
    fixed = truth.count(preface.system) + 900
    talk: list[Message] = [user_message(_text(chance, language, 12_000))]
    total, errors = fixed + truth.count(talk[0].text()) + 4, list[float]()
    for number in range(10):
        if number:
            errors.append(abs(tally.size(preface, talk).tokens / total - 1))
        answer = assistant_message(Text("Well, here is what I found."))
        tally.report(preface, talk, Usage(total, 8), answer)
        text = _text(chance, language, round(total * 4 * NEW_SHARE * chance.random()))
        talk += [answer, user_message(text)]
        total += 8 + truth.count(text) + 4
    return errors


def _text(chance: random.Random, language: str, length: int) -> str:
    """About so many characters of one of the kinds of text that go along with a message."""
    return chance.choice(KINDS)(chance, language, length)


def _source(chance: random.Random, _: str, length: int) -> str:
    return chance.choice(sorted(SOURCES.rglob("*.py"))).read_text(encoding="utf-8")[:length] or "x = 1\n"


def _minified(chance: random.Random, _: str, length: int) -> str:
    return _piece(MINIFIED.read_text(encoding="utf-8"), chance, length)


def _documentation(chance: random.Random, _: str, length: int) -> str:
    name = chance.choice(("README.md", "docs/architecture.md", "CHANGELOG.md"))
    return _piece((PROJECT / name).read_text(encoding="utf-8"), chance, length)


def _words(chance: random.Random, language: str, length: int) -> str:
    pieces = re.findall(r"[^\s,.。、，]+[\s,.。、，]+", language)
    return "".join(chance.choice(pieces) for _ in range(length // 8 + 1))


def _json(chance: random.Random, language: str, length: int) -> str:
    rows = [
        {"id": chance.randrange(10**6), "name": chance.choice(language.split()), "ok": True}
        for _ in range(length // 40)
    ]
    return json.dumps(rows, ensure_ascii=False)


def _base64(chance: random.Random, _: str, length: int) -> str:
    return base64.b64encode(chance.randbytes(length // 2 + 10)).decode("ascii")


def _log(chance: random.Random, _: str, length: int) -> str:
    lines = (
        f"2026-11-22T02:{chance.randrange(60):02}:{chance.random() * 60:09.6f}Z INFO worker-{chance.randrange(16)} "
        f"GET /api/items/{chance.randrange(10**5)}?page={chance.randrange(90)} 200 {chance.random() * 90:.3f}ms\n"
        for _ in range(length // 90 + 1)
    )
    return "".join(lines)


def _lock_file(chance: random.Random, _: str, length: int) -> str:
    return _piece((PROJECT / "editors/vscode/package-lock.json").read_text(encoding="utf-8"), chance, length)


def _hex_dump(chance: random.Random, _: str, length: int) -> str:
    rows = (chance.randbytes(16) for _ in range(length // 70 + 1))
    return "".join(f"{16 * at:08x}  {row.hex(' ', 2)}  |{_printable(row)}|\n" for at, row in enumerate(rows))


def _printable(row: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)


def _piece(text: str, chance: random.Random, length: int) -> str:
    at = chance.randrange(max(len(text) - length, 1))
    return text[at : at + length] or "x = 1\n"


KINDS = (
    _source,
    _minified,
    _documentation,
    _words,
    _json,
    _base64,
    _log,
    _lock_file,
    _hex_dump,
)


def pruning(effort: Effort, folder: Path) -> list[Figure]:
    """10,000 messages with 1 M tokens."""
    del folder
    messages = [message for number in range(2500) for message in _turn(number)]
    sizes = [100] * len(messages)

    def taken_ms(count: int) -> float:
        began = time.process_time()
        prune(messages[:count], sizes[:count], count * 20)
        return (time.process_time() - began) * 1000

    times = {count: median([taken_ms(count) for _ in range(effort.of(10))]) for count in (5000, 10_000)}
    return [
        Figure("10,000 messages pruned", "ms", times[10_000], bound=Bound("measured", "<=", 50)),
        Figure("pruned, beside half of them", "ms", times[10_000], times[5000], "5,000", Bound("ratio", "<=", 2.6)),
    ]


def _turn(number: int) -> Sequence[Message]:
    asked = ToolCall(f"c{number}", "read_file", json.dumps({"path": f"{number % 40}.py"}))
    return (
        user_message("question " * 40),
        assistant_message(asked),
        Message("tool", (ToolResult(asked.id, asked.name, "word " * 80),)),
        assistant_message(Text("answer " * 50)),
    )


def session_cost(effort: Effort, folder: Path) -> list[Figure]:
    """Twelve replies over real sources: reads, edits, answers, with Anthropic's cache, beside an append-only client.

    In the middle of it the session is taken up from the disk.
    """
    del effort, folder
    requests, floor_requests = asyncio.run(_edit_session())
    ours, floor = _cost(requests), _cost(floor_requests)
    kept = min(_kept(before, after) for before, after in pairwise(requests))
    return [
        Figure(
            "input of a 12-reply session",
            "k tokens' price",
            ours / 1000,
            floor / 1000,
            "floor",
            Bound("ratio", "<=", 1.15),
        ),
        Figure(
            "worst step's kept prefix, over restart and resume", "%", kept * 100, bound=Bound("measured", ">=", 100)
        ),
    ]


async def _edit_session() -> tuple[list[list[str]], list[list[str]]]:
    names = [file.relative_to(SOURCES).as_posix() for file in sorted(SOURCES.rglob("*.py"))]
    names = [name for name in names if 8_000 < (SOURCES / name).stat().st_size < 60_000][:8]
    with tempfile.TemporaryDirectory() as where:
        for name in names:
            (Path(where) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(where) / name).write_bytes((SOURCES / name).read_bytes())
        steps, floor_steps = [], list[list[str]]()
        line = "from __future__ import annotations\n"
        for turn in range(4):
            pair = names[2 * turn : 2 * turn + 2]
            reads = [call("read_file", f"r{turn}{n}", path=name) for n, name in enumerate(pair)]
            edit = [{"old_text": line, "new_text": f"# {turn}\n{line}"}]
            edits = [call("edit_file", f"e{turn}{n}", path=name, edits=edit) for n, name in enumerate(pair)]
            steps += [step("I look.", *reads), step("I change.", *edits), step("Done, and here is what I did. " * 10)]
            texts = [(SOURCES / name).read_text(encoding="utf-8") for name in pair]
            floor_steps += [["I look.", *texts], ["I change." + json.dumps(edit) * 2, "ok", "ok"], ["Done " * 60, ""]]
        half = len(steps) // 2
        providers = [ScriptedProvider(steps[:half]), ScriptedProvider(steps[half:])]
        for turn in range(4):
            if turn % 2 == 0:  # another process goes on with it
                store = SessionStore(Path(where) / ".sessions" / "sessions.db")
                session = open_session(DiskWorkspace([where]), providers[turn // 2], store=store)
                await session.take_up()
            await send(session, f"Mark the files of step {turn}")
            if turn % 2:
                store.close()
    ours = [_pieces(encode_request(request)) for provider in providers for request in provider.requests]
    floor, said = list[list[str]](), ["s" * 1000]
    for number, made in enumerate(floor_steps):
        said += [f"Mark the files of step {number // 3}"] if number % 3 == 0 else []
        floor.append([json.dumps({"role": "user", "content": text}) for text in said])
        said += made
    return ours, floor


def _pieces(body: bytes) -> list[str]:
    """Tools and system, then each message, without marks."""
    found = json.loads(body, object_hook=lambda value: {k: v for k, v in value.items() if k != "cache_control"})
    return [json.dumps([found["tools"], found["system"]]), *(json.dumps(message) for message in found["messages"])]


def _cost(requests: Sequence[Sequence[str]]) -> float:
    """Tokens at the price of plain input: what was sent before at a tenth, what is new at 1.25."""
    cost, before = 0.0, 0
    counter = real_counter() or EstimatedCounter()
    for request in requests:
        total = sum(map(counter.count, request))
        cost += before * 0.1 + (total - before) * 1.25
        before = total
    return cost


def _kept(before: Sequence[str], after: Sequence[str]) -> float:
    """The share of a request that is the beginning of the next one."""
    whole, then = "".join(before), "".join(after)
    same = next((at for at, (one, other) in enumerate(zip(whole, then, strict=False)) if one != other), len(then))
    return min(same, len(whole)) / len(whole)
