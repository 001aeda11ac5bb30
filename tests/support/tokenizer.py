"""`python -m tests.support.tokenizer PACKAGE`: writes the ranks in the npm package js-tiktoken as tiktoken's own files.

They are believed by the sha256 that tiktoken itself states, whoever packed them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from flux.llm.tokens import O200K, Ranks, TiktokenCounter, load_ranks

TOOLS = Path(__file__).parents[2] / ".tools/tokenizer"
HOW = "run tests/wire/install_tokenizer.sh"

# tiktoken 0.14.0, tiktoken_ext/openai_public.py, cl100k_base(): an older tokenizer of half the size, which stands for
# those of other services.
CL100K = Ranks(
    name="cl100k_base",
    url="https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken",
    sha256="223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    pattern=r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]"
    r"|\s+(?!\S)|\s+",
)


def real_counter(ranks: Ranks = O200K) -> TiktokenCounter | None:
    """The tokenizer itself; None where it is not on the disk."""
    encoding = load_ranks(ranks, TOOLS / ranks.file_name)
    return TiktokenCounter(encoding, is_exact=True) if encoding else None


def ranks_in(package: Path, name: str) -> bytes:
    """tiktoken's file of a tokenizer: a line for each token with its rank, in their order.

    The package has them in rows of tokens in base64, each behind the rank of its first one.
    """
    source = (package / f"dist/ranks/{name}.js").read_text(encoding="utf-8")
    table = json.JSONDecoder().raw_decode(source, source.index("{"))[0]
    ranks: dict[int, str] = {}
    for row in table["bpe_ranks"].splitlines():
        _, first, *tokens = row.split(" ")
        ranks.update(enumerate(tokens, int(first)))
    return "".join(f"{ranks[rank]} {rank}\n" for rank in sorted(ranks)).encode("ascii")


def main() -> int:
    for ranks in (O200K, CL100K):
        content = ranks_in(Path(sys.argv[1]), ranks.name)
        if hashlib.sha256(content).hexdigest() != ranks.sha256:
            sys.exit(f"What is in {sys.argv[1]} is not {ranks.name}; it was not installed.")
        file = TOOLS / ranks.file_name
        file.write_bytes(content)
        print(f"installed: {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
