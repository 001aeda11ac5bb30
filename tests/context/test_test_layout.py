"""Where a test would be, found out from the names in a tree."""

from __future__ import annotations

import pytest

from flux.context.test_layout import layout_of


@pytest.mark.parametrize(
    ("path", "files", "place"),
    [
        ("app/lsp/new.py", "app/lsp/uris.py app/core/text.py tests/lsp/test_uris.py", "tests/lsp/test_new.py"),
        ("src/pkg/new.py", "src/pkg/a.py tests/test_a.py tests/conftest.py", "tests/test_new.py"),
        ("new.py", "a.py tests/test_a.py", "tests/test_new.py"),
        ("pkg/new.go", "pkg/a.go pkg/a_test.go", "pkg/new_test.go"),
        ("src/ui/new.ts", "src/ui/a.ts src/ui/a.spec.ts", "src/ui/new.spec.ts"),
        ("src/ui/new.js", "src/a.js src/__tests__/a.test.js", "src/ui/__tests__/new.test.js"),
        ("src/main/x/New.java", "src/main/x/A.java src/test/x/ATest.java", "src/test/x/NewTest.java"),
        ("lib/new.rb", "lib/a.rb spec/a_spec.rb", "spec/new_spec.rb"),
        ("new.py", "a.py tests/test_of_something.py", ""),
    ],
)  # fmt: skip
def test_a_new_test_goes_where_its_neighbours_are(path: str, files: str, place: str) -> None:
    layout = layout_of(path, [*files.split(), path])
    assert (layout.there, layout.place) == ((), place)
    assert layout.examples


def test_tests_that_are_there_are_named() -> None:
    files = ["app/a.py", "tests/test_a.py", "other/a.py"]
    assert layout_of("app/a.py", files).there == ("tests/test_a.py",)
    assert "tests/test_a.py" in str(layout_of("app/a.py", files))
    assert layout_of("tests/test_a.py", files).there == ("tests/test_a.py",)


def test_a_project_without_tests_of_the_language_says_so() -> None:
    layout = layout_of("a.py", ["a.py", "web/a.test.js", "latest.py", "contest.py", "Test.py"])
    assert (layout.count, layout.there) == (0, ())
    assert "no tests of this language" in str(layout)
