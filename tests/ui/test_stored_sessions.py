"""`flux sessions`, and sessions that outlive their process: resumed, held by another, killed in mid-answer."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import subprocess
import sys

import pytest

from tests.support.fault_server import fault_server, prefix
from tests.support.shell import Shell

SLOW = {"text": "a slow answer " * 400, "chunk": 7, "delay_s": 0.02}


def test_sessions_are_listed_shown_searched_exported_and_deleted(shell: Shell) -> None:
    for prompt, answer in (("why is the sky blue?", "Rayleigh: `λ⁻⁴`"), ("und Größe?", "Zwölf.")):
        shell.script([{"text": answer}])
        shell.flux("-p", prompt)
    (second, first) = json.loads(shell.flux("sessions", "list", "--json").out)
    assert [first["title"], second["title"]] == ["why is the sky blue?", "und Größe?"]
    assert shell.flux("sessions", "list", "--limit", "1").out.count("\n") == 1
    shown = shell.flux("sessions", "show", first["id"][:7]).out
    assert "› why is the sky blue?\n\nRayleigh: `λ⁻⁴`\n" in shown
    found = shell.flux("sessions", "search", "GRÖSSE").out
    assert (found.count("\n"), second["id"] in found) == (0, False)  # ß and SS are not one letter to the index
    found = shell.flux("sessions", "search", "größe", "nd").out
    assert (found.count("\n"), found.startswith(second["id"])) == (2, True)
    assert shell.flux("sessions", "search", "nowhere").status == 1
    (shell.folder / "there").mkdir()
    assert shell.flux("sessions", "export", first["id"], "-o", "there/it.md").status == 0
    markdown = (shell.folder / "there" / "it.md").read_text(encoding="utf-8")
    assert markdown.startswith("# why is the sky blue?\n")
    assert "\nRayleigh: `λ⁻⁴`\n" in markdown
    exported = json.loads(shell.flux("sessions", "export", first["id"], "--json").out)
    assert [message["role"] for message in exported["messages"]] == ["user", "assistant"]
    assert shell.flux("sessions", "delete", first["id"]).status == 1  # nobody can be asked
    assert shell.flux("sessions", "delete", first["id"], "--yes").status == 0
    assert [one["id"] for one in json.loads(shell.flux("sessions", "list", "--json").out)] == [second["id"]]
    assert shell.flux("sessions", "search", "Rayleigh").status == 1
    assert b"Rayleigh" not in (shell.home / "state" / "sessions.db").read_bytes()
    assert shell.flux("sessions", "show", first["id"]).status == 2


def test_where_no_session_is_stored_the_list_says_so(shell: Shell) -> None:
    ended = shell.flux("sessions", "list")
    assert (ended.status, ended.out, ended.err) == (0, "", "No session is stored yet.\n")


def test_usage_is_shown_by_day_and_model_as_a_table_json_and_csv(shell: Shell) -> None:
    assert shell.flux("usage").out == "Nothing was used.\n"
    shell.script([{"text": "Yes.", "usage": {"input_tokens": 1200, "output_tokens": 30, "cache_read_tokens": 1000}}])
    shell.flux("-p", "Is it?")
    table = shell.flux("usage").out
    assert re.search(r"\n\d{4}-\d\d-\d\d +1 +1,200 +1,000 +30  \$0\.0000 +█{30}\nin all +1 +1,200 ", table), table
    assert re.search(r"\nscripted +1 +1,200 ", shell.flux("usage", "--model").out)
    told = json.loads(shell.flux("usage", "--role", "--json").out)
    (group,) = told["groups"]
    assert (group["role"], group["input_tokens"], group["is_complete"]) == ("chat", 1200, True)
    assert told["total"]["output_tokens"] == 30
    header, row = shell.flux("usage", "--provider", "--csv").out.splitlines()
    assert (header.split(",")[:3], row.split(",")[:3]) == (
        ["provider", "requests", "input_tokens"],
        ["scripted", "1", "1200"],
    )
    assert shell.flux("usage", "--since", "7d").out == table
    wrong = shell.flux("usage", "--since", "soon")
    assert (wrong.status, "soon is no day" in wrong.err) == (2, True)
    shell.flux("usage", "reset")
    assert shell.flux("usage").out == "Nothing was used.\n"
    assert shell.flux("usage", "--since", "1d").out == table


def test_a_limit_of_money_is_shown_holds_and_is_raised(shell: Shell) -> None:
    assert "No limit of money is set" in shell.flux("budget").out
    shell.variables["FLUX_BUDGET_MONTH"] = "1.5"
    assert shell.flux("budget").out == "this month: $0.0000 of $1.50\n"
    raised = shell.flux("budget", "month", "2").out
    assert raised == "$2.00 more may be spent this month.\nthis month: $0.0000 of $3.50\n"
    assert shell.flux("budget", "month", "-2").status == 2
    shell.variables |= {"FLUX_PROVIDER": "anthropic", "ANTHROPIC_API_KEY": "k", "FLUX_BUDGET_SESSION": "0.0001"}
    refused = shell.flux("-p", "Hi.", "--json")
    assert refused.status == 1
    ended = json.loads(refused.out.splitlines()[-1])
    assert (ended["error_kind"], "this session: $0.0000 of $0.00" in ended["error"]) == ("BudgetExceeded", True)


def begin(shell: Shell, *arguments: str) -> subprocess.Popen[bytes]:
    """A turn that streams, with something of its answer seen."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flux", *arguments],
        cwd=shell.folder,
        env=shell.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.read(30)
    return process


def test_what_streamed_before_a_kill_is_there_and_the_session_goes_on_at_once(shell: Shell) -> None:
    shell.script([SLOW])
    process = begin(shell, "-p", "tell me")
    process.kill()
    assert process.stdout is not None
    seen = process.stdout.read().decode()
    process.wait()
    process.stdout.close()
    shell.script([{"text": "Well."}])
    ended = shell.flux("-p", "And now?", "--continue")
    assert (ended.status, ended.out) == (0, "Well.\n")
    assert "Flux ended in the middle of the last turn" in ended.err
    asked, partial, again = shell.requests()[0]["messages"]
    assert asked["parts"][-1]["text"] == "tell me"
    assert seen in partial["parts"][0]["text"]
    assert again["parts"][-1]["text"] == "And now?"
    (listed,) = json.loads(shell.flux("sessions", "list", "--json").out)
    assert "(interrupted)" in shell.flux("sessions", "show", listed["id"]).out


def test_a_session_that_another_process_has_open_is_read_and_not_written(shell: Shell) -> None:
    shell.script([{"text": "One."}])
    shell.flux("-p", "first")
    shell.script([SLOW])
    process = begin(shell, "-p", "second", "--continue")
    try:
        refused = shell.flux("-p", "third", "--continue")
        assert refused.status == 1
        assert f"This session is open in the terminal (process {process.pid} on " in refused.err
        (listed,) = json.loads(shell.flux("sessions", "list", "--json").out)
        assert "› second" in shell.flux("sessions", "show", listed["id"]).out
        assert shell.flux("sessions", "delete", listed["id"], "--yes").status == 1
        # Another session of the same project goes on beside it.
        shell.script([{"text": "Beside."}])
        assert shell.flux("-p", "elsewhere").out == "Beside.\n"
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    assert shell.flux("-p", "third", "--resume", listed["id"]).status == 0


@pytest.mark.parametrize(
    ("provider", "model"), [("anthropic", "claude-x"), ("openai", "gpt-x"), ("compatible", "some-model")]
)
async def test_a_resumed_session_sends_the_same_bytes_before_what_is_new(
    shell: Shell, provider: str, model: str
) -> None:
    async with fault_server() as server:
        suffix = "" if provider == "anthropic" else "/v1"
        shell.variables |= {
            "FLUX_PROVIDER": provider,
            "FLUX_MODEL": model,
            "FLUX_BASE_URL": f"{server.base_url}{suffix}",
            "FLUX_API_KEY": "key-of-the-test",
            "FLUX_SYSTEM_PROMPT": "Be brief.",
        }
        await asyncio.to_thread(shell.flux, "-p", "first ✓")
        shell.variables["FLUX_SYSTEM_PROMPT"] = "Be long."  # a session keeps what it began with
        for prompt in ("second", "third"):
            assert (await asyncio.to_thread(shell.flux, "-p", prompt, "--continue")).status == 0
        sent = [prefix(request) for request in server.received if request.body and request.json.get("stream")]
    assert len(sent) == 3
    for (head, earlier), (later_head, later) in itertools.pairwise(sent):
        assert later_head == head
        assert b"Be brief." in head
        assert later.startswith(earlier)
        assert len(later) > len(earlier)
