"""Rules of the project, of folders in it and of the user: which go along, in which order, with their origins."""

from __future__ import annotations

from pathlib import Path

import pytest

from flux.context.builder import user_message
from flux.context.item import Focus, read_rendered
from flux.context.rules import known_rules
from flux.core.messages import Message, Text
from flux.workspace.disk import DiskWorkspace
from flux.workspace.memory import MemoryWorkspace
from flux.workspace.workspace import Workspace

FILES = {
    "AGENTS.md": "Use tabs.\n",
    ".flux/rules/b.md": "Second.\n",
    ".flux/rules/a.md": "First.\n",
    ".flux/rules/notes.txt": "No rule.\n",
    "src/AGENTS.md": "Use blanks.\n",
    "src/deep/AGENTS.md": "Use two blanks.\n",
    "src/deep/a.py": "a = 1\n",
    "other/AGENTS.md": "Elsewhere.\n",
}
SRC = "src/AGENTS.md (for src/, before rules farther away)"
DEEP = "src/deep/AGENTS.md (for src/deep/, before rules farther away)"


async def message(
    workspace: Workspace, text: str = "Go.", focus: str = "", *earlier: Message, own: Path | None = None
) -> Message:
    built = await user_message(
        text,
        workspace,
        Focus(workspace.path(focus)) if focus else None,
        is_first=not earlier,
        own_rules=own,
        known_rules=known_rules(earlier),
    )
    return built.message


def rules(message: Message) -> list[tuple[str, str]]:
    items = [read_rendered(part) for part in message.parts if isinstance(part, Text)]
    return [(item.origin, item.text) for item in items if item and item.kind == "rules"]


PROJECT = [("AGENTS.md", "Use tabs.\n"), (".flux/rules/a.md", "First.\n"), (".flux/rules/b.md", "Second.\n")]


async def test_the_first_message_has_those_of_the_project() -> None:
    assert rules(await message(MemoryWorkspace(FILES))) == PROJECT


@pytest.mark.parametrize(("text", "focus"), [("Go.", "src/deep/a.py"), ("Look at @src/deep/a.py", "")])
async def test_those_nearer_to_a_file_come_with_it_and_after_those_farther_away(text: str, focus: str) -> None:
    found = rules(await message(MemoryWorkspace(FILES), text, focus))
    assert found == [*PROJECT, (SRC, "Use blanks.\n"), (DEEP, "Use two blanks.\n")]


async def test_rules_go_along_once_in_a_conversation() -> None:
    workspace = MemoryWorkspace(FILES)
    first = await message(workspace)
    second = await message(workspace, "Go.", "src/deep/a.py", first)
    assert [origin for origin, _ in rules(second)] == [SRC, DEEP]
    assert rules(await message(workspace, "Go.", "src/deep/a.py", first, second)) == []


async def test_rules_that_changed_go_along_anew_and_only_those() -> None:
    first = await message(MemoryWorkspace(FILES), focus="src/deep/a.py")
    changed = MemoryWorkspace({**FILES, "AGENTS.md": "Use blanks.\n", "src/AGENTS.md": "Use tabs.\n"})
    second = await message(changed, "Go.", "src/deep/a.py", first)
    assert rules(second) == [("AGENTS.md", "Use blanks.\n"), (SRC, "Use tabs.\n")]


async def test_rules_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_bytes(b"\xff\xfe\xff")
    built = await user_message("Go.", DiskWorkspace([tmp_path]), is_first=True, own_rules=tmp_path)
    (own, project) = built.notices
    assert own.startswith("Rules were not sent along, the user's own AGENTS.md: ")
    assert project.startswith("Rules were not sent along: AGENTS.md ")


async def test_each_folder_of_several_has_its_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "src").mkdir(parents=True)
        (tmp_path / name / "AGENTS.md").write_text(f"Of {name}.\n", encoding="utf-8")
        (tmp_path / name / "src" / "AGENTS.md").write_text(f"In {name}.\n", encoding="utf-8")
        (tmp_path / name / "src" / "a.py").write_text("a\n", encoding="utf-8")
    workspace = DiskWorkspace([tmp_path / "one", tmp_path / "two"])
    assert rules(await message(workspace, focus="two/src/a.py")) == [
        ("one/AGENTS.md", "Of one.\n"),
        ("two/AGENTS.md", "Of two.\n"),
        ("two/src/AGENTS.md (for src/, before rules farther away)", "In two.\n"),
    ]


async def test_the_users_own_come_first_and_say_whose_they_are(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "AGENTS.md").write_text("Be brief.\n", encoding="utf-8")
    (tmp_path / "rules" / "z.md").write_text("Be kind.\n", encoding="utf-8")
    (tmp_path / "rules" / "broken.md").write_bytes(b"\xff\xfe\xff")
    own = [("the user's own AGENTS.md", "Be brief.\n"), ("the user's own rules/z.md", "Be kind.\n")]
    assert rules(await message(MemoryWorkspace(FILES), own=tmp_path)) == [*own, *PROJECT]
    assert rules(await message(MemoryWorkspace({}), own=tmp_path / "none")) == []


async def test_long_rules_are_cut_and_say_so() -> None:
    workspace = MemoryWorkspace({"AGENTS.md": "a" * 30_000, ".flux/rules/b.md": "short\n"})
    (_, text), (_, other) = rules(await message(workspace))
    assert text.endswith(" more characters]\n")
    assert len(text) < 11_000
    assert other == "short\n"
