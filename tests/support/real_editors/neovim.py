"""A real Neovim in a terminal: keys by the terminal, and all else by its own remote interface.

Neovim is taken from FLUX_TEST_NVIM, else from .tools/neovim, where tests/editors/install_neovim.sh puts it.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.editors import NVIM, need
from tests.support.real_editors.terminal import BOUND_S, Terminal, terminal

TEXT = """
local buffer = _A.path and vim.fn.bufnr(_A.path) or vim.api.nvim_get_current_buf()
if buffer == -1 or not vim.api.nvim_buf_is_loaded(buffer) then
  return vim.NIL
end
local line_end = vim.bo[buffer].fileformat == "dos" and "\\r\\n" or "\\n"
local text = table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), line_end)
return text .. (vim.bo[buffer].endofline and line_end or "")
"""


class NeovimKeys:
    """Each method begins and ends in normal mode."""

    def __init__(self, window: Terminal, socket: Path) -> None:
        self.window = window
        self._socket = socket

    async def eval(self, code: str, **values: object) -> Any:
        """What a function with this Lua as its body returns; the values are fields of `_A` in it."""
        body = f"vim.json.encode(((function(_A) {code} end)(vim.json.decode(_A))))".replace("'", "''")
        given = json.dumps(values, ensure_ascii=False).replace("'", "''")
        expression = f"luaeval('{body}', '{given}')"
        process = await asyncio.create_subprocess_exec(
            NVIM,
            *("--server", self._socket, "--remote-expr", expression),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(BOUND_S):
                out, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            raise AssertionError(f"no answer to {code}\n{self.window.screen()}") from None
        assert process.returncode == 0, out.decode()
        return json.loads(out)

    async def go(self, path: Path, line: int = 0, column: int = 0) -> None:
        """Open the file, or go to its buffer; the place is zero-based, the column in bytes."""
        code = "vim.cmd.drop(vim.fn.fnameescape(_A.path)) vim.api.nvim_win_set_cursor(0, { _A.line + 1, _A.column })"
        await self.eval(code, path=str(path), line=line, column=column)

    async def insert(self, key: str, text: str) -> None:
        """Type after a key that begins it."""
        self.window.type(key)
        await self.window.shows("-- INSERT --")
        self.window.type(text)
        self.window.press("Escape")
        await self.window.until("it is over", lambda: "-- INSERT --" not in self.window.screen())

    async def text(self, path: Path) -> str:
        """What saving the buffer would write; the file's text where there is no buffer."""
        found = await self.eval(TEXT, path=str(path))
        return path.read_bytes().decode() if found is None else found

    async def text_in_front(self) -> str:
        return await self.eval(TEXT)


@asynccontextmanager
async def neovim(folder: Path, init: str, environ: Mapping[str, str]) -> AsyncIterator[NeovimKeys]:
    """Neovim in the folder, with this init.lua."""
    need(NVIM, "run tests/editors/install_neovim.sh, or set FLUX_TEST_NVIM")
    with tempfile.TemporaryDirectory(prefix="flux-nvim-") as own:  # a socket's path must be short
        socket, file = Path(own) / "socket", Path(own) / "init.lua"
        file.write_text(init, encoding="utf-8")
        with terminal([NVIM, "--clean", "-n", "--listen", socket, "-c", f"luafile {file}"], folder, environ) as window:
            await window.until("Neovim is up", socket.exists)
            yield NeovimKeys(window, socket)
