"""Records aimock's answers for the tests of the codecs: `python -m tests.wire.record`, after install_aimock.sh."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from flux.core.messages import user_message
from flux.llm.base_provider import ModelRequest
from flux.llm.wire import anthropic_messages, chat_completions, openai_responses
from flux.llm.wire.chat_completions import Quirks
from tests.wire.aimock import aimock

RECORDINGS = Path(__file__).parent.parent / "llm" / "recordings"


def main() -> None:
    request = ModelRequest("m", (user_message("T:loop"),))
    wires = {
        "anthropic": ("/v1/messages", anthropic_messages.encode_request(request)),
        "openai": ("/v1/responses", openai_responses.encode_request(request)),
        "chat": ("/v1/chat/completions", chat_completions.encode_request(request, Quirks())),
    }
    with aimock() as address:
        for wire, (path, body) in wires.items():
            asked = urllib.request.Request(address + path, body, {"content-type": "application/json"})
            with urllib.request.urlopen(asked, timeout=10) as answer:
                (RECORDINGS / f"{wire}_aimock.sse").write_bytes(answer.read())


if __name__ == "__main__":
    main()
