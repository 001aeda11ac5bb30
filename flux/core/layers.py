"""Where settings come from: layers of values, the files they stand in, and how a value of each kind is read.

Knows no setting by name; `flux.core.config` declares them and puts the layers in order.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from flux.core.errors import ConfigError
from flux.core.keys import Key, KeyHolder
from flux.core.secret import Secret, is_key, redact

LayerKind = Literal[
    "explicit",
    "environment",
    "project .env",
    "project config",
    "project action",
    "user .env",
    "user config",
    "user action",
    "key store",
    "default",
]

_WORDS: Mapping[LayerKind, str] = {
    "explicit": "the command line or the editor's settings",
    "environment": "the environment",
    "project .env": "the project's .env",
    "project config": "the project's .flux/config.toml",
    "project action": "the project's action",
    "user .env": "the user's own .env",
    "user config": "the user's own config.toml",
    "user action": "the user's own action",
    "key store": "what `flux auth` keeps",
    "default": "the defaults",
}
_MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A layer, and the file it was read from (None for the ones that are no files)."""

    kind: LayerKind
    file: Path | None = None

    @property
    def is_project(self) -> bool:
        """Whether somebody else may have written it: it came with the folder."""
        return self.kind in {"project .env", "project config", "project action"}

    @property
    def is_own(self) -> bool:
        """Whether only the user can have written it: not an editor's settings either, which a folder may add to."""
        return self.kind in {"environment", "user .env", "user config"}

    @property
    def uses_variables(self) -> bool:
        """Whether names are spelt as environment variables there."""
        return self.kind in {"environment", "project .env", "user .env"}

    def __str__(self) -> str:
        return f"{_WORDS[self.kind]} ({self.file})" if self.file else _WORDS[self.kind]


@dataclass(frozen=True, slots=True)
class RawLayer:
    """Values as they were found, under the names that their source uses."""

    source: Source
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Layer:
    """Values checked, under the names of the settings."""

    source: Source
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value may be. `parse` raises ValueError on anything else; `allowed` says it in words."""

    allowed: str
    parse: Callable[[object], object]


def read_variables(source: Source) -> RawLayer | None:
    """A `.env` file, None where there is none. Raises ConfigError where it cannot be read."""
    text = _read(source)
    if text is None:
        return None
    from dotenv import dotenv_values

    # A value is taken as written: `${...}` could carry a variable of the environment into a file's setting.
    values = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return RawLayer(source, {name: value for name, value in values.items() if value is not None})


def read_toml(source: Source) -> RawLayer | None:
    """A TOML file, None where there is none. Raises ConfigError where it cannot be read."""
    text = _read(source)
    if text is None:
        return None
    try:
        return RawLayer(source, tomllib.loads(text))
    except tomllib.TOMLDecodeError as e:
        raise ConfigError(f"{source} is not TOML: {e}", source=str(source)) from e


def _read(source: Source) -> str | None:
    if source.file is None:
        return None
    try:
        if not source.file.is_file():
            return None
        if source.file.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigError(f"{source} is larger than 1 MiB, which no settings are.", source=str(source))
        return source.file.read_bytes().decode("utf-8-sig")
    except OSError as e:
        raise ConfigError(f"{source} cannot be read: {e.strerror}", source=str(source)) from e
    except UnicodeDecodeError as e:
        raise ConfigError(f"{source} is not UTF-8 text.", source=str(source)) from e


def is_unset(value: object) -> bool:
    """An empty value leaves a setting to the weaker layers, as `FLUX_MODEL=` in a copied `.env.example` is meant."""
    return value is None or (isinstance(value, str) and not value.strip())


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value.strip()


def _word(value: object) -> str:
    return _text(value).lower()


def _key(value: object) -> Key:
    if isinstance(value, KeyHolder):
        return value
    text = value.reveal() if isinstance(value, Secret) else _text(value)
    if not is_key(text):
        raise ValueError
    return Secret(text)


def _url(value: object) -> str:
    text = _text(value).rstrip("/")
    scheme, separator, rest = text.partition("://")
    host = rest.partition("/")[0]
    if scheme.lower() not in {"http", "https"} or not separator or not host or "@" in host:
        raise ValueError
    if not text.isprintable() or " " in text or "?" in rest or "#" in rest:
        raise ValueError
    return text


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = _word(value)
    if word in {"true", "1", "yes", "on"}:
        return True
    if word in {"false", "0", "no", "off"}:
        return False
    raise ValueError


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _path(value: object) -> Path:
    return value if isinstance(value, Path) else Path(_text(value))


def split_command(text: str, *, is_windows: bool = os.name == "nt") -> list[str]:
    """The words of a command, quotes around those with blanks. On Windows a backslash is one. Raises ValueError."""
    words = shlex.shlex(text, posix=True, punctuation_chars=False)
    words.whitespace_split = True
    words.commenters = ""
    if is_windows:
        words.escape = ""
    return list(words)


def _command(value: object) -> tuple[str, ...]:
    words: object = split_command(value) if isinstance(value, str) else value
    found = cast("list[object]", words) if isinstance(words, list) else []
    if not found or not all(isinstance(word, str) for word in found):
        raise ValueError
    return tuple(str(word) for word in found)


def _names(value: object) -> tuple[str, ...]:
    given: object = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise ValueError
    names = tuple(_text(name) for name in cast("Sequence[object]", given))
    return tuple(name for name in names if name)


def _headers(value: object) -> Mapping[str, Secret]:
    headers = {name.lower(): text for name, text in _table(value).items()}
    if any(not _HEADER_NAME.fullmatch(name) or name in _OUR_HEADERS for name in headers):
        raise ValueError
    if not all(isinstance(text, str) and text.isascii() and text.isprintable() for text in headers.values()):
        raise ValueError
    return {name: Secret(str(text)) for name, text in headers.items()}


def _body(value: object) -> Mapping[str, object]:
    fields = _table(value)
    if not fields.keys().isdisjoint(_OUR_FIELDS):
        raise ValueError
    try:
        json.dumps(fields, allow_nan=False)
    except TypeError:  # such as a date of TOML
        raise ValueError from None
    return fields


def _table(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError
    return cast("dict[str, object]", value)  # keys of TOML and JSON are strings


_HEADER_NAME = re.compile("[a-z0-9!#$%&'*+.^_`|~-]+")
_OUR_HEADERS = {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"}
_OUR_FIELDS = {"model", "messages", "input", "system", "instructions", "tools", "stream"}

TEXT = Kind("text", _text)
WORD = Kind("a name", _word)
KEY = Kind("a key: printable ASCII without spaces", _key)
URL = Kind("a URL that begins with http:// or https://, without user, password or query", _url)
TRUTH = Kind("true or false", _truth)
COMMAND = Kind("a command: a text, or a list of its words", _command)
NAMES = Kind("a list of names, or a text with commas between them", _names)
HEADERS = Kind(f"a table of texts, and no header of Flux's own ({', '.join(sorted(_OUR_HEADERS))})", _headers)
BODY = Kind(f"a table, and none of {', '.join(sorted(_OUR_FIELDS))} in it", _body)
PATH = Kind("the path of a file", _path)


def choice(*words: str) -> Kind:
    """One of the words, in any case."""

    def parse(value: object) -> str:
        word = _word(value)
        if word not in words:
            raise ValueError
        return word

    return Kind(" or ".join(f'"{word}"' for word in words), parse)


def whole(minimum: int) -> Kind:
    """A whole number of at least `minimum`."""

    def parse(value: object) -> int:
        number = _number(value)
        if number != int(number) or number < minimum:
            raise ValueError
        return int(number)

    return Kind(f"a whole number of at least {minimum}", parse)


def between(minimum: float, maximum: float) -> Kind:
    """A number of the closed interval."""

    def parse(value: object) -> float:
        number = _number(value)
        if not minimum <= number <= maximum:
            raise ValueError
        return number

    return Kind(f"a number from {minimum:g} to {maximum:g}", parse)


def shown(value: object) -> str:
    """A value as a person may be shown it: on one line, without control characters and without keys."""
    if isinstance(value, Secret):
        return value.masked()
    if isinstance(value, bool):
        return str(value).lower()
    text = redact(str(value))
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
