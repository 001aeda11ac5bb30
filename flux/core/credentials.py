"""Which key goes to which address. The rules of `docs/configuration.md`, "Keys".

A key is never sent to a base URL that stands in a less trusted layer: what came with a project may not lead the user's
key away, and a project's key goes only to the base URL beside it in the same file, or to its provider's own host.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from flux.core.errors import ConfigError
from flux.core.keys import Key, KeyHolder
from flux.core.layers import Layer, Source


class Service(Protocol):
    """What must be known of a service to address it. Names are names of settings, empty where there is none."""

    @property
    def name(self) -> str: ...
    @property
    def default_base_url(self) -> str: ...
    @property
    def base_url_setting(self) -> str: ...
    @property
    def key_setting(self) -> str: ...
    @property
    def needs_key(self) -> bool: ...


class Credentials(NamedTuple):
    """Where to send a request and with which key; None: without one."""

    base_url: str
    key: Key | None


@dataclass(frozen=True, slots=True)
class _Found:
    value: object
    source: Source


def find_credentials(layers: Sequence[Layer], service: Service) -> Credentials:
    """The service's base URL with the key that may go there.

    `layers` are strongest first, and in them this service is the chosen one. Raises ConfigError where something is
    missing, or where only a key is there that must not go to this base URL.
    """
    url = next(_find(layers, ("base_url", service.base_url_setting)), None)
    keys = list(_find(layers, ("api_key", service.key_setting)))
    if url is not None and url.value != service.default_base_url:
        _check_company(layers, url, service)
        return Credentials(str(url.value), _key_beside(url, keys, service))
    if not service.default_base_url:
        raise ConfigError(
            f"The provider {service.name} needs a base URL.",
            key="base_url",
            hint="Set FLUX_BASE_URL, for example to http://localhost:1234/v1.",
        )
    if not keys and service.needs_key:
        raise _missing_key(service)
    return Credentials(service.default_base_url, _secret(keys[0]) if keys else None)


def key_words(layers: Sequence[Layer], key: Key | None, service: Service) -> str:
    """Where the service's key is set, for a person; empty where there is none."""
    for layer in layers:
        for name in ("api_key", service.key_setting):
            if key is not None and layer.values.get(name) is key:
                if isinstance(key, KeyHolder):
                    return f"{key}, as {layer.source} says"
                variable = "FLUX_API_KEY" if name == "api_key" else name.upper()
                return f"{variable if layer.source.uses_variables else name} in {layer.source}"
    return ""


def _find(layers: Sequence[Layer], names: tuple[str, ...]) -> Iterator[_Found]:
    for layer in layers:
        for name in names:
            if name in layer.values:
                yield _Found(layer.values[name], layer.source)


def _check_company(layers: Sequence[Layer], url: _Found, service: Service) -> None:
    """What goes along with each request may hold the user's secrets, as a key does, or say who they are."""
    for name in ("headers", "extra_body", "client_cert"):
        for found in _find(layers, (name,)):
            if url.source.is_project and found.source != url.source:
                raise ConfigError(
                    f"Nothing was sent for {service.name}: {name} is set in {found.source}, the base URL in "
                    f"{url.source}, which is less trusted.",
                    key="base_url",
                    source=str(url.source),
                )


def _key_beside(url: _Found, keys: Sequence[_Found], service: Service) -> Key | None:
    for key in keys:
        if key.source == url.source or not (url.source.is_project or key.source.is_project):
            return _secret(key)
    if keys:
        raise _mismatch(url, keys[0], service)
    if service.needs_key:
        raise _missing_key(service)
    return None


def _secret(found: _Found) -> Key | None:
    return found.value if isinstance(found.value, Key) else None


def _missing_key(service: Service) -> ConfigError:
    variables = " or ".join(name for name in (service.key_setting.upper(), "FLUX_API_KEY") if name)
    return ConfigError(
        f"The provider {service.name} needs a key, and none is set.",
        key=service.key_setting or "api_key",
        hint=f"Set {variables} in the environment, or give the key in your editor's settings.",
    )


def _mismatch(url: _Found, key: _Found, service: Service) -> ConfigError:
    if key.source.is_project:
        reason = "a key that came with a project goes only to a base URL of the same file or to the provider's own host"
        way = f"Set the base URL beside the key in {key.source}, or set a key of your own in the environment."
    else:
        reason = "the base URL is less trusted than the key"
        way = (
            f"To use {url.value} with your key, set FLUX_BASE_URL in the environment or in your own config.toml; "
            f"to use the project's own key, set it beside the base URL in {url.source}."
        )
    return ConfigError(
        f"No key was sent for {service.name}: the key is set in {key.source}, "
        f"the base URL in {url.source}, and {reason}.",
        key="base_url",
        source=str(url.source),
        hint=way,
    )
