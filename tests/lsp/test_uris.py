"""File URIs of every editor, and back."""

from __future__ import annotations

import pytest

from flux.lsp.uris import path_of_uri, uri_of_path


@pytest.mark.parametrize(
    ("uri", "posix", "windows"),
    [
        ("file:///home/a%20b/c.py", "/home/a b/c.py", None),
        ("file:///c%3A/Users/x.py", "/c:/Users/x.py", "C:\\Users\\x.py"),  # as VS Code writes it
        ("file:///C:/Users/x.py", "/C:/Users/x.py", "C:\\Users\\x.py"),
        ("file://server/share/a.txt", None, "\\\\server\\share\\a.txt"),
        ("file://localhost/etc/x", "/etc/x", None),
        ("file:///a#b?c", "/a#b?c", None),  # left unquoted by an editor
        ("file:///%ED%95%9C%F0%9F%98%8B.txt", "/한😋.txt", None),
        ("untitled:Untitled-1", None, None),
        ("vscode-notebook-cell:/a.ipynb#x", None, None),
        ("file:", None, None),
        ("file://[bad", None, None),
        ("", None, None),
    ],
)
def test_a_uri_names_a_path_on_each_system(uri: str, posix: str | None, windows: str | None) -> None:
    assert path_of_uri(uri, is_windows=False) == posix
    assert path_of_uri(uri, is_windows=True) == windows


@pytest.mark.parametrize("path", ["/home/a b/c#d?.py", "/한😋.txt", "/100%.txt", "/not-utf-8-\udcff.txt"])
def test_a_posix_path_survives_its_uri(path: str) -> None:
    assert path_of_uri(uri_of_path(path, is_windows=False), is_windows=False) == path


@pytest.mark.parametrize("path", ["C:\\Users\\a b\\c#d.py", "\\\\server\\share\\한.txt"])
def test_a_windows_path_survives_its_uri(path: str) -> None:
    assert path_of_uri(uri_of_path(path, is_windows=True), is_windows=True) == path
