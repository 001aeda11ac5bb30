"""What the model is told of the problems that come up with its edits, from an editor that answers when it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.lsp_bench import Bench, bench, edit
from tests.support.lsp_client import NO_ANSWER, lsp_range

BEFORE = "import os\nimport sys\n\nprint(os.name)\n"
UNUSED = (1, "`sys` imported but unused", 2)


def problem(line: int, message: str, severity: int = 1) -> dict[str, Any]:
    return {
        "range": lsp_range((line, 0), (line, 3)),
        "message": message,
        "severity": severity,
        "source": "lint",
        "code": "X1",
    }


async def check(tmp_path: Path, before: Sequence[object] | None, after: object, told: str, **options: object) -> Bench:
    """An edit that puts a line above all: what the editor shows then is answered, what the model is told is `told`."""
    script = ({"tool_calls": [edit("a.py", "import os", "import json\nimport os")]}, {"text": "Done."})
    asked: list[dict[str, Any]] = []

    def answer(params: dict[str, Any]) -> object:
        asked.append(params)
        return after if params["waitMs"] else {"diagnostics": before} if before is not None else None

    tmp_path.mkdir(exist_ok=True)
    async with bench(
        tmp_path, *script, buffers={"a.py": BEFORE}, options={"query": ["diagnostics"], **options}
    ) as made:
        made.client.answers["flux/editor/query"] = answer
        done = await made.client.command("flux.chat.send", {"text": "go", "uri": made.uri("a.py")})
        assert done["status"] == "completed", done
        assert made.buffers()["a.py"].startswith("import json\n")
        (result,) = made.requests()[1]["messages"][-1]["parts"]
        assert result["content"] == f"Edited a.py: +1 -0 lines.{told}"
        if asked:
            uri = made.uri("a.py")
            version = made.client.buffers[uri].version
            assert asked[-2:] == [
                {"kind": "diagnostics", "uri": uri, "version": 0, "waitMs": 0},
                {"kind": "diagnostics", "uri": uri, "version": version, "waitMs": 1500},
            ]
        return made


async def test_problems_that_are_new_are_told_and_those_that_only_moved_are_not(tmp_path: Path) -> None:
    after = {
        "diagnostics": [
            problem(2, "`sys` imported but unused", 2),
            problem(0, "`json` imported but unused", 2),
            problem(4, "undefined name `nane`"),
            problem(4, "spelling", 3),
        ]
    }
    told = (
        "\nNew problems in a.py since this:\nline 5: error: undefined name `nane` (lint X1)\n    print(os.name)"
        "\nline 1: warning: `json` imported but unused (lint X1)\n    import json"
    )
    await check(tmp_path, [problem(*UNUSED)], after, told)


async def test_at_most_twenty_are_told(tmp_path: Path) -> None:
    after = {"diagnostics": [problem(0, f"error {number}") for number in range(30)]}
    told = "".join(f"\nline 1: error: error {number} (lint X1)\n    import json" for number in range(20))
    await check(tmp_path, [], after, f"\nNew problems in a.py since this:{told}\n[10 more]")


async def test_who_reports_on_saving_only_is_not_taken_for_no_problems(tmp_path: Path) -> None:
    told = "\nProblems in a.py: none before saving, for who reports them looks at saved files only."
    await check(tmp_path, [], {"diagnostics": [], "when": "saved"}, told)


async def test_nothing_is_told_where_nothing_came_or_nothing_is_new(tmp_path: Path) -> None:
    for number, (before, after) in enumerate(
        [
            ([problem(*UNUSED)], {"diagnostics": [problem(2, "`sys` imported but unused", 2)]}),
            (None, None),
            ([], {"diagnostics": [{"range": "wrong"}]}),
            ([], NO_ANSWER),
        ]
    ):
        await check(tmp_path / str(number), before, after, "")


async def test_an_editor_that_does_not_announce_it_is_not_asked(tmp_path: Path) -> None:
    made = await check(tmp_path, [], {"diagnostics": [problem(0, "not told")]}, "", query=["hover"])
    assert made.client.sent("flux/editor/query") == []
