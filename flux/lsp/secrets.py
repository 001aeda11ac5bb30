"""Keys that the editor keeps in a store of its own: asked for one by one, when a request to a provider needs one."""

from __future__ import annotations

from dataclasses import dataclass, field

from flux.core.keys import KeyHolder, checked_key
from flux.core.secret import Secret
from flux.lsp.editor import LspEditor


@dataclass(frozen=True, slots=True)
class EditorKey(KeyHolder):
    """The key that the editor keeps for a setting, such as `anthropic_api_key` or `providers.work.api_key`."""

    setting: str
    editor: LspEditor = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"the key that your editor keeps as {self.setting}"

    async def fetch(self) -> Secret:
        return checked_key(await self.editor.secret(self.setting), str(self))
