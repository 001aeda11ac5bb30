"""`flux -p` as a process: what it prints where, and how it ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.shell import CIRCLE, Shell, checked

EDIT = {
    "name": "edit_file",
    "arguments": {"path": "circle.py", "edits": [{"old_text": "3 * r", "new_text": "3.14 * r**2"}]},
}
USAGE = {"input_tokens": 1000, "output_tokens": 50}
FIX: list[dict[str, Any]] = [
    {"text": "I look.", "tool_calls": [EDIT], "usage": USAGE},
    {"text": "Fixed the area.", "usage": USAGE},
]
FIXED = "def area(r):\n    return 3.14 * r**2\n"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs signals and descriptors as POSIX has them")


def test_the_answer_goes_to_standard_output_and_all_else_to_standard_error(shell: Shell) -> None:
    shell.script(FIX)
    ended = shell.flux("-p", "fix the area", "--yes")
    assert (ended.status, ended.out) == (0, "I look.\nFixed the area.\n")
    assert "· edit circle.py\n--- a/circle.py\n+++ b/circle.py\n" in ended.err
    assert ended.err.count("+    return 3.14 * r**2") == 1
    assert "2,000 tokens in, 100 out, " in ended.err
    assert re.search(r"\d+% of the window used\n", ended.err)
    assert shell.read() == FIXED


def test_without_yes_nothing_is_changed_and_it_says_how(shell: Shell) -> None:
    shell.script(FIX)
    ended = shell.flux("-p", "fix the area")
    assert ended.status == 0
    assert shell.read() == CIRCLE
    assert ended.err.count("Give --yes to approve changes.") == 1
    assert "+    return 3.14 * r**2" in ended.err  # what would have been changed
    assert shell.results() == ["The user declined this change. Do not try it again; ask what they would rather have."]


def test_the_demo_works_without_a_key(shell: Shell) -> None:
    ended = shell.flux("-p", "rename area to surface in circle.py", "--yes", "--provider", "demo")
    assert ended.status == 0
    assert shell.read() == CIRCLE.replace("area", "surface")


def test_nothing_is_loaded_that_the_message_does_not_need(shell: Shell) -> None:
    shell.script([{"text": "Hello."}])
    shell.variables["PYTHONPROFILEIMPORTTIME"] = "1"  # names what it loads, on standard error
    ended = shell.flux("-p", "hello")
    loaded = {line.rpartition("|")[2].strip() for line in ended.err.splitlines()}
    heavy = {"anthropic", "openai", "git", "tiktoken", "prompt_toolkit", "pathspec", "pygls", "lsprotocol"}
    ours = {"flux.edits.match", "flux.llm.local_servers", "flux.llm.text_tools_provider", "flux.workspace.memory"}
    assert "flux.ui.once" in loaded
    assert (heavy | ours) & loaded == set()


def test_piped_input_joins_the_prompt(shell: Shell) -> None:
    shell.script([{"text": "Seen."}])
    assert shell.flux("-p", "explain", stdin="a log\nof ünits\n").status == 0
    assert shell.asked() == "explain\n\n<input>\na log\nof ünits\n\n</input>"


def test_piped_input_alone_is_the_prompt(shell: Shell) -> None:
    shell.script([{"text": "Seen."}])
    assert shell.flux("-p", "", stdin="what is this?\n").status == 0
    assert shell.asked() == "what is this?\n"


def test_an_empty_prompt_is_refused(shell: Shell) -> None:
    shell.script([{"text": "Seen."}])
    ended = shell.flux("-p", " ", stdin="")
    assert (ended.status, ended.out) == (2, "")
    assert "There is nothing to send" in ended.err


def test_input_that_is_no_text_does_no_harm(shell: Shell) -> None:
    shell.script([{"text": "Seen."}])
    assert shell.flux("-p", "explain", stdin=b"\x00\xff\xfe caf\xe9").status == 0
    assert "caf\ufffd" in shell.asked()


def test_json_prints_every_event_as_a_line(shell: Shell) -> None:
    shell.script(FIX)
    ended = shell.flux("-p", "fix the area", "--yes", "--json")
    events = ended.events()
    assert [event["type"] for event in events] == [
        "turn_start",
        "text_delta",
        "usage",
        "tool_call",
        "approval",
        "approval",
        "edit_applied",
        "tool_result",
        "text_delta",
        "usage",
        "turn_end",
    ]
    last = events[-1]
    assert (last["status"], last["error"]) == ("completed", "")
    assert (last["usage"]["input_tokens"], last["usage"]["output_tokens"]) == (2000, 100)
    assert last["cost"] == {"usd": 0.0, "is_complete": True}
    assert ended.err == ""


def test_json_of_a_failed_turn_ends_with_its_error(shell: Shell) -> None:
    shell.script([{"text": "Half", "error": {"kind": "StreamBroken", "message": "The line broke."}}])
    ended = shell.flux("-p", "go", "--json")
    assert ended.status == 1
    last = ended.events()[-1]
    assert (last["type"], last["status"], last["error"]) == ("turn_end", "failed", "The line broke.")
    assert last["error_kind"] == "StreamBroken"


def test_json_without_a_prompt_is_wrong_use(shell: Shell) -> None:
    ended = shell.flux("--json")
    assert ended.status == 2
    assert "--json needs -p" in ended.err


def test_the_model_is_the_one_that_is_named(shell: Shell) -> None:
    shell.script([{"text": "Seen."}])
    assert shell.flux("-p", "go", "--model", "gpt-9-imaginary").status == 0
    assert shell.requests()[0]["model"] == "gpt-9-imaginary"


def test_two_workspace_folders_are_told_apart_by_their_names(shell: Shell, tmp_path: Path) -> None:
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(f"{name}\n", encoding="utf-8")
    reads = [{"name": "read_file", "arguments": {"path": f"{name}/a.txt"}} for name in ("left", "right")]
    shell.script([{"tool_calls": reads}, {"text": "Seen."}])
    folders = ("--workspace", str(tmp_path / "left"), "--workspace", str(tmp_path / "right"))
    assert shell.flux("-p", "read both", *folders).status == 0
    assert shell.results() == ["left\n", "right\n"]


def test_a_workspace_that_is_no_folder_is_refused(shell: Shell) -> None:
    ended = shell.flux("-p", "go", "--provider", "demo", "--workspace", "circle.py")
    assert ended.status == 2
    assert "circle.py is not a folder" in ended.err


def test_a_session_is_continued_and_resumed(shell: Shell) -> None:
    shell.script([{"text": "One."}])
    shell.flux("-p", "first")
    shell.script([{"text": "Two."}])
    assert shell.flux("-p", "second", "--continue").status == 0
    listed = shell.flux("sessions").out
    assert listed.count("\n") == 1
    shell.script([{"text": "Three."}])
    assert shell.flux("-p", "third", "--resume", listed[:6]).status == 0
    said = [part["text"] for m in shell.requests()[0]["messages"] for part in m["parts"] if part["type"] == "Text"]
    assert said == ["first", "One.", "second", "Two.", "third"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--continue",), "There is no earlier session in "),
        (("--resume", "nothing"), "The session 'nothing' is not there."),
        (("--continue", "--resume", "x"), "not allowed with argument"),
        (("--workspace", "nowhere"), "nowhere is not a folder"),
        (("--provider", "antropic"), "Unsupported provider: antropic. Supported providers: "),
        (("--frobnicate",), "unrecognized arguments"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_is_wrong(shell: Shell, arguments: tuple[str, ...], told: str) -> None:
    shell.script([{"text": "Never said."}])
    ended = shell.flux("-p", "go", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert told in ended.err


def test_without_provider_and_key_it_ends_with_2_and_the_ways_to_set_up(shell: Shell) -> None:
    ended = shell.flux("-p", "go")
    assert (ended.status, ended.out) == (2, "")
    assert "No provider is set, and no key was found.\nSet ANTHROPIC_API_KEY" in ended.err


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("{", "is not JSON"),
        ("7", "must be a list of steps"),
        ('[{"says": "x"}]', "has no says"),
        (None, "cannot be read"),
    ],
)
def test_a_script_that_is_none_is_said(shell: Shell, script: str | None, told: str) -> None:
    shell.script([])
    if script is None:
        (shell.home / "script.json").unlink()
    else:
        (shell.home / "script.json").write_text(script, encoding="utf-8")
    ended = shell.flux("-p", "go")
    assert (ended.status, ended.out) == (2, "")
    assert told in ended.err


def test_a_script_that_is_not_named_is_said(shell: Shell) -> None:
    ended = shell.flux("-p", "go", "--provider", "scripted")
    assert ended.status == 2
    assert "Set FLUX_SCRIPT" in ended.err


def test_settings_of_a_folder_that_is_not_trusted_are_ignored_and_named(shell: Shell) -> None:
    (shell.folder / ".env").write_text(
        "FLUX_PROVIDER=demo\nFLUX_API_KEY=sk-verysecretkey-0123456789\n", encoding="utf-8"
    )
    ended = shell.flux("-p", "show circle.py")
    assert (ended.status, ended.out) == (2, "")
    assert "FLUX_PROVIDER" in ended.err
    assert "FLUX_API_KEY" in ended.err
    assert "--trust" in ended.err
    assert "verysecret" not in ended.err
    trusted = shell.flux("-p", "show circle.py", "--trust")
    assert trusted.status == 0
    assert "verysecret" not in trusted.out + trusted.err
    again = shell.flux("-p", "show circle.py")
    assert (again.status, "--trust" in again.err) == (0, False)


def test_the_users_own_provider_is_used_beside_ignored_settings(shell: Shell) -> None:
    (shell.folder / ".env").write_text("FLUX_PROVIDER=demo\n", encoding="utf-8")
    shell.script([{"text": "The script."}])
    ended = shell.flux("-p", "go")
    assert (ended.status, ended.out) == (0, "The script.\n")
    assert "ignored until you trust this folder" in ended.err


def test_a_failed_turn_ends_with_1_and_keeps_what_was_said(shell: Shell) -> None:
    shell.script([{"text": "Half", "error": {"kind": "Overloaded", "message": "Too much to do."}}])
    ended = shell.flux("-p", "go")
    assert (ended.status, ended.out) == (1, "Half\n")
    assert "! Too much to do." in ended.err
    shell.script([{"text": "On."}])
    assert shell.flux("-p", "again", "--continue").status == 0
    assert [m["parts"][-1]["text"] for m in shell.requests()[0]["messages"]] == ["go", "Half", "again"]


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_in_mid_stream_ends_with_130_and_keeps_what_was_said(shell: Shell, number: signal.Signals) -> None:
    shell.script([{"text": "word " * 200, "chunk": 5, "delay_s": 0.1}])
    with subprocess.Popen(
        [sys.executable, "-m", "flux", "-p", "go"],
        cwd=shell.folder,
        env=shell.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(10) == b"word word "
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    ended = checked(process.returncode, out, err)
    assert ended.status == 130
    assert "! cancelled" in ended.err
    shell.script([{"text": "On."}])
    assert shell.flux("-p", "again", "--continue").status == 0
    texts = [m["parts"][-1]["text"] for m in shell.requests()[0]["messages"]]
    assert texts[1].startswith("word word ")
    assert texts[2] == "again"


def prepare(folder: Path) -> None:
    (folder / "binary.bin").write_bytes(bytes(range(256)) * 10)
    (folder / "large.txt").write_bytes(b"line of text\n" * 1_000_000)
    (folder / "latin.txt").write_bytes("Grüße\n".encode("latin-1"))
    (folder / "fixed.py").write_bytes(CIRCLE.encode())
    (folder / "fixed.py").chmod(0o444)


def edit(path: str, old: str, new: str) -> dict[str, Any]:
    return {"name": "edit_file", "arguments": {"path": path, "edits": [{"old_text": old, "new_text": new}]}}


@pytest.mark.parametrize(
    ("tool_call", "told"),
    [
        ({"name": "read_file", "arguments": {"path": "binary.bin"}}, "binary.bin"),
        ({"name": "read_file", "arguments": {"path": "large.txt"}}, "large.txt"),
        ({"name": "read_file", "arguments": {"path": "missing.py"}}, "There is no file missing.py."),
        ({"name": "read_file", "arguments": {"path": "../script.json"}}, "script.json"),
        ({"name": "read_file", "arguments": {"path": "."}}, "folder"),
        ({"name": "read_file", "arguments": {"path": 7}}, "`path` must be a string, not int"),
        ({"name": "read_file", "arguments_json": "{"}, "are not JSON"),
        ({"name": "write_file", "arguments": {"path": "../new.py", "text": "x"}}, "new.py"),
        (edit("fixed.py", "3 * r", "4"), "fixed.py is read-only. Nothing was changed."),
        (edit("binary.bin", "a", "b"), "binary.bin"),
    ],
)
def test_bad_input_is_told_to_model_and_user_and_nothing_is_lost(
    shell: Shell, tool_call: dict[str, Any], told: str
) -> None:
    prepare(shell.folder)
    before = {file.name: file.read_bytes() for file in shell.folder.iterdir()}
    shell.script([{"tool_calls": [tool_call]}, {"text": "I see."}])
    ended = shell.flux("-p", "go", "--yes")
    assert (ended.status, ended.out) == (0, "I see.\n")
    assert told in shell.results()[0]
    assert "  refused: " in ended.err
    assert {file.name: file.read_bytes() for file in shell.folder.iterdir()} == before
    assert not (shell.home / "new.py").exists()


def test_a_latin_1_file_keeps_its_bytes_or_is_refused(shell: Shell) -> None:
    prepare(shell.folder)
    shell.script([{"tool_calls": [edit("latin.txt", "e\n", "e!\n")]}, {"text": "I see."}])
    assert shell.flux("-p", "go", "--yes").status == 0
    is_edited = shell.results()[0].startswith("Edited")
    assert (shell.folder / "latin.txt").read_bytes() == f"Grüße{'!' if is_edited else ''}\n".encode("latin-1")


def test_the_folder_need_not_be_a_repository(shell: Shell) -> None:
    shell.script([{"text": "Seen."}])
    assert not (shell.folder / ".git").exists()
    ended = shell.flux("-p", "go")
    assert (ended.status, ended.out) == (0, "Seen.\n")


@POSIX
def test_a_reader_that_goes_away_ends_it_quietly(shell: Shell) -> None:
    shell.script([{"text": "line\n" * 5000, "chunk": 5}])
    ended = shell.line("FLUX -p go | head -1")
    assert (ended.out, ended.err) == ("line\n", "")


@POSIX
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(shell: Shell, closed: str) -> None:
    shell.script(FIX)
    ended = shell.line(f"FLUX -p 'fix it' --yes {closed}")
    assert ended.status == 0
    assert shell.read() == FIXED


@POSIX
def test_a_full_disk_behind_the_output_is_said(shell: Shell) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    shell.script([{"text": "Seen."}])
    ended = shell.line("FLUX -p go > /dev/full")
    assert ended.status == 1
    assert "No space left on device" in ended.err


def test_a_state_folder_that_cannot_be_written_is_said_and_the_turn_runs(shell: Shell) -> None:
    (shell.home / "state").write_text("a file is in the way", encoding="utf-8")
    shell.script(FIX)
    ended = shell.flux("-p", "fix", "--yes")
    assert (ended.status, ended.out) == (0, "I look.\nFixed the area.\n")
    assert "sessions will not be stored" in ended.err
    assert shell.read() == FIXED


def test_a_damaged_database_is_set_aside_and_said_and_the_turn_is_stored(shell: Shell) -> None:
    (shell.home / "state").mkdir()
    (shell.home / "state" / "sessions.db").write_bytes(b"this is no database" * 100)
    shell.script([{"text": "Seen."}])
    ended = shell.flux("-p", "go")
    assert (ended.status, ended.out) == (0, "Seen.\n")
    (aside,) = (shell.home / "state").glob("sessions-damaged-*.db")
    assert aside.read_bytes() == b"this is no database" * 100
    assert ended.err.count("nothing of it could be read") == 1
    assert str(aside) in ended.err
    assert "go" in shell.flux("sessions").out


@POSIX
def test_a_disk_that_becomes_full_in_a_turn_is_said_once_and_the_turn_goes_on(shell: Shell) -> None:
    shell.script([{"text": "One."}])
    shell.flux("-p", "first")
    long = {"text": "much to say " * 20_000}
    shell.script([{"tool_calls": [EDIT], **long}, {"tool_calls": [EDIT], **long}, {"text": "Done."}], is_recorded=False)
    # The shell's bound on the size of a file stands for the disk.
    ended = shell.line("ulimit -f 400; FLUX -p second --yes --continue")
    assert ended.status == 0
    assert ended.out.endswith("Done.\n")
    assert ended.err.count("This session is no longer stored: ") == 1
    assert shell.read() == FIXED


@POSIX
def test_with_a_home_that_is_not_there_it_works_and_leaves_nothing_behind(shell: Shell) -> None:
    shell.script([{"text": "Seen."}])
    shell.variables |= {"HOME": "/nowhere/at/all", "XDG_STATE_HOME": "", "XDG_CONFIG_HOME": ""}
    shell.variables |= {"FLUX_STATE_FOLDER": "", "FLUX_CONFIG_FOLDER": ""}
    ended = shell.flux("-p", "go")
    assert (ended.status, ended.out) == (0, "Seen.\n")
    assert [file.name for file in shell.folder.iterdir()] == ["circle.py"]


def test_the_models_are_listed_with_window_and_price_and_the_chosen_one_marked(shell: Shell) -> None:
    done = shell.flux("models", "--provider", "anthropic")
    chosen = next(line for line in done.out.splitlines() if line.startswith("*"))
    assert "claude-sonnet-5-5" in chosen
    assert "1000k" in chosen
    assert "$2 in, $10 out" in chosen
