"""`python -m flux`, the same as the command `flux`."""

from __future__ import annotations

import sys

from flux.ui.cli import main

if __name__ == "__main__":
    sys.exit(main())
