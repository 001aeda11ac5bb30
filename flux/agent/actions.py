"""What a user can ask for by one choice from a menu: a prompt with gaps, and what shall come of it.

Those that Flux brings stand in `prompts/actions`, in the same form as those that users write. Knows no editor.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePath
from typing import Literal, TypeVar, cast, get_args

from flux.core.errors import ConfigError
from flux.core.layers import RawLayer, Source, shown
from flux.tools.base import Tool

About = Literal["problem", "problems", "file problems", "comment", "gap", "code", "file", "changes"]
"""A problem, those at the cursor, those of the file; a `flux:` comment; a stub or TODO; the selection, else the
definition at the cursor, else the file; the file; the uncommitted changes."""
Output = Literal["edit", "explanation", "new file", "commit message"]

VARIABLES = ("target", "file", "language", "lines", "selection", "problems", "count", "comment", "layout", "changes")
"""What stands for `${NAME}` in titles and prompts."""

_BUILT_IN = (
    "comment",
    "fix",
    "fix_here",
    "implement",
    "improve",
    "explain",
    "document",
    "tests",
    "fix_file",
    "commit",
)
_USUAL: Mapping[str, About] = {"quickfix": "problem", "source": "file"}
_KIND = re.compile(r"(?:quickfix|refactor|source|flux)(?:\.[A-Za-z0-9_-]+)*")
_ROLE = re.compile(r"[a-z][a-z0-9_-]*")
_GAP = re.compile(r"\$(\$?)\{([^{}\n]*)\}")
_MAX_TITLE = 80
_T = TypeVar("_T", bound=str)


@dataclass(frozen=True, slots=True)
class Action:
    """`title` is what menus show, after `Flux: `. `kinds` are of LSP; `languages` are ids or patterns, none for all."""

    name: str
    title: str
    prompt: str
    kinds: tuple[str, ...] = ("refactor.rewrite",)
    about: About = "code"
    languages: tuple[str, ...] = ()
    role: str = "edit"
    output: Output = "edit"

    def fits(self, language: str, path: str) -> bool:
        """Whether it is for files of that language, or of that name."""
        return not self.languages or any(
            PurePath(path.lower()).match(name) if "*" in name or "." in name else name == language.lower()
            for name in self.languages
        )

    def instruction(self, values: Mapping[str, str]) -> str:
        """The words to send."""
        return f"{filled(self.prompt, values).strip()}\n{_outputs()[self.output]}"

    def tools(self, all_tools: Mapping[str, Tool]) -> Mapping[str, Tool]:
        """Those of the tools that it may use: what only answers cannot change a file."""
        if self.output == "edit":
            return all_tools
        also = {"write_file"} if self.output == "new file" else set[str]()
        return {name: tool for name, tool in all_tools.items() if tool.is_read_only or name in also}


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with its variables replaced; `$${` stands for `${`."""
    return _GAP.sub(lambda gap: f"${{{gap[2]}}}" if gap[1] else values.get(gap[2], ""), template)


@cache
def built_in() -> tuple[Action, ...]:
    """Those that Flux brings, in the order of the menu."""
    folder = resources.files("flux.agent").joinpath("prompts", "actions")
    texts = ((name, folder.joinpath(f"{name}.toml").read_text(encoding="utf-8")) for name in _BUILT_IN)
    return tuple(read_action(RawLayer(Source("default"), tomllib.loads(text)), name) for name, text in texts)


def own_actions(raws: Sequence[RawLayer]) -> tuple[Sequence[Action], Sequence[str]]:
    """The user's and the project's actions, a later one for an earlier of its name, and what is wrong with others."""
    found: dict[str, Action] = {}
    complaints: list[str] = []
    for raw in raws:
        name = raw.source.file.stem if raw.source.file else ""
        try:
            found[name] = read_action(raw, name)
        except ConfigError as e:
            complaints.append(e.message)
    return tuple(found.values()), complaints


def read_action(raw: RawLayer, name: str) -> Action:
    """The action of a file. Raises ConfigError, naming the file, the key, and what is allowed."""
    reader = _Reader(raw)
    reader.check_names()
    kinds = reader.names("kinds", _KIND, "such as quickfix, refactor.rewrite or source") or ("refactor.rewrite",)
    action = Action(
        name,
        reader.template("title"),
        reader.template("prompt"),
        kinds,
        reader.choice("about", get_args(About), _USUAL.get(kinds[0].partition(".")[0], "code")),
        tuple(language.lower() for language in reader.names("languages", re.compile(".+"), "such as python or *.ts")),
        reader.text("role", "edit"),
        reader.choice("output", get_args(Output), "edit"),
    )
    if len(action.title) > _MAX_TITLE or "\n" in action.title.strip():
        raise reader.wrong("title", f"one line of at most {_MAX_TITLE} characters")
    if not _ROLE.fullmatch(action.role):
        raise reader.wrong("role", "a name of [roles], such as edit or chat")
    return action


class _Reader:
    """The values of one file, each checked as it is taken."""

    def __init__(self, raw: RawLayer) -> None:
        self._raw = raw

    def check_names(self) -> None:
        known = ("title", "kinds", "about", "languages", "prompt", "role", "output")
        for name in self._raw.values:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1, 0.6)
                more = f" Did you mean {near[0]}?" if near else f" There are {', '.join(known)}."
                raise self._error(name, f"{shown(name)} in {self._raw.source} is nothing of an action.{more}")

    def text(self, name: str, default: str = "") -> str:
        value = self._raw.values.get(name, default)
        if not isinstance(value, str):
            raise self.wrong(name, "a text")
        return value

    def template(self, name: str) -> str:
        value = self.text(name)
        if not value.strip():
            raise self._error(name, f"{self._raw.source} has no {name}, which an action needs.")
        for gap in _GAP.finditer(value):
            if not gap[1] and gap[2] not in VARIABLES:
                there_are = ", ".join(f"${{{variable}}}" for variable in VARIABLES)
                raise self._error(
                    name, f"{shown(gap[0])} in {name} of {self._raw.source} is no variable. There are {there_are}."
                )
        return value

    def choice(self, name: str, allowed: Sequence[_T], default: _T) -> _T:
        value = self.text(name, default)
        if value not in allowed:
            raise self.wrong(name, f"one of {', '.join(allowed)}")
        return cast("_T", value)

    def names(self, name: str, form: re.Pattern[str], allowed: str) -> tuple[str, ...]:
        value = self._raw.values.get(name, [])
        given = cast("list[object]", value) if isinstance(value, list) else [value]
        if not all(isinstance(one, str) and form.fullmatch(one) for one in given):
            raise self.wrong(name, f"a list of names, {allowed}")
        return tuple(str(one) for one in given)

    def wrong(self, name: str, allowed: str) -> ConfigError:
        value = shown(self._raw.values.get(name))
        return self._error(name, f"{name} in {self._raw.source} is {value!r}; it must be {allowed}.")

    def _error(self, name: str, message: str) -> ConfigError:
        return ConfigError(message, key=name, source=str(self._raw.source))


@cache
def _outputs() -> Mapping[str, str]:
    text = resources.files("flux.agent").joinpath("prompts", "outputs.toml").read_text(encoding="utf-8")
    return cast("dict[str, str]", tomllib.loads(text))
