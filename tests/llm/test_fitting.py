"""Requests shaped by what models take: thinking, temperature, forced calls, the longest answer, images."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flux.core.messages import Image, Message, Text, ToolSpec, user_message
from flux.llm.base_provider import ModelRequest
from flux.llm.fitting import NO_IMAGE, fit
from tests.llm.test_encoding import ENCODERS

TOOLS = (ToolSpec("read_file", "Reads.", {"type": "object", "properties": {}}),)
PICTURE = Message("user", (Image("image/png", "aGk="), Text("What is this?")))


def check(model: str, expected: dict[str, Any], wire: str, **wanted: Any) -> None:
    """The fields of the body that the wishes come to; None stands for a field that is not sent."""
    request = ModelRequest(model, (user_message("Hello?"),), tools=TOOLS, **wanted)
    body = json.loads(ENCODERS[wire](fit(request)))
    assert {name: body.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("claude-opus-5-5", "", {"thinking": None, "output_config": None}),
        (
            "claude-opus-5-5",
            "xhigh",
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "xhigh"}},
        ),
        ("claude-opus-5-5", "none", {"thinking": None, "output_config": None}),
        ("claude-haiku-5-5", "none", {"thinking": {"type": "disabled"}, "output_config": None}),
        ("claude-haiku-5-5", "minimal", {"thinking": {"type": "disabled"}}),
        (
            "claude-haiku-4-5",
            "max",
            {"thinking": {"type": "enabled", "budget_tokens": 8191, "display": "summarized"}, "output_config": None},
        ),
        ("claude-haiku-4-5", "low", {"thinking": {"type": "enabled", "budget_tokens": 2048, "display": "summarized"}}),
        ("claude-haiku-4-5", "none", {"thinking": None}),
    ],
)
def test_claude_is_asked_to_think_as_each_model_wants_it(model: str, effort: str, expected: dict[str, Any]) -> None:
    check(model, expected, "anthropic", effort=effort)


def test_a_budget_that_does_not_fit_into_the_answer_is_not_asked_for() -> None:
    check("claude-haiku-4-5", {"thinking": None, "max_tokens": 500}, "anthropic", effort="high", max_output_tokens=500)


def test_open_ais_models_are_told_an_effort_that_they_have() -> None:
    check("gpt-6.1-sol", {"reasoning": {"effort": "max", "summary": "auto"}}, "openai", effort="max")
    check("gpt-6.1-sol", {"reasoning": {"effort": "low", "summary": "auto"}}, "openai", effort="none")
    check("gpt-5.4", {"reasoning": {"effort": "none"}}, "openai", effort="none")
    check("gpt-4o", {"reasoning": None}, "openai", effort="high")
    check("gpt-6.1-sol", {"reasoning": None}, "openai")


def test_an_unknown_model_is_told_what_the_user_wishes() -> None:
    check("my-own", {"reasoning_effort": "high", "temperature": 0.5}, "chat", effort="high", temperature=0.5)
    check("my-own", {"reasoning_effort": None}, "chat")


def test_a_temperature_goes_to_models_that_take_one_and_not_beside_thoughts() -> None:
    check("gpt-4o", {"temperature": 0.5}, "openai", temperature=0.5)
    check("gpt-6.1-sol", {"temperature": None}, "openai", temperature=0.5)
    check("claude-haiku-4-5", {"temperature": 0.5}, "anthropic", temperature=0.5)
    check("claude-haiku-4-5", {"temperature": None}, "anthropic", temperature=0.5, effort="low")


def test_a_call_is_forced_only_where_the_model_lets_itself_be() -> None:
    check("claude-opus-5-5", {"tool_choice": None}, "anthropic", tool_choice="required")
    check("claude-opus-5-5", {"tool_choice": {"type": "none"}}, "anthropic", tool_choice="none")
    check("claude-haiku-4-5", {"tool_choice": {"type": "any"}}, "anthropic", tool_choice="required")
    check("claude-haiku-4-5", {"tool_choice": None}, "anthropic", tool_choice="read_file", effort="low")
    check("gpt-6.1-sol", {"tool_choice": "required"}, "openai", tool_choice="required")


def test_an_answer_is_not_asked_to_be_longer_than_the_model_can() -> None:
    check("gpt-4o", {"max_output_tokens": 16_384}, "openai", max_output_tokens=100_000)
    check("my-own", {"max_tokens": 100_000}, "chat", max_output_tokens=100_000)


def test_where_a_model_takes_no_images_the_history_says_that_one_was_there() -> None:
    fitted = fit(ModelRequest("groq/openai/gpt-oss-120b", (PICTURE,)))
    assert fitted.messages == (Message("user", (NO_IMAGE, Text("What is this?"))),)
    for model in ("gpt-6.1-sol", "my-own"):
        assert fit(ModelRequest(model, (PICTURE,))).messages == (PICTURE,)
