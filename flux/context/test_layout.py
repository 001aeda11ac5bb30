"""Where a project has its tests, and where one of a file would be, by the names of its files alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

MAX_EXAMPLES = 3

_IN_NAME = re.compile(
    r"(?P<before>test_|tests_|spec_)(?P<stem>.+)"
    r"|(?P<stem2>.+?)(?P<after>[._-](?:tests?|spec)|(?:Tests?|Spec))"
)


@dataclass(frozen=True, slots=True)
class Layout:
    """`there` are tests that a file has already; `place` is where a new one would go, empty where nothing shows it."""

    there: tuple[str, ...] = ()
    place: str = ""
    examples: tuple[str, ...] = ()
    count: int = 0

    def __str__(self) -> str:
        """For the model."""
        if self.there:
            return f"It has tests already: {', '.join(self.there)}. Read them and add to them."
        if not self.count:
            return "This project has no tests of this language yet: use the usual framework and layout of the language."
        look = f"This project has its {self.count} tests as in {', '.join(self.examples)}. Read one that is near."
        return f"{look} Put these into {self.place}." if self.place else look


def layout_of(path: str, files: Sequence[str]) -> Layout:
    """How the project with these files would have tests for the one at `path`; all are paths below one root."""
    source = PurePosixPath(path)
    tests = [test for test in map(PurePosixPath, files) if test.suffix == source.suffix and _form(test)]
    if source in tests:
        return Layout((path,), count=len(tests))
    tests.sort(key=lambda test: (-_shared(test, source), str(test)))
    if its := [str(test) for test in tests if _stem(test) == source.stem]:
        return Layout(tuple(its[:MAX_EXAMPLES]), count=len(tests))
    tested = {file.stem: file for file in map(PurePosixPath, files) if file.suffix == source.suffix and not _form(file)}
    pairs = [(tested[_stem(test)], test) for test in tests if _stem(test) in tested]
    near = max((_shared(file, source) for file, _ in pairs), default=0)
    places = [_place(source, file, test) for file, test in pairs if _shared(file, source) == near]
    found = Counter(place for place in places if place).most_common(1)
    return Layout((), found[0][0] if found else "", tuple(map(str, tests[:MAX_EXAMPLES])), len(tests))


def _form(test: PurePosixPath) -> re.Match[str] | None:
    """How a test's name is made, None where it is none of a test."""
    return _IN_NAME.fullmatch(test.stem)


def _stem(test: PurePosixPath) -> str:
    """The name of what it tests."""
    found = _form(test)
    return (found["stem"] or found["stem2"]) if found else ""


def _place(source: PurePosixPath, tested: PurePosixPath, test: PurePosixPath) -> str:
    """Where the source's test is if it lies as this one does to what it tests; empty where that shows nothing."""
    found = _form(test)
    assert found is not None, "only tests have a form"
    name = f"{found['before'] or ''}{source.stem}{found['after'] or ''}{source.suffix}"
    of_tested, of_test, own = tested.parent.parts, test.parent.parts, source.parent.parts
    if of_tested and of_test[: len(of_tested)] == of_tested:  # beside it, or in a folder of its folder
        return str(PurePosixPath(*own, *of_test[len(of_tested) :], name))
    while of_tested and of_test and of_tested[-1] == of_test[-1]:  # a tree of tests like that of the sources
        of_tested, of_test = of_tested[:-1], of_test[:-1]
    if own[: len(of_tested)] != of_tested:
        return ""
    return str(PurePosixPath(*of_test, *own[len(of_tested) :], name))


def _shared(one: PurePosixPath, other: PurePosixPath) -> int:
    """How many folders the paths have in common, whatever is above them."""
    return len(set(one.parent.parts) & set(other.parent.parts))
