from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.shell import Shell, open_shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return open_shell(tmp_path)
