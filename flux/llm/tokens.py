"""Counting tokens: exactly where a model's tokenizer is on disk, else by an estimate that errs on the high side.

Nothing is downloaded unasked: only `install_ranks` (the command `flux tokens install`) uses the network.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from flux.core.errors import ConfigError, ConnectionFailed
from flux.core.limits import TokenCounter
from flux.core.text import split_lines

if TYPE_CHECKING:
    import tiktoken

CHUNK_CHARACTERS = 1 << 16
"""tiktoken's cost grows faster than its input: 64 KiB at a time, cut at line ends, took at most 34 ms (0.14.0)."""

# Measured against o200k_base on Python files, 2026-11-21: bytes / 4.2 is the median; 4 leaves a margin.
_BYTES_PER_TOKEN = 4.0
_DENSE_BYTES_PER_TOKEN = 1.5
_DENSE = re.compile(r"[A-Za-z0-9+/=_-]{64,}")  # base64, hashes, minified names
_TWO_BYTES = re.compile("[\x80-\u07ff]")  # Latin with accents, Greek, Cyrillic, Hebrew, Arabic
_THREE_BYTES = re.compile("[\u0800-\uffff]")  # Chinese, Japanese, Korean, Indian scripts
_FOUR_BYTES = re.compile("[\U00010000-\U0010ffff]")  # emoji


def estimate_tokens(text: str) -> int:
    """About how many tokens the text has in a tokenizer of o200k's size."""
    dense = sum(len(run) for run in _DENSE.findall(text))
    two = three = four = 0
    if not text.isascii():
        two, three, four = (len(kind.findall(text)) for kind in (_TWO_BYTES, _THREE_BYTES, _FOUR_BYTES))
    plain = len(text) - dense - two - three - four
    tokens = plain / _BYTES_PER_TOKEN + dense / _DENSE_BYTES_PER_TOKEN + two * 0.6 + three * 0.9 + four * 2.0
    return round(tokens + 0.5) if text else 0


@dataclass(frozen=True, slots=True)
class EstimatedCounter:
    """Counts by the kind of characters. `factor` is how many tokens a model's tokenizer makes of one of o200k's."""

    factor: float = 1.0

    @property
    def is_exact(self) -> bool:
        return False

    def count(self, text: str) -> int:
        return round(estimate_tokens(text) * self.factor)


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


def find_counter(model: str, folders: Sequence[Path]) -> TokenCounter:
    """The best counter for a model. `folders` are looked through for ranks (`core.config.tokenizer_folders`).

    Loading ranks takes about a second and 80 MB, once for a process: not on the event loop, not at the start.
    """
    family = model.rsplit("/", 1)[-1].lower()
    if family.startswith("claude"):
        # No public tokenizer; the current ones make 1.13 to 1.30 tokens on code where o200k's age made one.
        return EstimatedCounter(1.3)
    if family.startswith(("gpt", "o1", "o3", "o4", "chatgpt")):
        for folder in folders:
            encoding = _load(O200K, folder / O200K.file_name)
            if encoding is not None:
                # tiktoken 0.14.0 knows gpt-5 and older; of gpt-6 nobody has said.
                return TiktokenCounter(encoding, is_exact=not family.startswith("gpt-6"))
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
def _load(ranks: Ranks, file: Path) -> tiktoken.Encoding | None:
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
