"""Settings from the editor, and the questions that belong to them.

Weakest first: `initializationOptions.settings`, the editor's section `flux` as it was sent with
`workspace/didChangeConfiguration`, that section as it was asked for, what `flux/setSettings` brought. Together they are
the explicit layer of `flux.core.config`, which adds the others and decides what each may do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from flux.core.errors import ConfigError
from flux.lsp.editor import LspEditor

if TYPE_CHECKING:
    from flux.core.config import Loaded, Settings
    from flux.core.trust import TrustStore

logger = logging.getLogger(__name__)

SECTION = "flux"
TRUST, NOT_NOW = "Let it take effect", "Not now"


class EditorSettings:
    """What is set for one connection. Loaded when first used, and again after something changed, also on the disk.

    `log_file` is the command line's word, which wins over the editor's.
    """

    def __init__(self, editor: LspEditor, log_file: Path | None = None) -> None:
        self._editor = editor
        self._command_line: Mapping[str, object] = {"log_file": log_file} if log_file else {}
        self._initial: Mapping[str, object] = {}
        self._pushed: Mapping[str, object] = {}
        self._given: dict[str, object] = {}
        self._secrets: tuple[str, ...] = ()
        self._loaded: Loaded | None = None
        self._loaded_for: tuple[object, ...] = ()
        self._changes = 0
        self._loading = asyncio.Lock()
        self._told: set[str] = set()
        self._refused: set[str] = set()
        self._trust: TrustStore | None = None

    def begin(self, options: Mapping[str, object]) -> None:
        """Take the initialization options."""
        settings = options.get("settings")
        self._initial = cast("dict[str, object]", settings) if isinstance(settings, dict) else {}
        secrets = options.get("secrets")
        names = cast("list[object]", secrets) if isinstance(secrets, list) else []
        self._secrets = tuple(name for name in names if isinstance(name, str))

    def give(self, values: Mapping[str, object]) -> None:
        """Put values on top of all others, until the server ends."""
        self._given.update(values)
        self._secrets = tuple(name for name in self._secrets if name not in values)  # a new one, or none any more
        self._changes += 1

    def change(self, settings: object) -> None:
        """The editor's configuration changed; some send it along. Loaded again at the next use."""
        section = cast("dict[str, object]", settings).get(SECTION) if isinstance(settings, dict) else None
        if isinstance(section, dict):
            self._pushed = cast("dict[str, object]", section)
        self._changes += 1

    async def loaded(self, folder: str) -> Loaded:
        """The settings, and what is to be told of them; nothing is asked. Raises ConfigError.

        Their files are looked at each time: few editors tell of all that changes on the disk.
        """
        from flux.core.config import settings_stamp

        async with self._loading:  # a thousand notices of changed files are one question to the editor
            present = (self._changes, folder, settings_stamp(Path(folder)))
            if self._loaded is None or self._loaded_for != present:
                self._loaded, self._loaded_for = await self._read(folder), present
            return self._loaded

    async def load(self, folder: str, *, may_ask: bool) -> Settings:
        """The settings for work in a folder. Raises ConfigError.

        `may_ask`: the user wants something now, and can be asked whether the folder's own files may take effect.
        """
        loaded = await self.loaded(folder)
        question = loaded.trust_question
        if may_ask and question is not None and question.digest not in self._refused:
            if await self._editor.choose(str(question), (TRUST, NOT_NOW)) == TRUST:
                self._trust_store().grant(question)
                loaded = self._loaded = await self._read(folder)
            else:
                self._refused.add(question.digest)
        return loaded.settings

    @property
    def waits_for_trust(self) -> bool:
        """Whether the folder's files would set something that the user was not asked about yet."""
        return self._loaded is not None and self._loaded.trust_question is not None

    async def _read(self, folder: str) -> Loaded:
        from flux.core.config import load_settings
        from flux.lsp.secrets import EditorKey

        section = await self._editor.configuration(SECTION)
        kept = {name: EditorKey(name, self._editor) for name in self._secrets}
        explicit = {
            **_set(self._initial),
            **_set(self._pushed),
            **_set(section),
            **kept,
            **_set(self._given),
            **self._command_line,
        }
        loaded = load_settings(Path(folder), explicit, trust=self._trust_store(), leaves_out=True)
        if untold := [warning for warning in loaded.warnings if warning not in self._told]:
            self._told.update(untold)
            self._editor.show(f"Flux: {' '.join(untold)}", "warning")
        self._log_as_set(loaded.settings)
        return loaded

    def _trust_store(self) -> TrustStore:
        """The one of this connection: without a home folder it alone knows the answers."""
        if self._trust is None:
            from flux.core.config import find_user_folders
            from flux.core.trust import TrustStore

            self._trust = TrustStore(find_user_folders().state)
        return self._trust

    def _log_as_set(self, settings: Settings) -> None:
        from flux.core.log import start_logging

        try:
            start_logging(settings.log_file, settings.secrets(), settings.log_level)
        except ConfigError as e:
            self._editor.show(str(e), "warning")


def _set(values: Mapping[str, object]) -> dict[str, object]:
    """Without what an editor sends for settings that are not set."""
    return {name: value for name, value in values.items() if value is not None and value != ""}
