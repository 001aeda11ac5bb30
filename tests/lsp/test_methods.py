"""The declarations of what Flux adds to LSP."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from flux.lsp.methods import COMMANDS
from flux.lsp.protocol_docs import protocol_reference

PROJECT = Path(__file__).parent.parent.parent


def test_the_page_of_the_protocol_is_fresh() -> None:
    """To refresh it: `python -m flux.lsp.protocol_docs` in the project's folder."""
    assert (PROJECT / "docs/protocol.md").read_text(encoding="utf-8") == protocol_reference()


def test_every_command_and_argument_says_what_it_is_for() -> None:
    for kind in COMMANDS.values():
        assert kind.__doc__
        assert all(field.metadata["doc"] for field in dataclasses.fields(kind))
