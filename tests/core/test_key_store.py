"""Keys that are kept: in a keyring where there is one, else in a file for the user alone; read when first needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flux.core.config import UserFolders, load_settings
from flux.core.errors import ConfigError
from flux.core.key_store import KeyStore
from flux.core.keys import fetch_key
from flux.core.layers import Source
from flux.core.secret import Secret

KEY = Secret("key-that-is-kept-01")

BACKEND = """
import json, pathlib
from keyring.backend import KeyringBackend
FILE = pathlib.Path(__file__).with_name("ring.json")
class Ring(KeyringBackend):
    priority = 5
    def _all(self):
        return json.loads(FILE.read_text()) if FILE.exists() else {}
    def get_password(self, service, username):
        return self._all().get(service + "/" + username)
    def set_password(self, service, username, password):
        FILE.write_text(json.dumps(self._all() | {service + "/" + username: password}))
    def delete_password(self, service, username):
        FILE.write_text(json.dumps({k: v for k, v in self._all().items() if k != service + "/" + username}))
class Locked(Ring):
    def get_password(self, service, username):
        raise RuntimeError("locked: key-that-is-kept-01")
    set_password = delete_password = get_password
"""


def auth(folder: Path, *arguments: str, typed: str = "", backend: str = "keyring.backends.fail.Keyring") -> str:
    """Run `flux auth` with a keyring; what it printed."""
    (folder / "own_ring.py").write_text(BACKEND, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "flux", "auth", *arguments],
        input=typed,
        env={
            **os.environ,
            "FLUX_CONFIG_FOLDER": str(folder / "config"),
            "FLUX_STATE_FOLDER": str(folder / "state"),
            "PYTHONPATH": str(folder),
            "PYTHON_KEYRING_BACKEND": backend,
        },
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert KEY.reveal() not in done.stdout + done.stderr
    return done.stdout + done.stderr


async def test_without_a_keyring_the_key_is_in_a_file_for_the_user_alone_and_that_is_said(tmp_path: Path) -> None:
    said = auth(tmp_path, "set", "Groq", typed=f"{KEY.reveal()}\n")
    assert "in a file that only you can read, as there is no keyring" in said
    store = KeyStore(tmp_path / "config")
    assert store.file.stat().st_mode & 0o077 in {0, 0o066}  # Windows has no such bits and reports all of them
    assert await fetch_key(store.read("groq")) == KEY
    assert auth(tmp_path, "list").split() == ["groq", "in", "a", "file", "that", "only", "you", "can", "read"]
    assert "is forgotten" in auth(tmp_path, "remove", "groq")
    assert auth(tmp_path, "list") == ""
    assert KEY.reveal() not in store.file.read_text(encoding="utf-8")
    assert "No key is kept for groq" in auth(tmp_path, "remove", "groq")


def test_with_a_keyring_the_key_is_there_and_in_no_file_of_ours(tmp_path: Path) -> None:
    said = auth(tmp_path, "set", "groq", typed=KEY.reveal(), backend="own_ring.Ring")
    assert "in the system's keyring" in said
    assert KEY.reveal() not in (tmp_path / "config" / "keys.json").read_text(encoding="utf-8")
    assert KEY.reveal() in (tmp_path / "ring.json").read_text(encoding="utf-8")
    assert "keyring" in auth(tmp_path, "list", backend="own_ring.Ring")
    auth(tmp_path, "remove", "groq", backend="own_ring.Ring")
    assert (tmp_path / "ring.json").read_text(encoding="utf-8") == "{}"


def test_a_keyring_that_stays_locked_is_no_reason_to_lose_the_key(tmp_path: Path) -> None:
    assert "in a file" in auth(tmp_path, "set", "groq", typed=KEY.reveal(), backend="own_ring.Locked")


@pytest.mark.parametrize(
    ("arguments", "typed", "words"),
    [
        (("set", "groq"), "\n", "is empty"),
        (("set", "groq"), "two words\n", "no printable ASCII"),
        (("set",), "x", "Which provider?"),
    ],
)
def test_what_is_no_key_is_not_kept(tmp_path: Path, arguments: tuple[str, ...], typed: str, words: str) -> None:
    assert words in auth(tmp_path, *arguments, typed=typed)
    assert not (tmp_path / "config").exists()


async def test_a_kept_key_is_the_users_and_the_weakest(tmp_path: Path) -> None:
    folders = UserFolders(tmp_path, tmp_path)
    KeyStore(tmp_path).write("groq", KEY)
    settings = load_settings(None, {}, environ={}, user_folders=folders).settings.for_provider("groq")
    assert settings.source("api_key") == Source("key store", tmp_path / "keys.json")
    assert settings.api_key is not None
    assert await fetch_key(settings.api_key) == KEY
    assert KEY.reveal() not in repr(settings.layers)
    stronger = load_settings(None, {}, environ={"FLUX_API_KEY": "other"}, user_folders=folders).settings
    assert stronger.for_provider("groq").api_key == Secret("other")


async def test_a_key_that_is_gone_from_the_keyring_is_an_error_when_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('{"groq": {}}', encoding="utf-8")
    settings = load_settings(None, {}, environ={}, user_folders=UserFolders(tmp_path, tmp_path)).settings
    key = settings.for_provider("groq").api_key
    assert key is not None
    with pytest.raises(ConfigError, match=r"keyring|is empty"):
        await fetch_key(key)


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}'])
def test_a_broken_file_of_keys_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"keys\.json"):
        load_settings(None, {}, environ={}, user_folders=UserFolders(tmp_path, tmp_path))
