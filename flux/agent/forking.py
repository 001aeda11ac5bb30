"""A session that goes on from an earlier point of another one, which stays as it is.

To fork is to go on from before a message; to edit a message is to fork there and say something else. What was changed
in files since stays made, and the user and the model are told so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flux.agent.session_store import SessionStore
from flux.agent.store.values import said
from flux.core.errors import SessionMissing


@dataclass(frozen=True, slots=True)
class Asked:
    """A message of the user's that began a turn. `number` counts from 1 in its session."""

    number: int
    turn_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Fork:
    """A session that goes on from before a message, `asked`; None where it goes on from the end.

    `changed` are the files that were changed since, and stay so; `turns` those that changed them, the last first.
    """

    session_id: str
    asked: Asked | None
    changed: tuple[str, ...] = ()
    turns: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f"from before message {self.asked.number}" if self.asked else "from here"
        files = f" What was changed in files since stays: {', '.join(self.changed)}." if self.changed else ""
        return f"This goes on {where}; the conversation that it comes from stays as it is.{files}"


def messages_of(store: SessionStore, session_id: str) -> Sequence[Asked]:
    """What the user said in a session, one for each turn."""
    first: dict[str, str] = {}
    for stored in store.messages(session_id):
        if stored.message.role == "user":
            first.setdefault(stored.turn_id, said(stored.message))
    return [Asked(number, turn_id, text) for number, (turn_id, text) in enumerate(first.items(), 1)]


def find_message(store: SessionStore, session_id: str, wanted: str) -> Asked:
    """The message of that turn, or of that number. Raises SessionMissing."""
    asked = messages_of(store, session_id)
    for one in (*(one for one in asked if one.turn_id == wanted), *(one for one in asked if str(one.number) == wanted)):
        return one
    hint = f"There are {len(asked)}." if asked else "Nothing was said in it."
    raise SessionMissing(f"The session has no message {wanted!r}.", hint=hint)


def fork(store: SessionStore, session_id: str, new_id: str, wanted: str = "") -> Fork:
    """Store a new session with what was said before the message `wanted`, with all of it where none is named.

    Raises SessionMissing.
    """
    asked = find_message(store, session_id, wanted) if wanted else None
    made = Fork(new_id, asked, *(_changed_since(store, session_id, asked) if asked else ()))
    store.fork(session_id, new_id, asked.turn_id if asked else "")
    store.fitted.add_rewrite(new_id, str(made))
    if made.changed:
        files = ", ".join(made.changed)
        store.add_note(new_id, f"The user went back to this point. Files that you changed after it stay so: {files}")
    return made


def _changed_since(store: SessionStore, session_id: str, asked: Asked) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The files that were changed since and stand so, and the turns that did it."""
    later = {one.turn_id for one in messages_of(store, session_id) if one.number >= asked.number}
    made = [
        entry
        for entry in store.journal.entries(session_id=session_id)
        if entry.turn_id in later and entry.stands and entry.parent is None
    ]
    paths = [str(path) for entry in made for path in store.journal.change(entry).paths]
    return tuple(dict.fromkeys(paths)), tuple(dict.fromkeys(entry.turn_id for entry in reversed(made)))


def shortened(text: str) -> str:
    """The beginning of a message, for one line."""
    line = " ".join(text.split())
    return f"{line[:60]}…" if len(line) > 60 else line
