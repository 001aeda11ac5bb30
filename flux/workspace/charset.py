"""The older encoding that a text is in, where that is certain: Western ones by rule, others by charset-normalizer.

A guess is held against what text looks like: no control characters, no word that changes its case in the middle. Where
two readings remain there is no answer. Knows no files, and nothing of UTF-8.
"""

from __future__ import annotations

import itertools
import re
import unicodedata

_WESTERN = ("latin-1", "cp1252")
_WORD_WITH_ACCENT = re.compile(r"[^\W\d_]*[^\W\d_\x00-\x7f][^\W\d_]*")
_ACCENTED = re.compile(r"[^\x00-\x7f]+")
_SYMBOL_IN_WORD = re.compile(r"(?<=[^\W\d_])[^\x00-\x7f\w’·\xad](?=[^\W\d_])")
_SYMBOL_AFTER_WORD = re.compile(r"(?<=[^\W\d_])[¡-¨ª¬¯±´-¸¹¼-¿‚„†‡‹‘“]|(?<=[^\W\d_m])[²³]")
_WORD = re.compile(r"[^\W\d_]+")
_MOST_LETTERS_TOGETHER = 2
"""Letters with accents stand alone or in pairs in Western words; of other scripts whole words are made of them."""
_LEAST_EVIDENCE = 8
"""Characters without which a statistic says nothing."""
_SURE, _DOUBTFUL = 0.01, 0.02
"""Disorder, as charset-normalizer measures it: what the best of several readings has at most, the others at least."""


def older_encoding(data: bytes) -> str | None:
    """The Python codec that the bytes are in; None where that is not certain. They are not UTF-8.

    Decoding and encoding by it gives the same bytes again. A megabyte may take a second; charset-normalizer is imported
    when it is first needed.
    """
    if b"\0" in data:
        return _utf_16(data)
    if is_binary(data):
        return None
    for encoding in _WESTERN:
        text = _decoded(data, encoding)
        if text is not None and _is_western(text):
            return encoding
    return _measured(data)


def is_binary(data: bytes) -> bool:
    """Whether there are bytes that no text of one byte or more for a character has."""
    return not _CONTROLS.isdisjoint(data)


_CONTROLS = frozenset(range(0x20)) - {*b"\t\n\v\f\r\x1b"} | {0x7F}


def _utf_16(data: bytes) -> str | None:
    """UTF-16 without a mark: a mostly ASCII text, whose zero bytes all have places of one parity."""
    for encoding, zeros, others in (("utf-16-le", data[1::2], data[::2]), ("utf-16-be", data[::2], data[1::2])):
        is_mostly_ascii = b"\0" not in others and 2 * zeros.count(0) >= len(zeros) >= _LEAST_EVIDENCE
        if is_mostly_ascii and _decoded(data, encoding) is not None:
            return encoding
    return None


def _measured(data: bytes) -> str | None:
    from charset_normalizer import from_bytes

    readings: dict[str, tuple[float, str]] = {}
    for match in from_bytes(data):
        text = None if match.encoding.startswith("utf") else _decoded(data, match.encoding)
        if text is not None and text not in readings and _is_of_one_script(text):
            readings[text] = (match.chaos, match.encoding)
    ranked = sorted(readings.values())
    if not ranked or (len(ranked) > 1 and not (ranked[0][0] <= _SURE and ranked[1][0] >= _DOUBTFUL)):
        return None
    return ranked[0][1]


def _decoded(data: bytes, encoding: str) -> str | None:
    """The text, None where it is not one in this encoding or would not become the same bytes again."""
    try:
        text = data.decode(encoding)
        is_same = text.encode(encoding) == data
    except UnicodeError:
        return None
    return text if is_same and not _has_controls(text) else None


def _has_controls(text: str) -> bool:
    """Whether there is a character that no text has: a control, an unassigned or a private one."""
    return any(unicodedata.category(character) in {"Cc", "Cn", "Co", "Cs"} for character in set(text) - {*"\t\n\v\f\r"})


def _is_western(text: str) -> bool:
    if 3 * sum(not character.isascii() for character in text) > len(text):
        return False
    if _SYMBOL_IN_WORD.search(text) or _SYMBOL_AFTER_WORD.search(text):
        return False
    return all(map(_is_western_word, _WORD_WITH_ACCENT.findall(text)))


def _is_western_word(word: str) -> bool:
    longest = max(map(len, _ACCENTED.findall(word)))
    return longest <= _MOST_LETTERS_TOGETHER and not 1 < len(word) == longest and not _changes_case(word)


def _changes_case(word: str) -> bool:
    """Whether a capital letter beyond ASCII comes after a small one."""
    return any(a.islower() and b.isupper() and not b.isascii() for a, b in itertools.pairwise(word))


def _is_of_one_script(text: str) -> bool:
    """Whether the letters beyond ASCII are those of one writing, and enough to tell."""
    letters = [character for character in text if not character.isascii() and character.isalpha()]
    if len(letters) < _LEAST_EVIDENCE:
        return False
    scripts = {unicodedata.name(letter, "?").split(" ", 1)[0] for letter in set(letters)}
    if not any(scripts <= writing for writing in _WRITINGS):
        return False
    return not any(map(_changes_case, _WORD.findall(text)))


_WRITINGS = (
    {"CYRILLIC"},
    {"GREEK"},
    {"HEBREW"},
    {"ARABIC"},
    {"THAI"},
    {"CJK", "IDEOGRAPHIC"},
    {"HANGUL", "CJK"},
    {"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "FULLWIDTH"},
)
