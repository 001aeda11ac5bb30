"""What a user can ask for by one choice from a menu: each is an instruction in words, sent like any other prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ActionKind = Literal["fix", "explain", "improve", "document", "tests", "comment"]


@dataclass(frozen=True, slots=True)
class Action:
    """`title` is what menus show, after `Flux: `. `is_edit` is false where the answer is a text to read."""

    kind: ActionKind
    title: str
    instruction: str
    is_edit: bool = True


ACTIONS: Mapping[ActionKind, Action] = {
    action.kind: action
    for action in (
        Action(
            "fix",
            "fix",
            "Instruction: fix the problems named in the context, or, if none is named, the mistakes you find in the "
            "selection. Edit the file; change nothing else. Say in one sentence what was wrong.",
        ),
        Action(
            "explain",
            "explain",
            "Instruction: explain the selection (the whole file if nothing is selected): what it is for, how it works, "
            "what is surprising in it. Do not edit anything.",
            is_edit=False,
        ),
        Action(
            "improve",
            "improve",
            "Instruction: improve the selection: make it simpler and clearer, and correct what is wrong, without "
            "changing what it does for its callers. Edit the file. Say in a sentence or two what is better.",
        ),
        Action(
            "document",
            "document",
            "Instruction: document the selection: add or correct docstrings and doc comments in the style of the file. "
            "Edit the file; change no code.",
        ),
        Action(
            "tests",
            "write tests",
            "Instruction: write tests for the selection. Look at how this project tests first (list_files), use its "
            "framework and layout, and put the tests in the file where they belong; create it if there is none.",
        ),
        Action(
            "comment",
            "do what this comment says",
            "Instruction: do what the selected comment asks for, in this file, and remove the comment.",
        ),
    )
}


def instruction(kind: ActionKind, *, comment: str = "") -> str:
    """The words to send for an action. `comment` is the text of a `flux:` comment, for kind `comment`."""
    text = ACTIONS[kind].instruction
    return f"{text}\nThe comment: {comment}" if comment else text
