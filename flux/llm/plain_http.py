"""Requests without a vendor's SDK: the HTTP client that both stand on, which is imported in a seventh of the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flux.llm.pools import HttpOptions, Sdk

if TYPE_CHECKING:
    import httpx2


def open_plain(base_url: str, http: HttpOptions) -> Sdk:
    """For Ollama's own API, and to look quickly whether a server is there."""
    import httpx2

    client = http.client(httpx2.AsyncClient)

    async def send(method: str, path: str, body: bytes | None) -> httpx2.Response:
        url = path if "://" in path else base_url + path
        return await client.send(client.build_request(method, url, content=body), stream=True)

    async def post(path: str, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        return await send("POST", path, body)

    async def get(path: str, headers: Mapping[str, str]) -> httpx2.Response:
        return await send("GET", path, None)

    return Sdk(post, get, client.aclose, httpx2.HTTPError)
