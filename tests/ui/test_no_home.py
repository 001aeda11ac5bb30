"""A user without a home folder: Flux works in memory, says so once, and puts nothing into the project."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.support.shell import NO_HOME, Shell, checked

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows takes any user's name for one")


def names(shell: Shell) -> list[str]:
    return sorted(file.name for file in shell.folder.iterdir())


@pytest.fixture
def homeless(shell: Shell) -> Shell:
    shell.script([{"text": "Seen."}], is_recorded=False)
    shell.variables |= NO_HOME
    return shell


def test_a_turn_runs_and_that_it_is_not_stored_is_said_once(homeless: Shell) -> None:
    ended = homeless.flux("-p", "go")
    assert (ended.status, ended.out, names(homeless)) == (0, "Seen.\n", ["circle.py"])
    assert ended.err.count("sessions will not be stored: There is no home folder.") == 1
    assert ended.err.count("FLUX_STATE_FOLDER names a folder to use instead.") == 1


def test_a_user_whom_the_system_does_not_know_can_work(homeless: Shell) -> None:
    """As in a container that runs under any number."""
    unshare = [shutil.which("unshare") or "unshare", "--user", "--map-user=4242"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this system lets nobody be another user")
    for variable in ("FLUX_STATE_FOLDER", "FLUX_CONFIG_FOLDER", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        homeless.variables[variable] = ""
    environ = {name: value for name, value in homeless.environment().items() if name != "HOME"}
    done = subprocess.run(
        [*unshare, sys.executable, "-m", "flux", "-p", "go"],
        env=environ, cwd=homeless.folder, stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    ended = checked(done.returncode, done.stdout, done.stderr)
    assert (ended.status, ended.out, names(homeless)) == (0, "Seen.\n", ["circle.py"]), ended.err
    assert "sessions will not be stored: There is no home folder." in ended.err


def test_a_folder_called_by_the_sign_of_home_is_not_taken_for_the_users_own(homeless: Shell) -> None:
    config = homeless.folder / "~a-user-that-is-not" / "flux"
    config.mkdir(parents=True)
    (config / "config.toml").write_text('base_url = "http://evil.example"\nprovider = "demo"\n', encoding="utf-8")
    del homeless.variables["FLUX_PROVIDER"]
    assert homeless.flux("-p", "go").status == 2  # no provider is set


def test_a_yes_to_the_projects_files_counts_for_this_run(homeless: Shell) -> None:
    del homeless.variables["FLUX_PROVIDER"]
    (homeless.folder / ".env").write_text("FLUX_PROVIDER=scripted\n", encoding="utf-8")
    assert homeless.flux("-p", "go", "--trust").out == "Seen.\n"
    assert homeless.flux("-p", "go").status == 2
    assert names(homeless) == [".env", "circle.py"]


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (("tokens", "install"), {}, "FLUX_STATE_FOLDER names a folder to use instead."),
        (
            ("-p", "go"),
            {"FLUX_LOG_FILE": "~a-user-that-is-not/flux.log"},
            "begins with the home folder, and there is none",
        ),
    ],
)
def test_what_needs_a_home_names_what_to_set(
    homeless: Shell, arguments: tuple[str, ...], variables: dict[str, str], said: str
) -> None:
    homeless.variables |= variables
    ended = homeless.flux(*arguments)
    assert (ended.status, said in ended.err, names(homeless)) == (2, True, ["circle.py"]), ended.err


def test_the_two_variables_do_instead_of_a_home(homeless: Shell) -> None:
    homeless.variables["FLUX_STATE_FOLDER"] = str(homeless.home / "state")
    ended = homeless.flux("-p", "go")
    assert (ended.status, "not be stored" in ended.err) == (0, False)
    assert "go" in homeless.flux("sessions").out
