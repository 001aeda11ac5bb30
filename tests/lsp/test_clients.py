"""What is made of the `initialize` of real editors (their capabilities as they sent them, 2026-11)."""

from __future__ import annotations

from lsprotocol import converters, types

from flux.core.text import Counting
from flux.lsp.clients import Client, client_of

CONVERTER = converters.get_converter()


def check(expected: Client, name: str, **capabilities: object) -> None:
    """The one place that calls it."""
    params = CONVERTER.structure(
        {"processId": 1, "rootUri": None, "clientInfo": {"name": name}, "capabilities": capabilities},
        types.InitializeParams,
    )
    assert client_of(params, takes_turn_events=expected.takes_turn_events) == expected


def test_vs_code() -> None:
    check(
        Client(
            "Visual Studio Code",
            Counting("utf-16"),
            applies_edits=True,
            takes_document_changes=True,
            creates_files=True,
            deletes_files=True,
            renames_files=True,
            shows_documents=True,
            shows_progress=True,
            has_configuration=True,
            takes_code_actions=True,
            marks_generated_actions=True,
            takes_turn_events=True,
        ),
        "Visual Studio Code",
        workspace={
            "applyEdit": True,
            "configuration": True,
            "workspaceEdit": {
                "documentChanges": True,
                "resourceOperations": ["create", "rename", "delete"],
                "failureHandling": "textOnlyTransactional",
            },
        },
        textDocument={
            "codeAction": {
                "codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["", "quickfix"]}},
                "tagSupport": {"valueSet": [1]},
            }
        },
        window={"workDoneProgress": True, "showDocument": {"support": True}},
        general={"positionEncodings": ["utf-16"]},
    )


def test_neovim_takes_versioned_edits_though_it_does_not_say_so() -> None:
    check(
        Client(
            "Neovim",
            Counting("utf-8", "lf"),
            applies_edits=True,
            takes_document_changes=True,
            creates_files=True,
            deletes_files=True,
            renames_files=True,
            edits_one_by_one=True,
            ignores_version_zero=True,
            creates_by_editing=True,
            ends_with_line_end=True,
        ),
        "Neovim",
        workspace={"applyEdit": True, "workspaceEdit": {"resourceOperations": ["rename", "create", "delete"]}},
        general={"positionEncodings": ["utf-8", "utf-16", "utf-32"]},
    )


def test_eglot_is_answered_at_once() -> None:
    check(
        Client(
            "Eglot",
            Counting("utf-32", line_ends="lf"),
            applies_edits=True,
            takes_document_changes=True,
            edits_one_by_one=True,
            may_misplace=True,
            tells_late=True,
            has_plain_line_ends=True,
            selects_in_passing=True,
            waits_briefly=True,
            tells_of_any_file=False,
        ),
        "Eglot",
        workspace={"applyEdit": True, "workspaceEdit": {"documentChanges": True}},
        general={"positionEncodings": ["utf-32", "utf-8", "utf-16"]},
    )


def test_an_editor_that_announces_nothing_gets_the_least() -> None:
    check(Client("mine"), "mine")


def test_an_encoding_that_lsp_does_not_know_is_passed_over() -> None:
    check(Client("mine", Counting("utf-8")), "mine", general={"positionEncodings": ["utf-7", "utf-8"]})
    check(Client("mine"), "mine", general={"positionEncodings": ["utf-7"]})
