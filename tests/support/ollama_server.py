"""A fake Ollama on the loopback, after its `docs/api.md` (2026-11-21): models, downloads, and chat.

Chat goes to the fault server's answers, by the model's name (without its tag), or to a script of answers. What Ollama
does in silence is done here too: without `truncate: false` a conversation that is too long is shortened and answered.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.fault_server import FaultServer, Received

GB = 10**9


@dataclass(frozen=True, slots=True)
class FakeModel:
    """A model on the server's disk.

    `abilities` None: a server too old to tell them. `remote_host`: it is one of Ollama's cloud.
    """

    trained_tokens: int = 131_072
    abilities: tuple[str, ...] | None = ("completion", "tools")
    parameters: str = ""
    remote_host: str = ""


@dataclass(slots=True)
class OllamaServer(FaultServer):
    """`models` by name with tag; `loaded` with its window; `answers` are given in turn, each a list of lines."""

    models: dict[str, FakeModel] = field(default_factory=dict[str, FakeModel])
    loaded: dict[str, int] = field(default_factory=dict[str, int])
    library: dict[str, FakeModel] = field(default_factory=dict[str, FakeModel])
    """What can be downloaded."""
    answers: list[Sequence[Mapping[str, object]]] = field(default_factory=list[Sequence[Mapping[str, object]]])
    chats: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    cuts_pulls: bool = False
    chat_address: tuple[str, int] | None = None
    """Chat is answered there, by a server that knows only that of Ollama."""

    async def _answer(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        match request.path:
            case "/api/version":
                return await self._say(writer, {"version": "0.15.2"})
            case "/api/tags":
                return await self._say(writer, {"models": [self._row(name) for name in self.models]})
            case "/api/ps":
                loaded = [{"name": name, "context_length": tokens} for name, tokens in self.loaded.items()]
                return await self._say(writer, {"models": loaded})
            case "/api/show":
                return await self._show(request.json, writer)
            case "/api/pull":
                return await self._pull(request.json, writer)
            case _:
                return await self._chat(request, reader, writer)

    def _row(self, name: str) -> dict[str, object]:
        row: dict[str, object] = {"name": name, "model": name, "size": 2 * GB, "details": {"family": "llama"}}
        if self.models[name].remote_host:
            row["remote_host"] = self.models[name].remote_host
        return row

    async def _show(self, asked: Mapping[str, object], writer: asyncio.StreamWriter) -> bool:
        model = self.models.get(_tagged(asked["model"]))
        if model is None:
            return await self._say(writer, {"error": f"model '{asked['model']}' not found"}, 404)
        found: dict[str, object] = {
            "parameters": model.parameters,
            "details": {"family": "llama", "parameter_size": "8B"},
            "model_info": {"general.architecture": "llama", "llama.context_length": model.trained_tokens},
        }
        if model.abilities is not None:
            found["capabilities"] = list(model.abilities)
        if model.remote_host:
            found["remote_host"] = model.remote_host
        return await self._say(writer, found)

    async def _pull(self, asked: Mapping[str, object], writer: asyncio.StreamWriter) -> bool:
        name = _tagged(asked["model"])
        lines: list[Mapping[str, object]] = [{"status": "pulling manifest"}]
        if name not in self.library:
            lines.append({"error": "pull model manifest: file does not exist"})
        else:
            for digest, size in (("sha256:aa", 3 * GB), ("sha256:bb", GB)):
                lines.append({"status": f"pulling {digest[7:]}", "digest": digest, "total": size})
                lines += [
                    {"status": f"pulling {digest[7:]}", "digest": digest, "total": size, "completed": size * n // 4}
                    for n in (1, 2, 3, 4)
                ]
            lines += [{"status": "verifying sha256 digest"}, {"status": "writing manifest"}]
            if not self.cuts_pulls:
                lines.append({"status": "success"})
                self.models[name] = self.library[name]
        await self._lines(writer, lines)
        return False

    async def _chat(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        asked: dict[str, Any] = request.json
        self.chats.append(asked)
        model = self.models.get(_tagged(asked["model"]))
        if model is None:
            return await self._say(writer, {"error": f"model '{asked['model']}' not found"}, 404)
        if asked.get("tools") and model.abilities is not None and "tools" not in model.abilities:
            words = f"registry.ollama.ai/library/{asked['model']} does not support tools"
            return await self._say(writer, {"error": words}, 400)
        if asked.get("think") and (model.abilities is None or "thinking" not in model.abilities):
            return await self._say(writer, {"error": f'"{asked["model"]}" does not support thinking'}, 400)
        tokens = len(json.dumps(asked["messages"])) // 4
        if tokens > asked["options"].get("num_ctx", 4096) and asked.get("truncate") is False:
            return await self._say(writer, {"error": "the input length exceeds the context length"}, 400)
        self.loaded[_tagged(asked["model"])] = asked["options"].get("num_ctx", 4096)
        if self.chat_address is not None:
            return await self._pass_on(request, writer, *self.chat_address)
        if self.answers:
            await self._lines(writer, self.answers.pop(0))
            return False
        return await FaultServer._answer(self, request, reader, writer)

    async def _pass_on(self, request: Received, writer: asyncio.StreamWriter, host: str, port: int) -> bool:
        """To the other server and back, as it is but for the end of the connection, which is the answer's."""
        reader, other = await asyncio.open_connection(host, port)
        head, _, rest = request.head.partition(b"\r\n")
        lines = [line for line in rest.split(b"\r\n") if not line.lower().startswith((b"connection:", b"host:"))]
        other.write(b"\r\n".join([head, b"Host: %s:%d" % (host.encode(), port), b"Connection: close", *lines]))
        other.write(b"\r\n\r\n" + request.body)
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
        other.close()
        return False

    async def _say(self, writer: asyncio.StreamWriter, found: object, status: int = 200) -> bool:
        body = json.dumps(found).encode()
        writer.write(b"HTTP/1.1 %d Said\r\ncontent-type: application/json\r\n" % status)
        writer.write(b"content-length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        return True

    async def _lines(self, writer: asyncio.StreamWriter, lines: Sequence[Mapping[str, object]]) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n")
        for line in lines:
            writer.write(json.dumps(line).encode() + b"\n")
            await writer.drain()


def said(*texts: str, **last: object) -> list[dict[str, object]]:
    """An answer of these texts, one a line."""
    lines: list[dict[str, object]] = [
        {"model": "m", "message": {"role": "assistant", "content": text}, "done": False} for text in texts
    ]
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 3, **last}
    return [*lines, {"model": "m", "message": {"role": "assistant", "content": ""}, **end}]


def called(text: str, *calls: tuple[str, Mapping[str, object]]) -> list[dict[str, object]]:
    """An answer with calls, which Ollama gives whole."""
    functions = [{"function": {"name": name, "arguments": arguments}} for name, arguments in calls]
    first, last = said(text)
    first["message"] = {"role": "assistant", "content": text, "tool_calls": functions}
    return [first, last]


@asynccontextmanager
async def ollama_server(**models: FakeModel) -> AsyncGenerator[OllamaServer]:
    """A server of one's own on a free port; `__` in a model's name stands for `:`."""
    server = OllamaServer(models={_tagged(name.replace("__", ":")): model for name, model in models.items()})
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await server.hang_up()


def _tagged(name: object) -> str:
    return name if isinstance(name, str) and ":" in name else f"{name}:latest"
