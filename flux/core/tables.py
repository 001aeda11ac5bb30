"""The tables of a settings file: `[providers.NAME]`, `[models.NAME]`, `[roles]` and `[api]`, as names with dots.

`[providers.work] model = "m"` is the value `providers.work.model`: each value has a layer and a trust of its own. What
stands in `[api]` is meant as if it stood above all tables. Knows no setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast

from flux.core.errors import ConfigError
from flux.core.layers import RawLayer, Source, shown

PROVIDERS, ROLES, API, MODELS = "providers", "roles", "api", "models"

_NAME = re.compile("[a-z0-9][a-z0-9_-]*")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def flatten(raw: RawLayer, warnings: list[str]) -> RawLayer:
    """The layer without tables. Raises ConfigError where one of the four names is no table."""
    if raw.source.uses_variables or raw.values.keys().isdisjoint({PROVIDERS, ROLES, API, MODELS}):
        return raw
    values: dict[str, object] = {}
    for name, value in raw.values.items():
        match name:
            case "providers":
                for provider, table in _table(name, value, raw.source).items():
                    values.update(_provider(provider, table, raw.source))
            case "roles":
                values.update({f"{ROLES}.{role}": who for role, who in _table(name, value, raw.source).items()})
            case "models":
                for model, table in _table(name, value, raw.source).items():
                    values.update(_model(model, table, raw.source))
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


def model_of(name: str) -> tuple[str, str]:
    """The model that a value says something of, and what: `("qwen3.5", "window")`; `("", name)` for all others."""
    table, _, rest = name.partition(".")
    if table != MODELS or not rest:
        return "", name
    model, _, fact = rest.rpartition(".")
    return model, fact


def prefix_of(name: str) -> str:
    """What of a name says which table it stands in, with the dot behind it."""
    provider, setting = setting_of(name)
    return name.removesuffix(setting if provider else model_of(name)[1])


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


def _model(name: str, table: object, source: Source) -> Iterator[tuple[str, object]]:
    for fact, value in _table(f"{MODELS}.{name}", table, source).items():
        if isinstance(value, dict):
            raise ConfigError(
                f"[{MODELS}.{shown(name)}.{shown(fact)}] in {source} is a table in a table.",
                key=MODELS,
                source=str(source),
                hint=f'A name with dots stands in quotation marks: [{MODELS}."{shown(name)}.{shown(fact)}"].',
            )
        yield f"{MODELS}.{name.lower()}.{fact}", value


def _table(name: str, value: object, source: Source) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(f"[{shown(name)}] in {source} must be a table.", key=name, source=str(source))
    return cast("dict[str, object]", value)  # keys of TOML and JSON are strings
