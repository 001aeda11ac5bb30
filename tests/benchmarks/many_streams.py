"""`python many_streams.py flux|sdk anthropic|openai BASE_URL COUNT`: reads so many answers at a time, to their ends.

Prints the peak memory of this process in KB: after one answer, and after all. For `sdk` nothing of Flux is imported.
"""

import asyncio
import resource
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing

Ask = Callable[[], AsyncGenerator[str]]


async def _flux(vendor: str, base_url: str, stack: AsyncExitStack) -> Ask:
    from flux.llm import TextDelta, create_provider

    config = {"provider": vendor, "base_url": base_url, "api_key": "not-a-key", "model": "m"}
    provider = await stack.enter_async_context(create_provider(config))

    async def texts() -> AsyncGenerator[str]:
        async with aclosing(provider.stream("hello")) as deltas:
            async for delta in deltas:
                if isinstance(delta, TextDelta):
                    yield delta.text

    return texts


async def _anthropic(base_url: str, stack: AsyncExitStack) -> Ask:
    from anthropic import AsyncAnthropic
    from anthropic.types import MessageParam

    client = await stack.enter_async_context(AsyncAnthropic(base_url=base_url, api_key="not-a-key"))
    said: list[MessageParam] = [{"role": "user", "content": "hello"}]

    async def texts() -> AsyncGenerator[str]:
        async for event in await client.messages.create(model="m", max_tokens=8192, messages=said, stream=True):
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                yield event.delta.text

    return texts


async def _openai(base_url: str, stack: AsyncExitStack) -> Ask:
    from openai import AsyncOpenAI

    client = await stack.enter_async_context(AsyncOpenAI(base_url=base_url, api_key="not-a-key"))

    async def texts() -> AsyncGenerator[str]:
        async for event in await client.responses.create(model="m", input="hello", stream=True):
            if event.type == "response.output_text.delta":
                yield event.delta

    return texts


def _peak_kb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


async def main(kind: str, vendor: str, base_url: str, count: int) -> None:
    async with AsyncExitStack() as stack:
        if kind == "flux":
            ask = await _flux(vendor, base_url, stack)
        else:
            ask = await (_anthropic if vendor == "anthropic" else _openai)(base_url, stack)

        async def length() -> int:
            async with aclosing(ask()) as texts:
                return sum([len(text) async for text in texts])

        one = await length()
        first_kb = _peak_kb()
        lengths = await asyncio.gather(*(length() for _ in range(count)))
        if not one or set(lengths) != {one}:
            raise RuntimeError(f"answers of {sorted(set(lengths))} characters, not {one}")
        print(first_kb, _peak_kb())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
