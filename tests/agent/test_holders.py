"""Two processes at once at the file that shows that one of them lives."""

from __future__ import annotations

import threading
from pathlib import Path

from flux.agent.store.holder import HolderFile
from tests.support.interleaving import watching

BOUND_S = 5.0


def test_a_process_is_not_taken_for_dead_while_it_makes_its_file(tmp_path: Path) -> None:
    """The one that looks takes the file away exactly when the other one has opened it and is about to lock it."""
    folder = tmp_path / "holders"
    looking = HolderFile(folder, "VS Code")
    is_open, is_about_to_remove, is_made = threading.Event(), threading.Event(), threading.Event()
    made: list[HolderFile] = []

    def make() -> None:
        made.append(HolderFile(folder, "the terminal"))
        is_made.set()

    making = threading.Thread(target=make)

    def interleave(event: str, arguments: tuple[object, ...]) -> None:
        if event in {"fcntl.flock", "msvcrt.locking"} and threading.current_thread() is making and not is_open.is_set():
            is_open.set()
            is_about_to_remove.wait(BOUND_S)
        elif event == "os.remove" and is_open.is_set() and not is_about_to_remove.is_set():
            is_about_to_remove.set()
            is_made.wait(BOUND_S)

    with watching(interleave):
        making.start()
        assert is_open.wait(BOUND_S)
        looking.others_live()
        making.join(BOUND_S)
    assert looking.others_live()
    for file in (looking, *made):
        file.close()
    assert list(folder.iterdir()) == []
