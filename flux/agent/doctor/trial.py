"""A short request to a model, with a tool to call: whether answers come as they should. It costs money, and says what.

It counts as any other request does: towards the limits of money, and in `flux usage`, under the role `doctor`.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass

from flux.agent.budget import Budget, Forecast
from flux.agent.doctor.finding import Finding, of_error
from flux.agent.doctor.providers import Candidate
from flux.agent.session_store import SessionStore
from flux.agent.sessions import budget_limits
from flux.core.config import Settings
from flux.core.errors import FluxError
from flux.core.messages import ToolSpec, user_message
from flux.core.usage import Cost, Usage
from flux.llm.base_provider import Folder, ModelRequest, ReasoningDelta, Response, TextDelta, ToolCallDelta

TRIAL_S = 60.0
MOST = Usage(input_tokens=500, output_tokens=1000)
"""More than a trial uses, thoughts included."""
_TOOL = ToolSpec(
    "report_word",
    "Reports a word to the user.",
    {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
)
_WORD = "lantern"


@dataclass(frozen=True, slots=True)
class Trials:
    """Tries models. `store` keeps what it cost."""

    settings: Settings
    store: SessionStore

    async def run(self, area: str, candidate: Candidate) -> list[Finding]:
        """Whether the model streams and calls tools, and what that cost."""
        began = time.monotonic()
        folder = Folder()
        try:
            self._check_budget(candidate)
            async with asyncio.timeout(TRIAL_S):
                pieces, first_s = await _ask(candidate, folder, began)
        except FluxError as e:
            return [of_error(area, "trial", e), *self._count(area, candidate, folder.response())]
        except TimeoutError:
            text = f"{candidate.model} was not done within {TRIAL_S:g} seconds."
            return [Finding(area, "trial", "problem", text), *self._count(area, candidate, folder.response())]
        took_s = time.monotonic() - began
        words = f"{candidate.model}: {pieces} pieces in {took_s:.1f} s, the first after {first_s:.1f} s."
        streaming = Finding(area, "streaming", "ok" if pieces else "problem", words)
        return [streaming, _tools(area, candidate, folder.response()), *self._count(area, candidate, folder.response())]

    def _check_budget(self, candidate: Candidate) -> None:
        limits = dict(budget_limits(self.settings))
        limits.pop("session", None)  # it belongs to none
        Budget(limits, self.store.ledger, "").check(Forecast(candidate.model, MOST, candidate.price))

    def _count(self, area: str, candidate: Candidate, response: Response) -> Iterator[Finding]:
        usage = response.usage
        if not usage.total_tokens:
            return
        cost = Cost.of(usage, candidate.price)
        session_id = uuid.uuid4().hex[:12]
        self.store.create(session_id, "")
        self.store.ledger.add(session_id, "", candidate.provider.name, candidate.model, usage, cost, "doctor")
        self.store.release(session_id)
        text = f"The trial of {candidate.model} used {usage.total_tokens} tokens: {cost}."
        yield Finding(area, "cost", "ok", text)


async def _ask(candidate: Candidate, folder: Folder, began: float) -> tuple[int, float]:
    """(how many pieces of an answer came, after how many seconds the first)."""
    request = ModelRequest(
        candidate.model,
        (user_message(f"Call the tool {_TOOL.name} with the word {_WORD}."),),
        system="Do exactly what you are asked.",
        tools=(_TOOL,),
        max_output_tokens=MOST.output_tokens,
    )
    pieces, first_s = 0, 0.0
    async with aclosing(candidate.provider.stream(request)) as deltas:
        async for delta in deltas:
            folder.add(delta)
            if isinstance(delta, TextDelta | ReasoningDelta | ToolCallDelta):
                first_s = first_s or time.monotonic() - began
                pieces += 1
    return pieces, first_s


def _tools(area: str, candidate: Candidate, response: Response) -> Finding:
    for call in response.tool_calls:
        try:
            if call.name == _TOOL.name and call.arguments().get("word") == _WORD:
                return Finding(area, "tools", "ok", f"{candidate.model} called one as it was asked to.")
        except FluxError as e:
            return of_error(area, "tools", e, "warning")
    text = f"{candidate.model} called no tool, though it was asked to."
    return Finding(area, "tools", "warning", text, "With FLUX_TOOLS=text it is offered them in words.")
