"""`flux models` on the command line, with a fake Ollama."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.support.ollama_server import FakeModel, OllamaServer, ollama_server


async def run(server: OllamaServer, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`flux models …` with this server as the only thing that is set."""
    ours = ("FLUX_", "ANTHROPIC_", "OPENAI_", "OLLAMA_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environ |= dict.fromkeys(("FLUX_CONFIG_FOLDER", "FLUX_STATE_FOLDER"), str(home))
    environ |= {"OLLAMA_BASE_URL": server.base_url}
    command = [sys.executable, "-m", "flux", "models", *arguments, "--workspace", str(home)]
    return await asyncio.to_thread(
        subprocess.run, command, env=environ, capture_output=True, encoding="utf-8", timeout=60, check=False
    )


async def test_the_models_of_the_chosen_server_and_what_runs_beside_it(tmp_path: Path) -> None:
    async with ollama_server(qwen=FakeModel(), gemma=FakeModel()) as server:
        server.loaded["gemma:latest"] = 8192
        done = await run(server, tmp_path, "--provider", "ollama")
        listed = done.stdout.splitlines()
        assert (done.returncode, [line.split()[:2] for line in listed[:2]]) == (0, [["*", "1"], ["2", "qwen:latest"]])
        assert "gemma:latest" in listed[0]
        beside = (await run(server, tmp_path, "--provider", "demo")).stdout
        assert [line.split()[-1] for line in beside.splitlines()] == ["demo", "ollama", "ollama"]
        assert all(name in beside for name in ("gemma:latest", "qwen:latest"))


async def test_a_model_is_downloaded_with_its_progress(tmp_path: Path) -> None:
    async with ollama_server() as server:
        server.library["qwen3:8b"] = FakeModel()
        done = await run(server, tmp_path, "pull", "qwen3:8b")
        assert done.returncode == 0
        assert "pulling manifest\n" in done.stderr
        assert "flux: qwen3:8b is there" in done.stderr
        done = await run(server, tmp_path, "pull", "nothing")
        assert (done.returncode, "file does not exist" in done.stderr) == (1, True)
        assert (await run(server, tmp_path, "pull")).returncode == 2
