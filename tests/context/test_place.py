"""What stands at a place, in the languages that people write."""

from __future__ import annotations

from textwrap import dedent

import pytest

from flux.context.place import definition_at, flux_comment, gap

CURSOR = "‸"


def look(path: str, text: str) -> tuple[str, str, bool]:
    """At the cursor: the definition's name, its lines, and whether it is a stub."""
    lines = dedent(text).splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if CURSOR in line)
    lines[at] = lines[at].replace(CURSOR, "")
    found = definition_at(lines, at, path)
    if found is None:
        return "", "", False
    return found.name, "".join(lines[found.first : found.last + 1]), gap(lines, at, at, found) is not None


def check(path: str, text: str, name: str, *, is_stub: bool = False) -> None:
    """The definition of that name is found: of all that stands between the lines `<` and `>`, or of no line."""
    marks = dedent(text).splitlines(keepends=True)
    plain = "".join(line for line in marks if line.strip() not in {"<", ">"})
    inner = "".join(marks).partition("<\n")[2].partition(">\n")[0].replace(CURSOR, "")
    assert look(path, plain) == (name, inner, is_stub)


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("a.py", "import os\n<\ndef area(\n    r: float,\n) -> float:\n    ‸return r\n>\n\nx = 1\n", "area"),
        ("a.py", "class A:\n<\n    def f(self):\n        if x:\n\n            ‸y()\n>\n    def g(self): ...\n", "f"),
        ("a.py", "<\nasync def ‸f():\n    pass_on()\n>\n", "f"),
        ("a.py", "def f():\n    return 1\n\n‸\ndef g():\n    return 2\n", ""),
        ("a.py", "x = [\n    1,‸\n]\n", ""),
        ("a.js", "<\nconst area = (r) => {\n  ‸return r\n}\n>\narea(1)\n", "area"),
        (
            "a.ts",
            "class A {\n<\n  async load(url: string): Promise<void> {\n    if (a) {\n      ‸b()\n    }\n  }\n>\n}\n",
            "load",
        ),
        ("a.js", "describe('x', () => {\n  it('y', () => {\n    ‸z()\n  })\n})\n", ""),
        ("a.go", "<\nfunc (s *Server) Close() error {\n\t‸return nil\n}\n>\n", "Close"),
        ("a.rs", "impl A {\n<\n    pub fn area(&self) -> f64 {\n        ‸1.0\n    }\n>\n}\n", "area"),
        ("A.java", "class A {\n<\n    public static int area(int r) {\n        ‸return r;\n    }\n>\n}\n", "area"),
        ("a.c", "<\nstatic int main(void)\n{\n    ‸return 0;\n}\n>\nint x;\n", "main"),
        ("a.cpp", "<\nvoid A::run(int a,\n            int b) {\n    for (;;) {\n        ‸go();\n    }\n}\n>\n", "run"),
        ("a.rb", "<\ndef area(r)\n  ‸r\nend\n>\nputs 1\n", "area"),
        ("a.sh", "<\nbuild() {\n  ‸make\n}\n>\n", "build"),
        ("a.lua", "<\nlocal function area(r)\n  ‸return r\nend\n>\n", "area"),
        ("README.md", "# A\n\n‸Text.\n", ""),
    ],
)
def test_the_innermost_definition_is_found_with_all_its_lines(path: str, text: str, name: str) -> None:
    check(path, text, name)


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("a.py", '<\ndef f(\n    a: int,\n) -> int:\n    """Says a thing."""\n    ‸...\n>\n', "f"),
        ("a.py", "<\ndef f(): ‸...\n>\n", "f"),
        ("a.py", "<\ndef f():\n    # later\n    ‸raise NotImplementedError('f')\n>\n", "f"),
        ("a.rs", "<\nfn area() -> f64 {\n    ‸todo!()\n}\n>\n", "area"),
        ("a.ts", "<\nfunction area() {\n  ‸throw new Error('Not implemented.');\n}\n>\n", "area"),
        ("A.java", '<\nint area() {\n    ‸throw new UnsupportedOperationException("later");\n}\n>\n', "area"),
        ("a.go", '<\nfunc area() {\n\t‸panic("not implemented")\n}\n>\n', "area"),
    ],
)
def test_a_stub_is_known(path: str, text: str, name: str) -> None:
    check(path, text, name, is_stub=True)


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    try:\n        x()\n    except E:\n        ‸pass\n",
        "def f():\n    ‸x()\n    ...\n",
        "def f():\n    ‸return 1\n",
    ],
)
def test_a_placeholder_in_working_code_makes_no_stub(text: str) -> None:
    assert look("a.py", text)[2] is False


def test_a_todo_is_a_gap_wherever_it_stands() -> None:
    lines = ["x = 1\n", "y = 2  # TODO(me): more\n", "// FIXME here */\n", "todo = 3\n"]
    assert [bool(gap(lines, n, n, None)) for n in range(4)] == [False, True, True, False]


def test_a_comment_to_flux_is_known_in_any_language() -> None:
    lines = ["# flux: one\n", "/* FLUX: two */\r\n", "<!-- flux: three -->\n", "flux: no\n", "x  # flux:\n"]
    found = [flux_comment(lines, n, n) for n in range(len(lines))]
    assert [one.name if one else "" for one in found] == ["one", "two", "three", "", ""]


def test_a_definition_is_found_in_bounded_time_however_long_it_is() -> None:
    lines = ["def f():\n", *["    x = 1\n"] * 200_000]
    assert definition_at(lines, 150_000, "a.py") is None
    found = definition_at(lines, 10, "a.py")
    assert found is not None
    assert found.last < 10_000


@pytest.mark.timeout(10)
@pytest.mark.parametrize("line", [" " * 1_000_000, "f(" * 500_000, "# todo: " + "(x " * 300_000])
def test_of_a_line_without_end_only_the_beginning_is_looked_at(line: str) -> None:
    lines = [line, "    x\n"]
    assert definition_at(lines, 1, "a.c") is None
    assert gap(lines, 0, 1, None) is None
    assert flux_comment(lines, 0, 1) is None
