"""The same work with tools by the service's own form and with tools as text, and one talk over three providers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from flux.agent.events import ToolAnswered, TurnEvent
from flux.agent.next_request import ModelChoice
from flux.core.config import Settings
from flux.core.limits import ModelLimits
from flux.core.messages import ToolCall, ToolResult
from flux.core.secret import Secret
from flux.llm.base_provider import BaseLLMProvider
from flux.llm.provider_factory import create_provider
from flux.llm.tokens import EstimatedCounter
from flux.workspace.memory import MemoryWorkspace
from tests.support.ollama_server import FakeModel, OllamaServer, called, ollama_server, said
from tests.support.talks import end, open_session, send
from tests.wire.aimock import aimock

FILES = {"a.py": "def area(r):\r\n    return 3 * r\r\n", "b.py": "from a import area\n"}
RIGHT = "3.14 * r**2  # «so» 😋"
STEPS: Sequence[tuple[str, str, Mapping[str, Any]]] = (
    ("I look.", "read_file", {"path": "a.py"}),
    ("Who uses it?", "search", {"pattern": "area"}),
    ("I change it.", "edit_file", {"path": "a.py", "edits": [{"old_text": "4 * r", "new_text": "x"}]}),
    (
        "Once more.",
        "edit_file",
        {"path": "a.py", "edits": [{"old_text": "3 * r", "new_text": "3.14 * r**2  # «so» 😋"}]},
    ),
    ("And a test.", "write_file", {"path": "c.py", "text": 'import a\n\nassert a.area(1) == 3.14, "no"\n'}),
)
AFTER = {
    "a.py": "def area(r):\r\n    return 3.14 * r**2  # «so» 😋\r\n",
    "b.py": FILES["b.py"],
    "c.py": 'import a\n\nassert a.area(1) == 3.14, "no"\n',
}


def block(name: str, arguments: Mapping[str, Any]) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments}, ensure_ascii=False)}\n</tool_call>"


def fence(name: str, arguments: Mapping[str, Any]) -> str:
    return f"```json\n{json.dumps({'name': name, 'parameters': arguments}, indent=2)}\n```"


def tags(name: str, arguments: Mapping[str, Any]) -> str:
    values = {key: value if isinstance(value, str) else json.dumps(value) for key, value in arguments.items()}
    inner = "\n".join(f"<parameter={key}>\n{value}\n</parameter>" for key, value in values.items())
    return f"<tool_call>\n<function={name}>\n{inner}\n</function>\n</tool_call>"


def python(name: str, arguments: Mapping[str, Any]) -> str:
    return f"[{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})]"


FORMS = {"native": None, "block": block, "fence": fence, "tags": tags, "python": python}


def provider(name: str, base_url: str, tools: str = "") -> BaseLLMProvider:
    key = Secret("key-of-the-test")
    return create_provider(Settings(provider=name, base_url=base_url, api_key=key, tools=tools, timeout_s=20))


def choice(model: str) -> ModelChoice:
    limits = ModelLimits(32_768, 32_768, 4096)
    return ModelChoice(model, limits, None, takes_images=False, counter=EstimatedCounter())


def prepare(server: OllamaServer, form: str) -> None:
    """The answers of a model that does the five steps in this form, in pieces of a few characters."""
    write = FORMS[form]
    for text, name, arguments in STEPS:
        if write is None:
            server.answers.append(called(text, (name, arguments)))
        else:
            answer = f"{text}\n\n{write(name, arguments)}"
            server.answers.append(said(*(answer[at : at + 3] for at in range(0, len(answer), 3))))
    server.answers.append(said("It is an area now."))


def outcome(events: Sequence[TurnEvent]) -> list[tuple[str, bool, str]]:
    """What each call came to, without what depends on the order of reading."""
    return [(event.name, event.is_error, event.content) for event in events if isinstance(event, ToolAnswered)]


async def texts(workspace: MemoryWorkspace) -> dict[str, str]:
    return {name: (await workspace.read(workspace.path(name))).text for name in AFTER}


async def five_steps(form: str) -> tuple[list[tuple[str, bool, str]], str, OllamaServer]:
    model = FakeModel(abilities=("completion", "tools") if form == "native" else ("completion",))
    async with ollama_server(coder=model) as server:
        prepare(server, form)
        made = provider("ollama", server.base_url)
        workspace = MemoryWorkspace(FILES)
        session = open_session(workspace, made)
        session.go_on_with(made, choice("coder"))
        events = await send(session, "Make area right, and test it.")
        assert end(events).status == "completed", end(events).error
        assert await texts(workspace) == AFTER
        shown = "".join(event.text for event in events if event.type == "text_delta")
        await made.close()
        return outcome(events), "".join(shown.split()), server


@pytest.mark.parametrize("form", FORMS)
async def test_the_five_steps_come_to_the_same_in_every_form(form: str) -> None:
    """Look, search, an edit that is refused, the edit put right, a new file."""
    results, shown, server = await five_steps(form)
    expected, words, _ = await five_steps("native")
    assert results == expected
    assert [(name, is_error) for name, is_error, _ in results] == [
        ("read_file", False),
        ("search", False),
        ("edit_file", True),
        ("edit_file", False),
        ("write_file", False),
    ]
    assert shown == words
    if form != "native":
        # The first refusal is the only request with tools; the results went back as text.
        assert ["tools" in chat for chat in server.chats] == [True] + [False] * 6
        last = server.chats[-1]["messages"]
        assert {message["role"] for message in last} == {"system", "user", "assistant"}
        assert '<tool_response name="edit_file" is_error="true">' in last[-5]["content"]


def said_to_the_last(server: OllamaServer) -> str:
    return "\n".join(message["content"] for message in server.chats[-1]["messages"])


@pytest.mark.editor
async def test_a_talk_begins_on_anthropic_goes_on_with_responses_and_ends_with_tools_as_text() -> None:
    """aimock is another project's server for the first two; the third knows all that was said, done and answered."""
    workspace = MemoryWorkspace(FILES)
    with aimock() as address:
        async with ollama_server(gemma=FakeModel(abilities=("completion",))) as server:
            first, second = provider("anthropic", address), provider("openai", f"{address}/v1")
            third = provider("ollama", server.base_url)
            session = open_session(workspace, first)
            assert end(await send(session, "T:loop Correct the area.")).status == "completed"
            session.go_on_with(second, choice("gpt-6.1-sol"))
            assert end(await send(session, "T:write a file.")).status == "completed"
            change = {"path": "b.py", "edits": [{"old_text": "b = 1", "new_text": "b = 2"}]}
            server.answers += [said(f"I set it.\n{block('edit_file', change)}"), said("Set to 2.")]
            session.go_on_with(third, choice("gemma"))
            events = await send(session, "And b must be 2.")
            assert end(events).status == "completed", end(events).error
            for made in (first, second, third):
                await made.close()
    text = {name: (await workspace.read(workspace.path(name))).text for name in ("a.py", "b.py")}
    assert text == {"a.py": "def area(r):\r\n    return 3.14159 * r**2  # 😋 ünd «so»\r\n", "b.py": "b = 2\n"}
    history = session.history()
    told = said_to_the_last(server)
    for message in history[:-1]:
        assert message.text() in told
        for part in message.parts:
            if isinstance(part, ToolCall):
                assert block(part.name, part.arguments()) in told
            if isinstance(part, ToolResult):
                assert f'<tool_response name="{part.name}"' in told
                assert part.content in told
    assert len([part for message in history for part in message.tool_calls()]) == 5
