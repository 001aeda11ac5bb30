"""Projects that nobody wishes for, by `flux -p`: each ends in an answer, says what was not had, and loses nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.shell import CIRCLE, Shell

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="links need a right there, and an open file is kept")


def call(name: str, /, **arguments: object) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def line_of_a_megabyte(folder: Path) -> None:
    (folder / "bad.js").write_bytes(b"function f(){}" * 72_000)


def a_million_spaces(folder: Path) -> None:
    (folder / "bad.js").write_bytes(b" " * 1_000_000)


def generated(folder: Path) -> None:
    with (folder / "bad.js").open("wb") as file:
        for _ in range(50):
            file.write(b"INSERT INTO t VALUES (1);\n" * 40_000)


def links_in_a_circle(folder: Path) -> None:
    (folder / "bad.js").symlink_to("bad.js")
    (folder / "sub").mkdir()
    (folder / "sub" / "up").symlink_to("..", target_is_directory=True)


def submodule(folder: Path) -> None:
    other = folder.parent / "other"
    other.mkdir()
    git(other, "init", "-q")
    (other / "bad.js").write_bytes(b"function inside() {}\n")
    git(other, "add", ".")
    git(other, "commit", "-q", "-m", "first")
    git(folder, "init", "-q")
    git(folder, "submodule", "add", "-q", str(other), "bad.js")


def bare(folder: Path) -> None:
    git(folder, "init", "-q", "--bare")


def damaged(folder: Path) -> None:
    git(folder, "init", "-q")
    git(folder, "add", "circle.py")
    (folder / ".git" / "index").write_bytes(b"damaged")


LOOKS = [
    call("read_file", path="bad.js"),
    call("search", pattern="function|area", is_regex=True),
    call("list_files"),
    call("symbols", name="area"),
    call("git", action="status"),
    call("git", action="log"),
]


@pytest.mark.parametrize(
    ("make", "told_user", "read"),
    [
        (line_of_a_megabyte, "", "more characters"),
        (a_million_spaces, "", "more characters"),
        (generated, "bad.js is too large to show: 49.6 MB", "bad.js is too large to show: 49.6 MB"),
        pytest.param(links_in_a_circle, "bad.js cannot be read", "bad.js cannot be read", marks=POSIX),
        (submodule, "", "is a folder"),
        (bare, "", "There is no file bad.js"),
        (damaged, "Uncommitted changes were not sent along: git diff failed", "There is no file bad.js"),
    ],
)
def test_a_project_that_is_bad_in_one_way_is_worked_in(
    shell: Shell, make: Callable[[Path], None], told_user: str, read: str
) -> None:
    make(shell.folder)
    shell.variables["FLUX_MAP_TOKENS"] = "1000"
    edit = call("edit_file", path="circle.py", edits=[{"old_text": "3 * r", "new_text": "4 * r"}])
    shell.script([{"tool_calls": LOOKS}, {"tool_calls": [edit]}, {"text": "Done."}])
    ended = shell.flux("-p", "look at @bad.js @diff", "--yes")
    assert (ended.status, ended.out) == (0, "Done.\n"), ended.err
    assert told_user in ended.err
    results = shell.results()
    assert read in results[0]
    assert "circle.py:1: def area(r):" in results[1]
    assert "circle.py" in results[2].splitlines()
    assert "circle.py:1: def area(r):" in results[3]
    assert sum(map(len, results)) < 150_000
    assert shell.read() == CIRCLE.replace("3", "4")


def test_a_path_that_does_not_exist_is_told_with_the_nearest_names(shell: Shell) -> None:
    shell.script([{"text": "Seen."}])
    ended = shell.flux("-p", "look at @cirle.py")
    assert (ended.status, ended.out) == (0, "Seen.\n")
    assert ended.err == "! There is no file @cirle.py, so none was sent along. Did you mean @circle.py?\n"


def test_a_window_that_is_smaller_than_the_system_prompt_sends_nothing_and_says_so(shell: Shell) -> None:
    shell.script([{"text": "Seen."}])
    shell.variables["FLUX_CONTEXT_WINDOW"] = "1000"
    ended = shell.flux("-p", "Hello")
    assert (ended.status, ended.out) == (1, "")
    assert "Flux's own instructions and tools alone have about" in ended.err
    assert "FLUX_CONTEXT_WINDOW" in ended.err
    assert not (shell.home / "requests.jsonl").exists()


def test_a_message_that_alone_is_too_long_is_not_sent_and_the_chat_goes_on(shell: Shell) -> None:
    shell.variables["FLUX_CONTEXT_WINDOW"] = "8000"
    shell.script([{"text": "One."}])
    assert shell.flux("-p", "First.").status == 0
    shell.script([{"text": "Seen."}])
    ended = shell.flux("-p", "", "--continue", stdin="many words " * 9000)
    assert (ended.status, ended.out) == (1, "")
    assert "The last message alone is longer than the window" in ended.err
    assert not (shell.home / "requests.jsonl").exists()
    ended = shell.flux("-p", "Short.", "--continue")
    assert (ended.status, ended.out) == (0, "Seen.\n")
    assert shell.asked() == "Short."


@POSIX
def test_a_file_that_changes_all_the_time_is_read_whole_and_edited_or_refused(shell: Shell) -> None:
    """Another program puts one of two texts in its place, again and again."""
    file, beside = shell.folder / "busy.py", shell.folder.parent / "beside"
    texts = ["# line\n" * 2000 + f"name = {value}\nlast = 1\n" for value in ("one", "two")]
    edited = [text.replace("last = 1", "last = 2") for text in texts]
    is_over = threading.Event()

    def change() -> None:
        while not is_over.is_set():
            for text in texts:
                beside.write_text(text, encoding="utf-8", newline="")
                beside.replace(file)

    file.write_text(texts[0], encoding="utf-8", newline="")
    read = call("read_file", path="busy.py", start_line=2001, end_line=2002)
    edit = call("edit_file", path="busy.py", edits=[{"old_text": "last = 1", "new_text": "last = 2"}])
    shell.script([*[{"tool_calls": [read, edit]}] * 10, {"text": "Done."}])
    changing = threading.Thread(target=change)
    changing.start()
    try:
        ended = shell.flux("-p", "go", "--yes")
    finally:
        is_over.set()
        changing.join()
    assert (ended.status, ended.out) == (0, "Done.\n"), ended.err
    parts = [text.partition("name")[1:] for text in (*texts, *edited)]
    for number in range(1, 11):
        seen, made = shell.results(number)
        assert any("".join(part) in seen for part in parts) or "same" in seen, seen
        refusals = ("Nothing was changed", "not in the file", "did not read back")
        assert made.startswith("Edited") or any(words in made for words in refusals), made
    assert file.read_text(encoding="utf-8") in {*texts, *edited}
