"""Counting tokens, without the network."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import tiktoken

from flux.core.errors import ConfigError, ConnectionFailed
from flux.llm.tokens import (
    O200K,
    EstimatedCounter,
    Ranks,
    TiktokenCounter,
    chunks,
    estimate_tokens,
    find_counter,
    install_ranks,
)
from tests.support.languages import ARTICLE

SMALL = {bytes([byte]): byte for byte in range(256)} | {b"he": 256, b"ll": 257, b"hell": 258}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Ranks, Path]]:
    """A small tokenizer's ranks on a server of this machine, and the folder that it serves."""
    folder = tmp_path / "www"
    folder.mkdir()
    content = b"\n".join(base64.b64encode(token) + b" %d" % rank for token, rank in SMALL.items())
    (folder / "small.tiktoken").write_bytes(content)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/small.tiktoken"
    yield replace(O200K, name="small", url=url, sha256=hashlib.sha256(content).hexdigest()), folder
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_an_estimate_is_near_for_code_prose_dense_text_and_chinese() -> None:
    # The bounds are about what o200k_base counts; `python -m tests.benchmarks counting` has real ones.
    code = Path(subprocess.__file__).read_text(encoding="utf-8")
    assert estimate_tokens(code) == pytest.approx(len(code) / 4.85, rel=0.1)
    assert estimate_tokens("The quick brown fox jumps over the lazy dog. " * 20) == pytest.approx(201, rel=0.15)
    assert estimate_tokens("c2VjcmV0" * 1000) == pytest.approx(8000 * 0.68, rel=0.01)
    assert 400 < estimate_tokens("语言模型" * 200) < 700
    assert estimate_tokens("") == 0
    assert 1 <= estimate_tokens("a") <= 2


@pytest.mark.parametrize(
    ("language", "tokens"),
    [  # what o200k_base counts
        ("German", 39), ("French", 41), ("Spanish", 38), ("Polish", 53), ("Turkish", 46), ("Vietnamese", 50),
        ("Russian", 42), ("Greek", 71), ("Hebrew", 50), ("Arabic", 44), ("Hindi", 54), ("Thai", 64),
        ("Georgian", 51), ("Japanese", 72), ("Chinese", 35), ("Korean", 51),
    ],
)  # fmt: skip
def test_an_estimate_is_near_in_every_script(language: str, tokens: int) -> None:
    assert estimate_tokens(ARTICLE[language]) == pytest.approx(tokens, rel=0.25)


def test_a_line_of_one_character_and_zeros_in_base64_are_few_tokens() -> None:
    assert estimate_tokens("-" * 78 + "\n") < 8
    assert estimate_tokens(base64.b64encode(bytes(3000)).decode("ascii")) < 80


@pytest.mark.parametrize(
    "text", [" " * 1_000_000, "\t " * 500_000, "a" * 1_000_000, "(" * 1_000_000, "x = 1; " * 150_000]
)
def test_a_line_of_a_million_characters_is_estimated_at_once(text: str) -> None:
    began = time.process_time()
    assert 0 < estimate_tokens(text) <= len(text)
    assert time.process_time() - began < 2  # minutes, where a pattern is quadratic


def test_claudes_tokens_are_smaller() -> None:
    text = "some words " * 100
    assert find_counter("anthropic/claude-sonnet-5-5", ()).count(text) > find_counter("my-own", ()).count(text) * 1.2


def test_without_ranks_on_disk_every_count_is_an_estimate(tmp_path: Path) -> None:
    assert find_counter("gpt-5.6-sol", (tmp_path,)) == EstimatedCounter()
    (tmp_path / O200K.file_name).write_bytes(b"not the ranks")
    assert find_counter("gpt-5.6-sol", (tmp_path,)) == EstimatedCounter()


def test_ranks_are_kept_under_the_name_that_tiktoken_uses() -> None:
    assert O200K.file_name == "fb374d419588a4632f3f557e76b4b70aebbca790"


def test_ranks_are_installed_only_if_they_are_what_they_must_be(served: tuple[Ranks, Path], tmp_path: Path) -> None:
    ranks, folder = served
    target = install_ranks(tmp_path / "installed", ranks)
    assert target.read_bytes() == (folder / "small.tiktoken").read_bytes()
    with pytest.raises(ConfigError, match="nothing was installed"):
        install_ranks(tmp_path / "other", replace(ranks, sha256="0" * 64))
    assert not (tmp_path / "other").exists()
    with pytest.raises(ConnectionFailed):
        install_ranks(tmp_path / "other", replace(ranks, url=ranks.url + "x"))


def test_a_tokenizer_counts_exactly_also_over_chunks() -> None:
    encoding = tiktoken.Encoding("small", pat_str=O200K.pattern, mergeable_ranks=SMALL, special_tokens={})
    counter = TiktokenCounter(encoding, is_exact=True)
    assert counter.count("hello") == 2
    assert counter.count("hello\n" * 30_000) == 3 * 30_000
    assert counter.count(" " * 1_000_000) > 0


def test_where_a_tokenizer_panics_the_text_is_estimated() -> None:
    encoding = tiktoken.Encoding("small", pat_str=O200K.pattern, mergeable_ranks=SMALL, special_tokens={})

    class Panicking:
        def encode_ordinary(self, text: str) -> list[int]:
            return encoding.encode_ordinary(" " * 1_000_000)  # of tiktoken 0.14.0 a panic, which is no Exception

    assert TiktokenCounter(Panicking(), is_exact=True).count("some words") == estimate_tokens("some words")


def test_chunks_lose_nothing_and_end_at_line_ends_where_there_are_any() -> None:
    text = "one\ntwo\r\nthree" + "x" * 25 + "\nfour"
    pieces = list(chunks(text, 10))
    assert "".join(pieces) == text
    assert all(len(piece) <= 10 for piece in pieces)
    assert pieces[0] == "one\ntwo\r\n"


def test_importing_the_language_models_imports_no_sdk() -> None:
    heavy = "{'anthropic', 'openai', 'tiktoken', 'pygls', 'git', 'prompt_toolkit', 'platformdirs', 'dotenv'}"
    names = ["flux.core.config", "flux.core.log"]
    names += [
        f"flux.llm.{n}" for n in ("tokens", "catalogue", "provider_factory", "scripted_provider", "demo_provider")
    ]
    code = f"import sys, {', '.join(names)}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=60, check=True)
    assert done.stdout.strip() == "[]"
