"""The offline demo: sentences in, real tool calls out, on files that nobody wrote for it."""

from __future__ import annotations

import ast
import email.message
import itertools
import json
import re
import textwrap
from pathlib import Path

import pygls
import pytest

from flux.agent.actions import Action, built_in
from flux.core.messages import Message, Text, ToolResult, ToolSpec, user_message
from flux.llm.base_provider import ModelRequest, Response, TextDelta
from flux.llm.demo_provider import ANNOUNCEMENT, DemoProvider

TOOLS = tuple(ToolSpec(name, "", {}) for name in ("read_file", "edit_file", "write_file", "search", "list_files"))

INSTALLED = [
    Path(email.message.__file__),
    Path(textwrap.__file__),
    *sorted(Path(str(pygls.__file__)).parent.glob("*.py")),
]


class Files:
    """The tools as the demo meets them, over texts by name. An edit must be exact and unique, or the test fails."""

    def __init__(self, texts: dict[str, str], lines_at_once: int = 2000, longest_result: int = 1_000_000) -> None:
        self.texts = texts
        self.lines_at_once = lines_at_once
        self.longest_result = longest_result
        self.calls: list[str] = []

    def answer(self, name: str, arguments: dict[str, object]) -> tuple[str, bool]:
        self.calls.append(name)
        path = str(arguments.get("path", ""))
        match name:
            case "read_file" if path in self.texts:
                first = int(str(arguments.get("start_line", 1)))
                lines = self.texts[path].splitlines(keepends=True)
                shown = lines[first - 1 : first - 1 + self.lines_at_once]
                head = f"[{path} lines {first}-{first + len(shown) - 1} of {len(lines)}]\n"
                text = "".join(shown) if len(shown) == len(lines) else head + "".join(shown)
                if len(text) > self.longest_result:
                    left = len(text) - self.longest_result
                    text = f"{text[: self.longest_result]}\n[… {left} more characters; ask for a smaller part]"
                return text, False
            case "edit_file":
                self.texts[path] = edited(self.texts[path], arguments["edits"])
                return f"Edited {path}.", False
            case "write_file":
                self.texts[path] = str(arguments["text"])
                return f"Created {path}.", False
            case "search":
                return f"a.py:1: {arguments['pattern']}", False
            case "list_files":
                return "\n".join(self.texts), False
            case _:
                return f"There is no file {path}.", True


def edited(text: str, edits: object) -> str:
    assert isinstance(edits, list)
    places: list[tuple[int, int, str]] = []
    for edit in edits:
        old = edit["old_text"]
        starts = [match.start() for match in re.finditer(f"(?={re.escape(old)})", text)]
        assert starts
        assert len(starts) == 1 or edit.get("replace_all")
        places += [(start, start + len(old), edit["new_text"]) for start in starts]
    places.sort()
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(places))
    for start, end, new in reversed(places):
        text = text[:start] + new + text[end:]
    return text


async def play(prompt: str | Message, files: Files, tools: tuple[ToolSpec, ...] = TOOLS) -> str:
    """One turn, as the agent would do it; all that the demo said."""
    messages = [prompt if isinstance(prompt, Message) else user_message(prompt)]
    said = ""
    for _ in range(60):
        response: Response = await DemoProvider().complete(ModelRequest("demo", tuple(messages), tools=tools))
        said += response.content + "\n"
        messages.append(response.message())
        if not response.tool_calls:
            assert response.finish_reason == "stop"
            return said
        results: list[ToolResult] = []
        for call in response.tool_calls:
            content, is_error = files.answer(call.name, call.arguments())
            results.append(ToolResult(call.id, call.name, content, is_error))
        messages.append(Message("tool", tuple(results)))
    raise AssertionError("the demo does not come to an end")


def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def whole_words(text: str, name: str, other: str) -> str:
    return re.sub(rf"(?<![\w$]){name}(?![\w$])", other, text)


@pytest.mark.parametrize("path", INSTALLED, ids=lambda path: path.name)
async def test_a_rename_in_an_installed_file_changes_every_whole_word_and_nothing_else(path: Path) -> None:
    text = source(path)
    names = sorted(set(re.findall(r"\b[a-z]\w{2,}\b", text)), key=lambda name: (-text.count(name), name))
    for name in names[:12:4] or ["import"]:
        files = Files({"code.py": text})
        said = await play(f"Please rename {name} to other_name in code.py.", files)
        assert files.texts["code.py"] == whole_words(text, name, "other_name")
        assert f"Done: renaming {name} to other_name" in said
        assert files.calls == ["read_file", "edit_file"]


@pytest.mark.parametrize("path", INSTALLED, ids=lambda path: path.name)
async def test_a_docstring_is_all_that_is_added_to_an_installed_file(path: Path) -> None:
    text = source(path)
    bare = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(node) is None
    ]
    for name in bare[:4]:
        files = Files({"code.py": text})
        await play(f"add a docstring to {name} in code.py", files)
        new = files.texts["code.py"]
        assert len(ast.dump(ast.parse(new))) > len(ast.dump(ast.parse(text)))
        added = [line for line in new.splitlines() if line not in text.splitlines()]
        assert len(added) <= 3
        assert any(line.strip().startswith('"""') for line in added) or len(new.splitlines()) > len(text.splitlines())


async def test_a_docstring_goes_into_one_line_bodies_decorated_bodies_and_crlf_files() -> None:
    text = 'def é(x): return "é"\r\n\r\nclass Big:\r\n    @property\r\n    def size(self):\r\n        return 1\r\n'
    files = Files({"a.py": text})
    for name in ("é", "Big", "Big.size"):
        await play(f"add a docstring to `{name}` in a.py", files)
    assert files.texts["a.py"] == (
        'def é(x):\r\n    """É. Takes x."""\r\n    return "é"\r\n\r\n'
        'class Big:\r\n    """Big. Has size."""\r\n    @property\r\n    def size(self):\r\n        """Size."""\r\n'
        "        return 1\r\n"
    )
    assert "has a docstring already" in await play("add a docstring to size in a.py", files)
    assert "defines no other" in await play("add a docstring to other in a.py", files)


async def test_similar_places_are_told_apart_by_the_lines_around_them() -> None:
    text = "if a:\n    x = 1\nelif b:\n    x = 1\nelse:\n    x = 1\n    xx = 2\nx = 1"
    files = Files({"a.py": text})
    await play("rename x to y in a.py", files)
    assert files.texts["a.py"] == whole_words(text, "x", "y")


async def test_a_long_file_is_read_in_parts_and_a_cut_answer_is_read_on() -> None:
    text = "".join(f"value_{n} = value\n" for n in range(100))
    for files in (Files({"a.py": text}, lines_at_once=30), Files({"a.py": text}, longest_result=500)):
        await play("rename value to total in a.py", files)
        assert files.texts["a.py"] == whole_words(text, "value", "total")
        assert files.calls.count("read_file") > 3


async def test_what_cannot_be_read_in_full_is_not_changed() -> None:
    files = Files({"a.py": "value = " + "1" * 1000}, longest_result=100)
    assert "too long" in await play("rename value to total in a.py", files)
    assert files.calls == ["read_file"]


@pytest.mark.parametrize(
    ("prompt", "after"),
    [
        ('replace "a = 1" with "a = 2" in `my file.py`', "a = 2\nb = 'x'\nb = 'x'\n"),
        ("replace 'b' with 'c' in \"my file.py\".", "a = 1\nc = 'x'\nc = 'x'\n"),
        ('change "1\\nb" to "1\\n\\nb" in `my file.py`', "a = 1\n\nb = 'x'\nb = 'x'\n"),
        ('replace "zzz" with "y" in `my file.py`', "a = 1\nb = 'x'\nb = 'x'\n"),
    ],
)
async def test_a_quoted_text_is_replaced_wherever_it_is(prompt: str, after: str) -> None:
    files = Files({"my file.py": "a = 1\nb = 'x'\nb = 'x'\n"})
    await play(prompt, files)
    assert files.texts["my file.py"] == after


async def test_a_file_may_be_mentioned() -> None:
    files = Files({"src/a.py": "def area(r):\n    return r\n"})
    await play("rename area to surface in @src/a.py, please", files)
    assert files.texts["src/a.py"] == "def surface(r):\n    return r\n"


async def test_without_a_file_the_current_one_is_meant() -> None:
    context = '<context>\nCurrent file: src/a.py\n<file from="src/a.py">\nrename this to that\n</file>\n</context>\n'
    files = Files({"src/a.py": "def area(r):\n    return r\n"})
    await play(Message("user", (Text(context), Text("rename area to surface"))), files)
    assert files.texts["src/a.py"] == "def surface(r):\n    return r\n"
    assert "In which file?" in await play("rename area to surface", files)


async def test_documenting_a_selection_documents_what_is_selected() -> None:
    text = "def a():\n    pass\n\n\ndef b():\n    pass\n\n\ndef c():\n    pass\n"
    head = "<context>\nCurrent file: a.py\n"
    for selected, names in (("lines 1-6", "ab"), ("line 6", "b"), ("", "a")):
        selection = f'<selection from="a.py {selected}">\n…\n</selection>\n' if selected else ""
        files = Files({"a.py": text})
        words = Text("Instruction: document the selection: add or correct docstrings in the style of the file.")
        await play(Message("user", (Text(f"{head}{selection}</context>\n"), words)), files)
        documented = [node.name for node in ast.parse(files.texts["a.py"]).body if ast.get_docstring(node)]
        assert "".join(documented) == names


async def test_a_comment_that_asks_for_something_goes_when_it_is_done() -> None:
    text = '# flux: rename area to surface\ndef area(r):\n    return r  # flux: replace "r" with "x"\n'
    files = Files({"a.py": text})

    async def ask(line: int, comment: str) -> None:
        context = f'<context>\nCurrent file: a.py\n<selection from="a.py line {line}">\n…\n</selection>\n</context>\n'
        words = f"Instruction: do what the selected comment asks for.\nThe comment: {comment}"
        await play(Message("user", (Text(context), Text(words))), files)

    await ask(1, "rename area to surface")
    assert files.texts["a.py"] == 'def surface(r):\n    return r  # flux: replace "r" with "x"\n'
    await ask(2, 'replace "return r" with "return 2 * r"')
    assert files.texts["a.py"] == "def surface(r):\n    return 2 * r\n"


async def test_what_takes_a_real_model_is_declined_and_an_explanation_is_an_outline() -> None:
    head = Text("<context>\nCurrent file: a.py\n</context>\n")
    files = Files({"a.py": "class A:\n    def b(self): ...\n"})
    said = await play(Message("user", (head, Text("Instruction: explain the selection: find what is odd."))), files)
    assert "1: class A\n2:     def b(self): ..." in said
    for wish in ("fix", "implement", "improve", "write tests"):
        said = await play(Message("user", (head, Text(f"Instruction: {wish} the selection."))), files)
        assert f"I cannot {wish} code" in said
    assert files.calls == ["read_file"]


async def test_a_commit_message_names_the_files_and_stands_alone() -> None:
    diff = "".join(f"--- a/{name}\n+++ b/{name}\n@@ -1 +1 @@\n-x\n+y\n" for name in ("a.py", "b.py", "c.py", "d.py"))
    said = await play(Message("user", (Text(f"Instruction: write a commit message. Say what.\n{diff}"),)), Files({}))
    assert said.strip() == "Change a.py, b.py, c.py and 1 more"


@pytest.mark.parametrize("action", built_in(), ids=lambda action: action.name)
async def test_every_code_action_is_understood(action: Action) -> None:
    words = action.instruction({"target": "the selection", "comment": "rename a to b"})
    head = Text('<context>\nCurrent file: a.py\n<selection from="a.py line 1">\na = 1\n</selection>\n</context>\n')
    said = await play(Message("user", (head, Text(words))), Files({"a.py": "a = 1\n"}))
    assert "did not find a sentence" not in said


@pytest.mark.parametrize(
    ("prompt", "call", "said"),
    [
        ("show a.py", "read_file", "a = 1"),
        ("Could you show me the file a.py, please?", "read_file", "a = 1"),
        ("outline notes.md", "read_file", "1: # Title\n5: ## Part"),
        ("find parse_header", "search", "a.py:1: parse_header"),
        ('search for "two words" in src/', "search", "two words"),
        ("find a in a.py", "read_file", "1: a = 1"),
        ("list all files", "list_files", "a.py\nnotes.md"),
        ('create new.txt with "rename a to b"', "write_file", "Created new.txt"),
        ("show missing.py", "read_file", "There is no file missing.py."),
    ],
)
async def test_the_other_sentences(prompt: str, call: str, said: str) -> None:
    files = Files({"a.py": "a = 1\n", "notes.md": "# Title\n\ntext\n\n## Part\n"})
    assert said in await play(prompt, files)
    assert files.calls == [call]


@pytest.mark.parametrize(
    "prompt",
    ["hello", "show me how this works", "find the bug in my code", "", "rename the file", "why is replace slow?"],
)
async def test_what_it_does_not_understand_it_says_with_what_it_can(prompt: str) -> None:
    files = Files({})
    said = await play(prompt, files)
    assert "I understand these sentences" in said
    assert files.calls == []


async def test_it_says_at_once_what_it_is_and_streams_in_small_pieces() -> None:
    request = ModelRequest("demo", (user_message("hello"),), tools=TOOLS)
    deltas = [delta async for delta in DemoProvider().stream(request)]
    text = [delta.text for delta in deltas if isinstance(delta, TextDelta)]
    assert "".join(text).startswith(ANNOUNCEMENT)
    assert len(text) > 50
    assert deltas == [delta async for delta in DemoProvider().stream(request)]


async def test_it_reports_plausible_usage() -> None:
    long = user_message("hello " * 1000)
    usage = (await DemoProvider().complete(ModelRequest("demo", (long,)))).usage
    assert 850 < usage.input_tokens < 2000
    assert 50 < usage.output_tokens < 400


async def test_without_the_tool_it_says_so() -> None:
    assert "does not offer it" in await play("show a.py", Files({}), tools=())


async def test_a_refused_edit_is_told() -> None:
    messages = [user_message("rename a to b in a.py")]
    for content, is_error in (("a = 1\n", False), ("The user declined this change.", True)):
        response = await DemoProvider().complete(ModelRequest("demo", tuple(messages), tools=TOOLS))
        (call,) = response.tool_calls
        assert json.loads(call.arguments_json)["path"] == "a.py"
        messages += [response.message(), Message("tool", (ToolResult(call.id, call.name, content, is_error),))]
    last = await DemoProvider().complete(ModelRequest("demo", tuple(messages), tools=TOOLS))
    assert "That was not done" in last.content
    assert "The user declined" in last.content
