"""From settings to a provider: one table of built-ins, and what other packages register.

A package of the user's own registers a callable `(Settings) -> BaseLLMProvider` under a name in the entry point group
`flux.providers`; a program does the same by `register_provider`. A provider's module, and the SDK under it, is imported
when the provider is made.
"""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from flux.core.config import Settings, settings_of
from flux.core.errors import ConfigError
from flux.core.keys import KeyHolder
from flux.llm.base_provider import BaseLLMProvider, Defaults
from flux.llm.catalogue import Catalogue
from flux.llm.endpoints import ENDPOINTS, Endpoint, Wire
from flux.llm.resilience.breaker import CIRCUITS, BreakingProvider, Circuits
from flux.llm.resilience.retry import RetryingProvider

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINT_GROUP = "flux.providers"

Create = Callable[[Settings], BaseLLMProvider]
_programs_own: dict[str, Create] = {}
"""What this program registered, by name: for the whole process, as entry points are."""

WAYS_TO_SET_UP = (
    "Set ANTHROPIC_API_KEY or OPENAI_API_KEY, or the key of another service (docs/configuration.md lists them); or "
    "FLUX_PROVIDER=lm_studio, or FLUX_PROVIDER=compatible with FLUX_BASE_URL, for a server of your own; "
    "FLUX_PROVIDER=auto for a model on this machine; "
    "or FLUX_PROVIDER=demo to try Flux offline, without a model. Your editor's settings and config.toml take the same."
)


@dataclass(frozen=True, slots=True)
class Builtin:
    """`path` is `module:callable`; it is called with the settings, and with the endpoint where there is one."""

    path: str
    default_model: str
    endpoint: Endpoint | None = None


_LOCAL = {
    "auto": Builtin("flux.llm.provider_factory:create_auto", ""),
    "demo": Builtin("flux.llm.demo_provider:create", "demo"),
    "scripted": Builtin("flux.llm.scripted_provider:create", "scripted"),
}
_PATHS: Mapping[Wire, str] = {
    "anthropic": "flux.llm.anthropic_provider:AnthropicProvider",
    "responses": "flux.llm.openai_provider:OpenAIProvider",
    "chat": "flux.llm.compatible_provider:CompatibleProvider",
    "ollama": "flux.llm.ollama_provider:OllamaProvider",
}

BUILTINS: Mapping[str, Builtin] = {
    **{e.name: Builtin(_PATHS[e.wire], e.default_model, e) for e in ENDPOINTS},
    **_LOCAL,
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A provider's name and, in words for the user, why it is this one."""

    name: str
    reason: str


def choose_provider(settings: Settings) -> Choice:
    """The provider to use: the one that is set, else the first whose own key is found.

    Raises ConfigError where there is none. The demo is never chosen in silence.
    """
    if settings.provider:
        return Choice(settings.provider, f"set in {settings.source('provider')}")
    found = [row for row in ENDPOINTS if row.key_setting and getattr(settings, row.key_setting)]
    if not found:
        for name in settings.tables():
            if (key := settings.table_value(name, "api_key")) is not None:
                return Choice(name, f"there is {key if isinstance(key, KeyHolder) else 'a key'} for it")
        raise ConfigError("No provider is set, and no key was found.", key="provider", hint=WAYS_TO_SET_UP)
    first, *others = (row.key_setting for row in found)
    reason = f"{first.upper()} is set in {settings.source(first)}"
    if others:
        reason += f"; {others[0].upper()} is too, and FLUX_PROVIDER chooses between them"
    return Choice(found[0].name, reason)


def choose_model(settings: Settings, provider: str) -> str:
    """The model to ask a provider for: the one that is set, else the provider's default.

    The setting `model` is meant for the chosen provider. Empty where `BaseLLMProvider.default_model` has to say it.
    Raises ConfigError where nobody can.
    """
    if provider != "auto" and (model := settings.for_provider(provider).model):
        return model
    row = find_builtin(settings, provider)
    if row is not None and not row.default_model and (row.endpoint is None or not row.endpoint.needs_key):
        return ""  # its server is asked, which may be on this machine
    if row is None or not row.default_model:
        raise ConfigError(f"The provider {provider} needs a model's name.", key="model", hint="Set FLUX_MODEL.")
    return row.default_model


def create_provider(
    config: Settings | Mapping[str, object], provider: str | None = None, *, circuits: Circuits = CIRCUITS
) -> BaseLLMProvider:
    """The provider of that name, else the one that `choose_provider` gives. `circuits` are those of its services.

    A mapping has the names of `config.toml`, and nothing else is read then: no file, no variable that it does not name.
    Raises ConfigError (a ValueError) for an unknown name, a missing key, and a key that must not go to the base URL.
    """
    if not isinstance(config, Settings):
        config = settings_of(config)
    name = provider.strip().lower() if provider else choose_provider(config).name
    settings = config.for_provider(name)
    made = _create(config, settings, name)
    if kind_of(config, name) not in _LOCAL:  # what needs no service does not fail by chance
        # Each attempt counts, and a trial is one request.
        made = BreakingProvider(made, address_of(config, name) or name, circuits)
        if settings.attempts > 1:
            made = RetryingProvider(made, settings.attempts)
    made.defaults = Defaults(
        _default_model(config, name),
        settings.system_prompt,
        settings.max_tokens,
        settings.temperature,
        settings.streaming,
        settings.thinking,
        Catalogue(settings).find,
    )
    return made


def register_provider(name: str, create: Create) -> None:
    """Let a program use its own provider by name, as an entry point in `flux.providers` does for a package.

    The last one registered under a name counts. Raises ConfigError for the name of one that comes with Flux.
    """
    name = name.strip().lower()
    if not name or name in BUILTINS:
        raise ConfigError(f"{name!r} cannot be the name of a provider of one's own.", key="provider")
    _programs_own[name] = create


def _create(config: Settings, settings: Settings, name: str) -> BaseLLMProvider:
    row = find_builtin(config, name)
    if row is not None:
        create = pkgutil.resolve_name(row.path)
        if row.endpoint is None:
            return _checked(create(settings), name)
        settings.credentials(row.endpoint)  # said before an SDK is imported for nothing
        made = _checked(create(settings, row.endpoint), name)
        # These wires have models that take no tools behind them; what is behind the others does.
        if row.endpoint.wire in {"chat", "ollama"}:
            from flux.llm.text_tools_provider import TextToolsProvider

            return TextToolsProvider(made, settings.tools, Catalogue(settings).find)
        return made

    kind = kind_of(config, name)
    if kind in _programs_own:
        return _checked(_programs_own[kind](settings), name)
    registered = _registered()
    if kind not in registered:
        raise unsupported(kind, supported_providers(config))
    create = cast("Callable[[Settings], object]", registered[kind].load())  # whatever the package registered
    return _checked(create(settings), name)


def _default_model(config: Settings, name: str) -> str:
    try:
        return choose_model(config, name)
    except ConfigError:
        return ""  # the one who asks may name one


def find_builtin(settings: Settings, name: str) -> Builtin | None:
    """What comes with Flux under this name, or what the table `[providers.NAME]` makes of it; None for all others."""
    kind = kind_of(settings, name)
    row = BUILTINS.get(kind)
    if row is None or row.endpoint is None or name == kind:
        return row
    endpoint = replace(row.endpoint, name=name, base_url_setting="")
    if settings.table_value(name, "base_url") is not None:
        endpoint = replace(endpoint, key_setting="")  # the vendor's key is for the vendor's own host
    return replace(row, endpoint=endpoint)


def create_auto(config: Settings) -> BaseLLMProvider:
    """The provider that is the first which answers. Raises ConfigError for an order of names that are no providers."""
    from flux.llm.auto_provider import AutoProvider

    return AutoProvider(config, supported_providers(config), create_provider, lambda name: choose_model(config, name))


def address_of(settings: Settings, name: str) -> str:
    """Where a provider's requests go; empty where it is not Flux that knows. Raises ConfigError as `credentials`."""
    row = find_builtin(settings, name)
    if row is None or row.endpoint is None:
        return ""
    return row.endpoint.full_base_url(settings.credentials(row.endpoint).base_url)


def supported_providers(settings: Settings | None = None) -> tuple[str, ...]:
    """The names that can be used: built-ins first, then the user's tables, then other packages'."""
    tables = settings.tables() if settings else ()
    return tuple(dict.fromkeys((*BUILTINS, *tables, *_programs_own, *_registered())))


def is_supported(settings: Settings, name: str) -> bool:
    """Whether it is one of `supported_providers`. Other packages are looked through only for a name that needs it."""
    return name in BUILTINS or name in supported_providers(settings)


def kind_of(settings: Settings, name: str) -> str:
    """What a provider of this name is like: the name itself, or what its table says."""
    if said := settings.table_value(name, "kind"):
        return str(said)
    if name in BUILTINS or name not in settings.tables() or name in _programs_own or name in _registered():
        return name
    return "compatible"


def _registered() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {entry.name.lower(): entry for entry in entry_points(group=ENTRY_POINT_GROUP)}


def _checked(made: object, name: str) -> BaseLLMProvider:
    if not isinstance(made, BaseLLMProvider):
        raise ConfigError(f"What is registered as the provider {name} makes a {type(made).__name__}, not a provider.")
    return made


def unsupported(name: str, supported: Sequence[str], key: str = "provider") -> ConfigError:
    """The error for a name that is none of the supported; `key` is the setting that says it."""
    near = difflib.get_close_matches(name, supported, 3)
    return ConfigError(
        f"Unsupported provider: {name}. Supported providers: {', '.join(supported)}",
        key=key,
        hint=f"Did you mean {' or '.join(near)}?" if near else "",
    )
