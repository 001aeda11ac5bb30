"""What every workspace does, run over the disk and over the fake."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path

import pytest

from flux.core.errors import (
    FileMissing,
    NotText,
    OutsideWorkspace,
    SecretFile,
    StaleSnapshot,
    WorkspaceError,
    WriteRefused,
)
from flux.edits.plan import CreateFile, DeleteFile, RenameFile
from flux.edits.text_edit import TextEdit
from flux.workspace.encoding import MAX_TEXT_BYTES
from tests.support.workspaces import DiskWorld, Files, MemoryWorld, World, edit_of, plan

MakeWorld = Callable[[Files], World]
RUSSIAN = "Все люди рождаются свободными и равными в своем достоинстве и правах."


@pytest.fixture(params=["disk", "memory"])
def world_of(request: pytest.FixtureRequest, tmp_path: Path) -> MakeWorld:
    return MemoryWorld if request.param == "memory" else lambda files: DiskWorld(tmp_path, files)


async def check_edit(world: World, old: str, new: str, after: bytes) -> None:
    """An edit of `a.py` is applied, reported and read back."""
    applied = await world.workspace.apply(plan(await edit_of(world.workspace, "a.py", old, new)))
    assert world.saved_bytes("a.py") == after
    (change,) = applied.changes
    assert change.after == await world.workspace.read(change.path)
    assert change.is_saved


async def check_not_read(world: World, name: str, kind: type[WorkspaceError], says: str) -> None:
    before = world.saved_bytes(name)
    with pytest.raises(kind) as error:
        await world.workspace.read(world.workspace.path(name))
    assert says in str(error.value)
    assert name in str(error.value)
    assert world.saved_bytes(name) == before


async def listed(world: World, folder: str = "") -> list[str]:
    return [str(path) for path in await world.workspace.list_files(folder)]


async def test_reads_the_text_with_its_own_line_ends(world_of: MakeWorld) -> None:
    workspace = world_of({"src/a.py": "x = 'é😀'\r\ny"}).workspace
    snapshot = await workspace.read(workspace.path("src/a.py"))
    assert (snapshot.text, snapshot.origin, snapshot.version) == ("x = 'é😀'\r\ny", "disk", None)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a = 1\r\nb = 2", b"a = 1\r\nb = 3"),
        (b"\xef\xbb\xbfb = 2\r\n", b"\xef\xbb\xbfb = 3\r\n"),
        (codecs.BOM_UTF16_LE + "é = 2\r\n".encode("utf-16-le"), codecs.BOM_UTF16_LE + "é = 3\r\n".encode("utf-16-le")),
        (codecs.BOM_UTF16_BE + "é = 2\n".encode("utf-16-be"), codecs.BOM_UTF16_BE + "é = 3\n".encode("utf-16-be")),
        ("é = 2\r\n# naïve\n".encode("utf-16-le"), "é = 3\r\n# naïve\n".encode("utf-16-le")),
        ("# naïve café\r\nb = 2".encode("latin-1"), "# naïve café\r\nb = 3".encode("latin-1")),
        ("# « l’été » …\nb = 2\n".encode("cp1252"), "# « l’été » …\nb = 3\n".encode("cp1252")),
        (f"# {RUSSIAN}\nb = 2".encode("cp1251"), f"# {RUSSIAN}\nb = 3".encode("cp1251")),
        (b"2\x0c\xe2\x80\xa8\x85".replace(b"\x85", b""), b"3\x0c\xe2\x80\xa8"),
    ],
    ids=[
        "no final newline",
        "utf-8 mark",
        "utf-16-le",
        "utf-16-be",
        "utf-16 unmarked",
        "latin-1",
        "cp1252",
        "cp1251",
        "form feed and line separator",
    ],
)
async def test_all_other_bytes_are_kept(world_of: MakeWorld, before: bytes, after: bytes) -> None:
    await check_edit(world_of({"a.py": before}), "2", "3", after)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary"),
        (b"text with a \x00", "binary"),
        ("Zażółć gęślą jaźń.\n".encode("iso8859-2"), "not UTF-8: byte 0xbf in line 1, and it is not certain"),
        (b"x" * (MAX_TEXT_BYTES + 1), "too large to show: 2.0 MB"),
        (codecs.BOM_UTF16_LE + b"a", "not UTF-16-LE"),
    ],
    ids=["picture", "nul", "an unclear encoding", "too large", "half a UTF-16 unit"],
)
async def test_what_is_not_text_is_refused_and_left_alone(world_of: MakeWorld, data: bytes, says: str) -> None:
    await check_not_read(world_of({"data": data}), "data", NotText, says)


async def test_a_missing_file_is_named(world_of: MakeWorld) -> None:
    await check_not_read(world_of({"a.py": ""}), "b.py", FileMissing, "There is no file b.py")


@pytest.mark.parametrize(
    "name",
    [".env", ".ENV", ".env.local", "config/prod.env", ".ssh/config", "deploy.pem", "keys/id_ed25519", ".git/config"],
)
async def test_secret_files_are_neither_read_nor_listed_nor_written(world_of: MakeWorld, name: str) -> None:
    world = world_of({name: "KEY=1\n", "a.py": ""})
    await check_not_read(world, name, SecretFile, "Flux")
    assert await listed(world) == ["a.py"]
    other = world.workspace.path(f"sub/{name}")
    with pytest.raises(SecretFile):
        await world.workspace.apply(plan(CreateFile(other, "KEY=2\n")))
    assert world.saved_bytes(f"sub/{name}") is None


async def test_examples_of_secret_files_are_ordinary(world_of: MakeWorld) -> None:
    files = {".env.example": "KEY=", "credentials.py": "", "id_rsa.pub": "", "keys.py": ""}
    assert await listed(world_of(files)) == sorted(files)


@pytest.mark.parametrize(
    "name", ["../a.py", "src/../a.py", "/etc/passwd", "C:\\Windows\\win.ini", "", " ", "a\0b", ".", "a\ud800"]
)
async def test_what_names_no_file_inside_is_refused(world_of: MakeWorld, name: str) -> None:
    world = world_of({"a.py": ""})
    with pytest.raises(OutsideWorkspace):
        world.workspace.path(name)


async def test_absolute_names_inside_are_the_same_files(world_of: MakeWorld) -> None:
    workspace = world_of({"src/a.py": ""}).workspace
    path = workspace.path("src/a.py")
    assert workspace.path(str(path.absolute())) == path == workspace.path("./src//a.py")


async def test_lists_files_without_ignored_ones(world_of: MakeWorld) -> None:
    world = world_of(
        {
            ".gitignore": "*.log\n!keep.log\n/build/\n!\n",
            ".fluxignore": "huge/\n",
            "a.py": "",
            "x.log": "",
            "keep.log": "",
            "build/out.txt": "",
            "huge/data.txt": "",
            "src/build/in.txt": "",
            "src/.gitignore": "*.tmp\n!x.log\n",
            "src/x.log": "",
            "src/y.tmp": "",
            "y.tmp": "",
            "node_modules/m/index.js": "",
            "src/__pycache__/a.pyc": "",
        }
    )
    assert await listed(world) == sorted(
        [".gitignore", ".fluxignore", "a.py", "keep.log", "src/build/in.txt", "src/.gitignore", "src/x.log", "y.tmp"]
    )
    assert await listed(world, "src") == ["src/.gitignore", "src/build/in.txt", "src/x.log"]
    with pytest.raises(FileMissing):
        await listed(world, "nowhere")
    with pytest.raises(OutsideWorkspace):
        await listed(world, "../")


async def test_a_file_is_created_with_its_folders_and_removed_again(world_of: MakeWorld) -> None:
    world = world_of({"a.py": ""})
    path = world.workspace.path("new/deep/b.py")
    applied = await world.workspace.apply(plan(CreateFile(path, "b = 1\r\n")))
    assert world.saved_bytes("new/deep/b.py") == b"b = 1\r\n"
    (change,) = applied.changes
    assert change.before is None
    assert change.after is not None
    await world.workspace.apply(plan(DeleteFile(change.after)))
    assert world.saved_bytes("new/deep/b.py") is None


async def rename_of(world: World, name: str, new_name: str, *edits: TextEdit) -> RenameFile:
    snapshot = await world.workspace.read(world.workspace.path(name))
    return RenameFile(snapshot, world.workspace.path(new_name), edits)


async def test_a_file_is_moved_with_what_was_typed_meanwhile(world_of: MakeWorld) -> None:
    data = b"\xef\xbb\xbfa = 1\r\nb = 2"
    world = world_of({"a.py": data})
    rename = await rename_of(world, "a.py", "deep/er/b.py")
    world.type_into("a.py", "2", "3")
    (change,) = (await world.workspace.apply(plan(rename))).changes
    assert (world.saved_bytes("a.py"), world.saved_bytes("deep/er/b.py")) == (None, data.replace(b"2", b"3"))
    assert change.after == await world.workspace.read(world.workspace.path("deep/er/b.py"))
    assert [str(path) for path in change.paths] == ["a.py", "deep/er/b.py"]


async def test_a_file_is_moved_and_edited_in_one(world_of: MakeWorld) -> None:
    world = world_of({"a.py": "a = 1\n"})
    await world.workspace.apply(plan(await rename_of(world, "a.py", "b.py", TextEdit(4, 5, "2"))))
    assert (world.saved_bytes("a.py"), world.saved_bytes("b.py")) == (None, b"a = 2\n")


async def test_a_file_is_not_moved_over_another(world_of: MakeWorld) -> None:
    world = world_of({"a.py": "mine\n", "b.py": "yours\n", "c.py": "c\n"})
    with pytest.raises(StaleSnapshot, match=r"b\.py exists"):
        await world.workspace.apply(
            plan(await edit_of(world.workspace, "c.py", "c", "d"), await rename_of(world, "a.py", "b.py"))
        )
    saved = [world.saved_bytes(name) for name in ("a.py", "b.py", "c.py")]
    assert saved == [b"mine\n", b"yours\n", b"c\n"]


async def test_a_file_is_not_moved_to_a_secret_name(world_of: MakeWorld) -> None:
    world = world_of({"a.py": "a\n"})
    with pytest.raises(SecretFile):
        await world.workspace.apply(plan(await rename_of(world, "a.py", ".env")))
    assert world.saved_bytes("a.py") == b"a\n"


async def test_a_file_that_went_away_is_not_moved(world_of: MakeWorld) -> None:
    world = world_of({"a.py": "a\n"})
    rename = await rename_of(world, "a.py", "b.py")
    await world.workspace.apply(plan(DeleteFile(rename.snapshot)))
    with pytest.raises(FileMissing, match=r"a\.py"):
        await world.workspace.apply(plan(rename))
    assert world.saved_bytes("b.py") is None


async def test_an_existing_file_is_not_created_over(world_of: MakeWorld) -> None:
    world = world_of({"a.py": "mine\n"})
    with pytest.raises(StaleSnapshot, match=r"a\.py exists"):
        await world.workspace.apply(plan(CreateFile(world.workspace.path("a.py"), "yours\n")))
    assert world.saved_bytes("a.py") == b"mine\n"


async def test_what_was_typed_elsewhere_meanwhile_is_kept(world_of: MakeWorld) -> None:
    world = world_of({"a.py": "one\ntwo\nthree\nfour\n"})
    edit = await edit_of(world.workspace, "a.py", "three", "3")
    world.type_into("a.py", "one", "zero\none")
    await world.workspace.apply(plan(edit))
    assert world.saved_bytes("a.py") == b"zero\none\ntwo\n3\nfour\n"


async def test_what_was_typed_under_the_edit_refuses_the_whole_plan(world_of: MakeWorld) -> None:
    world = world_of({"a.py": "a = 1\n", "b.py": "b = 1\n"})
    edits = [await edit_of(world.workspace, name, "1", "2") for name in ("a.py", "b.py")]
    world.type_into("b.py", "1", "17")
    with pytest.raises(StaleSnapshot, match=r"b\.py"):
        await world.workspace.apply(plan(*edits))
    assert (world.saved_bytes("a.py"), world.saved_bytes("b.py")) == (b"a = 1\n", b"b = 17\n")


async def test_a_file_that_changed_is_not_removed(world_of: MakeWorld) -> None:
    world = world_of({"a.py": "a = 1\n"})
    snapshot = await world.workspace.read(world.workspace.path("a.py"))
    world.type_into("a.py", "1", "2")
    with pytest.raises(StaleSnapshot):
        await world.workspace.apply(plan(DeleteFile(snapshot)))
    assert world.saved_bytes("a.py") == b"a = 2\n"


async def test_a_read_only_file_refuses_the_whole_plan(world_of: MakeWorld) -> None:
    world = world_of({"a.py": "a = 1\n", "b.py": "b = 1\n"})
    world.make_read_only("b.py")
    edits = [await edit_of(world.workspace, name, "1", "2") for name in ("a.py", "b.py")]
    with pytest.raises(WriteRefused, match=r"b\.py is read-only. Nothing was changed"):
        await world.workspace.apply(plan(*edits))
    assert (world.saved_bytes("a.py"), world.saved_bytes("b.py")) == (b"a = 1\n", b"b = 1\n")


async def test_half_a_character_is_not_written(world_of: MakeWorld) -> None:
    world = world_of({"a.py": "a = 1\n"})
    with pytest.raises(WriteRefused, match="half a character"):
        await world.workspace.apply(plan(await edit_of(world.workspace, "a.py", "1", "'\ud83d'")))
    assert world.saved_bytes("a.py") == b"a = 1\n"


@pytest.mark.parametrize(
    ("new", "says"), [("€", r"LATIN-1, which has no '€' \(U\+20AC\), wanted in line 2"), ("é", "")]
)
async def test_a_character_that_the_encoding_does_not_have_is_refused_by_name(
    world_of: MakeWorld, new: str, says: str
) -> None:
    data = "# café\nb = 2\n".encode("latin-1")
    world = world_of({"a.py": data})
    edit = await edit_of(world.workspace, "a.py", "2", f"'{new}'")
    if says:
        with pytest.raises(WriteRefused, match=says):
            await world.workspace.apply(plan(edit))
        assert world.saved_bytes("a.py") == data
    else:
        await world.workspace.apply(plan(edit))
        assert world.saved_bytes("a.py") == "# café\nb = 'é'\n".encode("latin-1")


async def test_a_text_that_would_lose_its_encoding_is_not_written(world_of: MakeWorld) -> None:
    data = f"# {RUSSIAN}\nb = 2".encode("cp1251")
    world = world_of({"a.py": data})
    with pytest.raises(WriteRefused, match="nobody could tell any more that it is in CP1251"):
        await world.workspace.apply(plan(await edit_of(world.workspace, "a.py", RUSSIAN, "ё")))
    assert world.saved_bytes("a.py") == data


async def test_a_formatter_elsewhere_between_reading_and_writing_is_no_conflict(world_of: MakeWorld) -> None:
    before = "import b,a\n\ndef one( x ):\n  return x\n\n\n\ndef two():\n    return 2\n"
    world = world_of({"a.py": before})
    edit = await edit_of(world.workspace, "a.py", "return 2", "return 3")
    world.type_into(
        "a.py",
        "import b,a\n\ndef one( x ):\n  return x\n\n\n\n",
        "import a\nimport b\n\n\ndef one(x):\n    return x\n\n\n",
    )
    await world.workspace.apply(plan(edit))
    after = "import a\nimport b\n\n\ndef one(x):\n    return x\n\n\ndef two():\n    return 3\n"
    assert world.saved_bytes("a.py") == after.encode()


async def test_a_file_that_went_away_is_missing(world_of: MakeWorld) -> None:
    world = world_of({"a.py": "a = 1\n"})
    edit = await edit_of(world.workspace, "a.py", "1", "2")
    await world.workspace.apply(plan(DeleteFile(edit.snapshot)))
    with pytest.raises(FileMissing):
        await world.workspace.apply(plan(edit))
