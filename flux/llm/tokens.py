"""Counting tokens: exactly where a model's tokenizer is on disk, else by an estimate that errs on the high side.

Nothing is downloaded unasked: only `install_ranks` (the command `flux tokens install`) uses the network.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from flux.core.errors import ConfigError, ConnectionFailed
from flux.core.limits import TokenCounter, TokenKinds
from flux.core.text import split_lines

if TYPE_CHECKING:
    import tiktoken

CHUNK_CHARACTERS = 1 << 16
"""tiktoken's cost grows faster than its input: 64 KiB at a time, cut at line ends, took at most 34 ms (0.14.0)."""

SAMPLED_CHARACTERS = 1 << 17
"""Of a longer text evenly spread pieces of this length in all are looked at: 30 ms, however long it is."""
_SAMPLES = 32

_DENSE = re.compile(r"[A-Za-z0-9+/=_-]{64,}")  # base64, hashes, minified names
_HEXADECIMAL = re.compile(r"[0-9a-fA-F-]+")
_ONE_CHARACTER = re.compile(r"(.)\1{7,}")  # zeros in base64, lines drawn with dashes
_SMALL = "a-z\u00df-\u024f\u0300-\u036f\u1e00-\u1eff"
_WORD = re.compile(f"[A-Z\u00c0-\u00de]?[{_SMALL}]+|[A-Z]+(?![{_SMALL}])|[A-Z]")
_MARK = r"!-/:-@\[-`{-~"
_COSTS = (
    (re.compile(r"(?<= )[A-Za-z]{4,6}(?![A-Za-z])"), -0.6),  # less: a common word by itself
    (re.compile(r"(?<= )[A-Za-z]{7,9}(?![A-Za-z])"), -0.95),
    (re.compile(r"(?<=_)[a-z]|(?<=[a-z])[A-Z]"), -0.95),  # less: a word within a name
    (re.compile(rf"(?<=[{_MARK}])[A-Za-z](?=[{_MARK}])"), -0.45),  # less: letters between marks, as in minified code
    (re.compile(r"[0-9]{1,3}"), 0.7),
    (re.compile(r"(?<=\S) (?=[0-9])"), 1.5),  # the blank before a number
    (re.compile(rf"(?<=[0-9])[{_MARK}](?=[0-9])"), 0.55),  # more, within a number
    (re.compile(rf"(?<=[A-Za-z0-9])[{_MARK}](?=[A-Za-z])"), 0.2),  # a mark that goes with its word
    (re.compile(rf"(?<=[ \t\n])[{_MARK}](?=[A-Za-z])"), 0.85),  # one that goes with the blank before it
    (re.compile(rf"(?<![{_MARK}])[{_MARK}]{{2,}}+(?=[A-Za-z])"), 0.17),
    (re.compile(rf"(?<![{_MARK}])[{_MARK}]++(?![A-Za-z\r\n])"), 0.95),
    (re.compile(rf"(?<![{_MARK}])[{_MARK}]++[\r\n]+"), 1.2),
    (re.compile(rf"(?<![{_MARK}\r\n])[\r\n]+(?:[ \t]*[\r\n]+)*"), 1.75),
    (re.compile(r"(?<![ \t])[ \t]{2,}+(?=\S)"), 0.85),
)
"""What one match of each costs beside the words. All are linear, also over a million blanks."""
_ACCENTS = (
    ("[\x80-\xff]", 0.75),  # of western Europe
    ("[\u0100-\u036f]", 1.15),  # of eastern Europe
    ("[\u1e00-\u1eff]", -1.0),  # Vietnamese: short words, most of them known
)
"""What a letter costs beside its word; compiled when such text comes."""
_MORE_MARKS = re.compile(rf"[{_MARK}]{{3,}}")
_SCRIPTS = (
    ("[\u0400-\u052f]", 0.28),  # Cyrillic
    ("[\u0370-\u03ff\u0530-\u1dff\u1f00-\u1fff]", 0.37),  # Greek, Arabic, Indian scripts, Thai and others
    ("[\u2000-\u206f]", 1.6),  # dashes, quotation marks
    ("[\u2070-\u303f\ue000-\uf8ff\uff00-\uffef]", 0.9),  # symbols, punctuation of East Asia
    ("[\u3040-\u30ff]", 0.66),  # Kana
    ("[\u3400-\u9fff\uf900-\ufaff]", 0.73),  # Han
    ("[\uac00-\ud7af]", 0.7),  # Hangul
    ("[\U00010000-\U0010ffff]", 2.0),  # emoji
)
"""Compiled when such text comes: the large ones take a millisecond each."""
_LONGEST_BLANK = 80
"""The most blanks that are one token."""
_BASE64_COST, _HEXADECIMAL_COST = 0.68, 0.58


_WORD_COSTS = ((1, 1.45), (2, 0.95), (3, 1.1), (6, 1.5), (9, 1.95), (13, 1.85))


def _word_cost(length: int) -> float:
    """What a word of so many letters costs, its blank included: a mean over languages and programs."""
    for longest, cost in _WORD_COSTS:
        if length <= longest:
            return cost
    return 3.0 + 0.7 * (length - 14)


def estimate_kinds(text: str) -> TokenKinds:
    """About how many tokens the text has in a tokenizer of o200k's size, by kind.

    The costs are a fit to o200k_base on half of 2,200 files and pieces (Python, JavaScript, also minified, C, Lua,
    Markdown, JSON, logs, base64, hex dumps, 40 languages, 2026-11-22); on the other half most kinds are off by 1 to 5 %
    (median) and by 4 to 16 % (p95).
    """
    if len(text) > SAMPLED_CHARACTERS:
        return _sampled(text)
    dense = 0.0
    if runs := _DENSE.findall(text):
        dense = sum(map(_dense_cost, runs))
        text = _DENSE.sub(" ", text)
    lengths = Counter(map(len, _WORD.findall(text)))
    words = sum(_word_cost(length) * number for length, number in lengths.items())
    words += sum(cost * len(pattern.findall(text)) for pattern, cost in _COSTS)
    words += 0.77 * sum(len(run) - 2 for run in _MORE_MARKS.findall(text) if len(set(run)) > 1)
    other = 0.0
    if not text.isascii():
        words += sum(cost * len(re.findall(pattern, text)) for pattern, cost in _ACCENTS)
        other = sum(cost * len(re.findall(pattern, text)) for pattern, cost in _SCRIPTS)
    if not other:
        words = max(words, len(text) / _LONGEST_BLANK)
    return TokenKinds(words, dense, other)


def _dense_cost(run: str) -> float:
    run, alike = _ONE_CHARACTER.subn("", run)
    return 1.5 * alike + len(run) * (_HEXADECIMAL_COST if _HEXADECIMAL.fullmatch(run) else _BASE64_COST)


def _sampled(text: str) -> TokenKinds:
    size = SAMPLED_CHARACTERS // _SAMPLES
    step = (len(text) - size) / (_SAMPLES - 1)
    found = TokenKinds()
    for number in range(_SAMPLES):
        at = round(number * step)
        found += estimate_kinds(text[at : at + size])
    share = len(text) / SAMPLED_CHARACTERS
    return TokenKinds(found.words * share, found.dense * share, found.other * share)


def estimate_tokens(text: str) -> int:
    """About how many tokens the text has in a tokenizer of o200k's size; of a text that is not empty at least one."""
    return _whole(estimate_kinds(text).weighed(ALIKE), text)


def _whole(tokens: float, text: str) -> int:
    return max(round(tokens), 1) if text else 0


ALIKE = TokenKinds(1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class EstimatedCounter:
    """Counts by the kind of text. `factors` are how many tokens a model's tokenizer makes of one of o200k's."""

    factors: TokenKinds = ALIKE

    @property
    def is_exact(self) -> bool:
        return False

    def count(self, text: str) -> int:
        return _whole(estimate_kinds(text).weighed(self.factors), text)

    def kinds(self, text: str) -> TokenKinds:
        found, by = estimate_kinds(text), self.factors
        return TokenKinds(found.words * by.words, found.dense * by.dense, found.other * by.other)


@dataclass(frozen=True, slots=True)
class Ranks:
    """A tokenizer's table: where it is published, under which name tiktoken keeps it, and what it must be."""

    name: str
    url: str
    sha256: str
    pattern: str

    @property
    def file_name(self) -> str:
        return hashlib.sha1(self.url.encode("ascii"), usedforsecurity=False).hexdigest()


# tiktoken 0.14.0, tiktoken_ext/openai_public.py, o200k_base(): copied, because calling it downloads the ranks.
O200K = Ranks(
    name="o200k_base",
    url="https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken",
    sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    pattern="|".join(
        [
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        ]
    ),
)


class TiktokenCounter:
    """Counts with a tokenizer that is on disk. `is_exact`: the model is known to use just this one."""

    def __init__(self, encoding: tiktoken.Encoding, *, is_exact: bool) -> None:
        self._encoding = encoding
        self._is_exact = is_exact

    @property
    def is_exact(self) -> bool:
        return self._is_exact

    def count(self, text: str) -> int:
        return sum(self._count_chunk(chunk) for chunk in chunks(text))

    def kinds(self, text: str) -> TokenKinds:
        return TokenKinds(words=self.count(text))

    def _count_chunk(self, chunk: str) -> int:
        try:
            return len(self._encoding.encode_ordinary(chunk))
        except BaseException as e:
            # A million spaces make tiktoken 0.14.0 panic, and a panic of Rust is no Exception.
            if type(e).__name__ != "PanicException":
                raise
            return estimate_tokens(chunk)


def chunks(text: str, size: int = CHUNK_CHARACTERS) -> Iterator[str]:
    """The text in pieces of at most `size` characters, cut behind line ends where there are any."""
    piece: list[str] = []
    length = 0
    for line in split_lines(text) if len(text) > size else (text,):
        if length + len(line) > size and piece:
            yield "".join(piece)
            piece, length = [], 0
        if len(line) > size:
            yield from (line[at : at + size] for at in range(0, len(line), size))
        else:
            piece.append(line)
            length += len(line)
    if length:
        yield "".join(piece)


_OTHER_TOKENIZER = ("gpt-6", "gpt-3", "gpt-4-", "chatgpt-4-")


def find_counter(model: str, folders: Sequence[Path]) -> TokenCounter:
    """The best counter for a model. `folders` are looked through for ranks (`core.config.tokenizer_folders`).

    Loading ranks takes about a second and 80 MB, once for a process: not on the event loop, not at the start.
    """
    family = model.rsplit("/", 1)[-1].lower()
    if family.startswith("claude"):
        # No public tokenizer; the current ones are said to make 1.13 to 1.30 tokens on code, up to 1.47 on prose and
        # 1.0 on Chinese where o200k's age made one. What the service reports corrects it (`flux.agent.tally`).
        return EstimatedCounter(TokenKinds(1.3, 1.2, 1.0))
    if family.startswith(("gpt", "o1", "o3", "o4", "chatgpt")):
        for folder in folders:
            encoding = load_ranks(O200K, folder / O200K.file_name)
            if encoding is not None:
                # tiktoken 0.14.0 knows gpt-5 and older; of gpt-6 nobody has said, and the oldest have another.
                return TiktokenCounter(encoding, is_exact=not family.startswith(_OTHER_TOKENIZER))
    return EstimatedCounter()


def install_ranks(folder: Path, ranks: Ranks = O200K, *, timeout_s: float = 60.0) -> Path:
    """Download a tokenizer's ranks into `folder`, check them, and return the file. Uses the network; blocks.

    Raises ConnectionFailed where they cannot be had, ConfigError where they are not what they must be.
    """
    import urllib.request

    try:
        with urllib.request.urlopen(ranks.url, timeout=timeout_s) as answer:
            content: bytes = answer.read(1 << 25)
    except OSError as e:
        raise ConnectionFailed(f"The ranks of {ranks.name} could not be downloaded: {e}", endpoint=ranks.url) from e
    if hashlib.sha256(content).hexdigest() != ranks.sha256:
        raise ConfigError(f"What came from {ranks.url} is not the ranks of {ranks.name}; nothing was installed.")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / ranks.file_name
    partial = folder / f"{ranks.file_name}.{os.getpid()}.part"
    partial.write_bytes(content)
    partial.replace(target)
    return target


@cache
def load_ranks(ranks: Ranks, file: Path) -> tiktoken.Encoding | None:
    """The tokenizer of this file; None where there is none, or not just these ranks. Once for a process."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() != ranks.sha256:
        return None  # another version, or a broken copy: an estimate is better than a wrong count
    import tiktoken

    table = (line.split() for line in content.splitlines() if line)
    return tiktoken.Encoding(
        ranks.name,
        pat_str=ranks.pattern,
        mergeable_ranks={base64.b64decode(token): int(rank) for token, rank in table},
        special_tokens={},
    )
