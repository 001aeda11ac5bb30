"""A session as one text to keep or to hand on: Markdown to read, JSON with all that is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import assert_never, cast

from flux.agent.session_store import SessionStore, StoredMessage, StoredSession
from flux.agent.store.edits import change_to_json
from flux.agent.store.values import message_to_json, said
from flux.core.messages import Image, Part, Reasoning, Summary, Text, ToolCall, ToolResult
from flux.core.secret import redact


def to_json(store: SessionStore, session: StoredSession) -> dict[str, object]:
    """All messages with their times, what was used, and what was changed and not taken back. Times are UTC."""
    usage, cost = store.ledger.of_session(session.id)
    return {
        "session": session.id,
        "title": session.title,
        "folder": session.folder,
        "created_at": _time(session.created_at),
        "used_at": _time(session.used_at),
        "usage": asdict(usage),
        "cost_usd": cost.usd if cost.is_complete else None,
        "messages": [
            {
                **message_to_json(stored.message),
                "turn": stored.turn_id,
                "at": _time(stored.at),
                "is_interrupted": stored.is_interrupted,
            }
            for stored in store.messages(session.id)
        ],
        "changes": [
            change_to_json(store.journal.change(entry))
            for entry in store.journal.entries(session_id=session.id)
            if entry.stands and entry.parent is None
        ],
    }


def to_raw(store: SessionStore, session: StoredSession, turn_id: str = "") -> dict[str, object]:
    """Each request as it left and its answer as it came, and what requests used: of one turn, or of all.

    Requests of long ago are no longer there (`store.exchanges`), and there are none where nothing went out. What looks
    like a key is taken out.
    """
    exchanges = [
        {"turn": one.turn_id, "at": _time(one.at), **one.told}
        for one in store.exchanges.of_session(session.id, turn_id)
    ]
    used = [
        {"turn": asked.turn_id, **_without(asdict(asked), "turn_id"), "at": _time(asked.at)}
        for asked in store.ledger.requests(session.id)
        if turn_id in {"", asked.turn_id}
    ]
    return {"session": session.id, "exchanges": _redacted(exchanges), "used": used}


def _without(values: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in values.items() if key != name}


def _redacted(value: object) -> object:
    match value:
        case str():
            return redact(value)
        case dict():
            return {name: _redacted(one) for name, one in cast("dict[str, object]", value).items()}
        case list():
            return [_redacted(one) for one in cast("list[object]", value)]
        case _:
            return value


def to_markdown(store: SessionStore, session: StoredSession) -> str:
    """What was said, by whom and when; calls and their results folded away."""
    head = f"# {session.title}\n\nSession {session.id}, in `{session.folder}`, begun {_time(session.created_at)}\n"
    return head + "".join(block for stored in store.messages(session.id) for block in _blocks(stored))


def to_json_text(store: SessionStore, session: StoredSession) -> str:
    return json.dumps(to_json(store, session), indent=2) + "\n"


def _blocks(stored: StoredMessage) -> Iterator[str]:
    message = stored.message
    match message.role:
        case "user":
            yield f"\n## You, {_time(stored.at)}\n\n{said(message)}\n"
            if context := message.parts[:-1]:
                yield _folded("what went along", "\n\n".join(part.text for part in context if isinstance(part, Text)))
        case "assistant":
            mark = " (interrupted)" if stored.is_interrupted else ""
            yield f"\n## Flux, {_time(stored.at)}{mark}\n"
            yield from map(_block, message.parts)
        case "tool":
            yield from map(_block, message.parts)


def _block(part: Part) -> str:
    match part:
        case Text(text):
            return f"\n{text}\n"
        case Reasoning(text):
            return _folded("thoughts", text) if text else ""
        case ToolCall(_, name, arguments_json):
            return _folded(f"calls {name}", arguments_json)
        case ToolResult(_, name, content, is_error):
            return _folded(f"{name} {'refused' if is_error else 'answered'}", content)
        case Summary(text):
            return _folded("earlier turns, summarized by the provider", text)
        case Image(media_type):
            return f"\n(an image, {media_type})\n"
        case _:
            assert_never(part)


def _folded(title: str, text: str) -> str:
    longest = max((len(run) for run in text.split("\n") if set(run) == {"`"}), default=0)
    fence = "`" * max(3, longest + 1)
    return f"\n<details><summary>{title}</summary>\n\n{fence}\n{text}\n{fence}\n\n</details>\n"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
