"""`flux context`: what the next message would send, without sending it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from flux.agent.preview import Preview
from flux.agent.sessions import Sessions
from flux.ui.opening import approval_of, open_session, open_settings, open_store
from flux.ui.render import visible


def show_context(arguments: argparse.Namespace) -> int:
    """Print the preview; the exit status. Raises ConfigError for settings that cannot be used, and FluxErrors."""
    sessions = Sessions(open_settings(arguments, ask=None), open_store())
    shown = asyncio.run(_preview(arguments, sessions))
    if arguments.as_json:
        print(json.dumps(shown.to_json(), indent=2))
    else:
        for line in shown.lines():
            print(visible(line, sys.stdout))
    return 0


async def _preview(arguments: argparse.Namespace, sessions: Sessions) -> Preview:
    try:
        session = await open_session(arguments, sessions)
        return await session.preview(arguments.text, is_reviewed=approval_of(arguments, sessions.settings) == "review")
    finally:
        await sessions.close()
