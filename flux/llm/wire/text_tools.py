"""Tools for models that take none: told of in the system prompt, called in the answer's text, answered in a message.

What may run is decided here. A call counts only where all of these hold:

- it begins on a line of its own, outside of a code fence that is not the call itself, of a quotation (`> `), of an
  indented block and of the model's thoughts;
- nothing but calls follows it to the end of the answer: what a model shows as an example, it goes on to explain;
- it is complete, and a call of a tool that is there (where the model has marked it as a call, one that is not there or
  whose arguments are broken goes to the turn too, which runs nothing and says so);
- it does not stand, word for word, in what the user or a tool has said: that is a quotation.

Text that may yet become a call is held back until it is certain, so half a call is never shown.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace

from flux.core.messages import Message, Part, Text, ToolCall, ToolResult, ToolSpec
from flux.llm.base_provider import ModelRequest
from flux.llm.wire.history import sound_messages
from flux.llm.wire.json_values import arguments_object
from flux.llm.wire.text_calls import FENCE_INFOS, FoundCall, TailScan

_HOW_TO = """\
# Tools

You call a tool by a block at the end of your answer, on lines of its own, just like this:

<tool_call>
{"name": "NAME_OF_THE_TOOL", "arguments": {"ARGUMENT": "VALUE"}}
</tool_call>

The arguments are one JSON object by the tool's schema; inside of a string a new line is written \\n and a quote \\".
For several calls put several blocks one after another. Write nothing behind the last block: the answers come in the
next message, in <tool_response>. What you only show is not run, as long as text follows it. When you need no tool any
more, answer without a block.%s

The tools:
%s"""

_THOUGHT, _THOUGHT_END = "<think>", "</think>"
_FORCED = {"required": "\nThis time you must call a tool."}


def as_text_request(request: ModelRequest) -> ModelRequest:
    """The request with its tools, calls and results as text. Nothing of the conversation is left out."""
    tools = "\n".join(
        json.dumps(
            {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
            ensure_ascii=False,
        )
        for tool in request.tools
    )
    names = {tool.name for tool in request.tools}
    forced = f"\nThis time you must call {request.tool_choice}." if request.tool_choice in names else ""
    how_to = _HOW_TO % (forced or _FORCED.get(request.tool_choice, ""), tools)
    return replace(
        request,
        system=f"{request.system}\n\n{how_to}".strip() if request.tools else request.system,
        messages=tuple(map(_as_text, sound_messages(request.messages))),
        tools=(),
        tool_choice="auto",
    )


def _as_text(message: Message) -> Message:
    match message.role:
        case "user":
            return message
        case "assistant":
            if not message.tool_calls():
                return message
            parts: list[Part] = [part for part in message.parts if not isinstance(part, ToolCall | Text)]
            blocks = "\n".join(map(_call_block, message.tool_calls()))
            return Message("assistant", (*parts, Text(f"{message.text()}\n\n{blocks}".strip())))
        case "tool":
            results = (part for part in message.parts if isinstance(part, ToolResult))
            return Message("user", (Text("\n".join(map(_result_block, results))),))


def _call_block(call: ToolCall) -> str:
    described = {"name": call.name, "arguments": arguments_object(call.arguments_json)}
    return f"<tool_call>\n{json.dumps(described, ensure_ascii=False)}\n</tool_call>"


def _result_block(result: ToolResult) -> str:
    error = ' is_error="true"' if result.is_error else ""
    return f'<tool_response name="{result.name}"{error}>\n{result.content}\n</tool_response>'


class CallFinder:
    """Reads one answer as it comes; gives what is certainly text, and at the end the calls.

    `is_whole_answer`: only an answer that is nothing but calls has any, as it is with models that take tools and print
    a call all the same.
    """

    def __init__(self, request: ModelRequest, *, is_whole_answer: bool = False) -> None:
        self._tools: Mapping[str, ToolSpec] = {tool.name: tool for tool in request.tools}
        self._messages = request.messages
        self._is_whole_answer = is_whole_answer
        self._held = ""
        self._has_text = False
        self._is_in_line = False
        self._fence = ""
        self._is_thinking = False
        self._last = ""
        self._scan: TailScan | None = None
        self._run: Generator[None, None, bool] | None = None
        self._is_invented = False

    def feed(self, text: str) -> str:
        """What of the answer can be shown now."""
        if not self._tools:
            return text
        if self._is_invented:
            return ""
        self._held += text
        return "".join(self._read(is_over=False))

    def end(self, *, is_cut: bool) -> tuple[str, Sequence[FoundCall]]:
        """The text that is left, and the calls. `is_cut`: the model had not come to its end."""
        shown = "".join(self._read(is_over=True, is_cut=is_cut)) if self._tools else ""
        scan, self._scan = self._scan, None
        return shown, scan.calls if scan else ()

    def give_up(self, *, is_broken: bool) -> str:
        """What was held back; from here on all is text, since the server itself has called.

        `is_broken`: the answer broke off, and half a call is not shown.
        """
        held, self._held, self._tools = self._held, "", {}
        return "" if is_broken and held[:1] in {"<", "[", "{", "`", "~"} else held

    def _read(self, *, is_over: bool, is_cut: bool = False) -> Iterator[str]:
        while self._held:
            if self._is_thinking:
                yield self._take_thought()
                continue
            if self._is_in_line or (self._is_whole_answer and self._has_text):
                yield self._take_line()
                continue
            is_call = self._begins(is_over=is_over)
            if is_call:
                is_call = self._advance(is_over=is_over, is_cut=is_cut)
            if is_call is None and not is_over:
                return
            if is_call and self._scan is not None:
                self._is_invented = self._scan.invents_results
                self._held = ""
                return
            self._scan = self._run = None
            self._enter_line(self._held)
            self._is_in_line = True

    def _take_line(self) -> str:
        line, newline, rest = self._held.partition("\n")
        self._is_in_line = not newline
        self._has_text |= bool(line.strip())
        self._held = rest
        return line + newline

    def _take_thought(self) -> str:
        seen = self._last + self._held
        end = seen.find(_THOUGHT_END)
        cut = end + len(_THOUGHT_END) - len(self._last) if end >= 0 else len(self._held)
        thought, self._held = self._held[:cut], self._held[cut:]
        self._is_thinking = end < 0
        self._last = seen[1 - len(_THOUGHT_END) :] if end < 0 else ""
        self._has_text |= not self._is_whole_answer
        self._is_in_line = False
        return thought

    def _begins(self, *, is_over: bool) -> bool | None:
        """Whether a call may begin with this line; None where that is not known yet."""
        start = self._held.lstrip(" ")
        if not start and not is_over and len(self._held) < 4:
            return None
        if not start or len(self._held) - len(start) > 3 or start[0] in "\t\r\n>":
            return False
        if self._fence:
            has_end = "\n" in start or is_over
            return None if self._fence.startswith(start.strip()[:3]) and not has_end else False
        if start[0] in "`~":
            return self._begins_fence(start, is_over=is_over)
        if len(start) < len(_THOUGHT) and _THOUGHT.startswith(start) and not is_over:
            return None
        return not start.startswith(_THOUGHT)

    def _begins_fence(self, start: str, *, is_over: bool) -> bool | None:
        line, newline, _ = start.partition("\n")
        if not line.startswith(start[0] * min(3, len(line))):
            return False
        if not newline and not is_over:
            return None if len(line) < 200 else False
        return line.lstrip(start[0]).strip().lower() in FENCE_INFOS

    def _advance(self, *, is_over: bool, is_cut: bool) -> bool | None:
        """Whether all from here on is calls; None where that is not known yet."""
        if self._scan is None or self._run is None:
            self._scan = TailScan(self._tools, self._held, len(self._held) - len(self._held.lstrip(" ")))
            self._run = self._scan.run()
        scan = self._scan
        scan.text, scan.is_over, scan.is_cut = self._held, is_over, is_cut
        try:
            next(self._run)
        except StopIteration as end:
            return bool(end.value) and not self._is_quoted(scan.calls)
        return None

    def _enter_line(self, text: str) -> None:
        """Takes note of a line that is text: it may begin or end a fence, or begin a thought."""
        start = text.partition("\n")[0].lstrip(" ")
        if self._fence:
            if start.strip() and set(start.strip()) == {self._fence[0]} and len(start.strip()) >= len(self._fence):
                self._fence = ""
        elif start[:3] in {"```", "~~~"}:
            self._fence = start[: len(start) - len(start.lstrip(start[0]))]
        elif start.startswith(_THOUGHT):
            self._is_thinking = True

    def _is_quoted(self, calls: Sequence[FoundCall]) -> bool:
        """Whether the user or a tool has said one of the calls, with whatever blanks."""
        said = [
            part.text if isinstance(part, Text) else part.content
            for message in self._messages
            if message.role != "assistant"
            for part in message.parts
            if isinstance(part, Text | ToolResult)
        ]
        everything = "".join("\0".join(said).split())
        return any("".join(call.source.split()) in everything for call in calls)
