"""The question before a change, for users who want to be asked: by the editor's own dialogue, or by Flux's request."""

from __future__ import annotations

from flux.agent.approval import ApprovalRequest, Decision
from flux.lsp.editor import LspEditor

ANSWERS: dict[str, Decision] = {"Apply": "yes", "Always in This Session": "always", "Do Not": "no"}


class EditorApprover:
    """Whatever is not a yes is a no: a dialogue that is dismissed, an error, no answer within the bound."""

    def __init__(self, editor: LspEditor) -> None:
        self._editor = editor

    async def ask(self, question: ApprovalRequest) -> Decision:
        if self._editor.client.asks_for_approval:
            return await self._editor.approve(question.title, question.paths, question.diff)
        names = ", ".join(question.paths)
        picked = await self._editor.choose(f"{question.title}: change {names}?", tuple(ANSWERS))
        return ANSWERS.get(picked or "", "no")
