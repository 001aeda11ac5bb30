"""Logging to standard error or a file, never to standard output, which is the protocol. Keys are taken out."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from flux.core.errors import ConfigError
from flux.core.secret import Secret, redact

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

MAX_BYTES = 4 << 20
"""A log file that has so many is set aside, and a new one begins."""
KEPT = 3
"""So many are kept that were set aside: `flux.log.1` is the newest."""


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


class RotatedFile(logging.Handler):
    """Writes each record to the end of a file, and lets go of it again.

    So several processes may log into one file, any of them may set it aside, and Windows lets it be renamed. Where that
    does not succeed all the same, it is tried again with the next record. Raises OSError where the file cannot be
    opened.
    """

    def __init__(self, file: Path, max_bytes: int = MAX_BYTES, kept: int = KEPT) -> None:
        super().__init__()
        self._file = file
        self._max_bytes = max_bytes
        self._kept = kept
        self._write(b"")

    def emit(self, record: logging.LogRecord) -> None:
        line = f"{self.format(record)}\n"
        try:
            self._rotate()
            self._write(line.encode("utf-8", "backslashreplace"))
        except OSError as e:  # such as a full disk; the library's own complaint would show what is not redacted
            with suppress(OSError, ValueError):
                sys.stderr.write(f"{self._file}: {e.strerror}; not logged there: {line}")

    def _write(self, data: bytes) -> None:
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)

    def _rotate(self) -> None:
        with suppress(OSError):
            if self._file.stat().st_size < self._max_bytes:
                return
            names = [self._file, *(self._file.with_name(f"{self._file.name}.{n + 1}") for n in range(self._kept))]
            for newer, older in reversed(list(pairwise(names))):
                if newer.exists():
                    newer.replace(older)


def hide(secret: Secret) -> None:
    """Keep this key out of every log from now on, as one that was fetched after logging began."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, RedactingFormatter):
            handler.formatter.hide((secret,))


def start_logging(
    file: Path | None = None, secrets: Iterable[Secret] = (), level: int | str = logging.WARNING
) -> RedactingFormatter:
    """Log what all libraries say from `level` on, a number or a word, to the file or else to standard error.

    Replaces an earlier call, whose keys stay hidden.

    Raises ConfigError where the file cannot be opened.
    """
    try:
        handler = RotatedFile(file) if file else logging.StreamHandler(sys.stderr)
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
    root.setLevel(level.upper() if isinstance(level, str) else level)
    return formatter
