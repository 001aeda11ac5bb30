"""`file:` URIs and paths, one into the other, as editors of every system write them."""

from __future__ import annotations

import os
import re
from pathlib import PureWindowsPath
from urllib.parse import quote, unquote, urlsplit

IS_WINDOWS = os.name == "nt"


def path_of_uri(uri: str, *, is_windows: bool = IS_WINDOWS) -> str | None:
    """The absolute path that a `file:` URI names; None for another scheme (`untitled:`, `git:`, a notebook's cell)."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme.lower() != "file":
        return None
    # A question mark or a hash that an editor left unquoted is part of the name: file URIs have no query.
    tail = uri.split(":", 1)[1].removeprefix(f"//{parts.netloc}")
    path = unquote(tail, errors="surrogateescape")
    host = "" if parts.netloc.lower() == "localhost" else unquote(parts.netloc)
    if "\0" in path:
        return None
    if not is_windows:
        return path if path.startswith("/") and not host else None
    if host:
        path = f"//{host}{path}"
    elif re.match(r"/[A-Za-z]:", path):
        path = path[1].upper() + path[2:]
    windows_path = PureWindowsPath(path)
    return str(windows_path) if windows_path.is_absolute() else None


def uri_of_path(path: str, *, is_windows: bool = IS_WINDOWS) -> str:
    """The `file:` URI of an absolute path, percent-encoded."""
    if not is_windows:
        return "file://" + quote(path, errors="surrogateescape")
    name = path.replace("\\", "/")
    return f"file:{quote(name)}" if name.startswith("//") else f"file:///{name[:2]}{quote(name[2:])}"
