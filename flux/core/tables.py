"""The tables of a settings file: `[providers.NAME]`, `[roles]` and `[api]`, as names with dots.

`[providers.work] model = "m"` is the value `providers.work.model`: each value has a layer and a trust of its own. What
stands in `[api]` is meant as if it stood above all tables. Knows no setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast

from flux.core.errors import ConfigError
from flux.core.layers import RawLayer, Source, shown

PROVIDERS, ROLES, API = "providers", "roles", "api"

_NAME = re.compile("[a-z0-9][a-z0-9_-]*")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def flatten(raw: RawLayer, warnings: list[str]) -> RawLayer:
    """The layer without tables. Raises ConfigError where one of the three names is no table."""
    if raw.source.uses_variables or raw.values.keys().isdisjoint({PROVIDERS, ROLES, API}):
        return raw
    values: dict[str, object] = {}
    for name, value in raw.values.items():
        match name:
            case "providers":
                for provider, table in _table(name, value, raw.source).items():
                    values.update(_provider(provider, table, raw.source))
            case "roles":
                values.update({f"{ROLES}.{role}": who for role, who in _table(name, value, raw.source).items()})
            case "api":
                for setting, said in _table(name, value, raw.source).items():
                    if setting in raw.values:
                        warnings.append(
                            f"{shown(setting)} is set twice in {raw.source}; the one in [api] was left out."
                        )
                    else:
                        values[setting] = said
            case _:
                values[name] = value
    return RawLayer(raw.source, values)


def setting_of(name: str) -> tuple[str, str]:
    """The provider that a value belongs to and its name there: `("work", "model")`; `("", name)` for all others."""
    table, _, rest = name.partition(".")
    if table != PROVIDERS or not rest:
        return "", name
    provider, _, setting = rest.partition(".")
    return provider, setting


def expand(value: object, environ: Mapping[str, str]) -> object:
    """The value with each `${NAME}` replaced, also inside tables and lists. Raises KeyError(NAME) where it is unset."""
    match value:
        case str():
            return _VARIABLE.sub(lambda found: environ[found[1]], value)
        case dict():
            return {name: expand(part, environ) for name, part in cast("dict[str, object]", value).items()}
        case list():
            return [expand(part, environ) for part in cast("list[object]", value)]
        case _:
            return value


def _provider(name: str, table: object, source: Source) -> Iterator[tuple[str, object]]:
    lowered = name.lower()
    if not _NAME.fullmatch(lowered):
        raise ConfigError(
            f"[{PROVIDERS}.{shown(name)}] in {source}: a provider's name has letters, digits, - and _ only.",
            key=PROVIDERS,
            source=str(source),
        )
    for setting, value in _table(f"{PROVIDERS}.{name}", table, source).items():
        yield f"{PROVIDERS}.{lowered}.{setting}", value


def _table(name: str, value: object, source: Source) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(f"[{shown(name)}] in {source} must be a table.", key=name, source=str(source))
    return cast("dict[str, object]", value)  # keys of TOML and JSON are strings
