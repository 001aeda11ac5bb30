"""What a person reads on a terminal is what there is."""

from __future__ import annotations

import io

import pytest

from flux.ui.render import painted_diff


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("sneaky", ["\x0c", "\x0b", "\x1c", "\x85", "\u2028", "\r"])
def test_a_line_of_a_diff_stays_one_line_whatever_is_in_it(sneaky: str) -> None:
    diff = f"--- a/f\n+++ b/f\n@@ -1 +1 @@\n-old\n+new{sneaky}+fake\n"
    assert painted_diff(diff, Terminal()).count("\n") == 5
    assert painted_diff(diff, io.StringIO()) == diff
