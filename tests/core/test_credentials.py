"""No key to a base URL that is less trusted than the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from flux.core.config import Settings
from flux.core.credentials import Credentials
from flux.core.errors import ConfigError
from flux.core.layers import Layer, LayerKind, Source
from flux.core.secret import Secret
from flux.llm.endpoints import ANTHROPIC, COMPATIBLE, OPENAI, Endpoint

KEY = Secret("key-of-the-test")
OTHER = Secret("another-key")
GATEWAY = "https://gateway.example/v1"
FILES: tuple[LayerKind, ...] = ("project .env", "project config", "user .env", "user config")
USER: tuple[LayerKind, ...] = ("explicit", "environment", "user .env", "user config")
PROJECT: tuple[LayerKind, ...] = ("project .env", "project config")


def settings(*layers: tuple[LayerKind, dict[str, object]]) -> Settings:
    made = tuple(Layer(Source(kind, Path(kind) if kind in FILES else None), values) for kind, values in layers)
    merged: dict[str, object] = {}
    for layer in reversed(made):
        merged.update(layer.values)
    return Settings(layers=made, provider=str(merged.get("provider", "")))


def check(given: Settings, endpoint: Endpoint, base_url: str, key: Secret | None) -> None:
    assert given.credentials(endpoint) == Credentials(base_url, key)


def refused(given: Settings, endpoint: Endpoint) -> str:
    with pytest.raises(ConfigError) as error:
        given.credentials(endpoint)
    assert KEY.reveal() not in str(error.value)
    return str(error.value)


def test_a_key_goes_to_its_providers_own_host() -> None:
    for kind in (*USER, *PROJECT):
        check(settings((kind, {"anthropic_api_key": KEY})), ANTHROPIC, "https://api.anthropic.com", KEY)


def test_the_users_layers_trust_each_other() -> None:
    for key_layer in USER:
        for url_layer in USER:
            given = settings((key_layer, {"api_key": KEY}), (url_layer, {"base_url": GATEWAY}))
            check(given, COMPATIBLE, GATEWAY, KEY)


def test_a_users_key_does_not_go_to_a_projects_base_url() -> None:
    for key_layer in USER:
        for url_layer in PROJECT:
            given = settings((key_layer, {"openai_api_key": KEY}), (url_layer, {"openai_base_url": GATEWAY}))
            message = refused(given, OPENAI)
            assert str(Source(key_layer, Path(key_layer) if key_layer in FILES else None)) in message
            assert url_layer in message


def test_a_projects_key_goes_to_the_base_url_of_the_same_file() -> None:
    given = settings(
        ("environment", {"openai_api_key": OTHER}),
        ("project .env", {"openai_api_key": KEY, "base_url": GATEWAY}),
    )
    check(given, OPENAI, GATEWAY, KEY)


def test_a_projects_key_goes_neither_to_the_users_nor_to_the_projects_other_base_url() -> None:
    for url_layer in ("environment", "user config", "project config"):
        refused(settings(("project .env", {"api_key": KEY}), (url_layer, {"base_url": GATEWAY})), COMPATIBLE)


def test_a_base_url_that_is_the_providers_own_is_no_detour() -> None:
    given = settings(("environment", {"openai_api_key": KEY}), ("project .env", {"base_url": OPENAI.default_base_url}))
    check(given, OPENAI, OPENAI.default_base_url, KEY)


def test_the_general_key_comes_before_the_providers_own_and_the_stronger_layer_before_both() -> None:
    check(settings(("environment", {"api_key": KEY, "openai_api_key": OTHER})), OPENAI, OPENAI.default_base_url, KEY)
    given = settings(("explicit", {"openai_api_key": KEY}), ("environment", {"api_key": OTHER}))
    check(given, OPENAI, OPENAI.default_base_url, KEY)


def test_a_providers_own_key_goes_to_no_other_provider() -> None:
    given = settings(("environment", {"anthropic_api_key": KEY, "openai_api_key": KEY, "base_url": GATEWAY}))
    check(given, COMPATIBLE, GATEWAY, None)
    assert "OPENAI_API_KEY or FLUX_API_KEY" in refused(settings(("environment", {"anthropic_api_key": KEY})), OPENAI)


def test_the_general_key_and_base_url_are_for_the_chosen_provider_only() -> None:
    given = settings(
        ("environment", {"provider": "compatible", "base_url": GATEWAY, "api_key": KEY, "anthropic_api_key": OTHER})
    )
    check(given, COMPATIBLE, GATEWAY, KEY)
    check(given, ANTHROPIC, "https://api.anthropic.com", OTHER)
    refused(given, OPENAI)


def test_what_is_missing_is_named() -> None:
    assert "ANTHROPIC_API_KEY or FLUX_API_KEY" in refused(settings(), ANTHROPIC)
    assert "FLUX_BASE_URL" in refused(settings(("environment", {"api_key": KEY})), COMPATIBLE)


def test_settings_made_by_hand_count_as_given() -> None:
    check(Settings(api_key=KEY, base_url=GATEWAY), COMPATIBLE, GATEWAY, KEY)
