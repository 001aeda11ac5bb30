"""What Ollama says of its models: the lists, one model's own word, and the progress of a download.

Fields: Ollama's `docs/api.md` (2026-11-21), "List Local Models", "List Running Models", "Show Model Information",
"Pull a Model". What is missing or of another type counts as not said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from flux.llm.base_provider import ServedModel
from flux.llm.wire.json_values import Object, child, children, count, text, to_bytes

_NUM_CTX = re.compile(r"^\s*num_ctx\s+(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model's own word. Windows in tokens, None where it has none.

    `trained_tokens` is what it was made for, `set_tokens` what whoever packed it has chosen, `abilities` None where the
    server is too old to tell them. `runs_here` is false of a model that this server only passes on to another.
    """

    trained_tokens: int | None
    set_tokens: int | None
    abilities: frozenset[str] | None
    runs_here: bool


def encode_name(model: str) -> bytes:
    """The body of a question about one model, and of the order to download it."""
    return to_bytes({"model": model})


def read_card(shown: Object) -> ModelCard:
    """What `/api/show` answers."""
    info = child(shown, "model_info")
    trained = count(info, f"{text(info, 'general.architecture')}.context_length")
    found = _NUM_CTX.search(text(shown, "parameters"))
    abilities = shown.get("capabilities")
    return ModelCard(
        trained or None,
        int(found[1]) or None if found else None,
        frozenset(map(str, cast("list[object]", abilities))) if isinstance(abilities, list) else None,
        runs_here=not text(shown, "remote_host"),
    )


def read_loaded(running: Object) -> dict[str, int]:
    """What `/api/ps` answers: the loaded models, each with its window in tokens, 0 where it is not told."""
    return {text(model, "name"): count(model, "context_length") for model in children(running, "models")}


def read_list(tags: Object, loaded: Iterable[str]) -> Sequence[ServedModel]:
    """What `/api/tags` answers: the models on this machine, those that are loaded first."""
    present = set(loaded)
    models = [
        ServedModel(
            name,
            is_loaded=name in present,
            runs_here=not text(model, "remote_host"),
            size_bytes=count(model, "size") or None,
        )
        for model in children(tags, "models")
        if (name := text(model, "name"))
    ]
    return sorted(models, key=lambda model: not model.is_loaded)


def is_same_model(one: str, other: str) -> bool:
    """Whether two names mean one model: `:latest` may be left out."""
    return _with_tag(one) == _with_tag(other)


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a download is. `total_bytes` grows as the server learns of more parts; 0 before it knows of any."""

    status: str
    completed_bytes: int = 0
    total_bytes: int = 0


class PullReader:
    """Adds up the parts of one download."""

    def __init__(self) -> None:
        self.is_done = False
        self._parts: dict[str, tuple[int, int]] = {}

    def read(self, line: Object) -> PullProgress:
        """How far it is by this line of the answer."""
        status = text(line, "status")
        self.is_done |= status == "success"
        if digest := text(line, "digest"):
            completed, total = self._parts.get(digest, (0, 0))
            self._parts[digest] = (max(completed, count(line, "completed")), max(total, count(line, "total")))
        parts = self._parts.values()
        return PullProgress(status, sum(done for done, _ in parts), sum(total for _, total in parts))


def _with_tag(name: str) -> str:
    return (name if ":" in name.rpartition("/")[2] else f"{name}:latest").lower()
