"""Stored sessions by the plugin of editors/neovim in a real Neovim, and its way back and forth in a turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.editors import ROOT, prepare, run_neovim

STORY = ROOT / "tests/editors/neovim/sessions.lua"
EDIT = {"name": "edit_file", "arguments": {"path": "a.py", "old_text": "cat = 1\n", "new_text": "ocelot = 1\n"}}
SCRIPT: list[dict[str, object]] = [
    {"tool_calls": [EDIT]},
    {"text": "I put it there."},
    {"text": "Nothing about cats."},
    {"text": "I do.", "expect": ["Where is the ocelot?", "I put it there.", "Do you know me?"]},
]

MEANWHILE: list[dict[str, object]] = [
    {"text": "slowly " * 60, "chunk": 7, "delay_s": 0.04},
    {"text": "I mind it.", "expect": ["mind the gap"]},
    {"tool_calls": [EDIT], "expect": ["and then"]},
    {"text": "Second."},
    {"text": "It was about a gap."},
    {"text": "Third.", "expect": ["and then, said otherwise"], "usage": {"input_tokens": 13_000, "output_tokens": 9}},
    {"text": "In short:\na gap."},
]

pytestmark = pytest.mark.editor


def test_what_is_said_meanwhile_waits_or_is_taken_along_and_a_message_is_said_otherwise(tmp_path: Path) -> None:
    environ = prepare(
        tmp_path, {"a.py": "cat = 1\n"}, MEANWHILE, FLUX_TEST_BOUND_MS="15000", FLUX_CONTEXT_WINDOW="20000"
    )
    story = STORY.with_name("meanwhile.lua")
    done = run_neovim(environ, story, "--cmd", f"set rtp^={ROOT / 'editors/neovim'}")
    assert done.returncode == 0, done.stderr


def test_sessions_are_found_gone_on_with_renamed_exported_and_deleted(tmp_path: Path) -> None:
    environ = prepare(tmp_path, {"a.py": "cat = 1\ndog = 2\n"}, SCRIPT, FLUX_TEST_BOUND_MS="15000")
    done = run_neovim(environ, STORY, "--cmd", f"set rtp^={ROOT / 'editors/neovim'}")
    assert done.returncode == 0, done.stderr
