"""Where an editor's settings come from, and what the user is asked and told. Over a real `flux serve`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.fault_server import fault_server
from tests.support.lsp_bench import Bench, bench
from tests.support.lsp_client import CAPABILITIES, ResponseError

CONFIGURABLE = {**CAPABILITIES, "workspace": {**CAPABILITIES["workspace"], "configuration": True}}
NOTHING: dict[str, str] = {}


async def check_answer(made: Bench, text: str) -> None:
    result = await made.client.command("flux.chat.send", {"text": "Hi."})
    assert (result["status"], result["text"]) == ("completed", text)


def scripted(tmp_path: Path) -> dict[str, str]:
    return {"provider": "scripted", "script": str(tmp_path / "script.json")}


async def test_without_a_provider_one_message_says_what_to_do(tmp_path: Path) -> None:
    async with bench(tmp_path, variables=NOTHING) as made:
        await made.client.until(lambda: bool(made.client.sent("window/showMessage")))
        [message] = made.client.sent("window/showMessage")
        assert message["type"] == 2
        for way in ("FLUX_PROVIDER", "ANTHROPIC_API_KEY", "demo"):
            assert way in message["message"]
        with pytest.raises(ResponseError, match="FLUX_PROVIDER"):
            await made.client.command("flux.chat.send", {"text": "Hi."})
        assert len(made.client.sent("window/showMessage")) == 1


async def test_initialization_options_set_the_provider(tmp_path: Path) -> None:
    options = {"settings": scripted(tmp_path)}
    async with bench(tmp_path, {"text": "Hello."}, variables=NOTHING, options=options) as made:
        await check_answer(made, "Hello.")
        assert made.client.sent("window/showMessage") == []


async def test_the_editors_own_configuration_wins_and_may_change(tmp_path: Path) -> None:
    section: dict[str, Any] = {**scripted(tmp_path), "model": "first", "base_url": "", "temperature": None}
    async with bench(
        tmp_path,
        {"text": "One."},
        {"text": "Two."},
        variables=NOTHING,
        capabilities=CONFIGURABLE,
        options={"settings": {"provider": "demo"}},
        answers={"workspace/configuration": lambda params: [section for _ in params["items"]]},
    ) as made:
        await check_answer(made, "One.")
        section["model"] = "second"
        section["script"] = str(tmp_path / "other.json")
        (tmp_path / "other.json").write_text(json.dumps([{"text": "Other."}]), encoding="utf-8")
        made.client.notify("workspace/didChangeConfiguration", {"settings": None})
        await check_answer(made, "Other.")
        assert [request["model"] for request in made.requests()] == ["first"]
        assert (await made.client.command("flux.model.list"))["present"] == "second"


async def test_a_change_of_other_settings_of_the_editor_leaves_chat_and_model_as_they_are(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "One."}, {"text": "Two."}) as made:
        first = await made.client.command("flux.chat.send", {"text": "Hi."})
        await made.client.command("flux.model.set", {"model": "other-1"})
        made.client.notify("workspace/didChangeConfiguration", {"settings": None})
        second = await made.client.command("flux.chat.send", {"text": "And?"})
        assert (second["session"], made.requests()[1]["model"]) == (first["session"], "other-1")


async def test_a_chat_that_was_at_work_has_new_settings_with_its_next_message(tmp_path: Path) -> None:
    slow = {"text": "word " * 400, "chunk": 5, "delay_s": 0.01}
    async with bench(tmp_path, slow, {"text": "Two."}, variables=NOTHING, options={"turnEvents": True}) as made:
        settings = scripted(tmp_path)
        made.client.notify("workspace/didChangeConfiguration", {"settings": {"flux": settings}})
        running = asyncio.ensure_future(made.client.command("flux.chat.send", {"text": "Hi."}))
        await made.client.until(lambda: len(made.client.sent("flux/turnEvent")) > 2)
        made.client.notify("workspace/didChangeConfiguration", {"settings": {"flux": {**settings, "model": "later"}}})
        session = made.client.sent("flux/turnEvent")[0]["session_id"]
        with pytest.raises(ResponseError, match="at work on another message"):
            await made.client.command("flux.chat.send", {"text": "And?", "session": session})
        await made.client.command("flux.turn.cancel")
        await running
        second = await made.client.command("flux.chat.send", {"text": "And?", "session": session})
        assert (second["session"], second["status"]) == (session, "completed")
        assert made.requests()[-1]["model"] == "later"


async def test_a_configuration_that_is_sent_along_counts(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "Hello."}, variables=NOTHING) as made:
        made.client.notify("workspace/didChangeConfiguration", {"settings": {"flux": scripted(tmp_path)}})
        await check_answer(made, "Hello.")


async def test_a_key_that_follows_is_not_missed_and_wins(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "Hello."}, variables=NOTHING, options={"keyFollows": True}) as made:
        answer = await made.client.request("flux/setSettings", scripted(tmp_path))
        assert answer == {"provider": "scripted", "model": "scripted"}
        await check_answer(made, "Hello.")
        assert made.client.sent("window/showMessage") == []
        with pytest.raises(ResponseError, match="takes one JSON object"):
            await made.client.request("flux/setSettings", [1])


async def test_a_wrong_value_is_named(tmp_path: Path) -> None:
    async with bench(tmp_path, options={"settings": {"max_tokens": "many"}}) as made:
        with pytest.raises(ResponseError, match="max_tokens"):
            await made.client.command("flux.chat.send", {"text": "Hi."})
    async with bench(tmp_path, variables={"FLUX_PROVIDER": "nonsense"}) as made:
        with pytest.raises(ResponseError, match="Unsupported provider: nonsense"):
            await made.client.command("flux.chat.send", {"text": "Hi."})


@pytest.mark.parametrize("says_yes", [True, False])
async def test_a_folders_own_settings_wait_for_a_yes(tmp_path: Path, says_yes: bool) -> None:
    dotenv = f"FLUX_PROVIDER=scripted\nFLUX_SCRIPT={tmp_path / 'script.json'}\n"

    def answer(params: dict[str, Any]) -> Any:
        return params["actions"][0 if says_yes else 1]

    steps = [{"text": "Hello."}] * 2
    for is_first in (True, False):
        async with bench(
            tmp_path,
            *steps,
            disk={".env": dotenv},
            variables=NOTHING,
            answers={"window/showMessageRequest": answer},
        ) as made:
            client = made.client
            if says_yes:
                await check_answer(made, "Hello.")
            else:
                for _ in range(2):
                    with pytest.raises(ResponseError, match="FLUX_PROVIDER"):
                        await client.command("flux.chat.send", {"text": "Hi."})
            # A no is remembered as long as the server runs, a yes for good.
            asked = client.sent("window/showMessageRequest")
            assert len(asked) == (1 if is_first or not says_yes else 0)
            assert all("FLUX_SCRIPT" in question["message"] for question in asked)


async def test_a_user_who_wants_to_be_asked_is_asked(tmp_path: Path) -> None:
    call = {"name": "edit_file", "arguments": {"path": "a.py", "old_text": "one", "new_text": "1"}}
    steps = [{"tool_calls": [call]}, {"text": "You said no."}, {"tool_calls": [call]}, {"text": "Done."}]
    picks = iter([None, {"title": "Apply"}])
    async with bench(
        tmp_path,
        *steps,
        buffers={"a.py": "one\n"},
        options={"settings": {"approval": "ask"}},
        answers={"window/showMessageRequest": lambda _: next(picks)},
    ) as made:
        await check_answer(made, "You said no.")
        assert made.buffers() == {"a.py": "one\n"}
        await check_answer(made, "Done.")
        assert made.buffers() == {"a.py": "1\n"}


async def test_a_key_of_the_editors_own_store_is_asked_for_when_it_is_needed_and_not_before(tmp_path: Path) -> None:
    asked: list[str] = []

    def keep(params: dict[str, Any]) -> dict[str, str] | None:
        asked.append(params["setting"])
        return {"value": "key-of-the-editor-01"} if len(asked) == 1 else None

    async with fault_server() as service:
        settings = {"provider": "work", "providers": {"work": {"base_url": f"{service.base_url}/v1", "model": "ok"}}}
        async with bench(
            tmp_path,
            variables={"FLUX_LOG_FILE": str(tmp_path / "log")},
            options={"settings": settings, "secrets": ["providers.work.api_key", "groq_api_key", 1]},
            answers={"flux/secret": keep},
        ) as made:
            assert asked == []
            for _ in range(2):
                await check_answer(made, "Hello wörld")
            assert asked == ["providers.work.api_key"]
            assert {request.headers["authorization"] for request in service.received} == {"Bearer key-of-the-editor-01"}
            # A key that is given now is taken instead; with none any more it is asked for no longer.
            await made.client.request("flux/setSettings", {"providers.work.api_key": "key-given-later-01"})
            await check_answer(made, "Hello wörld")
            assert service.received[-1].headers["authorization"] == "Bearer key-given-later-01"
            assert asked == ["providers.work.api_key"]
        written = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert all(b"key-of-the-editor" not in path.read_bytes() for path in written)


async def test_a_key_that_the_editor_does_not_give_is_an_error_that_says_so(tmp_path: Path) -> None:
    options = {"settings": {"provider": "groq", "base_url": "http://127.0.0.1:9/v1"}, "secrets": ["groq_api_key"]}
    async with bench(tmp_path, variables=NOTHING, options=options, answers={"flux/secret": lambda _: None}) as made:
        with pytest.raises(ResponseError, match="the key that your editor keeps as groq_api_key is empty"):
            await made.client.command("flux.chat.send", {"text": "Hi."})
