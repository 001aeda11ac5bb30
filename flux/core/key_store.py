"""Keys that `flux auth set` keeps: in the system's keyring, else in a file that only the user can read.

`keys.json` beside the user's `config.toml` names the providers that have one, so that nothing asks the keyring before a
key is needed; it holds the keys themselves only where there is no keyring.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from flux.core.errors import ConfigError
from flux.core.keys import KeyHolder, checked_key
from flux.core.layers import Layer, Source
from flux.core.secret import Secret
from flux.core.tables import PROVIDERS

SERVICE = "flux"
"""The name under which the system's keyring lists Flux's keys."""
KEYRING_TIMEOUT_S = 60.0
"""A keyring may ask its user to unlock it."""

Place = Literal["keyring", "file"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class KeptKey(KeyHolder):
    """The key that is kept for a provider."""

    provider: str
    store: KeyStore = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"the key that `flux auth` keeps for {self.provider}"

    async def fetch(self) -> Secret:
        try:
            async with asyncio.timeout(KEYRING_TIMEOUT_S):
                return await asyncio.to_thread(self.store.read, self.provider)
        except TimeoutError:
            raise ConfigError(f"The keyring did not give the key for {self.provider} in time.") from None


class KeyStore:
    """The keys that are kept for one user, by provider. Reading and writing may wait for the keyring's user."""

    def __init__(self, config_folder: Path) -> None:
        self.file = config_folder / "keys.json"

    def layer(self) -> Layer:
        """The kept keys as a layer of settings, without reading any of them."""
        values = {f"{PROVIDERS}.{provider}.api_key": KeptKey(provider, self) for provider in self.places()}
        return Layer(Source("key store", self.file), values)

    def places(self) -> Mapping[str, Place]:
        """Where the key of each provider is. Raises ConfigError where the file cannot be read."""
        return {name: "file" if "key" in entry else "keyring" for name, entry in self._entries().items()}

    def read(self, provider: str) -> Secret:
        """The key. Raises ConfigError where there is none any more."""
        entry = self._entries().get(provider, {})
        text = entry.get("key") or self._of_keyring(lambda ring: ring.get_password(SERVICE, provider))
        return checked_key(text or "", f"the key that is kept for {provider}")

    def write(self, provider: str, key: Secret) -> Place:
        """Keep the key, in the place of an earlier one; where it is now. Raises ConfigError."""
        entries = dict(self._entries())
        place: Place = "file"
        if _keyring() is not None:
            with suppress(ConfigError):  # such as a keyring that stays locked: the file does
                self._of_keyring(lambda ring: ring.set_password(SERVICE, provider, key.reveal()))
                place = "keyring"
        entries[provider] = {} if place == "keyring" else {"key": key.reveal()}
        self._save(entries)
        return place

    def remove(self, provider: str) -> bool:
        """Forget the key; whether there was one. Raises ConfigError."""
        entries = dict(self._entries())
        entry = entries.pop(provider, None)
        if entry is None:
            return False
        if "key" not in entry:
            self._of_keyring(lambda ring: _delete(ring, provider))
        self._save(entries)
        return True

    def _entries(self) -> Mapping[str, Mapping[str, str]]:
        try:
            found: object = json.loads(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as e:
            raise ConfigError(f"{self.file} cannot be read: {e}", source=str(self.file)) from None
        if not isinstance(found, dict) or not all(isinstance(entry, dict) for entry in cast("Any", found).values()):
            raise ConfigError(f"{self.file} is not as Flux writes it.", source=str(self.file))
        return cast("dict[str, dict[str, str]]", found)

    def _save(self, entries: Mapping[str, Mapping[str, str]]) -> None:
        """Written beside and put in place, readable by the user alone from its first byte on."""
        beside = self.file.with_suffix(f".{os.getpid()}.tmp")
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            beside.unlink(missing_ok=True)
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(entries, file, indent=1)
            beside.replace(self.file)
        except OSError as e:
            beside.unlink(missing_ok=True)
            raise ConfigError(f"{self.file} cannot be written: {e.strerror}", source=str(self.file)) from None

    def _of_keyring(self, use: Callable[[Any], _T]) -> _T:
        ring = _keyring()
        if ring is None:
            raise ConfigError(
                f"The key is in the system's keyring ({self.file} says so), which cannot be reached.",
                hint="Install Flux with its extra `keyring`, or keep the key anew with `flux auth set`.",
            )
        try:
            return use(ring)
        except Exception as e:  # noqa: BLE001 -- whatever a backend raises; its words may hold the key
            raise ConfigError(f"The system's keyring failed: {type(e).__name__}.") from None


def _delete(ring: Any, provider: str) -> None:
    if ring.get_password(SERVICE, provider) is not None:  # the user may have deleted it there
        ring.delete_password(SERVICE, provider)


def _keyring() -> Any:
    """The library `keyring` (an optional extra, untyped here), None where it is not there or has no keyring to use."""
    try:
        ring: Any = importlib.import_module("keyring")
        backend: Any = ring.get_keyring()
    except Exception:  # noqa: BLE001 -- backends of other packages are imported
        return None
    return ring if backend.priority >= 1 else None  # below: `fail`, `null`, and files in plain text
