"""The names of what Flux adds to LSP, for who announces or sends it; `flux.lsp.methods` declares each."""

from __future__ import annotations

TURN_EVENT = "flux/turnEvent"
SET_SETTINGS = "flux/setSettings"
EDITOR_QUERY = "flux/editor/query"
SECRET = "flux/secret"
COMMIT_MESSAGE = "flux/commitMessage"
APPROVE = "flux/approve"
ACTION_HELP = "flux.action.help"
CHAT_OPEN_BUFFER = "flux.chat.openBuffer"
CHAT_SEND_BUFFER = "flux.chat.sendBuffer"
REVIEW_ACCEPT = "flux.review.accept"
REVIEW_REJECT = "flux.review.reject"
DOCUMENT_SCHEME = "flux"
"""Of documents that the editor asks the server for."""

COMMAND_NAMES = (
    "flux.chat.send",
    "flux.chat.withdraw",
    CHAT_OPEN_BUFFER,
    CHAT_SEND_BUFFER,
    "flux.chat.new",
    "flux.chat.list",
    "flux.session.resume",
    "flux.session.fork",
    "flux.session.search",
    "flux.session.export",
    "flux.session.rename",
    "flux.session.delete",
    "flux.turn.cancel",
    "flux.turn.undo",
    "flux.turn.redo",
    "flux.checkpoint.set",
    "flux.checkpoint.list",
    "flux.checkpoint.restore",
    "flux.review.list",
    REVIEW_ACCEPT,
    REVIEW_REJECT,
    "flux.edit",
    "flux.action.run",
    ACTION_HELP,
    "flux.model.list",
    "flux.model.set",
    "flux.context.show",
    "flux.context.pin",
    "flux.context.compact",
    "flux.usage",
    "flux.budget.show",
    "flux.budget.raise",
    "flux.doctor",
)
