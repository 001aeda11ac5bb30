"""Pictures in a message: sent where the model takes them, refused where not, never counted as letters."""

from __future__ import annotations

from flux.agent.session_store import SessionStore
from flux.agent.tally import IMAGE_TOKENS, Tally
from flux.core.messages import Image, Message, Text
from flux.llm.scripted_provider import ScriptedProvider, Step
from flux.llm.tokens import EstimatedCounter
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import end, kinds, open_session, send

PNG = b"\x89PNG\r\n\x1a\n" + bytes(200_000)


async def test_a_picture_that_is_named_goes_to_the_model_before_the_words() -> None:
    provider = ScriptedProvider([Step(text="A cat.")])
    session = open_session(MemoryWorkspace({"cat.png": PNG}), provider)
    assert end(await send(session, "What is on @cat.png?")).status == "completed"
    first, *_, words = provider.requests[0].messages[0].parts
    assert isinstance(first, Image)
    assert words == Text("What is on @cat.png?")


async def test_a_model_that_takes_no_pictures_is_sent_nothing_and_the_user_told() -> None:
    provider = ScriptedProvider([Step(text="Fine.")])
    session = open_session(MemoryWorkspace({"cat.png": PNG}), provider, takes_images=False)
    ended = end(await send(session, "What is on @cat.png?"))
    assert (ended.status, ended.error_kind) == ("failed", "RequestRejected")
    assert "takes no pictures" in ended.error
    assert provider.requests == []
    assert end(await send(session, "Then without.")).status == "completed"


async def test_a_mention_that_is_nothing_is_told_and_the_message_goes() -> None:
    events = await send(open_session(MemoryWorkspace({"cat.py": "x"}), [Step(text="Ok.")]), "Look at @src/cat.py")
    assert kinds(events)[1] == "notice"
    assert end(events).status == "completed"


def test_a_picture_has_a_price_of_its_own() -> None:
    tally = Tally(SessionStore(None).fitted, "s")
    tally.use("scripted", "scripted", EstimatedCounter())
    (size,) = tally.sizes([Message("user", (Image("image/png", "A" * 300_000), Text("")))])
    assert IMAGE_TOKENS <= size < IMAGE_TOKENS * 1.1
