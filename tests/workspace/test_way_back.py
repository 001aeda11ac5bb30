"""Taking back piece by piece: what the user changed is refused by name, and the rest goes."""

from __future__ import annotations

import pytest

from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.diff import text_edits_between
from flux.edits.plan import AppliedChange, CreateFile, DeleteFile, EditFile, FileChange, RenameFile
from flux.workspace.checkpoints import WayBack, way_back
from flux.workspace.memory import MemoryWorkspace
from tests.support.workspaces import plan

TEN = "".join(f"line {n}\n" for n in range(1, 11))


def ten(**changed: str) -> str:
    """The ten lines, with others where they are given: `_3="three"`."""
    return "".join(changed.get(f"_{n}", f"line {n}") + "\n" for n in range(1, 11))


class Files:
    """A workspace, what was changed there and is still made, and the refusals of the last way back."""

    def __init__(self, **files: str) -> None:
        self.workspace = MemoryWorkspace({name.replace("_py", ".py"): text for name, text in files.items()})
        self.made: list[AppliedChange] = []
        self.refused: list[str] = []
        self.diffs = ""

    async def make(self, *changes: FileChange) -> None:
        self.made += (await self.workspace.apply(plan(*changes))).changes

    async def write(self, name: str, text: str) -> None:
        now = await self.workspace.read(self.workspace.path(name))
        await self.make(EditFile(now, text_edits_between(now.text, text)))

    async def create(self, name: str, text: str) -> None:
        await self.make(CreateFile(self.workspace.path(name), text))

    async def remove(self, name: str) -> None:
        await self.make(DeleteFile(await self.workspace.read(self.workspace.path(name))))

    async def move(self, name: str, new_name: str, text: str | None = None) -> None:
        now = await self.workspace.read(self.workspace.path(name))
        edits = () if text is None else text_edits_between(now.text, text)
        await self.make(RenameFile(now, self.workspace.path(new_name), edits))

    async def take_back(self, **unreachable: str) -> WayBack:
        listed = await self.workspace.list_files()
        current: dict[WorkspacePath, FileSnapshot | None] = {}
        for path in {path for change in self.made for path in change.paths}:
            current[path] = await self.workspace.read(path) if path in listed else None
        closed = {self.workspace.path(name.replace("_py", ".py")): reason for name, reason in unreachable.items()}
        back = way_back(self.made, current, "undo", closed)
        await self.workspace.apply(back.plan)
        self.made = [step.left for step in back.steps if step.left is not None]
        self.refused = [f"{piece.path}:{piece.line} {piece.reason}" for piece in back.refused]
        self.diffs = "".join(piece.diff for piece in back.refused)
        return back

    async def check(self, refused: list[str] | None = None, **files: str) -> None:
        """These are all files there are, and these refusals were told."""
        found = {str(path): (await self.workspace.read(path)).text for path in await self.workspace.list_files()}
        assert found == {name.replace("_py", ".py"): text for name, text in files.items()}
        assert self.refused == (refused or [])


CHANGED = "the text there has changed since."


async def test_of_two_hunks_the_one_that_the_user_changed_stays_until_its_text_is_back() -> None:
    files = Files(a_py=TEN)
    await files.write("a.py", ten(_2="TWO", _9="NINE"))
    files.workspace.type_into("a.py", "NINE", "NINE and a half")
    files.workspace.type_into("a.py", "line 5", "between\nline 5")
    await files.take_back()
    await files.check([f"a.py:10 {CHANGED}"], a_py=ten(_5="between\nline 5", _9="NINE and a half"))
    assert "-NINE\n+line 9\n" in files.diffs
    assert "TWO" not in files.diffs

    files.workspace.type_into("a.py", "NINE and a half", "NINE")
    await files.take_back()
    await files.check(a_py=ten(_5="between\nline 5"))
    assert files.made == []


async def test_a_hunk_that_the_user_took_back_in_the_editor_needs_nothing() -> None:
    files = Files(a_py=TEN)
    await files.write("a.py", ten(_2="TWO", _9="NINE"))
    files.workspace.type_into("a.py", "NINE", "line 9")
    await files.take_back()
    await files.check(a_py=TEN)
    back = await files.take_back()
    assert (back.plan.changes, files.made) == ((), [])


async def test_two_changes_of_one_place_stay_together_where_the_later_one_does() -> None:
    files = Files(a_py=TEN)
    await files.write("a.py", ten(_2="TWO", _9="9"))
    await files.write("a.py", ten(_2="Two", _9="9"))
    files.workspace.type_into("a.py", "Two", "Two!")
    await files.take_back()
    await files.check([f"a.py:2 {CHANGED}", f"a.py:2 {CHANGED}"], a_py=ten(_2="Two!"))
    files.workspace.type_into("a.py", "Two!", "Two")
    await files.take_back()
    await files.check(a_py=TEN)


async def test_a_way_back_is_gone_back_by_the_same_function_also_in_part() -> None:
    files = Files(a_py=TEN, b_py="b\n", c_py="c\n")
    await files.write("a.py", ten(_2="TWO", _9="NINE"))
    await files.create("n.py", "new\n")
    await files.remove("b.py")
    await files.move("c.py", "d.py", "see\n")
    files.workspace.type_into("a.py", "NINE", "NINE!")
    back = await files.take_back()
    await files.check([f"a.py:9 {CHANGED}"], a_py=ten(_9="NINE!"), b_py="b\n", c_py="c\n")

    files.made = [step.taken_back for step in reversed(back.steps) if step.taken_back is not None]
    files.workspace.type_into("b.py", "b", "bee")
    await files.take_back()
    await files.check(
        ["b.py:1 it has changed since it was made, so it is not removed."],
        a_py=ten(_2="TWO", _9="NINE!"),
        b_py="bee\n",
        d_py="see\n",
        n_py="new\n",
    )


async def test_a_new_file_that_the_user_wrote_into_stays_with_all_that_was_done_to_it_and_the_rest_goes() -> None:
    files = Files(a_py=TEN)
    await files.create("n.py", "one\ntwo\nthree\n")
    await files.write("n.py", "one\ntwo\n3\n")
    await files.move("n.py", "m.py")
    await files.write("a.py", ten(_2="TWO"))
    files.workspace.type_into("m.py", "one", "one and mine")
    await files.take_back()
    assert {piece.partition(":")[0] for piece in files.refused} == {"n.py", "m.py"}
    assert len(files.made) == 3
    await files.check(files.refused, a_py=TEN, m_py="one and mine\ntwo\n3\n")


async def test_what_was_done_to_a_file_before_it_was_moved_stays_where_the_move_does() -> None:
    files = Files(a_py=TEN)
    await files.write("a.py", ten(_2="TWO"))
    await files.move("a.py", "b.py")
    files.workspace.open_buffer("a.py", "the user's\nline 3\n")
    await files.take_back()
    await files.check(
        ["a.py:1 a later change of b.py stays, so this one does too.", "b.py:1 a.py exists already."],
        a_py="the user's\nline 3\n",
        b_py=ten(_2="TWO"),
    )


async def test_a_removed_file_does_not_come_back_over_another_but_one_with_its_text_is_enough() -> None:
    files = Files(a_py="a\n", b_py="b\n")
    await files.remove("a.py")
    await files.remove("b.py")
    files.workspace.open_buffer("a.py", "mine\n")
    files.workspace.open_buffer("b.py", "b\n")
    await files.take_back()
    await files.check(["a.py:1 a.py exists already."], a_py="mine\n", b_py="b\n")


async def test_an_edited_file_that_is_gone_is_refused_by_name() -> None:
    files = Files(a_py=TEN, b_py="b\n")
    await files.write("a.py", ten(_2="TWO"))
    await files.write("b.py", "c\n")
    gone = files.made[0].path
    await files.workspace.apply(plan(DeleteFile(await files.workspace.read(gone))))
    await files.take_back()
    await files.check(["a.py:1 it is no longer there."], b_py="b\n")


async def test_a_file_that_cannot_be_read_is_refused_with_the_reason() -> None:
    files = Files(a_py="a\n", b_py="b\n")
    await files.write("a.py", "A\n")
    await files.write("b.py", "B\n")
    await files.take_back(a_py="a.py is a folder.")
    await files.check(["a.py:1 a.py is a folder."], a_py="A\n", b_py="b\n")


@pytest.mark.parametrize("count", [2000])
async def test_hundreds_of_hunks_of_which_every_other_was_changed_are_told_apart(count: int) -> None:
    before = "".join(f"line {n}\n" for n in range(count))
    after = "".join(f"LINE {n}\n" if n % 10 == 0 else f"line {n}\n" for n in range(count))
    typed = "".join(f"my {n}\n" if n % 20 == 0 else line for n, line in enumerate(after.splitlines(keepends=True)))
    files = Files(a_py=before)
    await files.write("a.py", after)
    files.workspace.open_buffer("a.py", typed)
    await files.take_back()
    rest = "".join(f"my {n}\n" if n % 20 == 0 else f"line {n}\n" for n in range(count))
    await files.check([f"a.py:{n + 1} {CHANGED}" for n in range(0, count, 20)], a_py=rest)
