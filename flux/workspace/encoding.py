"""The bytes of a file and its text. What could not be written back exactly is refused, never changed silently.

UTF-8 and UTF-16 are known by trying or by their marks; which older encoding a text is in, `charset` says.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from flux.core.errors import NotText, WriteRefused
from flux.workspace.charset import is_binary, older_encoding

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
    """The text of UTF-8 bytes, of UTF-16 bytes, or of bytes in an older encoding where it is certain which.

    Raises NotText; `name` is for its message.
    """
    check_size(len(data), name)
    mark, encoding = next(((mark, encoding) for mark, encoding in _MARKS if data.startswith(mark)), (b"", "utf-8"))
    if not mark and (b"\0" in data or not _is_utf_8(data)):
        encoding = older_encoding(data) or encoding
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as e:
        raise _not_text(data, encoding, len(mark) + e.start, name) from e
    if "\0" in text:
        raise _binary(name)
    decoded = DecodedText(text, encoding, bool(mark))
    if encode(decoded, name) != data:
        raise NotText(f"{name} cannot be written back exactly as it is, so Flux leaves it alone.", path=name)
    return decoded


def encode(decoded: DecodedText, name: str) -> bytes:
    """The bytes of the text. Raises WriteRefused where it holds what the encoding has no place for."""
    mark = next((mark for mark, encoding in _MARKS if encoding == decoded.encoding), b"") if decoded.has_bom else b""
    try:
        return mark + decoded.text.encode(decoded.encoding)
    except UnicodeEncodeError as e:
        character = decoded.text[e.start]
        if "\ud800" <= character <= "\udfff":
            raise WriteRefused(
                f"{name} was not written: the new text holds half a character (U+{ord(character):04X}).",
                path=name,
                hint="Write the character itself, not one half of an escaped surrogate pair.",
            ) from e
        line = decoded.text.count("\n", 0, e.start) + 1
        raise WriteRefused(
            f"{name} was not written: it is in {_title(decoded.encoding)}, which has no {character!r} "
            f"(U+{ord(character):04X}), wanted in line {line}.",
            path=name,
            hint="Write it without that character, or ask the user to convert the file to UTF-8.",
        ) from e


def encode_anew(decoded: DecodedText, name: str) -> tuple[bytes, DecodedText]:
    """The bytes of a changed text, and what will be read from them.

    Raises WriteRefused also where the encoding could no longer be told from the new bytes.
    """
    data = encode(decoded, name)
    if shows_in_bytes(decoded.encoding, has_bom=decoded.has_bom):
        return data, decode(data, name)
    try:
        again = decode(data, name)
    except NotText:
        again = None
    if again is None or again.text != decoded.text:
        raise WriteRefused(
            f"{name} was not written: with the new text nobody could tell any more that it is in "
            f"{_title(decoded.encoding)}.",
            path=name,
            hint="Ask the user to convert it to UTF-8.",
        )
    return data, again


def shows_in_bytes(encoding: str, *, has_bom: bool) -> bool:
    """Whether every program can tell the encoding from the bytes alone."""
    return has_bom or encoding == "utf-8"


def check_size(size_bytes: int, name: str, limit: int = MAX_TEXT_BYTES) -> None:
    """Raises NotText for a file that is too large to show; `limit` in bytes."""
    if size_bytes > limit:
        raise NotText(
            f"{name} is too large to show: {size_bytes / 1024 / 1024:.1f} MB; the limit is {limit // 1024 // 1024} MB.",
            path=name,
            hint="Ask the user for the part that matters.",
        )


def _is_utf_8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _not_text(data: bytes, encoding: str, offset: int, name: str) -> NotText:
    if is_binary(data) and encoding == "utf-8":
        return _binary(name)
    line = data.count(b"\n", 0, offset) + 1
    return NotText(
        f"{name} is not {_title(encoding)}: byte 0x{data[offset]:02x} in line {line}, and it is not certain which "
        "older encoding it is in. Flux leaves it alone, so that nothing in it is lost.",
        path=name,
        hint="Ask the user to convert it to UTF-8.",
    )


def _title(encoding: str) -> str:
    return encoding.replace("_", "-").upper()


def _binary(name: str) -> NotText:
    return NotText(f"{name} is a binary file, not text.", path=name)
