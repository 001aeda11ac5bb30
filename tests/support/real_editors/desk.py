"""What the desks of real editors share: what the editor tells is heard by a `Listener`, which asks for edits."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.fake_editors.desk import Desk, Report
from tests.support.real_editors.listener import Listener

RELAY = {"python": sys.executable, "relay": str(Path(__file__).with_name("relay.py"))}


class RealDesk(Desk):
    def __init__(self, folder: Path, listener: Listener) -> None:
        self.folder = folder
        self.listener = listener

    def announced(self) -> Mapping[str, Any]:
        return self.listener.announced

    def reports(self) -> Sequence[Report]:
        return self.listener.told

    async def apply(self, edit: Mapping[str, Any]) -> Any:
        return await self.listener.request("workspace/applyEdit", {"label": "probe", "edit": edit})

    async def settled(self, name: str) -> None:
        has = await self.text(name)

        def is_told() -> bool:
            found = self.mirror(name)
            return found is not None and self.as_saved(name, found[1]) == has

        try:
            await self.listener.until(is_told, bound_s=5)
        except TimeoutError:
            raise AssertionError(f"the editor has {has!r}, and told {self.mirror(name)}: {self.reports()}") from None

    def as_saved(self, name: str, told: str) -> str:
        """What is saved where this was told."""
        return told

    def length(self, name: str) -> int:
        found = self.mirror(name)
        return -1 if found is None else len(found[1])

    async def after_change(self, act: Callable[[], object]) -> None:
        """Return when the editor has told something after the act."""
        count = len(self.listener.told)
        act()
        await self.listener.until(lambda: len(self.listener.told) > count)
