"""The preview is the request that is then sent, byte for byte on each wire, whatever happened to the conversation."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from flux.agent.forking import fork, messages_of
from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.context.item import Focus
from flux.core.errors import FluxError
from flux.core.limits import ModelLimits
from flux.core.messages import ToolCall
from flux.core.text import Position, Range
from flux.llm.base_provider import Delta, ModelRequest
from flux.llm.scripted_provider import Fault, ScriptedProvider, Step
from flux.workspace.disk import DiskWorkspace
from tests.agent.test_same_bytes import WIRES
from tests.support.talks import call, open_session, send, step

SOURCE = "".join(f"def f{number}(value):\n    return value + {number}\n\n" for number in range(60))
SUMMARY = "## Goal\nTo count.\n## Decisions\nnone\n## Files touched\na.py\n## Open points\nnone"
WINDOW = ModelLimits(4_500, 4_500, 500)
"""Of which a few messages with their files are more than there is room for."""


def bodies(request: ModelRequest) -> Mapping[str, bytes]:
    return {wire: encode(request) for wire, encode in WIRES.items()}


class OnAllWires(ScriptedProvider):
    """Encodes each request when it is sent, as providers do; its script grows."""

    def __init__(self) -> None:
        super().__init__(())
        self.sent: list[Mapping[str, bytes]] = []

    def will(self, *steps: Step) -> None:
        """The next answers are these and no others."""
        self._steps = (*self._steps[: len(self.requests)], *steps)

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        self.sent.append(bodies(request))
        async with aclosing(super().deltas(request)) as deltas:
            async for delta in deltas:
                yield delta


class Talk:
    """A session with its files and its store on the disk; `happens` does one thing to it and says something then."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.database = folder / "project", folder / "sessions.db"
        self.folder.mkdir()
        for name in ("a.py", "b.py"):
            (self.folder / name).write_text(f"# {name}\n{SOURCE}", encoding="utf-8")
        self.provider = OnAllWires()
        self.store = SessionStore(self.database)
        self.session = self.opened("s1")
        self.count = 0

    def opened(self, session_id: str) -> Session:
        workspace = DiskWorkspace([self.folder])
        return open_session(workspace, self.provider, store=self.store, session_id=session_id, limits=WINDOW)

    async def happens(self, what: str) -> None:
        self.count += 1
        answers = [step(f"Answer {self.count}.")]
        match what:
            case "reads":
                calls = [call("read_file", f"c{self.count}{name}", path=f"{name}.py") for name in "aab"]
                answers = [step("", *calls), *answers]
            case "an edit":
                answers = [step("", self._edit()), *answers]
            case "a failure":
                answers = [Step(error=Fault("Overloaded", "Busy."))]
            case "a broken answer":
                answers = [Step(text="Half", finish_reason="none")]
            case "an undo":
                with suppress(FluxError):  # where nothing was changed
                    await self.session.undo()
            case "a summary":
                self.provider.will(step(SUMMARY))
                with suppress(FluxError):  # where there is too little
                    await self.session.compact()
            case "no summary":
                with suppress(FluxError):
                    self.session.undo_compaction()
            case "rules":
                (self.folder / "AGENTS.md").write_text(f"Rule {self.count}.\n", encoding="utf-8")
            case "typing":
                text = (self.folder / "a.py").read_text(encoding="utf-8")
                (self.folder / "a.py").write_text(f"{text}# {self.count}\n", encoding="utf-8")
            case "a pin":
                await self.session.pins.add("b.py")
            case "a resume":
                self.store.close()
                self.store = SessionStore(self.database)
                self.session = self.opened(self.session.id)
                await self.session.take_up()
            case "an edited message":
                if asked := messages_of(self.store, self.session.id):
                    made = fork(self.store, self.session.id, f"s{self.count + 1}", asked[-1].turn_id)
                    self.session = self.opened(made.session_id)
            case _:
                self.session.clear_history()
        await self._says(answers)

    def _edit(self) -> ToolCall:
        old, new = f"value + {self.count}\n", f"value - {self.count}\n"
        return call("edit_file", f"e{self.count}", path="a.py", edits=[{"old_text": old, "new_text": new}])

    async def _says(self, answers: Sequence[Step]) -> None:
        words = f"Message {self.count}{', see @b.py' if self.count % 3 else ''}"
        selection = Range(Position(9, 0), Position(60, 0)) if self.count % 2 else None
        focus = Focus(self.session.workspace.path("a.py"), selection)
        shown = await self.session.preview(words, focus=focus)
        told = bodies(shown.request)
        number = len(self.provider.sent)
        self.provider.will(*answers)
        await send(self.session, words, focus=focus)
        assert self.provider.requests[number] == shown.request
        assert self.provider.sent[number] == told


EVENTS = [
    "reads", "an edit", "an undo", "a failure", "a broken answer", "rules", "typing", "a pin", "a resume",
    "a summary", "no summary", "an edited message", "a cleared history",
]  # fmt: skip


def check(events: Sequence[str]) -> list[str]:
    """All previews on the way are what is sent; why the past was rewritten, in the last session."""

    async def run(folder: Path) -> list[str]:
        talk = Talk(folder)
        for event in events:
            await talk.happens(event)
        rewrites = [rewrite.reason for rewrite in talk.store.fitted.rewrites(talk.session.id)]
        talk.store.close()
        return rewrites

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(Path(folder)))


def test_over_all_that_rewrites_the_past() -> None:
    before = ["reads", "an edit", "reads", "typing", "rules", "a resume", "a summary", "an undo", "a resume", "reads"]
    found = "\n".join(check([*before, "a pin", "an edited message", "typing", "reads", "a resume"]))
    for reason in ("A summary stands for", "to fit the", "This goes on from before message"):
        assert reason in found


@settings(max_examples=25, deadline=None)
@example(EVENTS)
@given(st.lists(st.sampled_from(EVENTS), min_size=2, max_size=10))
def test_over_any_history(events: list[str]) -> None:
    check(events)
