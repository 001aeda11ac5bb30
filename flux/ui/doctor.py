"""`flux doctor` and `/doctor`: what works here and what does not, and what to do."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys

from flux.agent.doctor.examination import Case, examine
from flux.agent.doctor.finding import Finding, Report
from flux.core.config import Loaded, find_user_folders, load_settings
from flux.core.errors import ConfigError
from flux.core.log import start_logging
from flux.core.trust import TrustStore
from flux.ui.interrupt import end_soon
from flux.ui.opening import explicit_settings, folders, open_store
from flux.ui.render import painted, visible

_COLOURS = {"warning": "yellow", "problem": "red"}


def run_doctor(arguments: argparse.Namespace) -> int:
    """Look at everything and print what was found; 1 where something is a problem. Raises ConfigError."""
    if arguments.deep:
        print("flux: trying each model with one short request, which may cost money", file=sys.stderr)
    report = asyncio.run(examine(case_here(arguments, is_deep=arguments.deep)))
    if arguments.as_json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        show_report(report)
    status = 0 if report.is_healthy else 1
    end_soon(status)  # a look at a network disk may still hang in its thread
    return status


def show_report(report: Report) -> None:
    for state, line in report.lines():
        print(painted(line, _COLOURS[state], sys.stdout) if state in _COLOURS else visible(line, sys.stdout))


def case_here(arguments: argparse.Namespace, *, is_deep: bool) -> Case:
    """What there is to look at from this terminal. Raises ConfigError for a folder that is not there."""
    folder = folders(arguments)[0]
    state = find_user_folders().state
    loaded: Loaded | ConfigError
    try:
        loaded = load_settings(folder, explicit_settings(arguments), trust=TrustStore(state))
        start_logging(loaded.settings.log_file, loaded.settings.secrets(), loaded.settings.log_level)
    except ConfigError as e:
        loaded = e
    return Case(folder, state, loaded, [_terminal()], open_store if is_deep else None)


def _terminal() -> Finding:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return Finding("terminal", "terminal", "ok", "There is none: nothing can be asked here.")
    columns, rows = shutil.get_terminal_size()
    text = f"{columns} columns, {rows} rows, {sys.stdout.encoding}."
    return Finding("terminal", "terminal", "ok", text)
