"""`flux auth`: keys that Flux keeps for its user, so that none needs to stand in a file or a shell's history."""

from __future__ import annotations

import argparse
import getpass
import sys

from flux.core.config import config_folder
from flux.core.errors import ConfigError
from flux.core.key_store import KeyStore
from flux.core.keys import checked_key

_PLACES = {
    "keyring": "in the system's keyring",
    "file": "in a file that only you can read, as there is no keyring (pip install 'flux-lsp[keyring]')",
}


def run_auth(arguments: argparse.Namespace) -> int:
    """Keep, list or forget keys. Raises ConfigError where that cannot be done."""
    store = KeyStore(config_folder())
    name: str = (arguments.name or "").strip().lower()
    if arguments.action == "list":
        for provider, place in store.places().items():
            print(f"{provider:<14} {_PLACES[place].partition(',')[0]}")
        return 0
    if not name:
        raise ConfigError(f"Which provider? For example: flux auth {arguments.action} anthropic")
    if arguments.action == "remove":
        if not store.remove(name):
            raise ConfigError(f"No key is kept for {name}.", hint="`flux auth list` shows for whom there is one.")
        print(f"The key for {name} is forgotten.")
        return 0
    place = store.write(name, checked_key(_read_key(name), "what was given"))
    print(f"The key for {name} is kept {_PLACES[place]}: {store.file}")
    return 0


def _read_key(name: str) -> str:
    """Typed without being shown, or piped in; never an argument, which other users can see."""
    return getpass.getpass(f"The key for {name} (not shown): ") if sys.stdin.isatty() else sys.stdin.readline()
