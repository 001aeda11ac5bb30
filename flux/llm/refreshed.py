"""What providers' own lists said of their models when `flux models refresh` asked, kept in the state folder.

For each provider a date, where it came from, and facts by model. A later refresh adds to what a model's entry has, and
takes back nothing that is not told anew. Models that a provider lists no more go; where it lists none, all stay.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from flux.core.errors import ConfigError
from flux.llm.model_facts import Facts, read_facts
from flux.llm.wire.json_values import Object, child, parse_object, text

FILE = "models.json"
FORMAT = 1
MAX_BYTES = 16 << 20
MAX_MODELS = 5000
"""Of one provider; OpenRouter has 400."""
MAX_NAME = 300
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """One provider's word. `as_of` is an ISO date, `source` what was asked, for a person."""

    as_of: str
    source: str
    models: Mapping[str, Facts]

    @property
    def priced(self) -> int:
        """How many models have a price."""
        return sum(facts.has_price for facts in self.models.values())

    @property
    def sized(self) -> int:
        """How many models have a window."""
        return sum(facts.window is not None for facts in self.models.values())


def read_refreshed(state_folder: Path | None) -> Mapping[str, Refreshed]:
    """What is kept, by provider; nothing where there is no such file or it cannot be read."""
    if state_folder is None:
        return {}
    file = state_folder / FILE
    try:
        status = file.stat()
        key = (status.st_mtime_ns, status.st_size)
        if file not in _read or _read[file][0] != key:
            _read[file] = (key, _parse(file.read_bytes()) if status.st_size <= MAX_BYTES else {})
        return _read[file][1]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as e:
        log.warning("%s cannot be read, and is left out: %s", file, e)
        return {}


_read: dict[Path, tuple[tuple[int, int], Mapping[str, Refreshed]]] = {}
"""By file: what it held when it was of this time and size."""


def keep(state_folder: Path, provider: str, facts: Mapping[str, Facts], source: str, as_of: str) -> Refreshed:
    """Add what a provider told to what is kept of it, and give all of that. Raises ConfigError where it fails."""
    kept = dict(read_refreshed(state_folder))
    before: Mapping[str, Facts] = kept[provider].models if provider in kept else {}
    merged = {name: Facts(**{**_said(before.get(name)), **new.said()}) for name, new in facts.items()}  # pyright: ignore[reportArgumentType] -- of Facts
    kept[provider] = Refreshed(as_of, source, merged or before)
    _write(state_folder, kept)
    return kept[provider]


def _said(facts: Facts | None) -> dict[str, object]:
    return facts.said() if facts else {}


def _parse(source: bytes) -> Mapping[str, Refreshed]:
    """Raises ValueError."""
    found = parse_object(source.decode("utf-8"))
    if found.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    providers = child(found, "providers")
    return {name: _provider(child(providers, name)) for name in providers}


def _provider(found: Object) -> Refreshed:
    models = child(found, "models")
    facts = {name: read_facts(child(models, name)) for name in list(models)[:MAX_MODELS]}
    return Refreshed(text(found, "as_of"), text(found, "source"), facts)


def _write(state_folder: Path, kept: Mapping[str, Refreshed]) -> None:
    """In one step: who reads it meanwhile has the old file or the new one."""
    providers = {
        name: {
            "as_of": one.as_of,
            "source": one.source,
            "models": {model: facts.said() for model, facts in one.models.items()},
        }
        for name, one in kept.items()
    }
    body = json.dumps(cast("object", {"format": FORMAT, "providers": providers}), ensure_ascii=False, indent=1)
    try:
        state_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{FILE}.", dir=state_folder)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(body)
            Path(name).replace(state_folder / FILE)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as e:
        raise ConfigError(f"What models are cannot be kept in {state_folder}: {e.strerror}") from e
