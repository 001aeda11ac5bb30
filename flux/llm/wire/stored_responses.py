"""Going on from an answer that OpenAI has stored (`previous_response_id`), where that is surely the same conversation.

A stored answer leaves a part without words in its message: its id, and a digest of all that was sent for it. What was
pruned, edited or said elsewhere since has another digest, and then the whole conversation is sent again. Fields: the
type stubs of the openai SDK 3.52.0 (2026-11-21), `types/responses/response_create_params.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from flux.core.messages import Message, Reasoning
from flux.llm.base_provider import Delta, ModelRequest, ReasoningDelta
from flux.llm.wire.history import sound_messages
from flux.llm.wire.json_values import parse_object, text
from flux.llm.wire.openai_responses import STORED, encode_request, kept_item


@dataclass(slots=True)
class StoredRequest:
    """One request whose answer is to be stored. `has_continued`: it names an earlier answer instead of repeating it."""

    may_continue: bool = True
    has_continued: bool = False
    digest: str = ""

    def encode(self, request: ModelRequest) -> bytes:
        """The request's body: what is new since the last stored answer where there is one, else everything."""
        messages = sound_messages(request.messages)
        self.digest = _digest(request, messages)
        extra = {"store": True}
        for at in reversed(range(len(messages))) if self.may_continue else ():
            if stored := _stored(messages[at]):
                response_id, digest = stored
                if digest == _digest(request, messages[:at]):
                    self.has_continued = True
                    extra = {"store": True, "previous_response_id": response_id}
                    messages = messages[at + 1 :]
                break
        request = replace(request, extra_body={**extra, **request.extra_body})
        return encode_request(request, messages)

    def seal(self, delta: Delta) -> Delta:
        """The delta with the digest of what it answers, where it brings the id of a stored answer."""
        if not isinstance(delta, ReasoningDelta) or delta.wire != STORED:
            return delta
        return replace(delta, opaque=json.dumps({"id": delta.opaque, "digest": self.digest}))


def _stored(message: Message) -> tuple[str, str] | None:
    for part in message.parts:
        if isinstance(part, Reasoning) and part.wire == STORED:
            found = parse_object(part.opaque)
            return text(found, "id"), text(found, "digest")
    return None


def _digest(request: ModelRequest, messages: Sequence[Message]) -> str:
    digest = hashlib.sha256()
    for message in messages:
        digest.update(kept_item(request, message) + b"\n")
    return digest.hexdigest()
