"""What the house asks about definitions and uses: the child process's answers, as values over a workspace.

The process is started at the first question and ends with this one. What the user has not saved, and what a turn only
proposes, stands over the disk. Where no process can be had there is no index, and that is said.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal, cast

from flux.core.config import program_environment
from flux.core.errors import ToolTimedOut
from flux.core.process import Companion
from flux.core.snapshot import WorkspacePath
from flux.workspace.index.definitions import MAX_FILE_BYTES, Definition
from flux.workspace.paths import root_labels
from flux.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

ANSWER_S = 20.0
"""Beyond what it may wait for, the process has so long for an answer: a first look at a large folder takes seconds."""

MAX_TEXTS = 100
"""So many unsaved texts are laid over the disk, the most recently used ones."""

MAX_FAILURES = 3
"""A process that failed so often is not started again: some file is too much for a grammar."""


@dataclass(frozen=True, slots=True)
class Place:
    """A definition in its file, and those that it lies in, outermost first, itself the last."""

    path: WorkspacePath
    chain: tuple[Definition, ...]

    @property
    def definition(self) -> Definition:
        return self.chain[-1]


@dataclass(frozen=True, slots=True)
class Use:
    """A line that has a name. `line` counts from 1."""

    path: WorkspacePath
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Ranked:
    """The definitions that matter most, best first.

    `state`: empty as long as nothing is known, `names` from a first look, `full`. `is_cut`: some of the files were left
    out, there being too many.
    """

    state: Literal["", "names", "full"]
    places: tuple[Place, ...] = ()
    is_cut: bool = False


class SymbolIndex:
    """The index of all workspaces of this process, kept below `folder`; with None it is kept nowhere.

    For several tasks and threads. Nothing is started before the first question.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._companion: Companion | None = None
        self._starting = threading.Lock()
        self._failures = 0
        self._is_closed = False
        self._ids = count(1)

    async def begin(self, workspace: Workspace) -> None:
        """Let the files be read, while nobody waits for it."""
        question = {"id": 0, "ask": "begin", "roots": list(workspace.roots)}
        await asyncio.to_thread(self._tell, json.dumps(question).encode("ascii"))

    async def ranked(
        self,
        workspace: Workspace,
        limit: int,
        *,
        near: Collection[WorkspacePath] = (),
        words: Collection[str] = (),
        shown: Collection[WorkspacePath] = (),
        within_s: float = 0.0,
    ) -> Ranked:
        """The `limit` definitions that matter most to who is at the files `near` and said `words`.

        Of the files `shown` nothing is told. Waits up to `within_s` for all files to be read.
        """
        roots = list(workspace.roots)
        question = {
            "ask": "ranked",
            "count": limit,
            "near": [(roots.index(path.root), path.relative) for path in near],
            "words": sorted(words),
            "shown": [(roots.index(path.root), path.relative) for path in shown],
        }
        answer = await self._ask(workspace, question, within_s)
        if answer is None:
            return Ranked("")
        path_of = _paths(workspace)
        places = [
            Place(path_of(number, name), tuple(map(Definition._make, chain)))
            for number, name, chain in answer.get("found", ())
        ]
        return Ranked(answer["state"], tuple(places), answer["is_cut"])

    async def definitions(self, workspace: Workspace, *names: str, within_s: float = ANSWER_S) -> Sequence[Place]:
        """All definitions of these names, by path and line. Raises ToolTimedOut where there is no index in time."""
        answer = await self._sure(workspace, {"ask": "definitions", "names": names}, within_s)
        path_of = _paths(workspace)
        return [Place(path_of(number, path), (Definition(*row),)) for number, path, *row in answer["found"]]

    async def uses(self, workspace: Workspace, name: str, limit: int) -> tuple[Sequence[Use], bool]:
        """The lines of code with the name, and whether there are more than `limit`. Raises as `definitions`."""
        answer = await self._sure(workspace, {"ask": "uses", "name": name, "limit": limit}, ANSWER_S)
        path_of = _paths(workspace)
        found = answer["found"]
        return [Use(path_of(number, path), line, text) for number, path, line, text in found["uses"]], found["is_more"]

    async def similar_names(self, workspace: Workspace, name: str) -> Sequence[str]:
        """Up to five defined names that may be meant. Raises as `definitions`."""
        answer = await self._sure(workspace, {"ask": "near", "name": name}, ANSWER_S)
        return cast("list[str]", answer["found"])

    async def outline(self, workspace: Workspace, path: WorkspacePath) -> Sequence[Definition]:
        """The definitions of one file, in order. Raises as `definitions`."""
        place = (list(workspace.roots).index(path.root), path.relative)
        answer = await self._sure(workspace, {"ask": "outline", "path": place}, ANSWER_S)
        return [Definition(*row) for row in answer["found"]]

    def close(self) -> None:
        """End the process; for good."""
        with self._starting:
            self._is_closed = True
            companion, self._companion = self._companion, None
        if companion is not None:
            companion.close()

    async def _sure(self, workspace: Workspace, question: Mapping[str, object], within_s: float) -> Mapping[str, Any]:
        answer = await self._ask(workspace, question, within_s)
        if answer is None or "found" not in answer:
            raise ToolTimedOut(
                "There is no index of this project yet.", hint="Use search meanwhile, or ask again later."
            )
        return answer

    async def _ask(
        self, workspace: Workspace, question: Mapping[str, object], within_s: float
    ) -> Mapping[str, Any] | None:
        """The answer, None where there is none."""
        texts: list[dict[str, str | None]] = [{} for _ in workspace.roots]
        numbers = {root: number for number, root in enumerate(workspace.roots)}
        for path, snapshot in list(workspace.unsaved().items())[:MAX_TEXTS]:
            if snapshot is None or len(snapshot.text) <= MAX_FILE_BYTES:
                texts[numbers[path.root]][path.relative] = snapshot.text if snapshot else None
        number = next(self._ids)
        whole = {"id": number, "roots": list(workspace.roots), "texts": texts, "within_s": within_s, **question}
        line = json.dumps(whole).encode("ascii")
        answer = await asyncio.to_thread(self._answer, line, within_s + ANSWER_S)
        return cast("Mapping[str, Any]", json.loads(answer)) if answer else None

    def _tell(self, line: bytes) -> None:
        try:
            if companion := self._running():
                companion.tell(line)
        except (OSError, EOFError) as e:
            logger.info("the index was not begun: %r", e)

    def _answer(self, line: bytes, timeout_s: float) -> bytes:
        for _ in range(2):  # it may just have ended, nothing having been asked for a while
            try:
                companion = self._running()
                return companion.ask(line, timeout_s) if companion else b""
            except (OSError, EOFError) as e:
                logger.info("the index gave no answer: %r", e)
        return b""

    def _running(self) -> Companion | None:
        """The process, started where it is not running. Raises OSError."""
        with self._starting:
            if self._is_closed:
                return None
            if self._companion is not None and not self._companion.is_running:
                self._failures += not self._companion.ended_well
                self._companion.close()
                self._companion = None
            if self._companion is None and self._failures < MAX_FAILURES:
                # -P: a project's own files are never taken for Flux's modules.
                command = [sys.executable, "-P", "-m", "flux.workspace.index.worker", str(self._folder or "-")]
                self._companion = Companion(command, program_environment())
            return self._companion


def _paths(workspace: Workspace) -> Callable[[int, str], WorkspacePath]:
    """Makes the path of a file named by its root's number and its place below it."""
    roots, labels = list(workspace.roots), root_labels(workspace.roots)
    return lambda number, name: WorkspacePath(roots[number], name, labels[number])
