"""Names of files: several folders, spellings, and what Windows would open instead."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flux.core.errors import OutsideWorkspace
from flux.core.snapshot import WorkspacePath
from flux.workspace.paths import is_windows_trick, resolve, resolve_folder, root_labels, spelled_as_on_disk

Form = Literal["NFC", "NFD"]
FORMS: tuple[Form, ...] = ("NFC", "NFD")


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    """Two folders of one name and a third."""
    roots = [tmp_path / "x" / "app", tmp_path / "y" / "app", tmp_path / "lib"]
    for root in roots:
        root.mkdir(parents=True)
    (roots[2] / "only.py").touch()
    for root in roots:
        (root / "all.py").touch()
    return [str(root) for root in roots]


def test_labels_are_the_folders_names_made_unique(folders: list[str]) -> None:
    assert root_labels(folders) == ("app", "app-2", "lib")
    assert root_labels(folders[:1]) == ("",)


@pytest.mark.parametrize(
    ("text", "root", "relative"),
    [("app/new.py", 0, "new.py"), ("app-2/all.py", 1, "all.py"), ("lib//./sub/", 2, "sub"), ("only.py", 2, "only.py")],
)
def test_a_label_or_the_only_holder_says_which_folder(folders: list[str], text: str, root: int, relative: str) -> None:
    path = resolve(folders, text)
    assert path == WorkspacePath(folders[root], relative, root_labels(folders)[root])
    assert resolve(folders, str(path)) == path == resolve(folders, str(path.absolute()))


@pytest.mark.parametrize("text", ["all.py", "new.py"])
def test_a_name_in_no_or_in_several_folders_is_asked_again(folders: list[str], text: str) -> None:
    with pytest.raises(OutsideWorkspace, match="app-2/"):
        resolve(folders, text)


def test_the_innermost_folder_holds_an_absolute_name(tmp_path: Path) -> None:
    inner = tmp_path / "packages" / "one"
    inner.mkdir(parents=True)
    assert resolve([str(tmp_path), str(inner)], str(inner / "a.py")).label == "one"


def test_a_folder_is_named_like_a_file(tmp_path: Path) -> None:
    assert resolve_folder([str(tmp_path)], ".").relative == "."
    assert resolve_folder([str(tmp_path)], "src/").relative == "src"


def test_a_root_behind_a_link_is_inside_under_both_its_names(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    try:
        (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    except OSError as e:
        pytest.skip(f"this system makes no symbolic links: {e}")
    root = str(tmp_path / "link")
    for name in ("real", "link"):
        assert resolve([root], str(tmp_path / name / "a.py")) == WorkspacePath(root, "a.py")


@pytest.mark.parametrize(
    "name", ["con", "NUL.txt", "src/aux", "a.txt:stream", "C:a", ".env.", ".env ", "dir./a", "com1", "lpt9.log"]
)
def test_names_under_which_windows_opens_something_else_are_known(name: str) -> None:
    assert is_windows_trick(name)


@pytest.mark.parametrize("name", ["console.py", "a.b.c", ".env", "src/null/x", "common/com10"])
def test_ordinary_names_are_no_windows_tricks(name: str) -> None:
    assert not is_windows_trick(name)


def test_where_case_does_not_matter_a_file_has_the_one_spelling_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "Src").mkdir()
    (tmp_path / "Src" / "README.md").touch()
    path = WorkspacePath(str(tmp_path), "src/readme.MD")
    assert spelled_as_on_disk(path, str.casefold).relative == "Src/README.md"
    assert spelled_as_on_disk(WorkspacePath(str(tmp_path), "SRC/new/A.py"), str.casefold).relative == "Src/new/A.py"


@pytest.mark.parametrize(("there", "written"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_an_accent_may_be_written_in_either_form(tmp_path: Path, there: Form, written: Form) -> None:
    """macOS keeps `é` as two characters in some names, and keyboards make it one."""
    roots = [tmp_path / "one", tmp_path / "two"]
    name = "Räume/café.py"
    file = roots[1] / unicodedata.normalize(there, name)
    for root in (*roots, file.parent):
        root.mkdir()
    file.touch()
    wanted = WorkspacePath(str(roots[1]), unicodedata.normalize(there, name), "two")
    asked = unicodedata.normalize(written, name)
    assert resolve(list(map(str, roots)), asked) == wanted
    assert resolve(list(map(str, roots)), str(roots[1] / asked)) == wanted
    folder = str(Path(asked).parent)
    assert resolve_folder([str(roots[1])], folder).relative == str(Path(wanted.relative).parent)
    assert resolve([str(roots[1])], f"{folder}/new.py").relative == f"{Path(wanted.relative).parent}/new.py"


def test_of_two_names_that_look_the_same_each_is_the_one_that_is_written(tmp_path: Path) -> None:
    names = [unicodedata.normalize(form, "café.py") for form in FORMS]
    for name in names:
        (tmp_path / name).touch()
    assert [resolve([str(tmp_path)], name).relative in names for name in names] == [True, True]
    if len(list(tmp_path.iterdir())) == 2:  # where they are two files at all
        assert [resolve([str(tmp_path)], name).relative for name in names] == names


def test_a_link_that_leads_out_is_refused_in_every_spelling_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / unicodedata.normalize("NFD", "café.py")).symlink_to(tmp_path / "secret")
    for form in FORMS:
        with pytest.raises(OutsideWorkspace, match="link"):
            resolve([str(root)], unicodedata.normalize(form, "café.py"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(" /")
@given(st.text(st.sampled_from("a.~/\\: \0\n*é\ud800C"), max_size=12))
def test_any_name_is_inside_or_refused(tmp_path: Path, text: str) -> None:
    try:
        path = resolve([str(tmp_path)], text)
    except OutsideWorkspace:
        return
    assert os.path.realpath(path.absolute()).startswith(os.path.realpath(tmp_path) + os.sep)
    assert resolve([str(tmp_path)], str(path)) == path
