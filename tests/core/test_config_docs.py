"""The generated documents are those in the project, and what they show works."""

from __future__ import annotations

import io
from pathlib import Path

import dotenv

from flux.core.config import Settings, UserFolders, load_settings
from flux.core.config_docs import configuration_page, env_example
from flux.core.declarations import DECLARATIONS

PROJECT = Path(__file__).parents[2]


def test_the_documents_are_fresh() -> None:
    """To refresh them: `python -m flux.core.config_docs` in the project's folder."""
    assert (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8") == configuration_page()
    assert (PROJECT / ".env.example").read_text(encoding="utf-8") == env_example()


def test_the_example_names_every_variable_and_sets_none(tmp_path: Path) -> None:
    values = dotenv.dotenv_values(stream=io.StringIO(env_example()))
    assert list(values) == [declaration.variable for declaration in DECLARATIONS if declaration.variable]
    user = UserFolders(tmp_path, tmp_path)
    environ = {name: value or "" for name, value in values.items()}
    assert load_settings(None, {}, environ=environ, user_folders=user).settings == Settings()
