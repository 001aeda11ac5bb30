"""From settings to a provider, or to an error that says what to set."""

from __future__ import annotations

from pathlib import Path

import pytest

from flux.core.config import Settings
from flux.core.errors import ConfigError
from flux.core.secret import Secret
from flux.llm.provider_factory import Choice, choose_model, choose_provider, create_provider, supported_providers

KEY = Secret("key-of-the-test")


def test_a_provider_is_made_by_its_name_in_any_case(tmp_path: Path) -> None:
    script = tmp_path / "talk.json"
    script.write_text("[]", encoding="utf-8")
    assert create_provider(Settings(provider="demo")).name == "demo"
    assert create_provider(Settings(script=script), "Scripted").name == "scripted"


def test_an_unknown_provider_is_a_value_error_that_lists_the_known() -> None:
    with pytest.raises(ValueError) as error:
        create_provider(Settings(provider="dmeo"))
    known = ", ".join(supported_providers())
    assert str(error.value) == f"Unsupported provider: dmeo. Supported providers: {known}\nDid you mean demo?"


def test_with_nothing_set_there_is_no_provider_and_the_ways_to_one_are_named() -> None:
    with pytest.raises(ConfigError) as error:
        create_provider(Settings())
    for way in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "FLUX_BASE_URL", "FLUX_PROVIDER=demo"):
        assert way in str(error.value)


def test_the_one_key_that_is_found_chooses_its_provider() -> None:
    reason = "OPENAI_API_KEY is set in the command line or the editor's settings"
    assert choose_provider(Settings(openai_api_key=KEY)) == Choice("openai", reason)


def test_of_two_keys_anthropics_chooses_and_says_so() -> None:
    choice = choose_provider(Settings(openai_api_key=KEY, anthropic_api_key=KEY))
    assert choice.name == "anthropic"
    assert "OPENAI_API_KEY is too, and FLUX_PROVIDER chooses" in choice.reason


def test_a_general_key_alone_chooses_nothing() -> None:
    with pytest.raises(ConfigError, match="No provider is set"):
        choose_provider(Settings(api_key=KEY))


def test_the_provider_that_is_set_wins_over_any_key() -> None:
    assert choose_provider(Settings(provider="demo", anthropic_api_key=KEY)).name == "demo"


def test_the_model_that_is_set_is_for_the_chosen_provider() -> None:
    settings = Settings(provider="demo", model="m")
    assert (choose_model(settings, "demo"), choose_model(settings, "scripted")) == ("m", "scripted")
    with pytest.raises(ConfigError, match="FLUX_MODEL"):
        choose_model(settings, "elsewhere")


def test_a_package_of_the_users_own_registers_a_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        "[flux.providers]\nMine = flux_test_mine:make\nbroken = flux_test_mine:nothing\n", encoding="utf-8"
    )
    (tmp_path / "flux_test_mine.py").write_text(
        "from flux.llm.scripted_provider import ScriptedProvider\n"
        "def make(settings):\n    return ScriptedProvider([])\n"
        "def nothing(settings):\n    return None\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert create_provider(Settings(), "mine").name == "scripted"
    assert "mine" in supported_providers()
    with pytest.raises(ConfigError, match="makes a NoneType, not a provider"):
        create_provider(Settings(), "broken")
