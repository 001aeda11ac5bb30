"""The bytes of a file and its text. What could not be written back exactly is refused, never changed silently."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from flux.core.errors import NotText, WriteRefused

MAX_TEXT_BYTES = 2 * 1024 * 1024
"""A larger file is not shown to a model, nor written for one."""

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True, slots=True)
class DecodedText:
    """A text without its byte order mark, and what is needed to turn it into the same bytes again."""

    text: str
    encoding: str = "utf-8"
    has_bom: bool = False


def decode(data: bytes, name: str) -> DecodedText:
    """The text of UTF-8 bytes, or of UTF-16 bytes with a byte order mark. Raises NotText; `name` is for its message."""
    check_size(len(data), name)
    mark, encoding = next(((mark, encoding) for mark, encoding in _MARKS if data.startswith(mark)), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as e:
        if b"\0" in data:
            raise _binary(name) from e
        offset = len(mark) + e.start
        line = data.count(b"\n", 0, offset) + 1
        raise NotText(
            f"{name} is not {encoding.upper()}: byte 0x{data[offset]:02x} in line {line} (Latin-1 or another older "
            "encoding?). Flux leaves it alone, so that nothing in it is lost.",
            path=name,
            hint="Convert it to UTF-8 in the editor first.",
        ) from e
    if "\0" in text:
        raise _binary(name)
    decoded = DecodedText(text, encoding, bool(mark))
    if encode(decoded, name) != data:
        raise NotText(f"{name} cannot be written back exactly as it is, so Flux leaves it alone.", path=name)
    return decoded


def encode(decoded: DecodedText, name: str) -> bytes:
    """The bytes of the text. Raises WriteRefused where the text holds half a surrogate pair."""
    mark = next((mark for mark, encoding in _MARKS if encoding == decoded.encoding), b"") if decoded.has_bom else b""
    try:
        return mark + decoded.text.encode(decoded.encoding)
    except UnicodeEncodeError as e:
        raise WriteRefused(
            f"{name} was not written: the new text holds half a character (U+{ord(decoded.text[e.start]):04X}).",
            path=name,
            hint="Write the character itself, not one half of an escaped surrogate pair.",
        ) from e


def check_size(size_bytes: int, name: str) -> None:
    """Raises NotText for a file that is too large to show."""
    if size_bytes > MAX_TEXT_BYTES:
        raise NotText(
            f"{name} is too large to show: {size_bytes / 1024 / 1024:.1f} MB; the limit is "
            f"{MAX_TEXT_BYTES // 1024 // 1024} MB.",
            path=name,
            hint="Ask the user for the part that matters.",
        )


def _binary(name: str) -> NotText:
    return NotText(f"{name} is a binary file, not text.", path=name)
