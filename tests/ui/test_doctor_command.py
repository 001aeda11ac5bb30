"""`flux doctor` as a process: what it prints, and how it ends."""

from __future__ import annotations

import json

from tests.support.shell import Shell


def test_with_the_demo_all_is_well(shell: Shell) -> None:
    shell.variables["FLUX_PROVIDER"] = "demo"
    ended = shell.flux("doctor")
    assert (ended.status, ended.err) == (0, "")
    assert "provider demo\n  ok address" in ended.out
    assert ended.out.splitlines()[-1].startswith("All is well: ")


def test_a_problem_is_a_status_of_one_and_the_same_as_json(shell: Shell) -> None:
    shell.variables |= {"FLUX_PROVIDER": "compatible", "FLUX_BASE_URL": "http://127.0.0.1:9", "FLUX_MODEL": "one"}
    ended = shell.flux("doctor", "--json")
    report = json.loads(ended.out)
    assert (ended.status, report["healthy"]) == (1, False)
    assert [one["name"] for one in report["findings"] if one["state"] == "problem"] == ["address"]


def test_settings_that_cannot_be_read_are_a_finding(shell: Shell) -> None:
    config = shell.home / "config"
    config.mkdir()
    (config / "config.toml").write_text("provider = [", encoding="utf-8")
    ended = shell.flux("doctor")
    assert ended.status == 1
    assert "✗  files" in ended.out
    assert "config.toml" in ended.out
