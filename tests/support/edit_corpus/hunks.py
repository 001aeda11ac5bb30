"""Edits from the history of packages: what one release changed in a file of the one before."""

from __future__ import annotations

import itertools
import json
import random
import re
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Literal

SAMPLE = Path(__file__).with_name("sample.jsonl")
_TEXT_FILES = (".py", ".pyi", ".html", ".js", ".ts", ".css", ".scss", ".md", ".rst", ".toml", ".json", ".yml")
_MADE_BY_TOOLS = ("/dist/", "/build/", ".min.")
_LARGEST_FILE = 200_000
_MOST_LINES = 25
_MOST_PAIRS = 4_000_000  # of lines; SequenceMatcher is slow beyond


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an edit: kept or dropped by its number in the file, or added with its text."""

    kind: Literal["keep", "drop", "add"]
    number: int
    text: str = ""

    @property
    def sign(self) -> str:
        return {"keep": " ", "drop": "-", "add": "+"}[self.kind]


@dataclass(frozen=True, slots=True)
class Hunk:
    """An edit of the lines `start` up to `end` of a file; `steps` go through them in order."""

    package: str
    path: str
    lines: Sequence[str]
    start: int
    end: int
    steps: Sequence[Step]

    def old(self, lines: Sequence[str] | None = None) -> list[str]:
        """The lines that the edit is about, of the file or of another version of it."""
        of = self.lines if lines is None else lines
        return [of[step.number] for step in self.steps if step.kind != "add"]

    def new(self, lines: Sequence[str] | None = None, added: Sequence[str] | None = None) -> list[str]:
        """What becomes of them; `added` are the added lines if they are not written as in the release."""
        of = self.lines if lines is None else lines
        texts = iter(self.added if added is None else added)
        return [next(texts) if step.kind == "add" else of[step.number] for step in self.steps if step.kind != "drop"]

    def result(self, lines: Sequence[str] | None = None, added: Sequence[str] | None = None) -> list[str]:
        """All lines of the file after the edit."""
        of = self.lines if lines is None else lines
        return [*of[: self.start], *self.new(of, added), *of[self.end :]]

    @property
    def added(self) -> list[str]:
        return [step.text for step in self.steps if step.kind == "add"]

    @property
    def kept(self) -> list[int]:
        return [step.number for step in self.steps if step.kind == "keep"]

    @property
    def dropped(self) -> list[int]:
        return [step.number for step in self.steps if step.kind == "drop"]

    @property
    def is_certain(self) -> bool:
        """Whether both texts tell which lines are kept: indentation aside this is the one smallest edit."""
        kept, ways = _alignments([line.strip() for line in self.old()], [line.strip() for line in self.new()])
        return ways == 1 and kept == len(self.kept)


def _alignments(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How many lines can be kept at most, and in how many ways."""
    above = [(0, 1)] * (len(new) + 1)
    for a in old:
        row = [(0, 1)]
        for j, b in enumerate(new):
            corner, up, left = above[j], above[j + 1], row[j]
            kept = max(up[0], left[0], corner[0] + (a == b))
            ways = (up[1] if up[0] == kept else 0) + (left[1] if left[0] == kept else 0)
            ways -= corner[1] if corner[0] == kept else 0
            ways += corner[1] if a == b and corner[0] + 1 == kept else 0
            row.append((kept, ways))
        above = row
    return above[-1]


def hunks_between(package: str, path: str, before: str, after: str, rnd: random.Random) -> Iterator[Hunk]:
    """The edits that make of one text the other, each by itself, with some lines of context."""
    old, new = before.split("\n"), after.split("\n")
    if len(old) * len(new) > _MOST_PAIRS:
        return
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    changes = [opcode for opcode in matcher.get_opcodes() if opcode[0] != "equal"]
    while changes:
        group = [changes.pop(0)]
        while changes and changes[0][1] - group[-1][2] <= 4 and rnd.random() < 0.7:
            group.append(changes.pop(0))
        start = max(0, group[0][1] - rnd.choice([0, 1, 2, 3, 3, 4]))
        end = min(len(old), group[-1][2] + rnd.choice([0, 1, 2, 3, 3, 4]))
        added = sum(b2 - b1 for _, _, _, b1, b2 in group)
        if end - start > _MOST_LINES or added > _MOST_LINES:
            continue
        hunk = Hunk(package, path, old, start, end, tuple(_steps(new, start, end, group)))
        if _is_usable(hunk):
            yield hunk


def _steps(
    new: Sequence[str], start: int, end: int, changes: Sequence[tuple[str, int, int, int, int]]
) -> Iterator[Step]:
    at = start
    for _, a1, a2, b1, b2 in changes:
        yield from (Step("keep", number) for number in range(at, a1))
        yield from (Step("drop", number) for number in range(a1, a2))
        yield from (Step("add", -1, line) for line in new[b1:b2])
        at = a2
    yield from (Step("keep", number) for number in range(at, end))


def _is_usable(hunk: Hunk) -> bool:
    """Told apart by what it quotes, and changing something to be seen; what is left is no blank text."""
    old, new = "\n".join(hunk.old()), "\n".join(hunk.new())
    return bool(
        re.search(r"\w", old)
        and new.strip()
        and "".join(old.split()) != "".join(new.split())
        and occurrences("\n".join(hunk.lines), old) == 1
    )


def occurrences(text: str, old: str) -> int:
    """How often `old` is in the text, overlaps counted."""
    return len(re.findall(f"(?={re.escape(old)})", text))


def releases(folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """(package, release, the next one) of the wheels and npm archives in a folder."""
    archives: defaultdict[str, list[tuple[Sequence[int], Path]]] = defaultdict(list)
    for file in sorted([*folder.glob("*.whl"), *folder.glob("*.tgz")]):
        name, version = re.split(r"-(?=\d)", file.name.removesuffix(".tgz"), maxsplit=1)
        numbers = version if file.suffix == ".tgz" else version.split("-")[0]
        archives[name.lower()].append(([int(part) for part in re.findall(r"\d+", numbers)], file))
    for package, versions in archives.items():
        versions.sort()
        for (_, before), (_, after) in itertools.pairwise(versions):
            yield package, before, after


def changed_files(before: Path, after: Path) -> Iterator[tuple[str, str, str]]:
    """(path, text, text in the next release) of the text files that differ between two archives."""
    old, new = _files(before), _files(after)
    for path, content in old.items():
        try:
            texts = content.decode("utf-8"), new.get(path, content).decode("utf-8")
        except UnicodeDecodeError:
            continue
        if texts[0] != texts[1] and "\r" not in "".join(texts) and not texts[0].startswith("\ufeff"):
            yield path, *texts


def _files(archive: Path) -> Mapping[str, bytes]:
    """The files that people write in text, by their path in the archive."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return {
                item.filename: wheel.read(item)
                for item in wheel.infolist()
                if _is_written(item.filename, item.file_size)
            }
    with tarfile.open(archive) as tar:
        members = {member.name: tar.extractfile(member) for member in tar if _is_written(member.name, member.size)}
        return {name: content.read() for name, content in members.items() if content is not None}


def _is_written(path: str, size: int) -> bool:
    return path.endswith(_TEXT_FILES) and size <= _LARGEST_FILE and not any(part in path for part in _MADE_BY_TOOLS)


def hunks_of_releases(folder: Path, seed: int, limit: int, most_of_a_file: int = 4) -> list[Hunk]:
    """So many edits of all releases in a folder, in an order that the seed decides."""
    rnd = random.Random(seed)
    files = [
        (package, *changed) for package, before, after in releases(folder) for changed in changed_files(before, after)
    ]
    rnd.shuffle(files)
    found: list[Hunk] = []
    for package, path, before, after in files:
        hunks = list(hunks_between(package, path, before, after, rnd))
        found += rnd.sample(hunks, min(len(hunks), most_of_a_file))
        if len(found) >= limit:
            break
    return found[:limit]


def write_hunks(hunks: Iterable[Hunk], file: Path) -> None:
    """One line of JSON for each file, with its text and its edits in the signs of a diff."""
    by_file: dict[tuple[str, str], list[Hunk]] = {}
    for hunk in hunks:
        by_file.setdefault((hunk.package, hunk.path), []).append(hunk)
    with file.open("w", encoding="utf-8", newline="\n") as out:
        for (package, path), of_file in by_file.items():
            edits = [{"start": hunk.start, "steps": [step.sign + step.text for step in hunk.steps]} for hunk in of_file]
            text = "\n".join(of_file[0].lines)
            out.write(json.dumps({"package": package, "path": path, "text": text, "edits": edits}, ensure_ascii=False))
            out.write("\n")


def read_hunks(file: Path = SAMPLE) -> list[Hunk]:
    """What `write_hunks` wrote."""
    hunks: list[Hunk] = []
    for row in filter(None, file.read_text(encoding="utf-8").split("\n")):
        found = json.loads(row)
        lines = found["text"].split("\n")
        for edit in found["edits"]:
            numbers = itertools.count(edit["start"])
            steps = tuple(
                Step("add", -1, sign[1:]) if sign[0] == "+" else Step("drop" if sign == "-" else "keep", next(numbers))
                for sign in edit["steps"]
            )
            hunks.append(Hunk(found["package"], found["path"], lines, edit["start"], next(numbers), steps))
    return hunks
