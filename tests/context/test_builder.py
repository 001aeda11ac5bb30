"""What the model is shown of the user's place."""

from __future__ import annotations

from pathlib import Path

import git
import pytest

from flux.context.builder import user_message
from flux.context.item import Focus
from flux.context.rules import known_rules
from flux.context.shown import UNCHANGED, Memory
from flux.core.diagnostics import Diagnostic, Severity
from flux.core.text import Position, Range
from flux.edits.plan import EditFile, EditPlan
from flux.edits.text_edit import TextEdit
from flux.workspace.disk import DiskWorkspace
from flux.workspace.memory import MemoryWorkspace
from flux.workspace.overlay import OverlayWorkspace

TEXT = "import os\n\n\ndef f():\n    return oss.name\n"


async def check(expected: str, *, selection: Range | None = None, diagnostics: tuple[Diagnostic, ...] = ()) -> None:
    workspace = MemoryWorkspace({"a.py": TEXT})
    focus = Focus(workspace.path("a.py"), selection, diagnostics)
    message = (await user_message("Why?", workspace, focus)).message
    head = f'<context>\nCurrent file: a.py\n<file from="a.py">\n{TEXT}</file>\n'
    assert message.text() == f"{head}{expected}</context>\nWhy?"


async def test_the_whole_file_stands_before_the_words() -> None:
    await check("")


@pytest.mark.parametrize(
    ("end", "origin", "lines"),
    [
        (Position(3, 3), "line 4", "def f():\n"),
        (Position(5, 0), "lines 4-5", "def f():\n    return oss.name\n"),
        (Position(99, 9), "lines 4-6", "def f():\n    return oss.name\n"),
    ],
)
async def test_a_selection_is_shown_as_whole_lines(end: Position, origin: str, lines: str) -> None:
    await check(f'<selection from="a.py {origin}">\n{lines}</selection>\n', selection=Range(Position(3, 1), end))


async def test_problems_come_with_their_lines_gravest_first() -> None:
    at = Range(Position(4, 11), Position(4, 14))
    found = (Diagnostic(at, "unused import", Severity.WARNING), Diagnostic(at, "undefined", source="ruff", code="F821"))
    await check(
        '<problems from="a.py">\n'
        "line 5: error: undefined (ruff F821)\n        return oss.name\n"
        "line 5: warning: unused import\n        return oss.name\n</problems>\n",
        diagnostics=found,
    )


async def test_of_a_line_of_a_megabyte_what_stands_around_the_problem_is_shown() -> None:
    line = f"{'a' * 500_000}oss{'b' * 500_000}"
    workspace = MemoryWorkspace({"min.js": f"{line}\n"})
    at = Range(Position(0, 500_000), Position(0, 500_003))
    problems = (Diagnostic(at, "no oss"),) * 20
    message = (await user_message("?", workspace, Focus(workspace.path("min.js"), None, problems), limit=1000)).message
    assert f"line 1: error: no oss\n    […] {'a' * 100}oss{'b' * 197} […]\n" in message.text()
    assert len(message.text()) < 10_000


async def test_the_first_message_has_the_rules_and_the_uncommitted_changes(tmp_path: Path) -> None:
    repository = git.Repo.init(tmp_path)
    (tmp_path / "a.py").write_text(TEXT, encoding="utf-8")
    (tmp_path / "AGENTS.md").write_text("Use tabs.\n", encoding="utf-8")
    repository.index.add(["a.py", "AGENTS.md"])
    repository.index.commit("first")
    (tmp_path / "a.py").write_text(TEXT.replace("oss", "os"), encoding="utf-8")
    first = (await user_message("Go.", DiskWorkspace([str(tmp_path)]), is_first=True)).message
    text = first.text()
    assert '<rules from="AGENTS.md">\nUse tabs.\n</rules>' in text
    assert "-    return oss.name\n+    return os.name" in text
    assert text.endswith("</context>\nGo.")
    later = (await user_message("Go.", DiskWorkspace([str(tmp_path)]), known_rules=known_rules([first]))).message
    assert later.text() == "Go."


async def test_what_was_not_saved_counts_as_an_uncommitted_change(tmp_path: Path) -> None:
    repository = git.Repo.init(tmp_path)
    (tmp_path / "a.py").write_text(TEXT, encoding="utf-8")
    repository.index.add(["a.py"])
    repository.index.commit("first")
    workspace = OverlayWorkspace(DiskWorkspace([tmp_path]))
    snapshot = await workspace.read(workspace.path("a.py"))
    at = TEXT.index("oss")
    await workspace.apply(EditPlan("typed", (EditFile(snapshot, (TextEdit(at, at + 3, "os"),)),)))
    for words, is_first in (("Go.", True), ("See @diff", False)):
        message = (await user_message(words, workspace, is_first=is_first)).message
        assert "-    return oss.name\n+    return os.name" in message.text()


async def test_changes_that_cannot_be_had_are_told_once(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(TEXT, encoding="utf-8")
    git.Repo.init(tmp_path).index.add(["a.py"])
    (tmp_path / ".git" / "index").write_bytes(b"damaged")
    message = await user_message("What is in @diff?", DiskWorkspace([tmp_path]), is_first=True)
    assert message.message.text() == "What is in @diff?"
    (notice,) = message.notices
    assert notice.startswith("Uncommitted changes were not sent along: git diff failed in ")


async def test_of_a_long_file_the_part_around_the_selection_is_shown() -> None:
    text = "".join(f"line {number}\n" for number in range(1, 10_001))
    workspace = MemoryWorkspace({"long.txt": text})
    at = Range(Position(5000, 0), Position(5001, 0))
    shown = (await user_message("?", workspace, Focus(workspace.path("long.txt"), at), limit=2000)).message.text()
    assert "line 5001\n" in shown
    assert "of 10001, cut" in shown
    assert len(shown) < 2500


async def test_a_selection_of_more_than_there_is_room_for_is_cut_and_says_so() -> None:
    workspace = MemoryWorkspace({"long.txt": f"{'x' * 99}\n" * 10_000})
    everything = Focus(workspace.path("long.txt"), Range(Position(0, 0), Position(10_000, 0)))
    shown = (await user_message("?", workspace, everything, limit=100_000)).message.text()
    assert '<selection from="long.txt lines 1-10000">' in shown
    assert "more characters; read_file shows them]" in shown
    assert len(shown) < 101_000


async def test_of_a_long_file_the_definition_around_the_selection_is_whole() -> None:
    text = "".join(f"def f{number}():\n" + "    x = 1\n" * 30 + "\n\n" for number in range(300))
    workspace = MemoryWorkspace({"long.py": text})
    at = Range(Position(100 * 33 + 29, 0), Position(100 * 33 + 29, 3))
    shown = (await user_message("?", workspace, Focus(workspace.path("long.py"), at), limit=400)).message.text()
    assert "def f100():\n" + "    x = 1\n" * 30 in shown


async def test_a_file_with_a_quotation_mark_in_its_name_is_not_sent_twice() -> None:
    workspace = MemoryWorkspace({'say "hi".py': "word = 1\n" * 100})
    first = (await user_message('@say "hi".py', workspace)).message
    memory = Memory()
    memory.look_at([first])
    assert "word = 1" in first.text()
    assert UNCHANGED in (await user_message('@say "hi".py', workspace, memory=memory)).message.text()
