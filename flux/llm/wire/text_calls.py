"""Calls of tools in the forms in which local models print them: one scan over the end of an answer, as it comes.

    <tool_call>{"name": …, "arguments": {…}}</tool_call>         Hermes, Qwen; the form that Flux teaches
    <tool_call><function=NAME><parameter=KEY>…</tool_call>       Qwen Coder;  <function=NAME>{…}</function>  Llama 3
    [TOOL_CALLS][{…}]  [TOOL_CALLS]NAME[ARGS]{…}                 Mistral
    [TOOL_REQUEST]{…}[END_TOOL_REQUEST]                          LM Studio, for models without a form of their own
    {"name": …, "parameters": {…}}, also in a list or a fence    Llama 3, and most others now and then
    [NAME(key="value")], NAME(key="value") in a tool_code fence  Llama 4, Gemma

The forms are those of vLLM's tool parsers (docs.vllm.ai, features/tool_calling) and of LM Studio's documentation, as of
2026-11-21. What a call may stand beside, and which calls are quotations, `text_tools` knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flux.core.messages import ToolSpec
from flux.llm.wire.call_values import KEYS, NAME_KEYS, Described, read_calls, read_parameter, read_python, read_value

Steps = Generator[None, None, Any]
"""Yields where more of the answer is needed."""

FENCE_INFOS = {"", "json", "tool_call", "tool_calls", "tool_code", "tool", "tools", "function_call", "xml"}
"""What stands behind the backticks of a fence that may hold a call."""

_OPENERS = (
    "<tool_call>",
    "<tool_calls>",
    "<tools>",
    "<|tool_call|>",
    "<function_call>",
    "<function_calls>",
    "<|python_tag|>",
    "[TOOL_CALLS]",
    "[TOOL_REQUEST]",
)
_CLOSERS = (
    "</tool_call>",
    "</tool_calls>",
    "</tools>",
    "<|/tool_call|>",
    "</function_call>",
    "</function_calls>",
    "[END_TOOL_REQUEST]",
    "[/TOOL_CALLS]",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<end_of_turn>",
    "</s>",
)
"""Ends of the forms, and of answers: servers leave some of them in the text."""
_RESULTS = ("<tool_response", "[TOOL_RESULTS]", "<|tool_response|>", "<tool_result")
_ALL = (*_OPENERS, *_CLOSERS, *_RESULTS, "<function=")

_STRING = r"""(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')"""
_FIRST_KEY = re.compile(r"\{\s*" + _STRING)
_FIRST_KEY_BEGUN = re.compile(r"\{\s*(?:[\"']\w{0,20})?")
_VALUE = re.compile(r"\s*:\s*" + _STRING)
_VALUE_BEGUN = re.compile(r"\s*(?::\s*(?:[\"'][\w.:-]{0,80}|\{.*)?)?", re.DOTALL)
_NAMED = re.compile(r"[\"'](?:" + "|".join(NAME_KEYS) + r")[\"']\s*:\s*[\"']([\w.-]+)[\"']")
_WORD = re.compile(r"[A-Za-z_][\w.-]*")
_FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*(\w*)[ \t]*\r?")
_IN_STRING = {quote: re.compile(rf"{quote}|\\") for quote in "\"'"}
_OUTSIDE = re.compile(r"[\"'\[\]{}()]")
_PARAMETER_END = re.compile(r"\r?\n?</parameter>\s*(?=<parameter=|</function>|</tool_call>)")
_MODULES = ("", "functions.", "default_api.", "tools.")
_PAIRS = {"{": "}", "[": "]", "(": ")"}


@dataclass(frozen=True, slots=True)
class FoundCall:
    """A call. `source` is how it stands in the answer; `arguments_json` may be no JSON where the answer was cut."""

    name: str
    arguments_json: str
    source: str


class TailScan:
    """One scan from a place where a call may begin to the end of the answer.

    `run` ends with whether all of that is calls; False comes as soon as it is certain. `text` grows meanwhile, and
    `is_over` says that it will not any more, `is_cut` that the model was not yet at its end.
    """

    def __init__(self, tools: Mapping[str, ToolSpec], text: str, at: int) -> None:
        self.text = text
        self.is_over = False
        self.is_cut = False
        self.calls: list[FoundCall] = []
        self.invents_results = False
        """The model has begun to write what the tool answers. That, and all behind it, is not said by anybody."""
        self._tools = tools
        self._at = at
        self._is_tagged = False
        self._is_half = False
        self._fence = ""

    def run(self) -> Generator[None, None, bool]:
        while True:
            yield from self._skip_blanks()
            if self._at >= len(self.text):
                return bool(self.calls) or self._is_half or (self.is_cut and self._is_tagged)
            literal: str | None = yield from self._literal(_ALL)
            if literal in _RESULTS:
                self.invents_results = bool(self.calls)
                return self.invents_results
            if literal == "<function=":
                is_call: bool = yield from self._tagged_function()
            elif literal is not None:
                self._is_tagged |= literal in _OPENERS
                continue
            elif self.text[self._at] in "`~":
                is_call = yield from self._fence_line()
            elif self.text[self._at] in ",;" and self.calls:
                self._at += 1
                continue
            else:
                is_call = yield from self._untagged()
            if not is_call:
                return False

    # The forms. Each ends behind what it has read, and says whether that can be a call.

    def _untagged(self) -> Steps:
        match self.text[self._at]:
            case "{":
                if not (yield from self._begins_a_call(self._at)):
                    return False
                return (yield from self._json())
            case "[":
                return (yield from self._list())
            case "<":
                self._is_half = self.is_cut and self._is_begun(_OPENERS)
                self._at = len(self.text)
                return self._is_half
            case _:
                return (yield from self._function())

    def _json(self) -> Steps:
        start = self._at
        end, closers, is_in_string = yield from self._balanced()
        source = self.text[start:end]
        value = read_value(source + closers)
        if closers and (self.is_cut or is_in_string or value is None):
            return self._broken(source)
        calls = read_calls(value, self._tools, is_marked=self._is_tagged)
        return self._add(calls, source) or (self._is_tagged and self._broken(source))

    def _list(self) -> Steps:
        start = self._at
        while not (rest := self.text[start + 1 :].lstrip()):
            if self.is_over:
                return False
            yield
        if rest[0] == "{":
            if not (yield from self._begins_a_call(self.text.index("{", start))):
                return False
            return (yield from self._json())
        self._at = self.text.index(rest[0], start + 1)
        if (yield from self._word()) is None or self.text[self._at : self._at + 1] != "(":
            return False
        self._at = start
        return (yield from self._python())

    def _function(self) -> Steps:
        """`name(…)`, `name[ARGS]{…}` and, behind a tag, `name{…}`."""
        start = self._at
        name: str | None = yield from self._word()
        if name is None:
            return False
        if self.text[self._at : self._at + 1] == "(":
            self._at = start
            return (yield from self._python())
        if self.text[self._at : self._at + 1] == "[" and (yield from self._literal(("[ARGS]",))) is None:
            return False
        yield from self._skip_blanks()
        is_marked = self._is_tagged or "[ARGS]" in self.text[start : self._at]
        if not is_marked or self.text[self._at : self._at + 1] != "{":
            return False
        opened = self._at
        end, closers, is_in_string = yield from self._balanced()
        source = self.text[opened:end]
        value = read_value(source + ("" if self.is_cut or is_in_string else closers))
        arguments = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else source
        self.calls.append(FoundCall(name, arguments, self.text[start:end]))
        return True

    def _python(self) -> Steps:
        start = self._at
        end, closers, _ = yield from self._balanced()
        source = self.text[start:end]
        if closers:
            return (self.is_cut or self._is_tagged) and self._broken(source, _WORD.search(source))
        return self._add(read_python(source, self._tools), source)

    def _tagged_function(self) -> Steps:
        """`<function=NAME>`, then a JSON object or parameters, each between its tags."""
        start = self._at - len("<function=")
        name: str | None = yield from self._until(">")
        if name is None:
            self._is_half, self._at = self.is_cut, len(self.text)
            return self._is_half
        if not self._is_tagged and name not in self._tools:
            return False
        yield from self._skip_blanks()
        arguments: object = {}
        is_whole = True
        if self.text[self._at : self._at + 1] == "{":
            opened = self._at
            end, closers, _ = yield from self._balanced()
            arguments = read_value(self.text[opened:end])
            is_whole = not closers and isinstance(arguments, dict)
        else:
            given: dict[str, object] = {}
            while (yield from self._literal(("<parameter=",))):
                key: str | None = yield from self._until(">")
                value: str | None = yield from self._parameter()
                if key is None or value is None:
                    is_whole = False
                    break
                given[key] = read_parameter(value, self._tools.get(name), key)
                yield from self._skip_blanks()
            arguments = given
        yield from self._skip_blanks()
        has_end = (yield from self._literal(("</function>",))) is not None
        source = self.text[start : self._at]
        is_whole = is_whole and (has_end or not self.is_cut)
        self.calls.append(FoundCall(name, json.dumps(arguments, ensure_ascii=False) if is_whole else source, source))
        return True

    def _parameter(self) -> Steps:
        seen = self._at
        while (found := _PARAMETER_END.search(self.text, seen)) is None:
            if self.is_over:
                last = self.text.rfind("</parameter>", self._at)
                end = last if last >= 0 and not self.text[last + 12 :].strip() and not self.is_cut else -1
                value = self.text[self._at : end].removesuffix("\n").removesuffix("\r") if end >= 0 else None
                self._at = len(self.text)
                return None if value is None else value.removeprefix("\r").removeprefix("\n")
            seen = max(self._at, len(self.text) - 200)  # an end may have begun, with blanks behind it
            yield
        value = self.text[self._at : found.start()]
        self._at = found.end()
        return value.removeprefix("\r").removeprefix("\n")

    def _fence_line(self) -> Steps:
        while "\n" not in self.text[self._at :]:
            if self.is_over:
                break
            if len(self.text) - self._at > 40:
                return False
            yield
        line = self.text[self._at :].partition("\n")[0]
        found = _FENCE.fullmatch(line)
        if found is None or found[2].lower() not in FENCE_INFOS:
            return False
        self._at += len(line)
        if not self._fence:
            self._fence = found[1]
            return True
        is_end = not found[2] and found[1].startswith(self._fence)
        self._fence = ""
        return is_end

    # The pieces of the forms.

    def _begins_a_call(self, at: int) -> Steps:
        """Whether the object there may be one, by its first key and, where that is a name, by the name."""
        while (first := _FIRST_KEY.match(self.text, at)) is None:
            if self.is_over or not _FIRST_KEY_BEGUN.fullmatch(self.text[at:]):
                return self.is_cut and bool(_FIRST_KEY_BEGUN.fullmatch(self.text[at:])) and self._is_tagged
            yield
        key = first[1] or first[2]
        if key not in KEYS:
            return self._is_tagged and not key
        if key not in NAME_KEYS:
            return True
        while (value := _VALUE.match(self.text, first.end())) is None:
            if not _VALUE_BEGUN.fullmatch(self.text[first.end() :]):
                return False
            if self.is_over or "{" in self.text[first.end() :]:
                return True
            yield
        return self._is_tagged or (value[1] or value[2]).rpartition(".")[2] in self._tools

    def _balanced(self) -> Steps:
        """Reads to the bracket that closes the one here: the end, the closers that are missing, whether in a string."""
        open_brackets: list[str] = []
        at, quote = self._at, ""
        while True:
            found = (_IN_STRING[quote[0]] if quote else _OUTSIDE).search(self.text, at)
            if found is None or (found[0] in "\"'\\" and found.end() + 2 > len(self.text) and not self.is_over):
                if self.is_over:
                    self._at = len(self.text)
                    return len(self.text), "".join(reversed(open_brackets)), bool(quote)
                at = len(self.text) if found is None else found.start()
                yield
                continue
            at = found.end()
            match found[0]:
                case "\\":
                    at += 1
                case '"' | "'" if quote:
                    if self.text.startswith(quote, found.start()):
                        at = found.start() + len(quote)
                        quote = ""
                case '"' | "'":
                    quote = found[0] * 3 if self.text.startswith(found[0] * 3, found.start()) else found[0]
                    at = found.start() + len(quote)
                case "{" | "[" | "(":
                    open_brackets.append(_PAIRS[found[0]])
                case _:
                    open_brackets.pop()
                    if not open_brackets:
                        self._at = at
                        return at, "", False

    def _word(self) -> Steps:
        """The tool's name here, None where there is another word; a module's name before it is left out."""
        while True:
            found = _WORD.match(self.text, self._at)
            if found is None:
                return None
            names = {f"{module}{tool}": tool for tool in self._tools for module in _MODULES}
            if found.end() < len(self.text) or self.is_over:
                self._at = found.end()
                return names.get(found[0])
            if not any(name.startswith(found[0]) for name in names):
                return None
            yield

    def _until(self, end: str) -> Steps:
        while (at := self.text.find(end, self._at, self._at + 100)) < 0:
            if self.is_over or len(self.text) - self._at > 100:
                return None
            yield
        word = self.text[self._at : at].strip().strip("\"'")
        self._at = at + 1
        return word

    def _literal(self, options: Sequence[str]) -> Steps:
        while True:
            for option in options:
                if self.text.startswith(option, self._at):
                    self._at += len(option)
                    return option
            if self.is_over or not self._is_begun(options):
                return None
            yield

    def _is_begun(self, options: Sequence[str]) -> bool:
        rest = self.text[self._at : self._at + 30]
        return any(option.startswith(rest) for option in options)

    def _skip_blanks(self) -> Steps:
        while True:
            while self._at < len(self.text) and self.text[self._at].isspace():
                self._at += 1
            if self._at < len(self.text) or self.is_over:
                return
            yield

    def _add(self, calls: Sequence[Described], source: str) -> bool:
        self.calls += [FoundCall(name, json.dumps(given, ensure_ascii=False), source) for name, given in calls]
        return bool(calls)

    def _broken(self, source: str, named: re.Match[str] | None = None) -> bool:
        """A call whose arguments are no JSON: its name is enough for the model to be told so."""
        named = named or _NAMED.search(source)
        if source.rpartition("</tool_call>")[2].strip() and "</tool_call>" in source:
            return False  # an open quotation mark has taken in what stands behind the call
        if named is None:
            self._is_half = self.is_cut and self._is_tagged
            return self._is_half
        name = named[named.lastindex or 0]
        if name not in self._tools and not self._is_tagged:
            return False
        self.calls.append(FoundCall(name, source, source))
        return True
