"""The model that is built in: offline, free, and no model at all but a handful of fixed rules. It says so.

It answers the sentences of `demo_sentences` with real tool calls on the user's own files: it reads a file by
`read_file`, works out the change from the result (`demo_rules`), and sends it by `edit_file`. Everything behind a model
is exercised that way. Deterministic; keeps no state between requests.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import PurePosixPath
from typing import assert_never

from flux.core.config import Settings
from flux.core.messages import Message, Part, ToolCall, ToolResult
from flux.core.text import line_content, split_lines
from flux.core.usage import Usage
from flux.llm import demo_rules
from flux.llm.base_provider import (
    BaseLLMProvider,
    Delta,
    Finished,
    ModelRequest,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)
from flux.llm.demo_sentences import (
    AddDocstring,
    Beyond,
    Create,
    Find,
    ListAll,
    NameChanges,
    Outline,
    Rename,
    Replace,
    Show,
    Wish,
    read_wish,
)
from flux.llm.tokens import estimate_tokens

ANNOUNCEMENT = "This is Flux's offline demo model: fixed rules, no intelligence."

HELP = """\
I understand these sentences; FILE may be left out where a file is open in front of you:
- `rename NAME to OTHER in FILE`
- `replace "…" with "…" in FILE`
- `add a docstring to NAME in FILE` (Python)
- `show FILE` and `outline FILE`
- `find WORD` and `list files`
- `create FILE with "…"`
For anything else choose a real model: set ANTHROPIC_API_KEY or OPENAI_API_KEY."""

MAX_SHOWN_LINES = 200
MAX_NAMED_FILES = 3


@dataclass(frozen=True, slots=True)
class Say:
    """The last words of an answer. `is_alone`: nothing may stand before them."""

    text: str
    is_alone: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call, after a few words."""

    text: str
    tool: str
    arguments: Mapping[str, object]


Move = Say | Call


@dataclass(frozen=True, slots=True)
class _Exchange:
    """A call made in this turn, with what came back."""

    call: ToolCall
    result: ToolResult


class DemoProvider(BaseLLMProvider):
    """See the module."""

    name = "demo"

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        move = await asyncio.to_thread(next_move, request)
        text = move.text
        is_alone = isinstance(move, Say) and move.is_alone
        if not is_alone and not any(message.role == "assistant" for message in request.messages):
            text = f"{ANNOUNCEMENT}\n\n{text}"
        yield Started("demo")
        output = 0
        for delta in _deltas(move, text, request):
            await asyncio.sleep(0)  # whoever listens may want to cancel
            output += estimate_tokens(delta.text if isinstance(delta, TextDelta) else delta.arguments_json)
            yield delta
        yield UsageDelta(Usage(_prompt_tokens(request), output))
        yield Finished("tool_calls" if isinstance(move, Call) else "stop")


def create(settings: Settings) -> DemoProvider:
    """The demo needs no settings."""
    return DemoProvider()


def next_move(request: ModelRequest) -> Move:
    """What to do, from the last message of the user and what the tools have answered since."""
    at = max((n for n, message in enumerate(request.messages) if message.role == "user"), default=-1)
    if at < 0:
        return Say(HELP)
    wish = read_wish(request.messages[at])
    done = _exchanges(request.messages[at + 1 :])
    move = _move(wish, done)
    if isinstance(move, Call) and move.tool not in {tool.name for tool in request.tools}:
        return Say(f"I would call the tool {move.tool} now, but this conversation does not offer it.")
    return move


def _exchanges(messages: Sequence[Message]) -> list[_Exchange]:
    calls = {call.id: call for message in messages for call in message.tool_calls()}
    results = [part for message in messages for part in message.parts if isinstance(part, ToolResult)]
    return [_Exchange(calls[result.call_id], result) for result in results if result.call_id in calls]


def _move(wish: Wish, done: Sequence[_Exchange]) -> Move:
    sentence = wish.sentence
    match sentence:
        case None:
            return Say(f"I did not find a sentence that I know.\n\n{HELP}")
        case Beyond(what):
            return Say(
                f"I cannot {what} code: I am fixed rules only, and that takes a model that understands.\n\n{HELP}"
            )
        case Find(_, place) if PurePosixPath(place).suffix:
            return _on_file(wish, place, done)
        case Find(pattern, folder):
            arguments = {"pattern": pattern, **({"folder": folder} if folder else {})}
            return _told(done) or Call(f"I look for {pattern}.", "search", arguments)
        case ListAll(folder):
            return _told(done) or Call("I list the files.", "list_files", {"folder": folder} if folder else {})
        case Create(file, text):
            if done:
                return Say(_refusal(done[-1]) or f"Created {file}.")
            return Call(f"I create {file}.", "write_file", {"path": file, "text": text})
        case NameChanges(files):
            named = ", ".join(files[:MAX_NAMED_FILES]) if files else "the files"
            more = f" and {len(files) - MAX_NAMED_FILES} more" if len(files) > MAX_NAMED_FILES else ""
            return Say(f"Change {named}{more}", is_alone=True)
        case Rename() | Replace() | Show() | Outline() | AddDocstring():
            file = sentence.file or wish.current_file
            if not file:
                return Say("In which file? Say it at the end of the sentence: `… in FILE`.")
            return _on_file(wish, file, done)
        case _:
            assert_never(sentence)


def _told(done: Sequence[_Exchange]) -> Say | None:
    if not done:
        return None
    return Say(_refusal(done[-1]) or f"This is what the tool found:\n\n{_fenced(done[-1].result.content)}")


def _refusal(exchange: _Exchange) -> str:
    if not exchange.result.is_error:
        return ""
    return f"That was not done. The tool {exchange.call.name} answered: {exchange.result.content}"


def _on_file(wish: Wish, file: str, done: Sequence[_Exchange]) -> Move:
    if done and (refusal := _refusal(done[-1])):
        return Say(refusal)
    found = [exchange.result.content for exchange in done if exchange.call.name == "read_file"]
    if not found:
        return Call(f"I read {file}.", "read_file", {"path": file})
    reads = [text for text in found if not text.startswith(_POINTERS)]
    text, next_line = _joined(reads)
    if found[-1].startswith(_POINTERS):
        # It stands above, or its difference does. Rules read it once more: no range is asked for twice.
        lines = {"start_line": next_line or 1, "end_line": _FAR + len(found)}
        return Call("I read it once more.", "read_file", {"path": file, **lines})
    if text is None:
        return Say(f"{file} is too long for me to be shown in full, and without all of it I change nothing.")
    if next_line and len(reads) < 200:
        return Call("I read on.", "read_file", {"path": file, "start_line": next_line})
    answer = _answered(wish, file, text)
    if isinstance(answer, Say) or done[-1].call.name == "read_file":
        return answer
    return Say(f"Done: {answer.text[0].lower()}{answer.text[1:]}")


_POINTERS = ("[unchanged since ", "[changed since ")
_FAR = 10_000_000
"""A line that no file has."""
_PART = re.compile(r"\[[^\n]* lines (\d+)-(\d+) of (\d+)\]\n")
_OUTLINE = re.compile(r"^\[… \d+ more lines; their outline, by start_line:\n.*\]\n\Z", re.DOTALL | re.MULTILINE)
_CUT = re.compile(r"\[… \d+ more characters[^\]\n]*\]\n?\Z")


def _joined(reads: Sequence[str]) -> tuple[str | None, int]:
    """The text that was read so far, None where some cannot be had; and the line to go on with, 0 at the end.

    `read_file` heads a part with `[PATH lines A-B of N]`; what is too long for the model's window ends in a remark.
    """
    parts: list[str] = []
    next_line = 0
    for read in reads:
        header = _PART.match(read)
        body = _OUTLINE.sub("", read[header.end() :]) if header else read
        next_line = int(header[2]) + 1 if header and int(header[2]) < int(header[3]) else 0
        if cut := _CUT.search(body):
            whole_lines = split_lines(body[: cut.start()].removesuffix("\n"))[:-1]
            if not whole_lines:
                return None, 0
            body = "".join(whole_lines)
            next_line = (int(header[1]) if header else 1) + len(whole_lines)
        parts.append(body)
    return "".join(parts), next_line


def _answered(wish: Wish, file: str, text: str) -> Move:
    """The answer to a wish about one file whose text is known: some words, or the one edit."""
    lines = split_lines(text)
    match wish.sentence:
        case Show():
            return Say(_shown(file, text))
        case Find(pattern):
            found = [f"{number}: {line_content(line)}" for number, line in enumerate(lines, 1) if pattern in line]
            return Say(f"{pattern} in {file}: {_counted(len(found))}.\n\n{_fenced(chr(10).join(found))}")
        case Outline():
            found = demo_rules.outline(text, file)
            if not found:
                return Say(f"{file} has {len(lines)} lines, and none that defines something by the rules I know.")
            return Say(f"The outline of {file} ({len(lines)} lines):\n\n{_fenced(chr(10).join(found))}")
        case Rename(name, other):
            changes = demo_rules.rename(lines, name, other)
            count = sum(len(demo_rules.word(name).findall(lines[number])) for number in changes)
            if not changes:
                return Say(f"The word {name} is not in {file}.")
            said = f"Renaming {name} to {other} in {file}: {_counted(count)}, in comments and texts too."
            if text.count(name) == count and not wish.is_comment:
                return _edit(said, file, [{"old_text": name, "new_text": other, "replace_all": True}])
            return _edit(said, file, _line_edits(wish, lines, changes))
        case Replace(old, new):
            count = text.count(old) if old else 0
            if not count:
                return Say(f"That text is not in {file}.")
            said = f"Replacing that text in {file}: {_counted(count)}."
            if wish.is_comment and "\n" not in old:
                changes = {n: line.replace(old, new) for n, line in enumerate(lines) if old in line}
                return _edit(said, file, _line_edits(wish, lines, changes))
            edit: demo_rules.Edit = {"old_text": old, "new_text": new}
            return _edit(said, file, [edit if count == 1 else {**edit, "replace_all": True}])
        case AddDocstring(name):
            return _documented(wish, name, file, text)
        case _:
            return Say(HELP)


def _line_edits(wish: Wish, lines: Sequence[str], changes: Mapping[int, str]) -> list[demo_rules.Edit]:
    changed = [changes.get(number, line) for number, line in enumerate(lines)]
    gone = demo_rules.without_comment(changed, *wish.lines) if wish.is_comment and wish.lines else {}
    return demo_rules.unique_edits(lines, {**changes, **gone})


def _edit(said: str, file: str, edits: Sequence[demo_rules.Edit]) -> Call:
    return Call(said, "edit_file", {"path": file, "edits": list(edits)})


def _documented(wish: Wish, name: str, file: str, text: str) -> Move:
    if not file.endswith((".py", ".pyi", ".pyw")):
        return Say("I add docstrings to Python files only.")
    try:
        known = demo_rules.definitions(text)
    except demo_rules.NotPython as e:
        return Say(f"{file} is not Python as it stands ({e}), so I change nothing.")
    bare = [(dotted, node) for dotted, node in known if demo_rules.ast.get_docstring(node, clean=False) is None]
    if name:
        named = [one for one in known if one[0] == name or one[0].endswith(f".{name}")]
        wanted = [one for one in bare if one in named][:1]
        if not named:
            return Say(f"{file} defines no {name}.")
    elif wish.lines:
        first, last = wish.lines
        wanted = [one for one in bare if first <= one[1].lineno - 1 <= last]
        around = [one for one in known if one[1].lineno - 1 <= first <= (one[1].end_lineno or 0) - 1]
        wanted = wanted or [one for one in around[-1:] if one in bare]
    else:
        wanted = bare[:1]
    if not wanted:
        return Say(f"{name or 'What is there'} has a docstring already; I only add missing ones.")
    lines = split_lines(text)
    changes: dict[int, str] = {}
    for _, node in wanted:
        changes.update(demo_rules.add_docstring(lines, node))
    said = f"Adding a docstring to {', '.join(dotted for dotted, _ in wanted)} in {file}, made of its name."
    return _edit(said, file, _line_edits(wish, lines, changes))


def _counted(count: int) -> str:
    return "1 place" if count == 1 else f"{count} places"


def _shown(file: str, text: str) -> str:
    lines = split_lines(text)
    if lines[-1] == "":
        lines.pop()
    head = f"{file} has {len(lines)} lines"
    if len(lines) > MAX_SHOWN_LINES:
        return f"{head}; the first {MAX_SHOWN_LINES}:\n\n{_fenced(''.join(lines[:MAX_SHOWN_LINES]))}"
    return f"{head}:\n\n{_fenced(text)}"


def _fenced(text: str) -> str:
    ticks = max((len(run) for run in re.findall(r"`{3,}", text)), default=2) + 1
    return f"{'`' * ticks}\n{text}{'' if text.endswith(chr(10)) else chr(10)}{'`' * ticks}"


def _deltas(move: Move, text: str, request: ModelRequest) -> Iterator[TextDelta | ToolCallDelta]:
    pieces = re.findall(r"\s*\S+|\s+$", text) if request.is_streamed else [text]
    yield from (TextDelta(piece) for piece in pieces)
    if isinstance(move, Call):
        arguments = json.dumps(move.arguments, ensure_ascii=False)
        # The same request gives the same id, and no other call of the conversation has it.
        digest = hashlib.sha256(f"{len(request.messages)} {move.tool} {arguments}".encode("utf-8", "surrogatepass"))
        yield ToolCallDelta(0, f"demo_{digest.hexdigest()[:12]}", move.tool)
        size = 40 if request.is_streamed else len(arguments)
        yield from (ToolCallDelta(0, arguments_json=arguments[at : at + size]) for at in range(0, len(arguments), size))


def _prompt_tokens(request: ModelRequest) -> int:
    texts = [request.system, *(tool.description for tool in request.tools)]
    texts += [text for message in request.messages for part in message.parts for text in _texts(part)]
    return sum(estimate_tokens(text) for text in texts)


def _texts(part: Part) -> Iterator[str]:
    for field in fields(part):
        value: object = getattr(part, field.name)
        if isinstance(value, str):
            yield value
