"""Problems are decoded by hand where they are as usual: to the same values as by lsprotocol's own decoding."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types
from pygls.protocol import default_converter

from flux.lsp.decoding import make_converter

GENERAL = default_converter()
OURS = make_converter()

ODD = [None, True, 1.0, 1.5, -1, 2**31, 10**30, "", "1", "x", [], {}, [1], ["x"], [None], {"line": 1}]
TEXTS = st.text(max_size=5)
PLACES = st.fixed_dictionaries({"line": st.integers(0, 2**31 - 1), "character": st.integers(0, 2**31 - 1)})
RANGES = st.fixed_dictionaries({"start": PLACES, "end": PLACES})
LOCATIONS = st.fixed_dictionaries({"uri": TEXTS, "range": RANGES})
USUAL = st.fixed_dictionaries(
    {"range": RANGES, "message": TEXTS},
    optional={
        "severity": st.integers(1, 4),
        "code": st.one_of(TEXTS, st.integers()),
        "codeDescription": st.fixed_dictionaries({"href": TEXTS}),
        "source": TEXTS,
        "tags": st.lists(st.integers(1, 2), max_size=3),
        "relatedInformation": st.lists(st.fixed_dictionaries({"location": LOCATIONS, "message": TEXTS}), max_size=2),
        "data": st.dictionaries(TEXTS, st.sampled_from(ODD), max_size=2),
    },
)


WHOLE: dict[str, Any] = {
    "range": {"start": {"line": 3, "character": 0}, "end": {"line": 3, "character": 7}},
    "message": "`os` imported but unused",
    "severity": 2,
    "code": "F401",
    "codeDescription": {"href": "https://example.org/F401"},
    "source": "linter",
    "tags": [1],
    "data": {"edits": [{"text": ""}]},
    "relatedInformation": None,
    "unknown": 1,
}


def with_one_oddity(problem: Any) -> Iterator[object]:
    """The problem with each of its values, and itself, another or missing."""
    yield from copy.deepcopy(ODD)
    for key in problem if isinstance(problem, dict) else range(len(problem) if isinstance(problem, list) else 0):
        lacking = copy.copy(problem)
        del lacking[key]
        yield lacking
        for odd in with_one_oddity(problem[key]):
            other = copy.copy(problem)
            other[key] = odd
            yield other


def decoded(converter: Any, problem: object) -> types.Diagnostic | None:
    """The value; None where it is refused."""
    try:
        (found,) = converter.structure({"diagnostics": [problem]}, types.CodeActionContext).diagnostics
    except Exception:  # noqa: BLE001 -- cattrs raises what the types raise
        return None
    return found


@given(USUAL)
def test_a_usual_problem_is_what_the_general_decoding_makes_of_it(problem: object) -> None:
    assert decoded(OURS, problem) == decoded(GENERAL, problem) is not None


def test_an_odd_problem_is_decoded_or_refused_as_in_general() -> None:
    odd = list(with_one_oddity(WHOLE))
    assert [decoded(OURS, problem) for problem in odd] == [decoded(GENERAL, problem) for problem in odd]
