"""What a message names by `@`, and what happens to words that only look so."""

from __future__ import annotations

import base64
import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from flux.context.builder import UserMessage, user_message
from flux.context.images import MAX_IMAGE_BYTES
from flux.context.item import Focus
from flux.core.diagnostics import Diagnostic, Severity
from flux.core.messages import Image, Text
from flux.core.text import Position, Range
from flux.workspace.disk import DiskWorkspace
from flux.workspace.memory import MemoryWorkspace
from tests.support.pixel import PIXEL

FILES = {
    "src/app.py": "one\ntwo\nthree\nfour\n",
    "src/deep/util.py": "util\n",
    "docs/a b.md": "spaced\n",
    "web/[id]/(shop)/page.ts": "page\n",
    "shot.png": PIXEL,
    "fake.png": "no picture\n",
    ".env": "KEY=secret\n",
    "README.md": "read me\n",
}


async def built(text: str, *, limit: int = 10_000, focus: str = "") -> UserMessage:
    workspace = MemoryWorkspace(FILES)
    return await user_message(text, workspace, Focus(workspace.path(focus)) if focus else None, limit=limit)


async def check(text: str, *wanted: str, notice: str = "") -> None:
    """The pieces of context in their order, and what the user is told; the words themselves are never changed."""
    message = await built(text)
    *context, words = (part.text for part in message.message.parts if isinstance(part, Text))
    assert words == text
    found = "".join(context).removeprefix("<context>\n").removesuffix("\n</context>\n")
    assert found == "\n".join(wanted)
    assert "\n".join(message.notices) == notice


APP = '<file from="src/app.py">\none\ntwo\nthree\nfour\n</file>'


@pytest.mark.parametrize(
    "text",
    [
        "See @src/app.py", "@src/app.py, please", "(@src/app.py).", "@app.py?", '@"src/app.py"!', "**@src/app.py**",
        "“@src/app.py”…", "（@src/app.py）", "@src/app.pyを見て。", "「@app.py」", "@src/app.py—here", "@src/app.py's",
        "[@src/app.py](x)", "@src/app.py and (@app.py)",
    ],
)  # fmt: skip
async def test_a_file_goes_along_however_its_name_stands_in_the_sentence(text: str) -> None:
    await check(text, APP)


async def test_a_part_of_a_file_by_its_lines() -> None:
    await check("@src/app.py:2-3", '<file from="src/app.py lines 2-3">\ntwo\nthree\n</file>')
    await check("@src/app.py#L4", '<file from="src/app.py lines 4-4">\nfour\n</file>')
    await check("@src/app.py:4:1: error", '<file from="src/app.py lines 4-4">\nfour\n</file>')
    await check('@"docs/a b.md":1', '<file from="docs/a b.md lines 1-1">\nspaced\n</file>')
    await check("@app.py:9", notice="There are no lines 9 to 9 in src/app.py, which has 4.")


async def test_names_with_blanks_are_quoted_and_each_name_counts_once() -> None:
    await check('@"docs/a b.md" and @README.md and @README.md', '<file from="docs/a b.md">\nspaced\n</file>', README)


SPACED = '<file from="docs/a b.md">\nspaced\n</file>'


async def test_a_name_with_blanks_needs_no_quotes_where_there_is_such_a_file() -> None:
    await check("See @docs/a b.md, please, and @README.md", SPACED, README)
    hint = 'There is no file @docs/a-b.md, so none was sent along. Did you mean @"docs/a b.md"?'
    await check("See @docs/a-b.md", notice=hint)


async def test_brackets_and_commas_may_be_of_a_name_or_behind_it() -> None:
    page = '<file from="web/[id]/(shop)/page.ts">\npage\n</file>'
    await check("(see @web/[id]/(shop)/page.ts)", page)
    await check("@src/app.py,@README.md|@web/[id]/(shop)/page.ts", APP, README, page)
    told = "There is no file @web/[id]/(shop)/past.ts, so none was sent along. Did you mean @web/[id]/(shop)/page.ts?"
    await check("@web/[id]/(shop)/past.ts", notice=told)


README = '<file from="README.md">\nread me\n</file>'


async def test_a_folder_is_listed() -> None:
    await check("@src/", '<folder from="src/">\nsrc/app.py\nsrc/deep/util.py\n</folder>')


@pytest.mark.parametrize(
    "text", ["me@example.com", "use @pytest.fixture", "@dataclass", "a @ b", "@", "@scope", "x=@y", "@app.route('/x')"]
)
async def test_words_that_are_no_mentions_stay_words(text: str) -> None:
    await check(text)


async def test_a_path_that_does_not_exist_is_told_with_the_nearest_names() -> None:
    near = "There is no file @src/ap.py, so none was sent along. Did you mean @src/app.py?"
    await check("@src/ap.py @README.md", README, notice=near)
    await check("@nowhere/at/all", notice="There is no file @nowhere/at/all, so none was sent along.")
    await check("@zzz.py", notice="There is no file @zzz.py, so none was sent along.")


async def test_a_secret_file_is_not_sent_and_the_user_is_told() -> None:
    message = await built("@.env")
    assert len(message.message.parts) == 1
    assert message.notices[0].startswith("@.env was not sent along")


async def test_a_picture_is_sent_as_one_and_what_is_none_is_told() -> None:
    message = await built("What is on @shot.png?")
    assert message.message.parts[0] == Image("image/png", base64.b64encode(PIXEL).decode())
    assert message.message.parts[-1] == Text("What is on @shot.png?")
    assert "no PNG" in (await built("@fake.png")).notices[0]


async def test_a_picture_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "big.png").open("wb") as file:
        file.truncate(MAX_IMAGE_BYTES + 1)
    message = await user_message("@big.png", DiskWorkspace([str(tmp_path)]))
    assert "the limit is 5 MB" in message.notices[0]


async def test_several_files_share_the_room_and_what_is_cut_says_so() -> None:
    workspace = MemoryWorkspace({"a.txt": "a" * 5000, "b.txt": "b" * 100})
    message = (await user_message("@a.txt @b.txt", workspace, limit=1000)).message
    assert "a" * 500 + "\n[… 4500 more characters; read_file shows them]" in message.text()
    assert "b" * 100 in message.text()


async def test_the_file_in_focus_does_not_come_twice() -> None:
    message = (await built("@README.md", focus="README.md")).message
    assert message.text().count("read me") == 1


async def test_problems_changes_and_open_files_by_their_words() -> None:
    workspace = MemoryWorkspace({"a.py": "import os\n"})
    assert '<problems from="open files">\nnone' in (await user_message("@diagnostics", workspace)).message.text()
    workspace.open_buffer("a.py", "import oss\n")
    at = Range(Position(0, 0), Position(0, 6))
    workspace.report("a.py", Diagnostic(at, "no oss", Severity.ERROR))
    assert "line 1: error: no oss" in (await user_message("@diagnostics", workspace)).message.text()
    assert '<file from="a.py">\nimport oss' in (await user_message("@open", workspace)).message.text()
    assert '<git_changes from="git">\nnone' in (await user_message("@diff", workspace)).message.text()


@pytest.mark.parametrize("there", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
async def test_a_name_is_found_however_its_accents_are_made(
    tmp_path: Path, there: Literal["NFC", "NFD"], written: Literal["NFC", "NFD"]
) -> None:
    file = tmp_path / unicodedata.normalize(there, "src/café.py")
    file.parent.mkdir()
    file.write_text("espresso\n", encoding="utf-8")
    for words in ("@src/café.py", "@café.py, please", "@café.py:1"):
        built = await user_message(unicodedata.normalize(written, words), DiskWorkspace([tmp_path]))
        assert "espresso" in built.message.text()
        assert not built.notices


async def test_a_name_of_thousands_of_characters_is_told_in_short() -> None:
    (notice,) = (await built(f"See @src/{'x' * 6000}.py, please")).notices
    assert len(notice) < 500
    assert notice.startswith("There is no file @src/xxx")
    assert notice.endswith("xxx.py, so none was sent along.")
