"""What editors/vscode/package.json declares is what Flux has, and nothing that a workspace must not decide."""

from __future__ import annotations

import json
import re
from typing import Any

from flux.core.declarations import DECLARATIONS
from flux.core.layers import KEY
from flux.lsp.methods import COMMANDS
from tests.support.editors import ROOT

FOLDER = ROOT / "editors/vscode"
PACKAGE: dict[str, Any] = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
SETTINGS: dict[str, Any] = PACKAGE["contributes"]["configuration"]["properties"]
OWN = {"flux.command", "flux.python"}


def test_every_setting_but_keys_can_be_set_in_vs_code() -> None:
    declared = {f"flux.{d.name}": d.doc for d in DECLARATIONS if d.kind is not KEY}
    assert {name: s["description"] for name, s in SETTINGS.items() if name not in OWN} == declared


def test_no_setting_is_the_workspaces_to_decide() -> None:
    assert {setting["scope"] for setting in SETTINGS.values()} == {"machine"}


def test_an_unset_setting_leaves_the_value_to_the_other_layers() -> None:
    assert {setting["default"] for name, setting in SETTINGS.items() if name not in OWN} == {None}


def test_no_command_of_the_extension_hides_one_of_the_server() -> None:
    assert not {command["command"] for command in PACKAGE["contributes"]["commands"]} & COMMANDS.keys()


def test_every_command_of_the_extension_is_in_the_palette() -> None:
    source = (FOLDER / "src/extension.ts").read_text(encoding="utf-8")
    table = source.partition('= {\n    "flux.')[2].partition("\n  };")[0]
    made = {f"flux.{name}" for name in re.findall(r'^(?:    "flux\.)?(\w+)": ', table, re.MULTILINE)}
    assert made == {command["command"] for command in PACKAGE["contributes"]["commands"]}


def test_the_lock_file_names_no_registry() -> None:
    assert "resolved" not in (FOLDER / "package-lock.json").read_text(encoding="utf-8")


def test_the_license_is_that_of_flux() -> None:
    assert (FOLDER / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
