"""What a folder's own files would set, and whether its user has said yes to exactly that.

Knows how the answers are kept; who asks, and how, is the business of a door.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from flux.core.checking import known_values
from flux.core.errors import ConfigError
from flux.core.layers import HEADERS, KEY, RawLayer, Source, shown
from flux.core.secret import Secret


@dataclass(frozen=True, slots=True)
class TrustItem:
    """One setting of a project's file: its name there, and its value as it may be shown (a key is masked)."""

    name: str
    shown: str
    source: Source

    def __str__(self) -> str:
        return f"{self.name} = {self.shown}"


@dataclass(frozen=True, slots=True)
class TrustQuestion:
    """What the user is asked before the files of `folder` take effect. `digest` stands for the values themselves."""

    folder: Path
    items: tuple[TrustItem, ...]
    digest: str

    def __str__(self) -> str:
        lines = [f"The folder {self.folder} wants to set, for Flux:"]
        for source in dict.fromkeys(item.source for item in self.items):
            lines.append(f"  in {source}")
            lines += [f"    {item}" for item in self.items if item.source == source]
        return "\n".join(lines)


def find_question(folder: Path, project: Sequence[RawLayer], actions: Sequence[RawLayer] = ()) -> TrustQuestion | None:
    """What to ask before a project's layers and its `actions` take effect, None where they set nothing."""
    items: list[TrustItem] = []
    content: list[tuple[str, str, str]] = []
    for raw in project:
        for declaration, name, value in known_values(raw):
            text = shown(value) if declaration.kind not in {KEY, HEADERS} else _masked(value)
            items.append(TrustItem(name, text, raw.source))
            content.append((raw.source.kind, name, repr(value)))
    for raw in actions:
        for name, value in raw.values.items():
            items.append(TrustItem(shown(name), shown(value), raw.source))
            content.append((raw.source.kind, f"{raw.source.file and raw.source.file.name} {name}", repr(value)))
    if not items:
        return None
    # The digest covers what is set and nothing else: an unrelated line may change, a new setting of Flux asks again.
    digest = hashlib.sha256(json.dumps(sorted(content)).encode("ascii")).hexdigest()
    return TrustQuestion(folder.resolve(), tuple(items), digest)


def _masked(value: object) -> str:
    if isinstance(value, Mapping):
        headers = cast("Mapping[str, object]", value)  # keys of TOML are strings
        return ", ".join(f"{shown(name)}: {_masked(text)}" for name, text in headers.items())
    return Secret(str(value)).masked()


class TrustStore:
    """The user's answers: one small file for each yes, readable by the user alone, so that no two writers collide.

    Without a folder they last as long as this object.
    """

    def __init__(self, state_folder: Path | None) -> None:
        self._folder = state_folder / "trust" if state_folder else None
        self._granted: set[str] = set()

    def is_granted(self, question: TrustQuestion) -> bool:
        """Whether the user has said yes to this content in this folder."""
        name = _name(question)
        return name in self._granted or (self._folder is not None and (self._folder / name).is_file())

    def grant(self, question: TrustQuestion) -> None:
        """Remember a yes; may be called twice. Raises ConfigError where it cannot be written."""
        self._granted.add(_name(question))
        if self._folder is None:
            return
        record = {"folder": str(question.folder), "set": [str(item) for item in question.items]}
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._folder / _name(question), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(record, file, ensure_ascii=False, indent=1)
        except OSError as e:
            raise ConfigError(f"The answer cannot be kept in {self._folder}: {e.strerror}") from e


def _name(question: TrustQuestion) -> str:
    name = hashlib.sha256(f"{question.folder}\n{question.digest}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name}.json"
