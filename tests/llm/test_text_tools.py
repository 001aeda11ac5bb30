"""Calls in the text of an answer: which forms are understood, what is shown meanwhile, and what is never run."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.core.errors import Overloaded, ProviderError, RequestRejected, StreamBroken
from flux.core.messages import (
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    assistant_message,
    user_message,
)
from flux.llm.base_provider import BaseLLMProvider, Delta, Finished, ModelRequest, ServedModel, TextDelta, Waiting, fold
from flux.llm.scripted_provider import Fault, ScriptedProvider, Step
from flux.llm.text_tools_provider import TextToolsProvider
from flux.llm.wire.text_tools import CallFinder, as_text_request


def tool(name: str, **properties: str) -> ToolSpec:
    schema = {key: {"type": kind} for key, kind in properties.items()}
    return ToolSpec(name, f"Does {name}.", {"type": "object", "properties": schema})


TOOLS = (
    tool("read_file", path="string", start_line="integer"),
    tool("edit_file", path="string", edits="array"),
    tool("write_file", path="string", text="string"),
    tool("search", pattern="string"),
    tool("list_files"),
)
ASKED = ModelRequest("m", (user_message("Please."),), system="Be brief.", tools=TOOLS)
READ = ("read_file", {"path": "a.py"})
READ_JSON = '{"name": "read_file", "arguments": {"path": "a.py"}}'
QWEN = "<function=read_file>\n<parameter=path>\na.py\n</parameter>\n</function>"
TAGGED = f"<tool_call>\n{READ_JSON}\n</tool_call>"

Found = tuple[str, Sequence[tuple[str, object]]]


def find(
    chunks: Sequence[str], *, request: ModelRequest = ASKED, is_cut: bool = False, is_whole_answer: bool = False
) -> Found:
    """The one place that calls the finder: what is shown, and the calls; arguments that are no JSON as they stand."""
    finder = CallFinder(request, is_whole_answer=is_whole_answer)
    shown = "".join(finder.feed(chunk) for chunk in chunks)
    rest, calls = finder.end(is_cut=is_cut)
    return shown + rest, [(call.name, _arguments(call.arguments_json)) for call in calls]


def _arguments(source: str) -> object:
    try:
        return json.loads(source)
    except ValueError:
        return source


def check(answer: str, text: str, *calls: tuple[str, object]) -> None:
    """The same in one piece, by single characters, and cut at every place."""
    expected = (text, list(calls))
    assert find([answer]) == expected
    assert find(list(answer)) == expected
    for at in range(1, len(answer)):
        assert find([answer[:at], answer[at:]]) == expected


FORMS = {
    "tags": TAGGED,
    "tags on one line": f"<tool_call>{READ_JSON}</tool_call>",
    "tags without an end": f"<tool_call>\n{READ_JSON}\n",
    "an end of the answer behind": f"{TAGGED}<|im_end|>\n",
    "a fence": f"```json\n{READ_JSON}\n```",
    "a fence without a word": f"```\n{READ_JSON}\n```\n",
    "a fence that names its use": f"```tool_call\n{READ_JSON}\n```",
    "a fence around tags": f"```xml\n{TAGGED}\n```",
    "bare": READ_JSON,
    "bare, in lines": json.dumps(json.loads(READ_JSON), indent=2),
    "parameters": '{"name": "read_file", "parameters": {"path": "a.py"}}',
    "python's tag": '<|python_tag|>{"name": "read_file", "parameters": {"path": "a.py"}}<|eom_id|>',
    "arguments first": '{"arguments": {"path": "a.py"}, "name": "read_file"}',
    "arguments as a text": '{"name": "read_file", "arguments": "{\\"path\\": \\"a.py\\"}"}',
    "as OpenAI has it": '{"type": "function", "function": {"name": "read_file", "arguments": {"path": "a.py"}}}',
    "a function inside": '{"function": {"name": "read_file", "arguments": {"path": "a.py"}}}',
    "an action": '{"action": "read_file", "action_input": {"path": "a.py"}}',
    "in a list of calls": f'{{"tool_calls": [{READ_JSON}]}}',
    "a list": f"[{READ_JSON}]",
    "quotes of python": "{'name': 'read_file', 'arguments': {'path': 'a.py'}}",
    "Mistral's": f"[TOOL_CALLS][{READ_JSON}]",
    "Mistral's new one": '[TOOL_CALLS]read_file[ARGS]{"path": "a.py"}',
    "Mistral's with blanks": '[TOOL_CALLS] read_file {"path": "a.py"}</s>',
    "LM Studio's": f"[TOOL_REQUEST]{READ_JSON}[END_TOOL_REQUEST]",
    "Qwen Coder's": f"<tool_call>\n{QWEN}\n</tool_call>",
    "Qwen Coder's without tags": QWEN,
    "Llama's tag": '<function=read_file>{"path": "a.py"}</function>',
    "a function": 'read_file(path="a.py")',
    "a function by position": "read_file('a.py')",
    "a list of functions": '[read_file(path="a.py")]',
    "a function of a module": 'default_api.read_file(path="a.py")',
    "a fence of code": '```tool_code\nread_file(path="a.py")\n```',
    "only the name and what belongs to it": '<tool_call>{"name": "read_file", "path": "a.py"}</tool_call>',
    "a bracket forgotten": '<tool_call>\n{"name": "read_file", "arguments": {"path": "a.py"}\n',
    "indented a little": f"  {READ_JSON}",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_call_is_understood_in_every_form_wherever_the_answer_is_cut(form: str) -> None:
    check(FORMS[form], "", READ)
    check(f"I read 😋.\n\n{FORMS[form]}\n", "I read 😋.\n\n", READ)


def test_several_calls_in_the_order_in_which_they_stand() -> None:
    listing = '{"name": "list_files", "arguments": {}}'
    both = [READ, ("list_files", {})]
    check(f"{TAGGED}\n<tool_call>\n{listing}\n</tool_call>", "", *both)
    check(f"```json\n{READ_JSON}\n```\n\n```json\n{listing}\n```", "", *both)
    check(f"{READ_JSON}\n{listing}", "", *both)
    check(f"{READ_JSON}; {listing}", "", *both)
    check(f"[{READ_JSON}, {listing}]", "", *both)
    check("[read_file(path='a.py'), list_files()]", "", *both)
    check(f"[TOOL_CALLS][{READ_JSON}, {listing}]", "", *both)


def test_what_a_call_may_hold() -> None:
    text = "if x:\n\tprint(\"```\", '</tool_call>', {1: [2]})  # \\ 😋 ünd\n"
    for newline in ("\n", "\r\n"):
        arguments = {"path": "a.py", "text": text.replace("\n", newline)}
        described = json.dumps({"name": "write_file", "arguments": arguments}, ensure_ascii=False)
        check(f"<tool_call>\n{described}\n</tool_call>", "", ("write_file", arguments))
        check(f"```json\n{described}\n```", "", ("write_file", arguments))
    raw = '<tool_call>\n{"name": "write_file", "arguments": {"path": "a.py", "text": "a\n\tb\n"}}\n</tool_call>'
    check(raw, "", ("write_file", {"path": "a.py", "text": "a\n\tb\n"}))
    code = "<b>\n  x</b>\n</parameter> is text\n"
    tags = QWEN.replace("</function>", f"<parameter=text>\n{code}\n</parameter>\n</function>")
    tags = tags.replace("read_file", "write_file")
    check(tags, "", ("write_file", {"path": "a.py", "text": code}))
    check('write_file(path="a.py", text="""a\n"b"\n""")', "", ("write_file", {"path": "a.py", "text": 'a\n"b"\n'}))


def test_a_parameter_has_the_type_of_its_schema() -> None:
    tags = (
        "<function=edit_file>\n<parameter=path>\n12\n</parameter>\n"
        '<parameter=edits>\n[{"old_text": "a", "replace_all": true}]\n</parameter>\n</function>'
    )
    check(tags, "", ("edit_file", {"path": "12", "edits": [{"old_text": "a", "replace_all": True}]}))
    check("<function=read_file><parameter=start_line>7</parameter></function>", "", ("read_file", {"start_line": 7}))


@pytest.mark.parametrize(
    "answer",
    [
        f"One would write:\n{TAGGED}\nand the file is read.",
        f"One would write:\n```json\n{READ_JSON}\n```\nand the file is read.",
        f"So:\n{READ_JSON}\nThat is all.",
        f"{TAGGED}\n{TAGGED}\nThese two.",
        f"It is {READ_JSON}",
        f"Inline `{READ_JSON}`",
        f"> {TAGGED}".replace("\n", "\n> "),
        f"> {READ_JSON}",
        f"    {READ_JSON}",
        f"\t{READ_JSON}",
        f"- {READ_JSON}",
        f"```python\n{READ_JSON}\n```",
        f"```markdown\n{TAGGED}\n```",
        f"~~~text\n{READ_JSON}\n~~~",
        f"````\n```json\n{READ_JSON}\n```\n````",
        f"```python\nx = 1\n{READ_JSON}\n",
        f"<think>\n{TAGGED}\n</think>\nNo.",
        f"<think>I could\n{TAGGED}\n",
        '```json\n{"name": "search", "version": "1.0"}\n```',
        '```json\n{"name": "unknown_tool", "arguments": {}}\n```',
        '{"name": "unknown_tool", "arguments": {}}',
        "unknown_tool(path='a')",
        "read_file(path=open('a').read())",
        "read_file(**everything)",
        "print(read_file('a.py'))",
        "search for it",
        "[read_file](docs/read_file.md)",
        "[ ] read_file\n[x] done",
        "<b>bold</b>",
        "<tool_call>\nnothing\n</tool_call>",
        "```json\n[1, 2]\n```",
        "```\nplain\n```",
        "{}",
        "{",
        "```json",
        "",
        " \n\n",
        "A line\r\nand one more\r\n",
    ],
)
def test_what_is_no_call_is_text_and_every_character_of_it_is_shown(answer: str) -> None:
    check(answer, answer)


def test_after_a_fence_or_a_thought_a_call_counts_again() -> None:
    example = f"```python\n{READ_JSON}\n```\n"
    check(f"{example}Now:\n{TAGGED}", f"{example}Now:\n", READ)
    check(f"<think>\nHm {TAGGED}\n</think>\n{TAGGED}", f"<think>\nHm {TAGGED}\n</think>\n", READ)
    check(f"<think>Hm</think>\n\n{TAGGED}", "<think>Hm</think>\n\n", READ)


@pytest.mark.parametrize(
    "said",
    [
        user_message(f"What does {TAGGED} do?"),
        Message("tool", (ToolResult("c", "read_file", f"# How to\n{TAGGED}\n"),)),
        Message("tool", (ToolResult("c", "read_file", json.dumps(json.loads(READ_JSON), indent=4)),)),
    ],
)
def test_what_the_user_or_a_tool_has_said_is_a_quotation(said: Message) -> None:
    request = replace(ASKED, messages=(said,))
    for answer in (TAGGED, f"It says:\n{TAGGED}", f"```json\n{READ_JSON}\n```", READ_JSON):
        assert find([answer], request=request) == (answer, [])
        assert find(list(answer), request=request) == (answer, [])
    other = TAGGED.replace("a.py", "b.py")
    assert find([other], request=request)[1] == [("read_file", {"path": "b.py"})]


def test_the_model_may_call_again_what_it_has_called_before() -> None:
    earlier = assistant_message(Text(TAGGED))
    assert find([TAGGED], request=replace(ASKED, messages=(earlier,)))[1] == [READ]


def test_an_invented_result_and_all_behind_it_is_left_out() -> None:
    for invented in ("<tool_response>\nx = 1\n</tool_response>\nIt is 1.", "[TOOL_RESULTS]x = 1[/TOOL_RESULTS]"):
        check(f"I read.\n{TAGGED}\n{invented}", "I read.\n", READ)
    check("<tool_response>\nx\n</tool_response>", "<tool_response>\nx\n</tool_response>")


def test_a_marked_call_of_no_tool_or_with_broken_arguments_goes_to_the_turn_which_says_so() -> None:
    check('<tool_call>\n{"name": "rm", "arguments": {}}\n</tool_call>', "", ("rm", {}))
    broken = '{"name": "write_file", "arguments": {"path": "a", "text": "say "hi" {"}}'
    ((name, arguments),) = find([f"<tool_call>\n{broken}\n</tool_call>"])[1]
    assert name == "write_file"
    assert isinstance(arguments, str)


@pytest.mark.parametrize("form", ["tags", "bare", "Qwen Coder's", "Mistral's new one"])
def test_of_a_call_that_the_limit_of_length_has_cut_nothing_is_shown_and_nothing_can_run(form: str) -> None:
    call = FORMS[form].removesuffix("</tool_call>").removesuffix("</function>\n").rstrip().removesuffix("}")
    for length in range(3, len(call)):
        shown, calls = find([f"I read.\n{call[:length]}"], is_cut=True)
        assert all(isinstance(arguments, str) for _, arguments in calls)
        assert shown.strip() in {"I read.", f"I read.\n{call[:length].rstrip()}"}
        if form == "tags" or calls:
            assert shown == "I read.\n"


def test_an_answer_that_is_only_a_call_counts_also_of_a_model_that_takes_tools() -> None:
    for answer in (TAGGED, READ_JSON, f"```json\n{READ_JSON}\n```\n", f"\n\n{READ_JSON}"):
        assert find(list(answer), is_whole_answer=True)[1] == [READ]
    for answer in (f"I read.\n{TAGGED}", f"So:\n\n```json\n{READ_JSON}\n```"):
        assert find(list(answer), is_whole_answer=True) == (answer, [])


_PIECES = st.sampled_from(
    [
        *FORMS.values(),
        "\n",
        " ",
        "Text ",
        "```",
        "```json\n",
        "<",
        "{",
        "[",
        '"',
        "'",
        "(",
        "<think>",
        "</think>",
        "> ",
        "read_file",
        "<tool_call>",
        "</tool_call>",
        "[TOOL_CALLS]",
        "<function=",
        "<parameter=",
        "\\",
        "é",
        "\r\n",
        "}",
    ]
)


@given(pieces=st.lists(_PIECES, max_size=8), at=st.integers(0, 400))
def test_however_an_answer_is_cut_the_same_is_found_and_without_calls_all_of_it_is_shown(
    pieces: list[str], at: int
) -> None:
    answer = "".join(pieces)
    shown, calls = find([answer])
    assert find([answer[:at], answer[at:]]) == (shown, calls)
    assert find(list(answer)) == (shown, calls)
    assert answer.startswith(shown)
    if not calls:
        assert shown == answer


@pytest.mark.parametrize(
    "call",
    [
        '<tool_call>\n{"name": "write_file", "arguments": {"path": "a", "text": "%s"}}\n</tool_call>',
        "<function=write_file>\n<parameter=path>\na\n</parameter>\n<parameter=text>\n%s\n</parameter>\n</function>",
        "```python\n%s\n```",
    ],
)
def test_a_long_answer_in_small_pieces_costs_no_more_than_its_length(call: str) -> None:
    """100 KB in pieces of five characters: a fraction of a second, where a scan from its beginning takes minutes."""
    answer = call % ("{ [x] (y) line of code " * 4500)
    before = time.perf_counter()
    find([answer[at : at + 5] for at in range(0, len(answer), 5)])
    assert time.perf_counter() - before < 5


# What goes to the model.


def test_a_conversation_with_calls_becomes_text_and_nothing_is_left_out() -> None:
    call, other = ToolCall("c1", "read_file", '{"path":"ä.py"}'), ToolCall("c2", "search", "not json")
    talk = (
        user_message("Read."),
        assistant_message(Reasoning("Hm."), Text("I read."), call, other),
        Message("tool", (ToolResult("c1", "read_file", "x = 1\n"), ToolResult("c2", "search", "No.", is_error=True))),
        assistant_message(ToolCall("c3", "list_files", "")),
    )
    sent = as_text_request(replace(ASKED, messages=talk))
    assert sent.tools == ()
    assert sent.messages == (
        talk[0],
        assistant_message(
            Reasoning("Hm."),
            Text(
                'I read.\n\n<tool_call>\n{"name": "read_file", "arguments": {"path": "ä.py"}}\n</tool_call>\n'
                '<tool_call>\n{"name": "search", "arguments": {"invalid_json": "not json"}}\n</tool_call>'
            ),
        ),
        user_message(
            '<tool_response name="read_file">\nx = 1\n\n</tool_response>\n'
            '<tool_response name="search" is_error="true">\nNo.\n</tool_response>'
        ),
        assistant_message(Text('<tool_call>\n{"name": "list_files", "arguments": {}}\n</tool_call>')),
        user_message(
            '<tool_response name="list_files" is_error="true">\nNo result: the call was interrupted.\n</tool_response>'
        ),
    )
    assert sent.system.startswith("Be brief.\n\n# Tools")
    for offered in TOOLS:
        assert json.dumps(dict(offered.parameters)) in sent.system


def test_the_choice_of_a_tool_is_said_in_words() -> None:
    assert "must call a tool." in as_text_request(replace(ASKED, tool_choice="required")).system
    assert "must call search." in as_text_request(replace(ASKED, tool_choice="search")).system
    assert as_text_request(replace(ASKED, tools=())).system == "Be brief."


# The provider.


class Refusing(BaseLLMProvider):
    """Takes no tools, and says so in the words of one of the servers."""

    name = "refusing"

    def __init__(self, error: ProviderError, *steps: Step, says: ServedModel | None = None) -> None:
        self.script = ScriptedProvider(steps)
        self._error = error
        self._says = says
        self.refused = 0

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        if request.tools:
            self.refused += 1
            raise self._error
        async for delta in self.script.stream(request):
            yield delta

    async def look_up(self, model: str) -> ServedModel | None:
        return self._says


REFUSALS = [
    RequestRejected("registry.ollama.ai/library/gemma:2b does not support tools (400)"),
    RequestRejected('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set (400)'),
    RequestRejected("`tool calling` is not supported with this model (400)"),
    ProviderError("the model was not found: No endpoints found that support tool use. (404)"),
    Overloaded("the service failed on its own side: tools param requires --jinja flag (500)"),
    RequestRejected("litellm.UnsupportedParamsError: ollama does not support parameters: ['tools'], for model=x"),
    RequestRejected("This model doesn't support function calling."),
]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: error.message[:30])
async def test_the_first_refusal_of_tools_is_said_and_remembered(error: ProviderError) -> None:
    inner = Refusing(error, Step(text=f"I read.\n\n{TAGGED}", chunk=3), Step(text="Done."))
    made = TextToolsProvider(inner)
    deltas = [delta async for delta in made.stream(ASKED)]
    assert deltas[0] == Waiting("m takes no tools: they are offered to it as text.")
    assert deltas[-1] == Finished("tool_calls")
    answer = fold(deltas)
    assert (answer.content, answer.tool_calls) == ("I read.\n\n", (ToolCall("call_0", *_json(READ)),))
    second = await made.complete(replace(ASKED, messages=(*ASKED.messages, answer.message())))
    assert (second.content, inner.refused) == ("Done.", 1)
    assert "# Tools" in inner.script.requests[0].system


def _json(call: tuple[str, object]) -> tuple[str, str]:
    return call[0], json.dumps(call[1])


async def test_other_errors_are_not_taken_for_a_refusal() -> None:
    for error in (RequestRejected("tools.0: bad schema"), Overloaded("busy")):
        made = TextToolsProvider(Refusing(error, Step(text="x")))
        with pytest.raises(type(error)):
            await made.complete(ASKED)
    with pytest.raises(RequestRejected):  # the user has said that it takes them
        await TextToolsProvider(Refusing(REFUSALS[0], Step()), "native").complete(ASKED)


async def test_the_servers_word_and_the_users_need_no_refusal() -> None:
    told = Refusing(REFUSALS[0], Step(text=TAGGED), says=ServedModel("m", takes_tools=False))
    made = TextToolsProvider(told)
    assert await made.look_up("m") == ServedModel("m", takes_tools=False)
    assert (await made.complete(ASKED)).has_tool_calls
    assert told.refused == 0
    forced = Refusing(REFUSALS[0], Step(text=TAGGED))
    assert (await TextToolsProvider(forced, "text").complete(ASKED)).has_tool_calls
    assert forced.refused == 0


async def test_a_model_that_takes_tools_and_prints_its_call() -> None:
    inner = ScriptedProvider([Step(text=f"```json\n{READ_JSON}\n```", chunk=4), Step(text="{x} is a set.", chunk=2)])
    made = TextToolsProvider(inner)
    assert (await made.complete(ASKED)).parts == (ToolCall("call_0", *_json(READ)),)
    assert inner.requests[0] == ASKED
    assert (await made.complete(ASKED)).parts == (Text("{x} is a set."),)


async def test_native_calls_go_through_with_the_text_before_them() -> None:
    call = ToolCall("c9", "read_file", "{}")
    made = TextToolsProvider(ScriptedProvider([Step(text='{"name": ', tool_calls=(call,))]))
    answer = await made.complete(ASKED)
    assert (answer.parts, answer.finish_reason) == ((Text('{"name": '), call), "tool_calls")


@pytest.mark.parametrize("text", ["Half a word, rea", "Half a call\n<tool_call>\n{"])
async def test_a_broken_answer_keeps_its_text_and_shows_no_half_call(text: str) -> None:
    made = TextToolsProvider(ScriptedProvider([Step(text=text, chunk=1, error=Fault("StreamBroken"))]), "text")
    shown: list[str] = []
    with pytest.raises(StreamBroken):  # noqa: PT012 -- what came before is the point
        async for delta in made.stream(ASKED):
            if isinstance(delta, TextDelta):
                shown.append(delta.text)
    assert "".join(shown) == text.partition("<")[0]


async def test_where_no_tools_are_offered_nothing_is_a_call() -> None:
    for request in (replace(ASKED, tools=()), replace(ASKED, tool_choice="none")):
        inner = ScriptedProvider([Step(text=TAGGED)])
        assert (await TextToolsProvider(inner, "text").complete(request)).parts == (Text(TAGGED),)
        assert "# Tools" not in inner.requests[0].system
