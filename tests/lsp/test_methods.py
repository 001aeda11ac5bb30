"""The declarations of what Flux adds to LSP."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import get_args

from flux.agent.events import TurnEvent
from flux.lsp.methods import COMMANDS
from flux.lsp.names import COMMAND_NAMES
from flux.lsp.protocol_docs import protocol_reference

PROJECT = Path(__file__).parent.parent.parent


def test_the_page_of_the_protocol_is_fresh() -> None:
    """To refresh it: `python -m flux.lsp.protocol_docs` in the project's folder."""
    assert (PROJECT / "docs/protocol.md").read_text(encoding="utf-8") == protocol_reference()


def test_every_command_that_is_announced_is_declared() -> None:
    assert tuple(COMMANDS) == COMMAND_NAMES


def test_every_command_and_argument_says_what_it_is_for() -> None:
    for kind in (*COMMANDS.values(), *get_args(TurnEvent)):
        assert kind.__doc__
        assert not kind.__doc__.startswith(f"{kind.__name__}("), "a dataclass without words of its own"
    for kind in COMMANDS.values():
        assert all(field.metadata["doc"] for field in dataclasses.fields(kind))
