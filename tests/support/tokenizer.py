"""`python -m tests.support.tokenizer PACKAGE`: writes the ranks in the npm package js-tiktoken as tiktoken's own file.

They are believed by the sha256 that tiktoken itself states (`flux.llm.tokens.O200K`), whoever packed them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from flux.core.config import tokenizer_folders
from flux.llm.tokens import O200K, TiktokenCounter, find_counter

TOOLS = Path(__file__).parents[2] / ".tools/tokenizer"
HOW = "run tests/wire/install_tokenizer.sh"


def real_counter() -> TiktokenCounter | None:
    """o200k_base itself; None where it is not on the disk."""
    found = find_counter("gpt-5", (TOOLS, *tokenizer_folders()))
    return found if isinstance(found, TiktokenCounter) else None


def ranks_of(package: Path) -> bytes:
    """tiktoken's file of o200k_base: a line for each token with its rank, in their order.

    The package has them in rows of tokens in base64, each behind the rank of its first one.
    """
    source = (package / f"dist/ranks/{O200K.name}.js").read_text(encoding="utf-8")
    table = json.JSONDecoder().raw_decode(source, source.index("{"))[0]
    ranks: dict[int, str] = {}
    for row in table["bpe_ranks"].splitlines():
        _, first, *tokens = row.split(" ")
        ranks.update(enumerate(tokens, int(first)))
    return "".join(f"{ranks[rank]} {rank}\n" for rank in sorted(ranks)).encode("ascii")


def main() -> int:
    content = ranks_of(Path(sys.argv[1]))
    if hashlib.sha256(content).hexdigest() != O200K.sha256:
        sys.exit(f"What is in {sys.argv[1]} is not {O200K.name}; nothing was installed.")
    file = TOOLS / O200K.file_name
    file.write_bytes(content)
    print(f"installed: {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
