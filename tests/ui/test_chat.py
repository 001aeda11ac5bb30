"""The chat on a real terminal: what a user types, sees, and can stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("the chat is driven through a POSIX terminal", allow_module_level=True)

import pexpect

CIRCLE = "def area(r):\n    return 3 * r\n"
FIXED = "def area(r):\n    return 3.14 * r**2\n"
PROMPT = r"\x1b\[\?2004h[^\n]*›"  # the line editor takes over, and shows that it waits
QUESTION = r"\x1b\[\?2004h[^\n]*\[N\]o"


def edit(old: str, new: str, path: str = "circle.py") -> dict[str, Any]:
    return {"name": "edit_file", "arguments": {"path": path, "edits": [{"old_text": old, "new_text": new}]}}


FIX = {"text": "I look.", "tool_calls": [edit("3 * r", "3.14 * r**2")]}
USAGE = {"input_tokens": 12_345, "output_tokens": 678, "cache_read_tokens": 10_000}


class Terminal:
    """A user before a chat."""

    def __init__(self, home: Path, folder: Path, variables: Mapping[str, str], *arguments: str) -> None:
        ours = ("FLUX_", "ANTHROPIC_", "OPENAI_", "NO_COLOR")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        own = {"FLUX_STATE_FOLDER": str(home / "state"), "FLUX_CONFIG_FOLDER": str(home / "config")}
        self.folder = folder
        self.screen = pexpect.spawn(
            sys.executable,
            ["-m", "flux", *arguments],
            cwd=str(folder),
            env={**inherited, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1", **own, **variables},
            encoding="utf-8",
            dimensions=(40, 120),
            timeout=10,
        )
        self.screen.delaybeforesend = None

    def sees(self, pattern: str) -> str:
        """Wait for it; what was shown up to there."""
        self.screen.expect(pattern)
        return str(self.screen.before) + str(self.screen.after)

    def types(self, line: str) -> None:
        self.screen.send(f"{line}\r")

    def at_prompt(self) -> str:
        return self.sees(PROMPT)

    def presses(self, control: str) -> None:
        self.screen.sendcontrol(control)

    def leaves(self) -> int:
        self.types("/quit")
        return self.ended()

    def ended(self) -> int:
        self.screen.expect(pexpect.EOF)
        assert "Traceback" not in str(self.screen.before)
        self.screen.close()
        status = self.screen.exitstatus
        assert status is not None
        return status


Open = Callable[..., Terminal]


@pytest.fixture
def open_chat(tmp_path: Path) -> Iterator[Open]:
    """Opens a chat with a script as its model, or with what the variables say."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "circle.py").write_text(CIRCLE, encoding="utf-8")
    opened: list[Terminal] = []

    def opener(steps: Sequence[Mapping[str, Any]] | None, *arguments: str, **variables: str) -> Terminal:
        if steps is not None:
            file = tmp_path / "script.json"
            file.write_text(json.dumps({"steps": steps, "record": "requests.jsonl"}), encoding="utf-8")
            variables = {"FLUX_PROVIDER": "scripted", "FLUX_SCRIPT": str(file), **variables}
        opened.append(Terminal(tmp_path, folder, variables, *arguments))
        return opened[-1]

    yield opener
    for terminal in opened:
        terminal.screen.close(force=True)


def requests(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text(encoding="utf-8").splitlines()]


def last_words(tmp_path: Path) -> str:
    return requests(tmp_path)[-1]["messages"][-1]["parts"][-1]["text"]


def read(terminal: Terminal) -> str:
    return (terminal.folder / "circle.py").read_text(encoding="utf-8")


def test_a_change_is_shown_asked_for_and_made(open_chat: Open) -> None:
    chat = open_chat([FIX, {"text": "Fixed.", "usage": USAGE}])
    chat.at_prompt()
    chat.types("fix the area")
    shown = chat.sees(QUESTION)
    assert "edit circle.py?" in shown
    assert "-    return 3 * r" in shown
    assert "+    return 3.14 * r**2" in shown
    assert read(chat) == CIRCLE
    chat.types("y")
    shown = chat.at_prompt()
    assert "3.14" not in shown  # the diff stands above; it is not shown twice
    assert "Fixed." in shown
    assert "12,345 tokens in, 10,000 from the cache, 678 out" in shown
    assert read(chat) == FIXED
    assert chat.leaves() == 0


def test_no_leaves_the_file_and_tells_the_model(open_chat: Open, tmp_path: Path) -> None:
    chat = open_chat([FIX, {"text": "As you wish."}])
    chat.at_prompt()
    chat.types("fix the area")
    chat.sees(QUESTION)
    chat.types("n")
    chat.sees("As you wish.")
    assert read(chat) == CIRCLE
    assert "declined" in requests(tmp_path)[1]["messages"][-1]["parts"][0]["content"]


def test_an_answer_that_is_none_is_asked_again(open_chat: Open) -> None:
    chat = open_chat([FIX, {"text": "Fixed."}])
    chat.at_prompt()
    chat.types("fix the area")
    chat.sees(QUESTION)
    chat.types("perhaps")
    chat.sees(QUESTION)
    chat.types("y")
    chat.sees("Fixed.")


def test_always_is_not_asked_again(open_chat: Open) -> None:
    chat = open_chat([FIX, {"text": "One."}, {"tool_calls": [edit("3.14", "3.1416")]}, {"text": "Two."}])
    chat.at_prompt()
    chat.types("fix the area")
    chat.sees(QUESTION)
    chat.types("a")
    chat.sees("One.")
    chat.at_prompt()
    chat.types("more digits")
    shown = chat.sees("Two.")
    assert "[N]o" not in shown
    assert "+    return 3.1416 * r**2" in shown


def test_a_line_that_is_typed_while_a_turn_runs_is_the_next_message(open_chat: Open, tmp_path: Path) -> None:
    chat = open_chat([{"text": "slowly " * 20, "chunk": 7, "delay_s": 0.02}, {"text": "Second."}])
    chat.at_prompt()
    chat.types("first")
    chat.sees("slowly")
    chat.types("and then this")
    chat.sees("Second.")
    assert last_words(tmp_path) == "and then this"


def test_what_was_typed_before_a_question_does_not_answer_it(open_chat: Open) -> None:
    chat = open_chat([{**FIX, "text": "I look closely.", "chunk": 2, "delay_s": 0.1}, {"text": "As you wish."}])
    chat.at_prompt()
    chat.types("fix the area")
    chat.sees("I lo")
    chat.types("y")  # too early
    chat.sees(QUESTION)
    assert read(chat) == CIRCLE
    chat.types("n")
    chat.sees("As you wish.")
    assert read(chat) == CIRCLE


def test_text_is_shown_while_it_streams(open_chat: Open) -> None:
    chat = open_chat([{"text": "one two three four ", "chunk": 1, "delay_s": 0.05}, {"text": "x"}])
    chat.at_prompt()
    chat.types("count")
    before = chat.sees("one")
    assert "four" not in before
    chat.sees("four")


def test_ctrl_c_stops_the_turn_and_not_the_chat(open_chat: Open, tmp_path: Path) -> None:
    chat = open_chat([{"text": "word " * 200, "chunk": 5, "delay_s": 0.1}, {"text": "Going on."}])
    chat.at_prompt()
    chat.types("talk")
    chat.sees("word word")
    chat.presses("c")
    chat.presses("c")  # an impatient user
    chat.sees("! cancelled")
    chat.at_prompt()
    chat.types("and now?")
    chat.sees("Going on.")
    assert "cancelled your last answer" in json.dumps(requests(tmp_path)[-1]["messages"][-1])
    chat.at_prompt()
    assert chat.leaves() == 0


def test_ctrl_c_at_the_question_cancels_the_turn_and_swallows_nothing(open_chat: Open, tmp_path: Path) -> None:
    chat = open_chat([FIX, {"text": "Going on."}])
    chat.at_prompt()
    chat.types("fix the area")
    chat.sees(QUESTION)
    chat.presses("c")
    chat.sees("! cancelled")
    chat.at_prompt()
    assert read(chat) == CIRCLE
    chat.types("and now?")
    chat.sees("Going on.")
    assert last_words(tmp_path) == "and now?"


def test_a_signal_at_the_question_cancels_the_turn_and_swallows_nothing(open_chat: Open, tmp_path: Path) -> None:
    chat = open_chat([FIX, {"text": "Going on."}])
    chat.at_prompt()
    chat.types("fix the area")
    chat.sees(QUESTION)
    chat.screen.kill(signal.SIGINT)
    chat.sees("! cancelled")
    chat.at_prompt()
    chat.types("and now?")
    chat.sees("Going on.")
    assert last_words(tmp_path) == "and now?"


def test_ctrl_c_still_works_after_a_question_was_answered(open_chat: Open) -> None:
    chat = open_chat([FIX, {"text": "word " * 200, "chunk": 5, "delay_s": 0.1}])
    chat.at_prompt()
    chat.types("fix the area")
    chat.sees(QUESTION)
    chat.types("y")
    chat.sees("word word")
    chat.presses("c")
    chat.sees("! cancelled")
    chat.at_prompt()
    assert read(chat) == FIXED
    chat.types("/undo")
    chat.sees("Taken back.")
    assert read(chat) == CIRCLE


def test_ctrl_c_at_the_prompt_says_how_to_leave_and_ctrl_d_leaves(open_chat: Open) -> None:
    chat = open_chat([])
    chat.at_prompt()
    chat.screen.send("half a line")
    chat.presses("c")
    chat.sees("Ctrl-D or /quit leaves.")
    chat.at_prompt()
    chat.presses("d")
    assert chat.ended() == 0


def test_the_commands(open_chat: Open) -> None:
    chat = open_chat([{"text": "Well.", "usage": USAGE}])
    chat.at_prompt()
    chat.types("hello")
    chat.sees("Well.")
    chat.at_prompt()
    for line, told in [
        ("/help", "Ctrl-C stops the running turn"),
        ("/model", r"\* +1  scripted"),
        ("/stats", r"tokens in +12,345   10,000 of them from the cache"),
        ("/history", "› hello\x1b.*Well\\."),
        ("/undo", "There is no change of Flux to take back."),
        ("/hstory", r"There is no command /hstory. Did you mean /history\?"),
        ("/frobnicate", "There is no command /frobnicate. See /help."),
        ("/model 7", "There is no model number 7."),
        ("/model gpt-9", r"Going on with gpt-9 \(scripted\)\."),
        ("/model", r"\*     scripted/gpt-9"),
        ("/clear", "A new conversation. The old one: flux --resume "),
    ]:
        chat.types(line)
        chat.sees(told)
        chat.at_prompt()
    chat.types("/history")
    assert "hello" not in chat.at_prompt()
    assert chat.leaves() == 0


def test_undo_takes_back_what_the_turn_changed(open_chat: Open) -> None:
    chat = open_chat([FIX, {"text": "Fixed."}], "--yes")
    chat.at_prompt()
    chat.types("fix the area")
    chat.sees("Fixed.")
    assert read(chat) == FIXED
    chat.at_prompt()
    chat.types("/undo")
    shown = chat.sees("Taken back.")
    assert "+    return 3 * r" in shown
    assert read(chat) == CIRCLE
    chat.at_prompt()
    chat.types("/redo")
    chat.sees("Made again.")
    assert read(chat) == FIXED
    chat.at_prompt()
    chat.types("/checkpoint good")
    chat.sees("To return to it: /undo good")
    chat.at_prompt()
    chat.types("/checkpoint list")
    chat.sees(r"1  \d{4}-\d\d-\d\d \d\d:\d\d  before: fix the area\r?\n +2 .* good")
    chat.at_prompt()
    chat.types("/undo god")
    chat.sees("Did you mean good")
    chat.at_prompt()
    chat.types("/undo 1")
    chat.sees("Returned to it.")
    assert read(chat) == CIRCLE


def test_it_goes_on_from_an_earlier_message_in_another_session(open_chat: Open, tmp_path: Path) -> None:
    chat = open_chat([{"text": "Hello."}, FIX, {"text": "Fixed."}, {"text": "It is pi."}, {"text": "Better."}], "--yes")
    chat.at_prompt()
    for words, answer in (("hi", "Hello."), ("fix the area", "Fixed.")):
        chat.types(words)
        chat.sees(answer)
        chat.at_prompt()
    chat.types("/fork")
    assert "1  hi" in chat.sees("2  fix the area")
    chat.at_prompt()
    chat.types("/edit 2 what is wrong?")
    chat.sees("stays: circle.py")
    chat.sees("To go back to it: flux --resume ")
    chat.sees("Take these changes back too?")
    chat.types("y")
    chat.sees("Taken back.")
    chat.sees("It is pi.")
    assert read(chat) == CIRCLE
    said = [message["parts"][-1].get("text") for message in requests(tmp_path)[-1]["messages"]]
    assert said == ["hi", "Hello.", "what is wrong?"]
    chat.at_prompt()
    chat.types("/fork 2")
    chat.sees("from before message 2")
    chat.at_prompt()
    chat.types("/edit 9 x")
    chat.sees("no message '9'")


@pytest.mark.parametrize(("answer", "is_taken_back"), [("y", True), ("n", False)])
def test_what_the_user_changed_is_shown_and_the_rest_is_taken_back_on_a_yes(
    open_chat: Open, answer: str, is_taken_back: bool
) -> None:
    calls = [edit("def area(r):", "def area(r):  # pi\n    # new"), edit("return 3 * r", "return 3.14 * r**2")]
    spread = CIRCLE.replace("\n    return", "\n" + "    #\n" * 5 + "    return")
    chat = open_chat([{"tool_calls": calls}, {"text": "Fixed."}], "--yes")
    (chat.folder / "circle.py").write_text(spread, encoding="utf-8")
    chat.at_prompt()
    chat.types("fix the area")
    chat.sees("Fixed.")
    changed = read(chat).replace("# new", "# mine")
    (chat.folder / "circle.py").write_text(changed, encoding="utf-8")
    chat.at_prompt()
    chat.types("/undo")
    chat.sees("circle.py line 1: the text there has changed since")
    chat.sees("do the rest?")
    chat.types(answer)
    chat.sees("Taken back." if is_taken_back else "Nothing was changed.")
    assert read(chat) == (changed.replace("3.14 * r**2", "3 * r") if is_taken_back else changed)


def test_a_session_is_gone_on_with(open_chat: Open, tmp_path: Path) -> None:
    chat = open_chat([{"text": "One."}])
    chat.at_prompt()
    chat.types("first")
    chat.sees("One.")
    chat.at_prompt()
    chat.types("/quit")
    chat.sees("To go on with this session: flux --resume ")
    chat.ended()
    again = open_chat([{"text": "Two."}], "--continue")
    again.at_prompt()
    again.types("second")
    again.sees("Two.")
    assert [m["parts"][-1]["text"] for m in requests(tmp_path)[-1]["messages"]] == ["first", "One.", "second"]


def test_the_demo_is_offered_where_nothing_is_set(open_chat: Open) -> None:
    chat = open_chat(None)
    chat.sees(r"Try the offline demo model now\?")
    chat.types("y")
    chat.sees("Flux with demo, demo")
    chat.at_prompt()
    chat.types("rename area to surface in circle.py")
    chat.sees(QUESTION)
    chat.types("y")
    chat.at_prompt()
    assert read(chat) == CIRCLE.replace("area", "surface")


@pytest.mark.parametrize("answer", ["n\r", "\x04"])
def test_without_the_demo_it_ends_with_the_ways_to_set_up(open_chat: Open, answer: str) -> None:
    chat = open_chat(None)
    chat.sees(r"Try the offline demo model now\?")
    chat.screen.send(answer)
    chat.sees("Set ANTHROPIC_API_KEY")
    assert chat.ended() == 2


@pytest.mark.parametrize(("answer", "model"), [("y", "imaginary"), ("n", "scripted")])
def test_settings_of_the_folder_are_asked_for(open_chat: Open, tmp_path: Path, answer: str, model: str) -> None:
    (tmp_path / "project" / ".env").write_text(
        "FLUX_MODEL=imaginary\nFLUX_API_KEY=sk-verysecret-123456789\n", encoding="utf-8"
    )
    chat = open_chat([{"text": "Well."}])
    shown = chat.sees(r"Let it\? \[y/N\] ")
    assert "FLUX_MODEL = imaginary" in shown
    assert "verysecret" not in shown
    chat.types(answer)
    chat.sees(f"Flux with scripted, {model}")


def test_a_paste_of_several_lines_is_one_message(open_chat: Open, tmp_path: Path) -> None:
    chat = open_chat([{"text": "Seen."}])
    chat.at_prompt()
    chat.screen.send("\x1b[200~def f():\n    return 1\n\x1b[201~")
    chat.types("what is this?")
    chat.sees("Seen.")
    assert last_words(tmp_path) == "def f():\n    return 1\nwhat is this?"
    assert len(requests(tmp_path)) == 1


def test_alt_enter_begins_a_new_line(open_chat: Open, tmp_path: Path) -> None:
    chat = open_chat([{"text": "Seen."}])
    chat.at_prompt()
    chat.screen.send("one\x1b\rtwo\r")
    chat.sees("Seen.")
    assert last_words(tmp_path) == "one\ntwo"


def test_a_resize_does_no_harm(open_chat: Open, tmp_path: Path) -> None:
    chat = open_chat([{"text": "word " * 40 + "end", "chunk": 5, "delay_s": 0.02}, {"text": "Seen."}])
    chat.at_prompt()
    chat.screen.setwinsize(20, 50)
    chat.types("talk")
    chat.sees("word")
    chat.screen.setwinsize(30, 100)
    chat.sees("end")
    chat.at_prompt()
    chat.screen.setwinsize(10, 30)
    chat.types("and now?")
    chat.sees("Seen.")
    assert last_words(tmp_path) == "and now?"


def test_a_model_cannot_write_to_the_terminal_past_us(open_chat: Open) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\r\u202eabc\x9b31m"
    title = {"name": "read_file", "arguments": {"path": f"a{evil}\nfake line"}}
    write = {"name": "write_file", "arguments": {"path": "new.txt", "text": f"{evil}\n"}}
    chat = open_chat(
        [{"text": f"before {evil} after", "tool_calls": [title]}, {"tool_calls": [write]}, {"text": "End."}]
    )
    chat.at_prompt()
    chat.types("go")
    shown = chat.sees(QUESTION)
    chat.types("y")
    shown += chat.sees("End.")
    for sequence in ("\x1b]0;", "\x1b[2J\r\u202e", "\u202e", "\x07", "\x9b"):
        assert sequence not in shown
    assert "before ␛]0;owned␇␛[2J␍<U+202E>abc" in shown
    assert (chat.folder / "new.txt").read_bytes().decode() == f"{evil}\n"


def test_a_thought_is_one_line_until_it_is_asked_for(open_chat: Open) -> None:
    thought = "First I look.\n" + "Then I think about it. " * 8 + "At last I know."
    chat = open_chat([{"reasoning": thought, "chunk": 9, "text": "Done."}])
    chat.at_prompt()
    chat.types("go")
    shown = chat.sees("Done.")
    assert "· thought: First I look. Then I think" in shown
    assert "47 words)" in shown
    assert "At last" not in shown
    chat.at_prompt()
    chat.types("/thoughts")
    assert "First I look.\r\nThen" in chat.sees("At last I know.")


def test_lines_that_are_piped_in_are_messages(tmp_path: Path, open_chat: Open) -> None:
    open_chat([{"text": "One."}, {"text": "Two."}]).screen.close(force=True)
    script = {"FLUX_PROVIDER": "scripted", "FLUX_SCRIPT": str(tmp_path / "script.json")}
    own = {"FLUX_STATE_FOLDER": str(tmp_path / "state"), "FLUX_CONFIG_FOLDER": str(tmp_path / "config")}
    done = subprocess.run(
        [sys.executable, "-m", "flux"],
        cwd=tmp_path / "project",
        env={**os.environ, **own, **script},
        input=b"first\n\nsecond",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert [m["parts"][-1]["text"] for m in requests(tmp_path)[-1]["messages"]] == ["first", "One.", "second"]
    assert b"\x1b" not in done.stdout


def test_the_doctor_tells_what_works_in_the_chat(open_chat: Open) -> None:
    chat = open_chat([{"text": "Hi."}])
    chat.at_prompt()
    chat.types("/doctor")
    shown = chat.at_prompt()
    assert "provider scripted" in shown
    assert "All is well" in shown
    assert chat.leaves() == 0


SUMMARY = "## Goal\nTo count."
FULL = {"text": "Three.", "usage": {"input_tokens": 13_000, "output_tokens": 10}}
"""Of a window of 20,000 so much that a summary is made for what comes next."""
COUNTING = [{"text": "One."}, {"text": "Two."}, FULL, {"text": SUMMARY}]


def count_to_three(chat: Terminal) -> None:
    chat.at_prompt()
    for words, said in (("first", "One"), ("second", "Two"), ("third", "Three")):
        chat.types(words)
        assert said in chat.at_prompt()


def test_a_chat_that_is_nearly_full_is_summarized_by_itself_while_its_user_reads(
    open_chat: Open, tmp_path: Path
) -> None:
    chat = open_chat([*COUNTING, {"text": "Four."}, {"text": "Five."}], FLUX_CONTEXT_WINDOW="20000")
    count_to_three(chat)
    shown = chat.sees(r"A summary stands for the earlier turns now · .* tokens · \$.* · /compact undo takes it back")
    assert "To count." in shown
    chat.types("fourth")
    chat.sees("Four")
    chat.at_prompt()
    sent = json.dumps(requests(tmp_path)[-1]["messages"])
    assert "To count." in sent
    assert "One." not in sent
    chat.types("/context")
    chat.sees("the past was rewritten: A summary stands for the earlier turns")
    chat.at_prompt()
    chat.types("/compact undo")
    chat.sees("the earlier turns are back")
    chat.at_prompt()
    chat.types("fifth")
    chat.sees("Five")
    sent = json.dumps(requests(tmp_path)[-1]["messages"])
    assert "To count." not in sent
    assert all(word in sent for word in ("One.", "Two.", "third", "Four."))
    chat.at_prompt()
    assert chat.leaves() == 0


def test_a_summary_is_made_on_demand_a_pinned_turn_stays_and_a_cleared_chat_is_empty(
    open_chat: Open, tmp_path: Path
) -> None:
    chat = open_chat(
        [{"text": "One."}, {"text": "Two."}, {"text": "Three."}, {"text": SUMMARY}, *[{"text": "Yes."}] * 2]
    )
    chat.at_prompt()
    chat.types("first")
    chat.at_prompt()
    chat.types("/pin")
    chat.sees("pinned: turn")
    for words in ("second", "third"):
        chat.types(words)
        chat.at_prompt()
    chat.at_prompt()
    chat.types("/compact")
    shown = chat.sees("A summary stands for the earlier turns now")
    assert "To count." in shown
    chat.at_prompt()
    chat.types("fourth")
    chat.sees("Yes")
    chat.at_prompt()
    sent = json.dumps(requests(tmp_path)[-1]["messages"])
    assert all(word in sent for word in ("first", "One.", "To count.", "third", "fourth"))
    assert "second" not in sent
    chat.types("/clear")
    chat.at_prompt()
    chat.types("fifth")
    chat.sees("Yes")
    chat.at_prompt()
    assert [message["role"] for message in requests(tmp_path)[-1]["messages"]] == ["user"]
    assert chat.leaves() == 0
