"""No key in a log, nothing on standard output."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from flux.core.errors import ConfigError
from flux.core.log import RedactingFormatter, RotatedFile, hide, start_logging
from flux.core.secret import Secret, redact

KEY = Secret("plain-word-of-a-gateway")


@pytest.fixture(autouse=True)
def _root_logger_as_found() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)


def test_known_keys_and_what_looks_like_one_are_kept_out_also_of_tracebacks(tmp_path: Path) -> None:
    file = tmp_path / "flux.log"
    formatter = start_logging(file, [KEY])
    formatter.hide([Secret("sent later")])
    try:
        raise ValueError(f"refused {KEY.reveal()}")
    except ValueError:
        logging.getLogger("test").exception("with %s and sk-ant-0123456789abcdef", "sent later")
    text = file.read_text(encoding="utf-8")
    assert "with **** and ****" in text
    assert "ValueError: refused ****" in text
    assert KEY.reveal() not in text


def test_keys_that_were_fetched_stay_hidden_where_logging_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "flux.log"
    start_logging(file)
    hide(Secret("fetched from a keyring"))
    start_logging(file, [KEY])
    logging.getLogger("test").warning("fetched from a keyring, %s", KEY.reveal())
    assert file.read_text(encoding="utf-8").endswith("****, ****\n")


def test_it_logs_to_standard_error_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging()
    start_logging()
    logging.getLogger("test").warning("once")
    out, err = capsys.readouterr()
    assert (out, err.count("once")) == ("", 1)


def test_a_log_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be opened"):
        start_logging(tmp_path / "missing" / "flux.log")


def log_in_turn(handlers: list[RotatedFile], count: int) -> None:
    for number in range(count):
        record = logging.LogRecord("test", logging.INFO, "", 0, f"line {number} of sk-ant-0123456789abcdef", (), None)
        handlers[number % len(handlers)].handle(record)


def test_a_full_file_is_set_aside_also_where_several_log_into_it(tmp_path: Path) -> None:
    file = tmp_path / "flux.log"
    handlers = [RotatedFile(file, max_bytes=500, kept=2) for _ in range(3)]
    for handler in handlers:
        handler.setFormatter(RedactingFormatter())
    log_in_turn(handlers, 60)
    files = [tmp_path / name for name in ("flux.log.2", "flux.log.1", "flux.log")]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert all(one.stat().st_size < 600 for one in files)
    lines = [line for one in files for line in one.read_text(encoding="utf-8").splitlines()]
    assert [int(line.split()[-3]) for line in lines] == list(range(60 - len(lines), 60))
    assert all(line.endswith("of ****") for line in lines)


def test_what_cannot_be_written_to_the_file_goes_to_standard_error_without_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    start_logging(folder / "flux.log", [KEY])
    (folder / "flux.log").unlink()
    folder.rmdir()
    logging.getLogger("test").warning("with %s", KEY.reveal())
    err = capsys.readouterr().err
    assert "not logged there" in err
    assert "with ****" in err


def test_less_than_the_level_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "flux.log"
    for level in ("warning", "debug"):
        start_logging(file, level=level)
        logging.getLogger("test").debug("at %s", level)
    assert [line.rpartition(" ")[2] for line in file.read_text(encoding="utf-8").splitlines()] == ["debug"]


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer ****"),
        ("x-api-key: whatever", "x-api-key: ****"),
        ("http://me:word@proxy:8080/x", "http://****@proxy:8080/x"),
        ("gsk_0123456789abcdefgh and hf_0123456789abcdef", "**** and ****"),
        ("the risk-free desk-0123 task_description_of_it", "the risk-free desk-0123 task_description_of_it"),
    ],
)
def test_what_looks_like_a_key(text: str, safe: str) -> None:
    assert redact(text) == safe
