"""`flux usage`: tokens and money of all sessions, as a table, JSON or CSV, days as a plot. `flux budget`: limits.

`flux cache`: answers that are kept for equal requests, which then cost nothing."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Mapping, Sequence

from flux.agent.budget import Budget, raise_limit
from flux.agent.session_store import SessionStore
from flux.agent.sessions import budget_limits
from flux.agent.store.ledger import Group, Grouping
from flux.core.usage import Spent
from flux.ui.opening import open_settings, open_store
from flux.ui.render import one_line

BAR_COLUMNS = 30
_NO_NAME: Mapping[Grouping, str] = {"session": "(deleted sessions)"}


def run_usage(arguments: argparse.Namespace) -> int:
    """Print the sums, or begin them from nothing; the exit status. Raises ConfigError and SessionError."""
    store = open_store()
    try:
        if arguments.action == "reset":
            store.ledger.reset()
            print("The sums begin from nothing. Nothing was deleted: `flux usage --since 1970-01-01` has all of it.")
            return 0
        since = store.ledger.since(arguments.since or "")
        print(_shown(store, arguments.by, since, arguments.form), end="")
        return 0
    finally:
        store.close()


def run_budget(arguments: argparse.Namespace) -> int:
    """Print the limits of money, or raise one; the exit status. Raises ConfigError and SessionError."""
    limits = budget_limits(open_settings(arguments, ask=None))
    store = open_store()
    try:
        if arguments.period:
            print(raise_limit(store.ledger, arguments.period, arguments.amount or "", ""))
        for balance in Budget(limits, store.ledger, "").balances():
            if balance.period != "session":
                print(balance)
        if "session" in limits:
            print(f"each session: ${limits['session']:.2f}")
        if not limits:
            print("No limit of money is set (budget_session, budget_day, budget_month in config.toml).")
        return 0
    finally:
        store.close()


def run_cache(arguments: argparse.Namespace) -> int:
    """Say how much is kept of answers, or let go of it; the exit status. Raises SessionError."""
    store = open_store()
    try:
        answers, size = store.answers_kept()
        told = f"{answers} kept answers, {size / 1e6:.1f} MB"
        if arguments.action == "clear":
            store.forget_answers()
            print(f"Deleted {told}.")
        else:
            print(f"{told} (response_cache in config.toml says how much is kept; `flux cache clear` deletes them).")
        return 0
    finally:
        store.close()


def _shown(store: SessionStore, by: Grouping, since: float, form: str) -> str:
    groups = store.ledger.groups(by, since)
    total = sum((group.spent for group in groups), Spent())
    match form:
        case "json":
            rows = [{by: group.key, **_values(group.spent)} for group in groups]
            return json.dumps({"since": since, "by": by, "groups": rows, "total": _values(total)}, indent=2) + "\n"
        case "csv":
            text = io.StringIO()
            rows = csv.writer(text, lineterminator="\n")
            rows.writerow([by, *_values(total)])
            rows.writerows([group.key, *_values(group.spent).values()] for group in groups)
            return text.getvalue()
        case _:
            return _table(groups, total, by) if groups else "Nothing was used.\n"


def _values(spent: Spent) -> dict[str, object]:
    """`cost_usd` is the known part; `is_complete` says whether it is all."""
    usage = spent.usage
    return {
        "requests": spent.requests,
        "input_tokens": usage.input_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cost_usd": round(spent.cost.usd, 6),
        "is_complete": spent.cost.is_complete,
    }


def _table(groups: Sequence[Group], total: Spent, by: Grouping) -> str:
    names = [one_line(group.key) or _NO_NAME.get(by, "(without a name)") for group in groups]
    width = max(len(name) for name in (*names, by, "in all"))
    rows = [f"{by:<{width}}  {'requests':>8} {'tokens in':>13} {'from cache':>13} {'tokens out':>11}  cost"]
    bars = _bars([group.spent for group in groups]) if by == "day" else [""] * len(groups)
    for name, group, bar in zip(names, groups, bars, strict=True):
        rows.append(f"{name:<{width}}  {_row(group.spent)}  {bar}".rstrip())
    rows.append(f"{'in all':<{width}}  {_row(total)}")
    return "\n".join(rows) + "\n"


def _row(spent: Spent) -> str:
    usage = spent.usage
    return (
        f"{spent.requests:>8,} {usage.input_tokens:>13,} {usage.cache_read_tokens:>13,} {usage.output_tokens:>11,}"
        f"  {spent.cost!s:<10}"
    )


def _bars(days: Sequence[Spent]) -> list[str]:
    """A bar for each day, by money; by tokens where no money was spent."""
    sizes = [day.cost.usd for day in days]
    if not any(sizes):
        sizes = [float(day.usage.total_tokens) for day in days]
    most = max(sizes, default=0.0) or 1.0
    return ["█" * (max(1, round(BAR_COLUMNS * size / most)) if size else 0) for size in sizes]
