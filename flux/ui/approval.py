"""The question before a change, on a terminal."""

from __future__ import annotations

import sys

from flux.agent.approval import ApprovalRequest, Decision
from flux.ui.input import read_line
from flux.ui.render import painted, painted_diff

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
    """Shows the diff on standard error and reads one line; no answer is a no."""

    async def ask(self, question: ApprovalRequest) -> Decision:
        sys.stderr.write(painted_diff(question.diff, sys.stderr))
        while True:
            prompt = f"{question.title}? [y]es / [a]lways in this session / [N]o "
            sys.stderr.write(painted(prompt, "bold", sys.stderr))
            sys.stderr.flush()
            line = await read_line()
            if not line:
                return "no"  # end of input
            if (answer := _ANSWERS.get(line.strip().lower())) is not None:
                return answer
