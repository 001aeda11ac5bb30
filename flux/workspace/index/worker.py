"""The child process: reads the projects' files at low priority, and answers questions about them, a line of JSON each.

It ends with its standard input, that is with the process that started it, and by itself when nothing was asked for a
while: what it knows is on the disk.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from flux import __version__
from flux.workspace.index.languages import has_grammars
from flux.workspace.index.project import Project
from flux.workspace.index.store import Store

IDLE_S = 120.0
"""Without a question for so long the process ends; the next one starts from what is on the disk."""

PATIENT_S = 5.0
"""Who waits for longer wants no first look, which takes time from the whole one."""

LEAST_S = 0.02
"""So long files are read for each question, so that who asks again and again does not keep them from being read."""

MAX_PROJECTS = 8
NICE = 10


class Worker:
    """Answers questions. `folder` is where indexes are kept, None: nowhere."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._projects: dict[str, Project] = {}

    @property
    def is_busy(self) -> bool:
        return any(not project.is_whole for project in self._projects.values())

    def step(self) -> None:
        """Read one file of those that are to be read."""
        for project in self._projects.values():
            if not project.is_whole:
                project.step()
                return

    def begin(self, roots: Iterable[str]) -> None:
        """Let the files of these folders be read by `step`."""
        for root in roots:
            self._project(root).refresh()

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one question: `ranked`, `definitions`, `uses` or `outline`, over `roots`.

        The files are as they are now, with `texts` over them. Waits up to `within_s` until all are read.
        """
        roots: Sequence[str] = question["roots"]
        projects = [self._project(root) for root in roots]
        texts: Sequence[Mapping[str, str | None]] = question["texts"]
        end = time.monotonic() + max(question["within_s"], LEAST_S)
        for project, over in zip(projects, texts, strict=True):
            if question["within_s"] < PATIENT_S:
                project.look_first()
            while not project.is_whole and time.monotonic() < end:  # what was begun before is not of now
                project.step()
            project.refresh()
            project.lay_over(over)
            if question["within_s"] < PATIENT_S:
                project.look_first()
            while not project.is_whole and time.monotonic() < end:
                project.step()
        states = [project.state for project in projects]
        state = "full" if set(states) == {"full"} else "" if "" in states else "names"
        answer: dict[str, Any] = {"state": state, "is_cut": any(project.is_cut for project in projects)}
        if state:
            answer["found"] = self._found(question, projects)
        return answer

    def save(self) -> None:
        """Keep what was read."""
        for project in self._projects.values():
            project.save()

    def close(self) -> None:
        for project in self._projects.values():
            project.close()

    def _found(self, question: Mapping[str, Any], projects: Sequence[Project]) -> object:
        match question["ask"]:
            case "ranked":
                return _ranked(question, projects)
            case "definitions":
                names: Sequence[str] = question["names"]
                return [
                    [number, path, *definition]
                    for number, project in enumerate(projects)
                    for name in names
                    for path, definition in project.ranking.definitions(name)
                ]
            case "uses":
                return _uses(question, projects)
            case "near":
                return _near(question["name"], projects)
            case _:
                place: tuple[int, str] = question["path"]
                return list(projects[place[0]].ranking.outline(place[1]))

    def _project(self, root: str) -> Project:
        project = self._projects.pop(root, None)
        if project is None:
            project = Project(root, Store(self._folder, root, f"{__version__} {has_grammars()}"))
        self._projects[root] = project  # the last one asked for is the last to go
        while len(self._projects) > MAX_PROJECTS:
            self._projects.pop(next(iter(self._projects))).close()
        return project


def _ranked(question: Mapping[str, Any], projects: Sequence[Project]) -> object:
    count: int = question["count"]
    near, shown = _by_project(question["near"], projects), _by_project(question["shown"], projects)
    words: set[str] = set(question["words"])
    found = [
        (-ranked.score, number, ranked)
        for number, project in enumerate(projects)
        for ranked in project.ranking.best(count, near[number], words, shown[number])
    ]
    found.sort(key=lambda item: item[:2])  # stable: within a project the order is that of its ranking
    return [[number, ranked.path, ranked.chain] for _, number, ranked in found[:count]]


def _uses(question: Mapping[str, Any], projects: Sequence[Project]) -> object:
    limit: int = question["limit"]
    found: list[tuple[object, ...]] = []
    is_more = False
    for number, project in enumerate(projects):
        uses, has_more = project.uses(question["name"], limit - len(found))
        found += [(number, *use) for use in uses]
        is_more = is_more or has_more
    return {"uses": found, "is_more": is_more}


def _near(name: str, projects: Sequence[Project]) -> list[str]:
    """Names that may be meant instead."""
    import difflib

    names = sorted({name for project in projects for name in project.ranking.names()})
    low = name.lower()
    alike = [other for other in names if low in other.lower()]
    alike.sort(key=len)
    return list(dict.fromkeys([*alike[:5], *difflib.get_close_matches(name, names, 5, 0.75)]))[:5]


def _by_project(pairs: Sequence[tuple[int, str]], projects: Sequence[Project]) -> list[list[str]]:
    return [sorted({path for owner, path in pairs if owner == number}) for number in range(len(projects))]


def main() -> int:
    """Serve the questions on standard input; the one argument is the folder for indexes, `-` for none."""
    if hasattr(os, "nice"):
        os.nice(NICE)  # on Windows the process is started at low priority
    if sys.platform == "linux":
        # It takes the processor from nobody who wakes up. SCHED_IDLE would wait for the end of every compiler.
        with suppress(OSError):  # a container may forbid it, and musl (Alpine) has it not
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    gc.disable()  # nothing here is in a circle, and to look for that among all definitions takes a tenth of the time
    worker = Worker(None if sys.argv[1] == "-" else Path(sys.argv[1]))
    questions: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    output = sys.stdout.buffer

    def read() -> None:
        for line in sys.stdin.buffer:
            questions.put(line)
        questions.put(b"")

    threading.Thread(target=read, daemon=True).start()
    try:
        while line := _next(questions, worker):
            question = cast("dict[str, Any]", json.loads(line))
            if question["ask"] == "begin":
                worker.begin(question["roots"])
                continue
            answer = worker.answer(question)
            output.write(json.dumps({"id": question["id"], **answer}).encode("ascii") + b"\n")
            output.flush()
    except BrokenPipeError:
        pass
    finally:
        worker.close()
    return 0


def _next(questions: queue.SimpleQueue[bytes], worker: Worker) -> bytes:
    """The next question; files are read until it comes. Empty at the end."""
    while worker.is_busy:
        try:
            return questions.get_nowait()
        except queue.Empty:
            worker.step()
    try:
        return questions.get_nowait()
    except queue.Empty:
        worker.save()
    try:
        return questions.get(timeout=IDLE_S)
    except queue.Empty:
        return b""


if __name__ == "__main__":
    sys.exit(main())
