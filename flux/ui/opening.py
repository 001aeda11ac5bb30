"""From the command line's arguments to settings and a session: what `flux -p` and the chat have in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.agent.store.opening import open_user_store
from flux.core.config import Settings, find_user_folders, load_settings
from flux.core.errors import ConfigError
from flux.core.log import start_logging
from flux.core.trust import TrustQuestion, TrustStore
from flux.workspace.disk import DiskWorkspace

AskTrust = Callable[[TrustQuestion], bool]


def folders(arguments: argparse.Namespace) -> list[Path]:
    """The workspace folders. Raises ConfigError for one that is not there."""
    given: list[Path] = arguments.workspace or [Path.cwd()]
    for folder in given:
        if not folder.is_dir():
            raise ConfigError(f"--workspace {folder} is not a folder.")
    return [folder.resolve() for folder in given]


def open_settings(arguments: argparse.Namespace, ask: AskTrust | None) -> Settings:
    """The settings for the first folder. Raises ConfigError.

    `ask` puts the question of trust; without it what was ignored is named on standard error.
    """
    explicit = explicit_settings(arguments)
    folder = folders(arguments)[0]
    trust = TrustStore(find_user_folders().state)
    loaded = load_settings(folder, explicit, trust=trust)
    if loaded.trust_question is not None:
        if getattr(arguments, "trust", False) or (ask is not None and ask(loaded.trust_question)):
            trust.grant(loaded.trust_question)
            loaded = load_settings(folder, explicit, trust=trust)
        else:
            ignored = ", ".join(f"{item.name} in {item.source}" for item in loaded.ignored)
            say(f"ignored until you trust this folder (--trust): {ignored}")
    for warning in loaded.warnings:
        say(warning)
    start_logging(loaded.settings.log_file, loaded.settings.secrets(), loaded.settings.log_level)
    return loaded.settings


def explicit_settings(arguments: argparse.Namespace) -> dict[str, object]:
    """What the command line sets."""
    names = ("provider", "model", "log_file")
    return {name: value for name in names if (value := getattr(arguments, name))}


def approval_of(arguments: argparse.Namespace, settings: Settings) -> str:
    """How changes are approved: `ask`, `auto` or `review`; the command line wins."""
    if arguments.yes:
        return "auto"
    return "review" if arguments.review else settings.approval or "ask"


def open_store() -> SessionStore:
    """The user's sessions; where they cannot be stored this is said, and the session lives in memory."""
    store, notice = open_user_store("the terminal")
    if notice:
        say(notice)
    return store


async def open_session(arguments: argparse.Namespace, sessions: Sessions) -> Session:
    """The session that the arguments ask for: a new one, the last one here, or one by its id."""
    workspace = DiskWorkspace([str(folder) for folder in folders(arguments)])
    if not (arguments.continues or arguments.resume):
        return await sessions.start(workspace)
    if arguments.continues:
        session = await sessions.continue_newest(workspace)
    else:
        session = await sessions.resume(arguments.resume, workspace)
    if session.held_by:
        say(f"{session.held_by} It can be read here, and gone on with once it is closed there.")
    if notice := session.take_notice():
        say(notice)
    return session


def say(text: str) -> None:
    """A line for the user, beside the answer."""
    print(f"flux: {text}", file=sys.stderr)
