"""Logging to standard error or a file, never to standard output, which is the protocol. Keys are taken out."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from pathlib import Path

from flux.core.errors import ConfigError
from flux.core.secret import Secret, redact

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class RedactingFormatter(logging.Formatter):
    """Formats a record, traceback included, and then hides every known key and whatever looks like one.

    A filter would see the message only, not the traceback that is added to it.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        super().__init__(_FORMAT)
        self.secrets = set(secrets)

    def hide(self, secrets: Iterable[Secret]) -> None:
        """Also keep these out from now on, such as a key that an editor sends later."""
        self.secrets.update(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record), self.secrets)


def hide(secret: Secret) -> None:
    """Keep this key out of every log from now on, as one that was fetched after logging began."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, RedactingFormatter):
            handler.formatter.hide((secret,))


def start_logging(
    file: Path | None = None, secrets: Iterable[Secret] = (), level: int = logging.WARNING
) -> RedactingFormatter:
    """Log what all libraries say from `level` on, to the file or else to standard error.

    Replaces an earlier call, whose keys stay hidden.

    Raises ConfigError where the file cannot be opened.
    """
    try:
        handler = logging.FileHandler(file, encoding="utf-8") if file else logging.StreamHandler(sys.stderr)
    except OSError as e:
        raise ConfigError(f"The log file {file} cannot be opened: {e.strerror}", key="log_file") from e
    formatter = RedactingFormatter(secrets)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for earlier in root.handlers[:]:
        if isinstance(earlier.formatter, RedactingFormatter):
            formatter.hide(earlier.formatter.secrets)
            root.removeHandler(earlier)
            earlier.close()
    root.addHandler(handler)
    root.setLevel(level)
    return formatter
