"""Settings, trust, roots and documents that change under a running server."""

from __future__ import annotations

from tests.stories.chat_stories import SAID, begin_held, fresh, never_mind, present, say
from tests.stories.stage import Stage, Story
from tests.stories.world import edit, steps
from tests.support.fake_editors.rules import VsCode
from tests.support.lsp_client import uri_of

TRUST = "Let it take effect"


def configured(on: Stage, **settings: object) -> None:
    """The user changed the editor's settings."""
    on.made.client.notify("workspace/didChangeConfiguration", {"settings": {"flux": settings}})


async def settings_change_while_a_turn_runs_and_wrong_ones_are_named(on: Stage, name: str) -> None:
    first, say_yes = await begin_held(on, name, *steps(edit(name, "one = 1", "one = 2")), {"text": "Second."})
    configured(on, max_tokens="many", temprature=0.5, model="later")
    for wrong in ("max_tokens", "temprature"):
        await on.until(
            lambda wrong=wrong: any(f"{wrong} in " in one["message"] for one in on.since("window/showMessage"))
        )
    say_yes()
    await on.ended(1, first)
    on.now(name, "one = 1", "one = 2")
    await never_mind(on)
    await say(on, SAID)
    assert '"model": "later"' in on.asked()
    assert len([one for one in on.since("window/showMessage") if "max_tokens" in one["message"]]) == 1
    configured(on)


async def a_folder_whose_files_set_something_is_asked_about_once(on: Stage, name: str) -> None:
    path, text = on.made.folder / ".flux/config.toml", 'model = "of-the-folder"\n'
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    on.made.files = {**on.made.files, ".flux/config.toml": text}
    asked: list[str] = []

    def answer(params: dict[str, str]) -> dict[str, str]:
        asked.append(params["message"])
        return {"title": TRUST}

    on.made.client.answers["window/showMessageRequest"] = answer
    configured(on)
    await on.script({"text": "First."}, *steps(edit(name, "one = 1", "one = 2")))
    await on.command("flux.chat.new")
    for _ in range(2):
        await say(on, SAID, uri=on.made.uri(name))
        assert '"model": "of-the-folder"' in on.asked()
        configured(on)
    del on.made.client.answers["window/showMessageRequest"]
    assert [("of-the-folder" in one) for one in asked] == [True]
    on.now(name, "one = 1", "one = 2")


async def a_root_comes_and_goes(on: Stage, name: str) -> None:
    other = on.made.folder.parent / "other"
    other.mkdir()
    (other / "b.py").write_text("there = '😋'\r\n", encoding="utf-8", newline="")
    folder, client = {"uri": uri_of(other), "name": "other"}, on.made.client
    changed = edit("other/b.py", "there = '😋'", "moved = '😋'")
    await fresh(on, *steps(changed), *steps(edit("other/b.py", "moved", "back"), edit(name, "one = 1", "one = 2")))
    client.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": [folder], "removed": []}})
    assert "unsaved: other/b.py" in await say(on, SAID)
    uri = uri_of(other / "b.py")
    assert on.made.editor.as_saved(uri) == "moved = '😋'\r\n"
    assert (other / "b.py").read_bytes().decode() == "there = '😋'\r\n"
    client.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": [], "removed": [folder]}})
    assert "b.py" not in await say(on, SAID)
    assert on.made.editor.as_saved(uri) == "moved = '😋'\r\n"
    on.now(name, "one = 1", "one = 2")


async def a_chat_is_read_as_a_document(on: Stage, name: str) -> None:
    await fresh(on, {"text": f"One. {SAID}"}, {"text": f"Two. {SAID}"})
    await say(on, f"one {SAID}")
    refresh, shown = "workspace/textDocumentContent/refresh", {"uri": f"flux:/chat/{await present(on)}.md"}

    async def text() -> str:
        return (await on.made.client.request("workspace/textDocumentContent", shown))["text"]

    if on.rules is VsCode:
        assert f"One. {SAID}" in await text()
    await say(on, f"two {SAID}")
    if on.rules is VsCode:
        await on.until(lambda: on.since(refresh) == [shown])
        assert f"Two. {SAID}" in await text()
    else:  # which ask for no documents: the chat stands in one, or its answer is shown
        await on.sees(f"Two. {SAID}")
        assert on.since(refresh) == []


STORIES: tuple[Story, ...] = (
    settings_change_while_a_turn_runs_and_wrong_ones_are_named,
    a_root_comes_and_goes,
    a_chat_is_read_as_a_document,
    a_folder_whose_files_set_something_is_asked_about_once,
)
