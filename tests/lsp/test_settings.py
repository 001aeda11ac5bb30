"""Where an editor's settings come from, and what the user is asked and told. Over a real `flux serve`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.fault_server import fault_server
from tests.support.lsp_bench import Bench, bench
from tests.support.lsp_client import CAPABILITIES, NO_ANSWER, ResponseError, uri_of

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


async def test_a_folders_settings_that_change_on_the_disk_count_from_then_on(tmp_path: Path) -> None:
    watched = {"dynamicRegistration": True}
    workspace = {**CAPABILITIES["workspace"], "didChangeWatchedFiles": watched, "didChangeConfiguration": watched}
    async with bench(
        tmp_path,
        {"text": "One."},
        disk={".flux/config.toml": 'model = "first"\n'},
        capabilities={**CAPABILITIES, "workspace": workspace},
    ) as made:
        client = made.client
        await client.until(lambda: bool(client.sent("client/registerCapability")))
        [asked] = client.sent("client/registerCapability")
        settings, files = asked["registrations"]
        assert (settings["method"], settings["registerOptions"]) == (
            "workspace/didChangeConfiguration",
            {"section": "flux"},
        )
        assert files["method"] == "workspace/didChangeWatchedFiles"
        patterns = [watcher["globPattern"] for watcher in files["registerOptions"]["watchers"]]
        assert patterns == ["**/.env", "**/.flux/**"]
        await check_answer(made, "One.")
        (made.folder / ".flux/config.toml").write_text('model = "second"\n', encoding="utf-8")
        change = {"uri": made.uri(".flux/config.toml"), "type": 2}
        client.notify("workspace/didChangeWatchedFiles", {"changes": [change]})
        await check_answer(made, "One.")  # its script begins anew with another model
        assert [request["model"] for request in made.requests()] == ["first", "second"]
        assert len(client.sent("window/showMessageRequest")) == 2  # the folder sets something else now


async def test_a_folders_settings_count_as_they_are_where_nobody_tells_of_files(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "One."}, disk={".flux/config.toml": 'model = "first"\n'}) as made:
        await check_answer(made, "One.")
        (made.folder / ".flux/config.toml").write_text('model = "second"\n', encoding="utf-8")
        await check_answer(made, "One.")
        (made.folder / ".flux/config.toml").unlink()
        (made.folder.parent / "config").mkdir(exist_ok=True)
        (made.folder.parent / "config" / "config.toml").write_text('model = "own"\n', encoding="utf-8")
        await check_answer(made, "One.")
        assert [request["model"] for request in made.requests()] == ["first", "second", "own"]


async def test_what_is_wrong_in_the_users_own_file_is_said_when_it_is_written(tmp_path: Path) -> None:
    watched = {"dynamicRegistration": True, "relativePatternSupport": True}
    workspace = {**CAPABILITIES["workspace"], "didChangeWatchedFiles": watched}
    own = tmp_path / "config"
    async with bench(tmp_path, capabilities={**CAPABILITIES, "workspace": workspace}) as made:
        await made.client.until(lambda: bool(made.client.sent("client/registerCapability")))
        [files] = made.client.sent("client/registerCapability")[0]["registrations"]
        assert files["registerOptions"]["watchers"][-1]["globPattern"] == {
            "baseUri": uri_of(own),
            "pattern": "{.env,config.toml,actions/*.toml}",
        }
        own.mkdir()
        (own / "config.toml").write_text("no_such = 1\n", encoding="utf-8")
        made.client.notify(
            "workspace/didChangeWatchedFiles", {"changes": [{"uri": uri_of(own / "config.toml"), "type": 1}]}
        )
        await made.client.until(lambda: "no_such" in str(made.client.sent("window/showMessage")))


async def test_five_thousand_changed_files_are_looked_at_once(tmp_path: Path) -> None:
    workspace = {
        **CAPABILITIES["workspace"],
        "configuration": True,
        "didChangeWatchedFiles": {"dynamicRegistration": True},
    }
    async with bench(tmp_path, {"text": "One."}, capabilities={**CAPABILITIES, "workspace": workspace}) as made:
        await check_answer(made, "One.")
        before = len(made.client.sent("workspace/configuration"))
        changes = [{"uri": made.uri(f"packages/{number}/.env"), "type": 2} for number in range(5000)]
        made.client.notify("workspace/didChangeWatchedFiles", {"changes": changes})
        for change in changes:
            made.client.notify("workspace/didChangeWatchedFiles", {"changes": [change]})
        (made.folder / ".env").write_text("FLUX_MODEL=second\n", encoding="utf-8")
        for change in changes:
            made.client.notify("workspace/didChangeWatchedFiles", {"changes": [change]})
        await check_answer(made, "One.")
        assert made.requests()[-1]["model"] == "second"
        assert len(made.client.sent("workspace/configuration")) - before <= 4


async def test_an_editor_is_asked_to_tell_only_what_it_can_tell(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "One."}) as made:
        await check_answer(made, "One.")
        assert made.client.sent("client/registerCapability") == []


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


async def test_what_is_wrong_is_named_when_it_is_set_and_the_rest_is_kept(tmp_path: Path) -> None:
    wrong = {"max_tokens": "many", "temprature": 0.5, "model": "kept", "approval": 7}
    async with bench(tmp_path, {"text": "Hello."}, options={"settings": wrong}) as made:
        client = made.client
        client.notify("workspace/didChangeConfiguration", {"settings": {"flux": {"thinking": "deeply"}}})
        await client.until(lambda: "thinking" in str(client.sent("window/showMessage")))
        await check_answer(made, "Hello.")
        assert [request["model"] for request in made.requests()] == ["kept"]
        told = " ".join(message["message"] for message in client.sent("window/showMessage"))
        for words in (
            "max_tokens in the command line or the editor's settings is 'many', which is not allowed",
            "approval in the command line or the editor's settings is '7', which is not allowed",
            "temprature in the command line or the editor's settings is no setting of Flux, and was left out.",
            "thinking in the command line or the editor's settings is 'deeply', which is not allowed",
        ):
            assert told.count(words) == 1, told


async def test_a_provider_that_there_is_not_is_named(tmp_path: Path) -> None:
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
    picks = iter([None, {"title": "Do Not"}, {"title": "Apply"}, {"title": "Always in This Session"}])
    no = [{"tool_calls": [call]}, {"text": "You said no."}]
    back = {"name": "edit_file", "arguments": {"path": "a.py", "old_text": "1", "new_text": "one"}}
    steps = [*no, *no, {"tool_calls": [call]}, {"text": "Done."}]
    steps += [{"tool_calls": [back]}, {"text": "Done."}, {"tool_calls": [call]}, {"text": "Done."}]
    async with bench(
        tmp_path,
        *steps,
        buffers={"a.py": "one\n"},
        options={"settings": {"approval": "ask"}},
        answers={"window/showMessageRequest": lambda _: next(picks)},
    ) as made:
        for _ in range(2):
            await check_answer(made, "You said no.")
            assert made.buffers() == {"a.py": "one\n"}
        for after in ("1\n", "one\n", "1\n"):  # the second yes is always, and holds for the turn after it
            await check_answer(made, "Done.")
            assert made.buffers() == {"a.py": after}
        assert next(picks, None) is None


ASK = {"settings": {"approval": "ask"}}


@pytest.mark.parametrize("says", ["yes", "always", "no", None])
async def test_an_editor_that_has_a_dialogue_of_its_own_asks_by_it(tmp_path: Path, says: str | None) -> None:
    call = {"name": "edit_file", "arguments": {"path": "a.py", "old_text": "one", "new_text": "1"}}
    async with bench(
        tmp_path,
        {"tool_calls": [call]},
        {"text": "Done."},
        buffers={"a.py": "one\n"},
        options={**ASK, "approval": True},
        answers={"flux/approve": lambda _: {"decision": says} if says else None},
    ) as made:
        await check_answer(made, "Done.")
        assert made.buffers() == {"a.py": "1\n" if says in {"yes", "always"} else "one\n"}
        [asked] = made.client.sent("flux/approve")
        assert asked == {
            "title": "Flux: edit a.py",
            "paths": ["a.py"],
            "diff": "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-one\n+1\n",
        }
        assert made.client.sent("window/showMessageRequest") == []


@pytest.mark.parametrize("method", ["window/showMessageRequest", "flux/approve"])
async def test_a_question_that_is_never_answered_ends_with_its_turn(tmp_path: Path, method: str) -> None:
    call = {"name": "edit_file", "arguments": {"path": "a.py", "old_text": "one", "new_text": "1"}}
    async with bench(
        tmp_path,
        {"tool_calls": [call]},
        {"text": "Hello."},
        buffers={"a.py": "one\n"},
        options={**ASK, "approval": method == "flux/approve"},
        answers={method: lambda _: NO_ANSWER},
    ) as made:
        running = asyncio.ensure_future(made.client.command("flux.chat.send", {"text": "Hi."}))
        await made.client.until(lambda: bool(made.client.sent(method)))
        await made.client.command("flux.turn.cancel")
        assert (await running)["status"] == "cancelled"
        # The editor is told that nobody waits any more, and may close what it shows.
        assert len(made.client.sent("$/cancelRequest")) == 1
        assert made.buffers() == {"a.py": "one\n"}
        await check_answer(made, "Hello.")


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
