"""The question before a change, on a terminal. The diff stands above it already: the turn's events showed it."""

from __future__ import annotations

import asyncio

from flux.agent.approval import ApprovalRequest, Decision
from flux.ui.input import Input
from flux.ui.render import one_line

_ANSWERS: dict[str, Decision] = {
    "y": "yes",
    "yes": "yes",
    "a": "always",
    "always": "always",
    "n": "no",
    "no": "no",
    "": "no",
}


class AskOnTerminal:
    """Reads one line; no answer is a no, and Ctrl-C cancels the turn."""

    def __init__(self, source: Input) -> None:
        self._source = source

    async def ask(self, question: ApprovalRequest) -> Decision:
        while True:
            try:
                line = await self._source.answer(
                    f"{one_line(question.title.removeprefix('Flux: '))}? [y]es / [a]lways in this session / [N]o "
                )
            except EOFError:
                return "no"
            except KeyboardInterrupt:
                raise asyncio.CancelledError from None
            if (answer := _ANSWERS.get(line.strip().lower())) is not None:
                return answer
