"""A chat as a Markdown document: what it looks like, what its user has written, and where the next piece belongs.

All that must be known of it stands in its text, in two comments: the one below which the user writes names the session,
and while an answer streams another one stands where it goes on. So nothing that is typed moves a place, and a document
of yesterday goes on. Pure; knows no editor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flux.agent.events import (
    EditApplied,
    EditsProposed,
    MessageQueued,
    Noticed,
    Retrying,
    Summarized,
    TextStreamed,
    ToolAnswered,
    ToolCalled,
    TurnEvent,
)
from flux.agent.store.values import said
from flux.core.messages import Message
from flux.core.text import main_line_end
from flux.edits.text_edit import TextEdit

SEND = "Flux: send this message"
YOU, FLUX = "## You", "## Flux"

_OPEN = re.compile(r"^<!-- Flux chat (\w+): .*-->", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Draft:
    """What the user has written and not sent. Offsets: of its heading, of the comment, and of what is below that."""

    session_id: str
    text: str
    start: int
    comment: int
    text_start: int


def open_end(session_id: str) -> str:
    """The end of a document to write in."""
    return f"{YOU}\n\n<!-- Flux chat {session_id}: write below, then run the code action “{SEND}” -->\n\n"


def transcript(messages: Iterable[Message]) -> str:
    """What was said so far."""
    return "".join(f"{heading}\n\n{words}\n\n" for heading, words in _said(messages))


def brought_up(text: str, messages: Iterable[Message], session_id: str) -> str:
    """The document of a chat, with what was said since it was written and a place to write in; all else of it stays."""
    at, news = 0, ""
    for heading, words in _said(messages):
        # Answers do not stand below their heading alone: what the model did is told between them.
        known = f"{heading}\n\n{words}" if heading == YOU else words
        found = text.find(known, at)
        if found >= 0:
            at, news = found + len(known), ""
        else:
            news += f"{heading}\n\n{words}\n\n"
    draft = draft_of(text)
    if draft is not None and draft.session_id == session_id:
        return text[: draft.start] + news + text[draft.start :]
    above = f"{text.rstrip()}\n\n" if text.strip() else ""
    return above + news + open_end(session_id)


def _said(messages: Iterable[Message]) -> Iterator[tuple[str, str]]:
    """Each message in words, with its heading; not the results of tools."""
    for message in messages:
        if message.role != "tool" and (words := said(message).strip()):
            yield (YOU if message.role == "user" else FLUX), words


def draft_of(text: str) -> Draft | None:
    """What is written below the last comment of a chat; None where the text is none."""
    comments = list(_OPEN.finditer(text))
    if not comments:
        return None
    comment = comments[-1]
    heading = text.rfind(YOU, 0, comment.start())
    is_above = heading >= 0 and not text[heading + len(YOU) : comment.start()].strip()
    start = heading if is_above else comment.start()
    return Draft(comment[1], text[comment.end() :].strip(), start, comment.start(), comment.end())


def asking(text: str, message: str, answer_id: str, *, is_draft: bool) -> tuple[TextEdit, ...]:
    """Put a message above the place to write in, and below it the place of its answer.

    `is_draft`: it is what the user has written there, and goes from there.
    """
    draft = draft_of(text)
    if draft is None:
        return ()
    block = f"{YOU}\n\n{message}\n\n{FLUX}\n\n{_answer_place(answer_id)}\n\n"
    edits = [TextEdit(draft.start, draft.start, _with_line_ends(block, text))]
    if is_draft:
        edits.append(TextEdit(draft.text_start, len(text), _with_line_ends("\n\n", text)))
    return tuple(edits)


def answering(text: str, answer_id: str, piece: str) -> tuple[TextEdit, ...]:
    """Put the next piece where the answer goes on; none where the user has removed the place."""
    at = text.find(_answer_place(answer_id))
    if at < 0 or not piece:
        return ()
    gap = main_line_end(text) * 2
    begun = text[:at].removesuffix(gap)
    if begun != text[:at] and not begun.endswith(FLUX):
        return (TextEdit(len(begun), len(begun), _with_line_ends(piece, text)),)
    return (TextEdit(at, at, _with_line_ends(piece.lstrip(), text) + gap),)


def told(text: str, piece: str) -> tuple[TextEdit, ...]:
    """Put what is no part of an answer above the place to write in."""
    draft = draft_of(text)
    return (TextEdit(draft.start, draft.start, _with_line_ends(f"{piece}\n\n", text)),) if draft else ()


def ending(text: str, answer_id: str, last: str) -> tuple[TextEdit, ...]:
    """Put the last words in the place of the answer."""
    place = _answer_place(answer_id)
    at = text.find(place)
    return (TextEdit(at, at + len(place), _with_line_ends(last, text)),) if at >= 0 else ()


def _answer_place(answer_id: str) -> str:
    return f"<!-- Flux answers here: {answer_id} -->"


def _with_line_ends(piece: str, text: str) -> str:
    return re.sub(r"\r\n?|\n", main_line_end(text), piece)


@dataclass(slots=True)
class Rendering:
    """A turn's events as Markdown, piece by piece."""

    _last: str = ""

    def piece(self, event: TurnEvent) -> str:
        match event:
            case TextStreamed(text):
                return self._joined("text", text)
            case ToolCalled(title=title):
                return self._joined("item", f"- {title}")
            case ToolAnswered(summary=summary, is_error=True):
                return self._joined("item", f"- refused: {summary}")
            case EditApplied(diff=diff):
                return self._joined("diff", f"~~~~diff\n{diff.rstrip()}\n~~~~")
            case EditsProposed(hunks=hunks):
                return self._joined("item", f"- {len(hunks)} changes wait for your review")
            case MessageQueued(state="steered", text=text):
                return self._joined("item", f"- you said meanwhile: {' '.join(text.split())}")
            case Summarized(text, words):
                quoted = "\n".join(f"> {line}".rstrip() for line in text.splitlines())
                return self._joined("block", f"*{words}*\n\n{quoted}")
            case Retrying(reason=reason, wait_s=wait_s):
                return self._joined("item", f"- {reason}; again in {wait_s:.0f} s")
            case Noticed(text):
                return self._joined("item", f"- {' '.join(text.split())}")
            case _:
                return ""

    def _joined(self, kind: str, text: str) -> str:
        last, self._last = self._last, kind
        if kind == last == "text":
            return text
        gap = "" if not last else "\n" if kind == last == "item" else "\n\n"
        return gap + text.lstrip("\n")
