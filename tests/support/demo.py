"""`make demo`: the main job, shown with no key and no network.

A real `flux serve` process, and a small editor beside it. The editor opens a source file of an installed package, types
a change that it does not save, asks for an edit by chat and by code action, and shows what became of its buffer and of
the disk. Then the same model works in a terminal, by `flux -p`, in a copied folder. Every claim it prints is checked;
where one does not hold the demo fails. The model is Flux's offline demo model: fixed rules, real tool calls.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import dotenv

from flux.edits.diff import unified_diff
from tests.support.lsp_client import LspClient, connected, environment, initialize, uri_of

PACKAGE = Path(dotenv.__file__).parent
FILE = "parser.py"
OLD, NEW = "make_regex", "compiled"


def main() -> int:
    """Run the demo; the exit status."""
    with tempfile.TemporaryDirectory(prefix="flux-demo-") as name:
        folder = Path(name).resolve()
        project = folder / "project"
        shutil.copytree(PACKAGE, project, ignore=shutil.ignore_patterns("__pycache__"))
        asyncio.run(_in_the_editor(folder, project))
        _in_the_terminal(folder, project)
    print("\nAll of it was checked as it was shown. No key was used, and nothing left this machine.")
    return 0


async def _in_the_editor(folder: Path, project: Path) -> None:
    _headline("In an editor: `flux serve`, one process, over standard input and output")
    file = project / FILE
    uri, saved = uri_of(file), file.read_bytes()
    environ = environment(folder, FLUX_PROVIDER="demo")
    async with connected(environ, folder=project) as editor:
        await initialize(editor, project, name="flux demo", turnEvents=True)
        editor.open(uri, saved.decode("utf-8"))
        editor.type(uri, 0, 0, "# A note that is not saved yet.\n")
        print(f"opened {FILE} of the package python-dotenv ({len(saved):,} bytes) and typed a line without saving")

        text = f"rename {OLD} to {NEW}"
        print(f"\n--- 1. by chat command: flux.chat.send {{text: {text!r}, uri}}")
        before = editor.buffers[uri].text
        _show_turn(editor, before, uri, await editor.command("flux.chat.send", {"text": text, "uri": uri}))
        _check(not re.search(rf"\b{OLD}\b", editor.buffers[uri].text), f"no {OLD} is left in the buffer")

        print("\n--- 2. by code action: `Flux: do what this comment says`")
        _type_comment(editor, uri)
        before = editor.buffers[uri].text
        line = next(n for n, text in enumerate(before.split("\n")) if "# flux:" in text)
        actions = await editor.code_actions(uri, (line, 0), (line, 0))
        print("the menu: " + " · ".join(action["title"] for action in actions))
        title = "Flux: do what this comment says"
        _show_turn(editor, before, uri, await editor.run_action(actions, title))
        _check("# flux:" not in editor.buffers[uri].text, "the comment is gone")
        _check('"""' in editor.buffers[uri].text, "there is a docstring")

        _check(editor.buffers[uri].text.startswith("# A note that is not saved yet.\n"), "the unsaved line is kept")
        _check(file.read_bytes() == saved, f"{FILE} on disk is unchanged, byte for byte")


def _type_comment(editor: LspClient, uri: str) -> None:
    lines = editor.buffers[uri].text.split("\n")
    line = next(number for number, text in enumerate(lines) if text.startswith("def decode_escapes("))
    editor.type(uri, line, 0, "# flux: add a docstring to decode_escapes\n")


def _show_turn(editor: LspClient, before: str, uri: str, report: dict[str, Any]) -> None:
    after = editor.buffers[uri].text
    print("events: " + _counted([event["type"] for event in editor.events()]))
    editor.messages.clear()
    print("the model says:")
    print(textwrap.indent(report["text"], "    "))
    print("the buffer before and after:")
    _show_diff(unified_diff(before, after, FILE))
    _check(report["status"] == "completed" and before != after, "the edit is in the buffer")
    _check(report["unsaved"] == [FILE], f"not saved: {', '.join(report['unsaved'])}")
    usage = report["usage"]
    print(f"tokens: {usage['inputTokens']} in, {usage['outputTokens']} out; cost: {report['costText']}")


def _in_the_terminal(folder: Path, project: Path) -> None:
    text = f"rename {OLD} to {NEW} in {FILE}"
    _headline(f"In a terminal: flux -p {text!r} --yes")
    done = subprocess.run(
        [sys.executable, "-m", "flux", "-p", text, "--yes"],
        cwd=project,
        env=environment(folder, FLUX_PROVIDER="demo"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=True,
    )
    print(done.stdout.decode("utf-8"))
    _check(NEW in (project / FILE).read_text(encoding="utf-8"), f"{FILE} in the copied folder is changed")
    _check(NEW not in (PACKAGE / FILE).read_text(encoding="utf-8"), "the installed package is as it was")


def _counted(names: list[str]) -> str:
    return ", ".join(f"{name} ×{names.count(name)}" for name in dict.fromkeys(names))


def _show_diff(diff: str, most: int = 24) -> None:
    lines = diff.splitlines()
    for line in lines[:most]:
        print(f"    {line}")
    if len(lines) > most:
        print(f"    … {len(lines) - most} more lines")


def _headline(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}")


def _check(holds: bool, claim: str) -> None:
    if not holds:
        raise SystemExit(f"demo: this does not hold: {claim}")
    print(f"  ✓ {claim}")


if __name__ == "__main__":
    sys.exit(main())
