"""What a person reads on a terminal is what there is."""

from __future__ import annotations

import asyncio
import io

import pytest

from flux.agent.events import Retrying, TextStreamed
from flux.ui.render import Renderer, painted_diff
from tests.support.virtual_time import run_in_virtual_time


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("sneaky", ["\x0c", "\x0b", "\x1c", "\x85", "\u2028", "\r"])
def test_a_line_of_a_diff_stays_one_line_whatever_is_in_it(sneaky: str) -> None:
    diff = f"--- a/f\n+++ b/f\n@@ -1 +1 @@\n-old\n+new{sneaky}+fake\n"
    assert painted_diff(diff, Terminal()).count("\n") == 5
    assert painted_diff(diff, io.StringIO()) == diff


def retried(aside: io.StringIO, wait_s: float, comes_after_s: float) -> str:
    """What is shown beside an answer whose request is tried again, and which then goes on."""

    async def turn() -> None:
        renderer = Renderer(io.StringIO(), aside)
        renderer.show(Retrying("rate limited", wait_s, 2))
        await asyncio.sleep(comes_after_s)
        renderer.show(TextStreamed("One."))
        await asyncio.sleep(10)

    run_in_virtual_time(turn())
    return aside.getvalue()


def test_the_seconds_until_a_request_is_tried_again_are_counted_down_on_one_line_of_a_terminal() -> None:
    left = [
        f"\r\x1b[K\x1b[2m  {words}\x1b[0m" for words in (*(f"trying again in {n} s" for n in (3, 2, 1)), "trying again")
    ]
    assert retried(Terminal(), 3.0, 8.0) == f"\x1b[33m! rate limited\x1b[0m\n{''.join(left)}\n"
    assert retried(Terminal(), 3.0, 1.5) == f"\x1b[33m! rate limited\x1b[0m\n{''.join(left[:2])}\n"


def test_where_nothing_can_move_the_seconds_until_a_request_is_tried_again_are_told_once() -> None:
    assert retried(io.StringIO(), 3.0, 8.0) == "! rate limited; trying again in 3 s\n"
