"""`python -m tests.benchmarks.edits [prepare | sample]`: the edit engine on edits made from the history of packages.

`prepare` downloads releases by their names into `.tools/edit-corpus`: wheels with pip, and with npm, where it is there,
packages in TypeScript, JavaScript and style sheets. Without it the committed sample is asked. `--of npm` asks about
those alone. `--show N` prints the first N cases that did not come out right; `--kind` asks those of one kind alone.
"""

from __future__ import annotations

import argparse
import difflib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

from flux.edits.match import edit_text
from tests.benchmarks.figures import Bound, Effort, Figure
from tests.support.edit_corpus.hunks import SAMPLE, hunks_of_releases, read_hunks, releases, write_hunks
from tests.support.edit_corpus.scoring import Outcome, ask, cases_of, exact, score, table

CORPUS = Path(__file__).parents[2] / ".tools" / "edit-corpus"
RELEASES = {
    "Django": ("5.0.6", "5.1.4"),
    "attrs": ("23.2.0", "24.2.0"),
    "click": ("8.1.7", "8.1.8"),
    "fastapi": ("0.110.0", "0.115.6"),
    "flask": ("3.0.3", "3.1.0"),
    "httpx": ("0.27.0", "0.28.1"),
    "jinja2": ("3.1.4", "3.1.6"),
    "packaging": ("24.0", "24.2"),
    "pygments": ("2.17.2", "2.18.0"),
    "pytest": ("8.2.0", "8.3.4"),
    "requests": ("2.31.0", "2.32.3"),
    "rich": ("13.9.2", "13.9.4"),
    "sphinx": ("7.3.7", "8.1.3"),
    "starlette": ("0.37.2", "0.41.3"),
    "typer": ("0.12.3", "0.15.1"),
    "urllib3": ("2.2.1", "2.3.0"),
    "werkzeug": ("3.0.3", "3.1.3"),
}
NPM_RELEASES = {
    "axios": ("1.6.0", "1.7.9"),
    "bootstrap": ("5.2.3", "5.3.3"),
    "eslint": ("8.50.0", "8.57.0"),
    "express": ("4.18.0", "4.21.0"),
    "jquery": ("3.6.0", "3.7.1"),
    "mocha": ("10.2.0", "10.8.2"),
    "rxjs": ("7.5.7", "7.8.1"),
    "three": ("0.160.0", "0.161.0"),
    "vuetify": ("3.4.0", "3.5.0"),
}
_IN_SAMPLE = {
    "attrs",
    "click",
    "flask",
    "httpx",
    "jinja2",
    "pygments",
    "rich",
    "sphinx",
    "starlette",
    "urllib3",
    "werkzeug",
}
_SAMPLE_BYTES = 250_000
_LARGEST_IN_SAMPLE = 9_000


def main() -> int:
    """Print the table; 0 whatever it says."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.edits", description=__doc__)
    parser.add_argument("action", nargs="?", choices=["prepare", "sample"], help="fetch wheels, or remake the sample")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another corpus")
    parser.add_argument("--edits", type=int, default=400, help="how many edits of the packages are perturbed")
    parser.add_argument("--sample", action="store_true", help="ask the committed sample though there are wheels")
    parser.add_argument("--of", choices=["pypi", "npm"], default="", help="only the releases of one registry")
    parser.add_argument("--kind", default="", help="only this kind of case")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print so many that did not come out right")
    arguments = parser.parse_args()
    match arguments.action:
        case "prepare":
            prepare()
        case "sample":
            make_sample(arguments.seed)
        case _:
            folder = CORPUS / arguments.of
            is_sample = arguments.sample or not any(releases(folder))
            hunks = read_hunks() if is_sample else hunks_of_releases(folder, arguments.seed, arguments.edits)
            cases = [case for case in cases_of(hunks, arguments.seed) if arguments.kind in ("", case.kind)]
            outcomes = ask(edit_text, cases)
            print(table(outcomes, ask(exact, cases)))
            for outcome in [o for o in outcomes if not o.is_right][: arguments.show]:
                print(described(outcome))
    return 0


def placing(effort: Effort, folder: Path) -> list[Figure]:
    """The engine on the committed sample, beside the exact one."""
    del folder
    hunks = read_hunks()
    cases = cases_of(hunks[: effort.of(len(hunks))])
    own, floor = score(ask(edit_text, cases)), score(ask(exact, cases))
    return [
        Figure("wrong edits", "%", own.wrong, floor.wrong, "exact", Bound("measured", "<=", 0)),
        Figure("edits made that may be", "%", own.applied, floor.applied, "exact", Bound("measured", ">=", 100)),
        Figure("edits refused that must be", "%", own.refused, floor.refused, "exact", Bound("measured", ">=", 100)),
        Figure("refusals that show the place", "%", own.shows_place, bound=Bound("measured", ">=", 99)),
        Figure("one edit, median", "ms", own.median_ms, floor.median_ms, "exact", Bound("measured", "<=", 0.3)),
        Figure("one edit, 99 of 100", "ms", own.p99_ms, floor.p99_ms, "exact", Bound("measured", "<=", 10)),
    ]


def prepare() -> None:
    """The wheels of all releases that are not there yet."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    for package, versions in RELEASES.items():
        for version in versions:
            if not any(file.name.lower().startswith(f"{package}-{version}-".lower()) for file in CORPUS.glob("*.whl")):
                command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
                command += ["--no-deps", "--only-binary", ":all:", "--dest", str(CORPUS), f"{package}=={version}"]
                subprocess.run(command, check=True)


def make_sample(seed: int) -> None:
    """The committed sample: small files of packages whose licences allow it."""
    size = 0
    chosen: set[tuple[str, str]] = set()
    hunks = []
    for hunk in hunks_of_releases(CORPUS, seed, 100_000, most_of_a_file=3):
        file = hunk.package, hunk.path
        length = sum(len(line.encode()) + 2 for line in hunk.lines)
        if hunk.package not in _IN_SAMPLE or length > _LARGEST_IN_SAMPLE:
            continue
        if file not in chosen:
            if size + length > _SAMPLE_BYTES:
                continue
            chosen.add(file)
            size += length
        hunks.append(hunk)
    write_hunks(hunks, SAMPLE)
    write_notices({package for package, _ in chosen}, SAMPLE.with_name("NOTICES.txt"))
    print(f"{len(hunks)} edits of {len(chosen)} files, {SAMPLE.stat().st_size:,} bytes")


def write_notices(packages: set[str], file: Path) -> None:
    """Where the sample's files are from, and the licences that they are under, as their packages have them."""
    parts = [
        "The texts in sample.jsonl are files of these releases; the edits are what the next one changed in them.\n"
    ]
    for package, before, after in releases(CORPUS):
        if package in packages:
            with zipfile.ZipFile(before) as wheel:
                name = next(name for name in wheel.namelist() if re.search(r"dist-info/.*(LICENSE|COPYING)", name))
                licence = wheel.read(name).decode("utf-8").strip()
            versions = " to ".join(wheel.name.split("-")[1] for wheel in (before, after))
            parts.append(f"{'=' * 100}\n{package} {versions}\n\n{licence}\n")
    file.write_text("\n".join(parts), encoding="utf-8", newline="\n")


def described(outcome: Outcome) -> str:
    """A case with what was asked and what came of it."""
    case = outcome.case
    parts = [f"{'=' * 20} {case.kind} ({case.label}) {case.source}", "--- old", case.old, "--- new", case.new]
    if outcome.text is None:
        return "\n".join([*parts, "--- refused", outcome.reason])
    wanted = case.expected[0] if case.expected else case.text
    diff = difflib.unified_diff(wanted.split("\n"), outcome.text.split("\n"), "wanted", "what came", lineterm="", n=2)
    return "\n".join([*parts, *diff])


if __name__ == "__main__":
    sys.exit(main())
