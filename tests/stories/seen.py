"""What the real editors were seen to do with each probe: VS Code 1.139.1, Helix 25.07.1, and eglot of Emacs 30.1.

Their fakes are held against it always, the real ones where they are at hand (tests/editors/test_rules.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.support.fake_editors.rules import Editor, Eglot, Helix, VsCode


@dataclass(frozen=True)
class Seen:
    vs_code: object
    helix: object
    eglot: object

    def by(self, rules: type[Editor]) -> object:
        return {VsCode: self.vs_code, Helix: self.helix, Eglot: self.eglot}[rules]


def same(outcome: object) -> Seen:
    """In all three."""
    return Seen(outcome, outcome, outcome)


SEEN: Mapping[str, Seen] = {
    "both versions fit": same((True, ["new!\n", "new!\n"])),
    "the second is outdated": Seen(
        vs_code=(False, ["old!\n", "old!\n"]),
        helix=((False, 1), ["new!\n", "old!\n"]),
        eglot=("error", ["new!\n", "old!\n"]),
    ),
    "the first is outdated": Seen(
        vs_code=(False, ["old!\n", "old!\n"]),
        helix=((False, 0), ["old!\n", "old!\n"]),
        eglot=("error", ["old!\n", "old!\n"]),
    ),
    "a version to come": Seen(
        vs_code=(False, ["old!\n", "old!\n"]),
        helix=((False, 0), ["old!\n", "old!\n"]),
        eglot=("error", ["old!\n", "old!\n"]),
    ),
    "no version": same((True, ["new!\n", "new!\n"])),
    "typing on its way": Seen(
        vs_code=(False, "abone two\n"), helix=((False, 0), "abone two\n"), eglot=(True, "abonTWOwo\n")
    ),
    "declined": Seen(vs_code=(True, "new\n"), helix=(True, "new\n"), eglot=(True, "old\n")),
    "the version at opening": Seen(vs_code=1, helix=0, eglot=0),
    "typed keys": Seen(
        vs_code=[("changed", "a.txt", 1, (("1:0-1:0", "a"),)), ("changed", "a.txt", 2, (("1:1-1:1", "b"),))],
        helix=[("changed", "a.txt", 1, (("1:0-1:0", "a"),)), ("changed", "a.txt", 2, (("1:1-1:1", "b"),))],
        eglot=[("changed", "a.txt", 1, (("1:0-1:0", "ab"),))],
    ),
    "an edit in two places": Seen(
        vs_code=[("changed", "a.txt", 1, (("2:0-2:0", "new\n"), ("0:0-0:3", "ONE")))],
        helix=[("changed", "a.txt", 1, (("0:0-0:3", "ONE"), ("2:0-2:0", "new\n")))],
        eglot=[("changed", "a.txt", 1, (("0:0-2:0", "ONE\ntwo\nnew\n"),))],
    ),
    "an edit in two far places": Seen(
        vs_code=[("changed", "a.txt", 1, (("21:0-21:3", "TWO"), ("0:0-0:3", "ONE")))],
        helix=[("changed", "a.txt", 1, (("0:0-0:3", "ONE"), ("21:0-21:3", "TWO")))],
        eglot=[("changed", "a.txt", 2, (("21:0-21:3", "TWO"), ("0:0-0:3", "ONE")))],
    ),
    "two inserts at one place": same("oABne\n"),
    "undone": same(["ONE\nabnew two\n", "one\nabtwo\n", "one\ntwo\n"]),
    "astral characters": Seen(
        vs_code=("😋é one\n", "😋é oneX\n"), helix=("😋é one\n", "😋é X\n"), eglot=("😋é one\n", "😋é oneX\n")
    ),
    "a form feed": same(("a\x0cb\ntwo\n", "a\x0cb\nX\n")),
    "a line separator": same(("a\u2028b\ntwo\n", "a\u2028b\nX\n")),
    "a next-line character": same(("a\x85b\ntwo\n", "a\x85b\nX\n")),
    "a lone carriage return": Seen(
        vs_code=("a\nb\ntwo\n", "a\nX\ntwo\n"),
        helix=("a\rb\ntwo\n", "a\rb\nXwo\n"),
        eglot=("a\rb\ntwo\n", "a\rb\nXwo\n"),
    ),
    "mixed line ends": Seen(
        vs_code=("one\r\ntwo\r\nthree\r\n", "one\r\nX\r\nthree\r\n"),
        helix=("one\r\ntwo\nthree\r\n", "one\r\nX\nthree\r\n"),
        eglot=("one\r\ntwo\nthree\r\n", "one\r\nX\nthree\r\n"),
    ),
    "no last line end": same(("one", "oneX")),
    "line feeds into CRLF": Seen(
        vs_code=([("changed", "a.txt", 1, (("1:0-1:0", "x\r\ny\r\n"),))], "one\r\nx\r\ny\r\ntwo\r\n"),
        helix=([("changed", "a.txt", 1, (("1:0-1:0", "x\ny\n"),))], "one\r\nx\ny\ntwo\r\n"),
        eglot=([("changed", "a.txt", 1, (("1:0-1:0", "x\ny\n"),))], "one\r\nx\r\ny\r\ntwo\r\n"),
    ),
    "CRLF into CRLF": Seen(
        vs_code=([("changed", "a.txt", 1, (("1:0-1:0", "x\r\ny\r\n"),))], "one\r\nx\r\ny\r\ntwo\r\n"),
        helix=([("changed", "a.txt", 1, (("1:0-1:0", "x\r\ny\r\n"),))], "one\r\nx\r\ny\r\ntwo\r\n"),
        eglot=([("changed", "a.txt", 1, (("1:0-1:0", "x\r\ny\r\n"),))], "one\r\nx\r\r\ny\r\r\ntwo\r\n"),
    ),
    "CRLF into line feeds": Seen(
        vs_code=([("changed", "a.txt", 1, (("1:0-1:0", "x\ny\n"),))], "one\nx\ny\ntwo\n"),
        helix=([("changed", "a.txt", 1, (("1:0-1:0", "x\r\ny\r\n"),))], "one\nx\r\ny\r\ntwo\n"),
        eglot=([("changed", "a.txt", 1, (("1:0-1:0", "x\r\ny\r\n"),))], "one\nx\r\ny\r\ntwo\n"),
    ),
    "keys in CRLF": same(([("changed", "a.txt", 1, (("1:0-1:0", "a"),))], "one\r\natwo\r\n")),
    "a closed file": Seen(
        vs_code=([("opened", "b.txt", 0, "old\n"), ("changed", "b.txt", 1, (("0:0-0:3", "new"),))], "new\n", "old\n"),
        helix=([("opened", "b.txt", 0, "old\n"), ("changed", "b.txt", 1, (("0:0-0:3", "new"),))], "new\n", "old\n"),
        eglot=(
            [
                ("opened", "b.txt", 0, "old\n"),
                ("opened", "b.txt", 0, "old\n"),
                ("changed", "b.txt", 1, (("0:0-0:3", "new"),)),
            ],
            "new\n",
            "old\n",
        ),
    ),
    "a new file": Seen(
        vs_code=(True, "new\n", {"a.txt": "one\n", "b.txt": ""}),
        helix=(True, "new\n", {"a.txt": "one\n", "b.txt": ""}),
        eglot=("error", {"a.txt": "one\n"}),
    ),
    "a file that exists created": Seen(
        vs_code=(False, {"a.txt": "one\n", "b.txt": "old\n"}),
        helix=(True, {"a.txt": "one\n", "b.txt": ""}),
        eglot=("error", {"a.txt": "one\n", "b.txt": "old\n"}),
    ),
    "a file that exists created if need be": Seen(
        vs_code=(True, {"a.txt": "one\n", "b.txt": "old\n"}),
        helix=(True, {"a.txt": "one\n", "b.txt": "old\n"}),
        eglot=("error", {"a.txt": "one\n", "b.txt": "old\n"}),
    ),
    "an edit and a file that exists created": Seen(
        vs_code=(False, "new\n"), helix=(True, "new\n"), eglot=("error", "new\n")
    ),
    "a closed file renamed": Seen(
        vs_code=([], {"a.txt": "one\n", "c.txt": "old\n"}),
        helix=([], {"a.txt": "one\n", "c.txt": "old\n"}),
        eglot=([], {"a.txt": "one\n", "b.txt": "old\n"}),
    ),
    "an open file renamed": Seen(
        vs_code=([("closed", "b.txt"), ("opened", "c.txt")], {"a.txt": "one\n", "c.txt": "old\n"}),
        helix=([("closed", "b.txt"), ("opened", "c.txt")], {"a.txt": "one\n", "c.txt": "old\n"}),
        eglot=([], {"a.txt": "one\n", "b.txt": "old\n"}),
    ),
    "a closed file removed": Seen(
        vs_code=(True, {"a.txt": "one\n"}),
        helix=(True, {"a.txt": "one\n"}),
        eglot=("error", {"a.txt": "one\n", "b.txt": "old\n"}),
    ),
    "an open file removed": Seen(
        vs_code=(True, {"a.txt": "one\n"}),
        helix=(True, {"a.txt": "one\n"}),
        eglot=("error", {"a.txt": "one\n", "b.txt": "old\n"}),
    ),
}
