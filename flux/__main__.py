"""`python -m flux`, the same as the command `flux`."""

from __future__ import annotations

import sys
from os import path

# `python -m` puts the current folder in front of everything that can be imported. Flux starts in folders of other
# people's code, and a file there must never be run because it is called like a module of ours.
_OURS = path.dirname(path.dirname(path.abspath(__file__)))  # noqa: PTH100, PTH120  # pathlib is not loaded yet
if not sys.flags.safe_path and sys.path and path.abspath(sys.path[0]) != _OURS:  # noqa: PTH100
    del sys.path[0]

from flux.ui.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
