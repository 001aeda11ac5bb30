"""What a tool is. A tool knows the workspace and the edit engine, not the model, the turn or the user's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from flux.core.errors import InvalidArguments
from flux.core.messages import ToolSpec
from flux.edits.plan import EditPlan
from flux.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Finding:
    """An answer for the model. `summary` is a few words for the user (`3 files`)."""

    text: str
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Changes to be approved by the user, then applied by the turn. `summary` is told to the model once applied."""

    plan: EditPlan
    summary: str


Outcome = Finding | Proposal


class Arguments:
    """The arguments of one call, checked as they are asked for.

    Every method raises InvalidArguments with a sentence that the model can act on.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        value = self.values.get(name, default)
        if not isinstance(value, str):
            raise InvalidArguments(f"`{name}` must be a string{self._given(name)}.")
        return value

    def integer(self, name: str, default: int | None = None) -> int | None:
        """A whole number; `12` and `12.0` count, also as a string, since models write all three."""
        value = self.values.get(name)
        if value is None:
            return default
        try:
            number = float(value) if not isinstance(value, bool) else None
        except (TypeError, ValueError):
            number = None
        if number is None or number != int(number):
            raise InvalidArguments(f"`{name}` must be a whole number{self._given(name)}.")
        return int(number)

    def flag(self, name: str) -> bool:
        """A boolean, false where it is absent."""
        value = self.values.get(name, False)
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        if not isinstance(value, bool):
            raise InvalidArguments(f"`{name}` must be true or false{self._given(name)}.")
        return value

    def objects(self, name: str) -> Sequence[Arguments]:
        """A list of at least one object."""
        value: object = self.values.get(name)
        items = cast("list[object]", value) if isinstance(value, list) else []
        objects = [Arguments(cast("dict[str, Any]", item)) for item in items if isinstance(item, dict)]
        if not items or len(objects) != len(items):
            raise InvalidArguments(f"`{name}` must be a list of at least one object{self._given(name)}.")
        return objects

    def texts(self, name: str) -> Sequence[str]:
        """A list of at least one string; a single string counts as one."""
        value: object = self.values.get(name)
        items = [value] if isinstance(value, str) else cast("list[object]", value) if isinstance(value, list) else []
        texts = [item for item in items if isinstance(item, str)]
        if not items or len(texts) != len(items):
            raise InvalidArguments(f"`{name}` must be a list of at least one string{self._given(name)}.")
        return texts

    def _given(self, name: str) -> str:
        if name not in self.values:
            return f", but the call has none (it has: {', '.join(self.values) or 'nothing'})"
        return f", not {type(self.values[name]).__name__}"


class Tool(Protocol):
    """One file in this package implements one tool."""

    @property
    def spec(self) -> ToolSpec: ...

    @property
    def is_read_only(self) -> bool:
        """Read-only calls of one answer run side by side; others one after another, in the model's order."""
        ...

    def title(self, arguments: Arguments) -> str:
        """The call in words for the user, e.g. `read flux/core/text.py`. Raises InvalidArguments."""
        ...

    async def call(self, arguments: Arguments, workspace: Workspace) -> Outcome:
        """Do it. Raises any FluxError, which the turn gives to the model as the call's result."""
        ...
