"""`flux sessions`: the stored sessions listed, shown, searched, exported and deleted."""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict

from flux.agent.session_store import SessionStore, StoredSession
from flux.agent.store.export import to_json, to_json_text, to_markdown, to_raw
from flux.agent.store.search import search, sweep
from flux.agent.store.values import said
from flux.core.errors import SessionError
from flux.ui.opening import open_store
from flux.ui.render import one_line, visible

DONE, FAILED = 0, 1


def run_sessions(arguments: argparse.Namespace) -> int:
    """Do what the arguments say; the exit status. Raises SessionMissing, SessionError."""
    actions: Mapping[str, Callable[[SessionStore, argparse.Namespace], int]] = {
        "list": _list,
        "show": _show,
        "search": _search,
        "export": _export,
        "delete": _delete,
    }
    store = open_store()
    try:
        return actions[arguments.action](store, arguments)
    finally:
        store.close()


def _list(store: SessionStore, arguments: argparse.Namespace) -> int:
    sessions = store.sessions(arguments.limit)
    if arguments.as_json:
        _print_json([asdict(session) for session in sessions])
        return DONE
    if not sessions:
        print("No session is stored yet.", file=sys.stderr)
    for session in sessions:
        print(f"{session.id}  {_when(session.used_at)}  {one_line(session.folder)}  {one_line(session.title)}")
    return DONE


def _show(store: SessionStore, arguments: argparse.Namespace) -> int:
    session = store.find(arguments.id)
    if arguments.raw:
        _print_json(to_raw(store, session, arguments.turn or ""))
        return DONE
    if arguments.as_json:
        _print_json(to_json(store, session))
        return DONE
    usage, cost = store.ledger.of_session(session.id)
    print(f"{one_line(session.title)}\n{session.id}  {one_line(session.folder)}  {_when(session.created_at)}")
    print(f"{usage.total_tokens:,} tokens  {cost}")
    if holder := store.holder(session.id):
        print(f"open in {holder}")
    for stored in store.messages(session.id):
        message = stored.message
        if message.role == "user":
            print(f"\n› {visible(said(message), sys.stdout)}")
        elif message.role == "assistant":
            mark = "  (interrupted)" if stored.is_interrupted else ""
            print(f"\n{visible(message.text(), sys.stdout)}{mark}")
        for call in message.tool_calls():
            print(f"· {call.name} {one_line(call.arguments_json[:100])}")
    return DONE


def _search(store: SessionStore, arguments: argparse.Namespace) -> int:
    if store.path is None:
        raise SessionError("There are no stored sessions to search.")
    try:
        found = search(store.path, " ".join(arguments.words), arguments.limit)
    except sqlite3.Error as e:
        raise SessionError(f"The sessions in {store.path} cannot be searched: {e}") from e
    if arguments.as_json:
        _print_json([asdict(one) for one in found])
        return DONE
    for one in found:
        who = "you" if one.role == "user" else "Flux"
        print(f"{one.session_id}  {_when(one.used_at)}  {one_line(one.title)}\n    {who}: {one_line(one.excerpt)}")
    return DONE if found else FAILED


def _export(store: SessionStore, arguments: argparse.Namespace) -> int:
    session = store.find(arguments.id)
    write = to_json_text if arguments.as_json else to_markdown
    text = write(store, session).encode("utf-8", "backslashreplace").decode("utf-8")
    if arguments.output is None:
        print(text, end="")
    else:
        arguments.output.write_text(text, encoding="utf-8", newline="\n")
    return DONE


def _delete(store: SessionStore, arguments: argparse.Namespace) -> int:
    session = store.find(arguments.id)
    if not arguments.is_sure and not _is_sure(session):
        print("Nothing was deleted.", file=sys.stderr)
        return FAILED
    store.delete(session.id)
    if store.path is not None:
        with suppress(sqlite3.Error):  # another program writes; the next deletion does it too
            sweep(store.path)
    print(f"Deleted {session.id}.")
    return DONE


def _is_sure(session: StoredSession) -> bool:
    if not sys.stdin.isatty():
        print("flux: nobody can be asked here. Give --yes to delete it.", file=sys.stderr)
        return False
    try:
        return input(f"Delete {session.id} ({one_line(session.title)}) for good? [y/N] ").strip().lower() in {
            "y",
            "yes",
        }
    except EOFError:
        return False


def _print_json(value: dict[str, object] | Sequence[object]) -> None:
    print(json.dumps(value, indent=2))


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
