"""From values as a layer has them to values as the settings want them, or an error that names key, layer and file.

Knows every setting by its declaration, and neither where layers come from nor which is stronger.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from flux.core.declarations import (
    BY_FACT,
    BY_NAME,
    BY_VARIABLE,
    CONFIG_FOLDER_VARIABLE,
    DECLARATIONS,
    STATE_FOLDER_VARIABLE,
    Declaration,
    find_declaration,
    may_set,
    without_keys,
)
from flux.core.errors import ConfigError
from flux.core.keys import CommandKey, MissingVariable
from flux.core.layers import KEY, Layer, RawLayer, Source, is_unset, shown
from flux.core.tables import expand, model_of, prefix_of, setting_of


def check_layer(raw: RawLayer, warnings: list[str], variables: Mapping[str, str], *, leaves_out: bool = False) -> Layer:
    """The layer's values, each as its Kind has it. `variables` is what the user's own files may name.

    `leaves_out`: a value that is not allowed is a warning; else it raises ConfigError.
    """
    warnings += _unknown_names(raw)
    values: dict[str, object] = {}
    for declaration, name, given in known_values(raw):
        value = given
        if raw.source.kind == "user config" and declaration.place != "top":
            try:
                value = expand(given, variables)
            except KeyError as e:
                warnings.append(f"{name} in {raw.source} was left out: the variable {e.args[0]} is not set.")
                continue
        prefix = "" if raw.source.uses_variables else prefix_of(name)
        try:
            values[f"{prefix}{declaration.name}"] = _check_value(declaration, name, value, raw.source)
        except ConfigError as e:
            if not leaves_out:
                raise
            warnings.append(f"{e.message} It was left out.")
    for prefix in {name.removesuffix("api_key_env").removesuffix("api_key_cmd") for name in values}:
        _find_key(values, prefix, raw.source, variables)
    return Layer(raw.source, values)


def known_values(raw: RawLayer) -> Iterator[tuple[Declaration, str, object]]:
    """What of the layer is a setting that it may set: its declaration, its name there, and the value as given."""
    for name, value in raw.values.items():
        declaration = find_declaration(raw.source, name)
        if declaration is not None and not is_unset(value) and may_set(raw.source, declaration):
            yield declaration, name, value


def _find_key(values: dict[str, object], prefix: str, source: Source, variables: Mapping[str, str]) -> None:
    """Put the key in the place of what says where it is. Raises ConfigError where two say so."""
    named = [name for name in ("api_key", "api_key_env", "api_key_cmd") if f"{prefix}{name}" in values]
    if len(named) > 1:
        where = f" for {prefix.rstrip('.')}" if prefix else ""
        raise ConfigError(
            f"{' and '.join(named)} are both set in {source}{where}: one of them is enough.", key=named[0]
        )
    variable, command = values.pop(f"{prefix}api_key_env", None), values.pop(f"{prefix}api_key_cmd", None)
    if variable is not None:
        text = variables.get(str(variable), "").strip()
        missing = MissingVariable(str(variable), str(source))
        key = _check_value(BY_NAME["api_key"], str(variable), text, source) if text else missing
        values[f"{prefix}api_key"] = key
    elif command is not None:
        words = cast("tuple[str, ...]", command)  # as its Kind has checked
        values[f"{prefix}api_key"] = CommandKey(words, without_keys(variables))


def _check_value(declaration: Declaration, name: str, value: object, source: Source) -> object:
    try:
        parsed = declaration.kind.parse(value)
    except ValueError:
        said = "" if declaration.kind is KEY else f" is {shown(value)!r}, which"
        raise ConfigError(
            f"{name} in {source}{said} is not allowed: it must be {declaration.kind.allowed}.",
            key=declaration.name,
            source=str(source),
        ) from None
    if isinstance(parsed, Path):
        try:
            parsed = parsed.expanduser()
        except RuntimeError:
            raise ConfigError(
                f"{name} in {source} begins with the home folder, and there is none.",
                key=declaration.name,
                source=str(source),
                hint="Write the whole path.",
            ) from None
        return source.file.parent / parsed if source.file else parsed
    return parsed


def _unknown_names(raw: RawLayer) -> Iterator[str]:
    for name in raw.values:
        declaration = find_declaration(raw.source, name)
        if declaration is not None and not may_set(raw.source, declaration):
            where = "the environment and your own files" if declaration.reach == "own" else "your own settings"
            yield f"{name} in {raw.source} was left out: it may be set in {where} only."
    if raw.source.uses_variables:
        # Other programs also have variables that begin with FLUX_: only a likely slip of the pen is worth a word.
        known = [*BY_VARIABLE, CONFIG_FOLDER_VARIABLE, STATE_FOLDER_VARIABLE]
        for name in raw.values:
            near = difflib.get_close_matches(name, known, 1, 0.85) if name.startswith("FLUX_") else []
            if near and name not in known:
                yield f"{name} in {raw.source} is no setting of Flux. Did you mean {near[0]}?"
        return
    for name in raw.values:
        if find_declaration(raw.source, name) is None:
            provider, setting = setting_of(name)
            known = [d.name for d in DECLARATIONS if d.place != ("top" if provider else "table")]
            if model_of(name)[0]:
                setting, known = model_of(name)[1], list(BY_FACT)
            near = difflib.get_close_matches(setting.lower().removeprefix("flux_"), known, 1, 0.6)
            more = f" Did you mean {near[0]}?" if near else ""
            yield f"{shown(name)} in {raw.source} is no setting of Flux, and was left out.{more}"
