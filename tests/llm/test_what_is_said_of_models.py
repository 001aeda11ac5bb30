"""What users say of models in `[models.NAME]`, what providers' lists tell, and which of it counts."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.core.config import Settings, UserFolders, load_settings
from flux.core.errors import ConfigError
from flux.core.limits import ModelLimits
from flux.core.messages import Image, Message, user_message
from flux.core.usage import Price
from flux.llm.base_provider import ModelRequest, ServedModel
from flux.llm.catalogue import FREE, Catalogue, Model, find_model
from flux.llm.fitting import fit
from flux.llm.provider_factory import create_provider
from flux.llm.refresh import Asked, refresh
from flux.llm.refreshed import FILE, Refreshed, read_refreshed
from flux.llm.registry import Registry
from flux.workspace.memory import MemoryWorkspace
from tests.support.fault_server import fault_server
from tests.support.list_server import Lists, list_server
from tests.support.ollama_server import FakeModel, ollama_server

TODAY = "2026-11-21"

OPENROUTER = {
    "data": [
        {
            "id": "qwen/qwen9-coder",
            "context_length": 262_144,
            "architecture": {"input_modalities": ["text", "image"]},
            "supported_parameters": ["tools", "reasoning", "temperature"],
            "pricing": {"prompt": "0.0000003", "completion": "0.0000012", "input_cache_read": "0.00000003"},
            "top_provider": {"max_completion_tokens": 65_536},
        },
        {"id": "openrouter/auto", "context_length": 2_000_000, "pricing": {"prompt": "-1", "completion": "-1"}},
        {"id": "some/free", "context_length": 32_768, "pricing": {"prompt": "0", "completion": "0"}},
        {"id": "odd", "context_length": "many", "pricing": {"prompt": True, "completion": "NaN"}, "top_provider": 7},
    ]
}
"""As openrouter.ai/docs/api-reference/list-available-models has them (2026-11-21), with an odd one."""


def claude(name: str, *, runs_code: bool, window: int = 1_000_000) -> Mapping[str, object]:
    """As the type stubs of the anthropic SDK 2.11.0 have it, `types/model_info.py`."""
    yes, no = {"supported": True}, {"supported": False}
    return {
        "type": "model",
        "id": name,
        "display_name": name.title(),
        "max_input_tokens": window,
        "max_tokens": 64_000,
        "capabilities": {
            "image_input": yes,
            "thinking": {"supported": True, "types": {}},
            "code_execution": no,
            "server_tools": {"supported": True, "code_execution": yes if runs_code else no, "web_search": yes},
        },
    }


@pytest.fixture
async def server() -> AsyncIterator[Lists]:
    async with list_server() as running:
        yield running


def load(folder: Path, users: str = "", **environ: str) -> Settings:
    folders = UserFolders(folder / "config", folder / "state")
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config/config.toml").write_text(users, encoding="utf-8")
    loaded = load_settings(None, {}, environ=environ, user_folders=folders)
    assert loaded.warnings == ()
    return loaded.settings


def at(server: Lists, name: str, folder: Path, users: str = "") -> Settings:
    """Settings with a provider of this name at the server, and what the user says of models."""
    path = "" if name == "anthropic" else "/v1"
    table = f'[providers.{name}]\nbase_url = "{server.base_url}{path}"\napi_key = "key-of-the-test"\nattempts = 1\n'
    return load(folder, f'provider = "{name}"\n{table}{users}').for_provider(name)


async def ask(settings: Settings, name: str, today: str = TODAY) -> Asked:
    """The one place that refreshes."""
    (asked,) = await refresh(Registry(settings), settings, name, today)
    return asked


def known(settings: Settings, name: str) -> Model:
    row = Catalogue(settings).find(name)
    assert row is not None
    return row


def test_what_the_user_says_of_a_model_is_above_the_table(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """
        [models.claude-sonnet-5-5]
        window = 50_000
        max_output = 4_000
        input_price = 1.5
        images = false
        code_execution = true
        """,
    )
    row = known(settings, "claude-sonnet-5-5")
    assert Catalogue(settings).limits("claude-sonnet-5-5") == ModelLimits(50_000, 50_000, 4_000)
    # What a cache costs is no longer known, and counted as plain input.
    assert row.price == Price(1.5, 10.0, 1.5, 1.5)
    assert (row.takes_tools, row.takes_images, row.executes_code, row.thinking) == (True, False, True, "always")
    assert known(settings, "anthropic/Claude-Sonnet-5-5-20261015") == row
    assert Catalogue(settings).find("claude-opus-5-5") == find_model("claude-opus-5-5")


def test_what_the_user_leaves_out_of_an_unknown_model_stays_unknown(tmp_path: Path) -> None:
    settings = load(tmp_path, '[models."My.Own"]\nwindow = 40_000\ninput_price = 1\n')
    row = known(settings, "my.own")
    assert (row.price, row.takes_tools, row.takes_images, row.executes_code, row.thinking) == (None,) * 5
    assert Catalogue(settings).limits("my.own") == ModelLimits(40_000, 40_000, 8192)
    assert Catalogue(load(tmp_path, "[models.my]\ntools = false\n")).limits("my") == ModelLimits(128_000, 128_000, 8192)


def test_prices_of_nothing_are_the_users_word_and_no_price_is_no_nothing(tmp_path: Path) -> None:
    settings = load(tmp_path, "[models.mine]\ninput_price = 0\noutput_price = 0\n[models.other]\nwindow = 9000\n")
    assert Catalogue(settings).price("mine") == Price(0, 0, 0, 0)
    assert Catalogue(settings).price("other") is None


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("window = 0", "a whole number of at least 1"),
        ('window = "large"', "a whole number of at least 1"),
        ("output_price = -1", "a number from 0 to 1e+06"),
        ('tools = "perhaps"', "true or false"),
        ('thinking = "hard"', '"none" or "always" or "adaptive" or "budget" or "effort"'),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_whole_name(tmp_path: Path, line: str, allowed: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, f'[models."qwen3.5:9b"]\n{line}\n')
    name = f"models.qwen3.5:9b.{line.partition(' ')[0]}"
    assert refused.value.message.startswith(f"{name} in the user's own config.toml")
    assert refused.value.message.endswith(f"it must be {allowed}.")


def test_a_name_with_a_dot_that_lacks_its_quotation_marks_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, "[models.qwen3.5]\nwindow = 9000\n")
    assert refused.value.hint == 'A name with dots stands in quotation marks: [models."qwen3.5"].'


def test_a_fact_that_there_is_not_is_told_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[models.m]\nwindows = 5\n", encoding="utf-8")
    loaded = load_settings(None, {}, environ={}, user_folders=UserFolders(tmp_path, tmp_path))
    assert "models.m.windows" in loaded.warnings[0]
    assert "Did you mean window?" in loaded.warnings[0]


def test_the_users_word_may_be_for_one_provider_alone(tmp_path: Path) -> None:
    settings = load(tmp_path, '[models."work/gpt-4o"]\nwindow = 16_000\n')
    assert Catalogue(settings.for_provider("work")).limits("gpt-4o").total_tokens == 16_000
    assert Catalogue(settings.for_provider("openai")).limits("gpt-4o").total_tokens == 128_000


def test_a_request_is_shaped_by_the_users_word(tmp_path: Path) -> None:
    users = "[models.m]\nimages = false\ntemperature = false\nmax_output = 500\nthinking = 'effort'\n"
    find = Catalogue(load(tmp_path, users)).find
    picture = Message("user", (Image("image/png", "AAAA"),))
    fitted = fit(ModelRequest("m", (picture,), temperature=0.5, effort="max", max_output_tokens=9000), find)
    assert (fitted.temperature, fitted.max_output_tokens, fitted.effort, fitted.thinking) == (
        None,
        500,
        "high",
        "effort",
    )
    assert "This model takes none" in fitted.messages[0].text()
    asked = ModelRequest("n", (picture,), temperature=0.5, effort="max", max_output_tokens=9000)
    assert fit(asked, find).messages == (picture,)
    assert (fit(asked, find).temperature, fit(asked, find).effort) == (0.5, "max")


async def test_a_session_counts_on_what_the_user_says(server: Lists, tmp_path: Path) -> None:
    users = '[models."m"]\nwindow = 20_000\ninput_price = 1\noutput_price = 2\nimages = false\n'
    sessions = Sessions(at(server, "compatible", tmp_path, users).override({"model": "m"}), SessionStore(None))
    session = await sessions.start(MemoryWorkspace({}))
    assert (session.model.limits.total_tokens, session.model.takes_images) == (20_000, False)
    assert session.model.price == Price(1, 2, 1, 1)
    await sessions.close()


async def test_what_a_list_tells_is_kept_with_its_date_and_source(server: Lists, tmp_path: Path) -> None:
    server.pages = {"/v1/models": OPENROUTER}
    settings = at(server, "openrouter", tmp_path)
    asked = await ask(settings, "openrouter")
    assert asked.kept is not None
    assert (asked.kept.as_of, asked.kept.source) == (TODAY, f"{server.base_url}/v1")
    assert (len(asked.kept.models), asked.kept.sized, asked.kept.priced) == (3, 3, 2)

    coder = known(settings, "qwen/qwen9-coder")
    assert coder.price == Price(0.3, 1.2, 0.03, 0.3)
    assert (coder.total_tokens, coder.max_output_tokens) == (262_144, 65_536)
    assert (coder.takes_tools, coder.takes_images, coder.thinking) == (True, True, "effort")
    assert coder.executes_code is None
    assert known(settings, "openrouter/auto").price is None
    assert known(settings, "some/free").price == FREE
    assert Catalogue(settings).find("odd") is None
    listed = {model.name: model.input_tokens for model in Catalogue(settings).models("openrouter")}
    assert listed == {"qwen/qwen9-coder": 262_144, "openrouter/auto": 2_000_000, "some/free": 32_768}
    # It was said of this provider's models, and of no other's.
    assert Catalogue(settings.for_provider("compatible")).find("qwen/qwen9-coder") is None


async def test_anthropics_list_says_which_models_run_code(server: Lists, tmp_path: Path) -> None:
    models = [claude("claude-new-6", runs_code=True), claude("claude-opus-5-5", runs_code=False, window=500_000)]
    server.pages = {"/v1/models?limit=1000": {"data": models}}
    settings = at(server, "anthropic", tmp_path)
    await ask(settings, "anthropic")
    new, opus = known(settings, "claude-new-6"), known(settings, "claude-opus-5-5")
    assert (new.total_tokens, new.max_output_tokens, new.price) == (1_000_000, 64_000, None)
    assert (new.takes_images, new.executes_code, opus.executes_code) == (True, True, False)
    # The table knows its price, how it thinks, and what it takes; its sizes are as newly told.
    row = find_model("claude-opus-5-5")
    assert row is not None
    assert (opus.total_tokens, opus.max_output_tokens) == (500_000, 64_000)
    assert (opus.price, opus.thinking, opus.efforts) == (row.price, row.thinking, row.efforts)
    provider = create_provider(settings)
    can = [provider.supports_code_execution(name) for name in ("claude-new-6", "claude-opus-5-5", "claude-haiku-5-5")]
    assert can == [True, False, None]
    await provider.close()


async def test_ollama_is_asked_of_each_of_its_models(tmp_path: Path) -> None:
    async with ollama_server(
        qwen=FakeModel(40_960, ("completion", "tools", "thinking", "vision")), plain=FakeModel(8192, ("completion",))
    ) as server:
        settings = load(tmp_path, OLLAMA_BASE_URL=server.base_url, FLUX_PROVIDER="ollama")
        await ask(settings, "ollama")
    qwen, plain = known(settings, "qwen:latest"), known(settings, "plain:latest")
    assert (qwen.takes_tools, qwen.takes_images, qwen.thinking, qwen.total_tokens) == (True, True, "effort", 32_768)
    assert (plain.takes_tools, plain.takes_images, plain.thinking, plain.total_tokens) == (False, False, "", 8192)


async def test_the_users_word_is_above_what_a_list_tells_and_that_above_the_table(
    server: Lists, tmp_path: Path
) -> None:
    told = {"id": "gpt-4o", "context_length": 64_000, "pricing": {"prompt": "0.000009", "completion": "0.00002"}}
    server.pages = {"/v1/models": {"data": [told]}}
    users = "[models.gpt-4o]\noutput_price = 5\n"
    settings = at(server, "openrouter", tmp_path, users)
    row = find_model("gpt-4o")
    assert row is not None
    assert row.price is not None
    assert known(settings, "gpt-4o").price == Price(row.price.input, 5, row.price.cache_read, row.price.cache_write)
    await ask(settings, "openrouter")
    assert known(settings, "gpt-4o").price == Price(9, 5, 9, 9)
    assert Catalogue(settings).limits("gpt-4o").total_tokens == 64_000
    served = Catalogue(settings).served(ServedModel("gpt-4o", 32_000, takes_images=False), "openrouter")
    assert (served.total_tokens, served.takes_images, served.price) == (32_000, False, Price(9, 5, 9, 9))


async def test_a_later_list_adds_and_takes_back_nothing_that_it_does_not_tell(server: Lists, tmp_path: Path) -> None:
    settings = at(server, "openrouter", tmp_path)
    server.pages = {"/v1/models": OPENROUTER}
    await ask(settings, "openrouter", "2026-11-01")
    server.pages = {"/v1/models": {"data": [{"id": "qwen/qwen9-coder", "context_length": 300_000}]}}
    kept = (await ask(settings, "openrouter", "2026-11-20")).kept
    assert kept is not None
    assert (kept.as_of, list(kept.models)) == ("2026-11-20", ["qwen/qwen9-coder"])
    coder = known(settings, "qwen/qwen9-coder")
    assert (coder.total_tokens, coder.price) == (300_000, Price(0.3, 1.2, 0.03, 0.3))

    server.pages = {"/v1/models": {"data": [{"id": "qwen/qwen9-coder"}]}}
    assert await ask(settings, "openrouter") == Asked("openrouter")
    server.pages = {}
    assert "404" in (await ask(settings, "openrouter")).problem
    assert known(settings, "qwen/qwen9-coder") == coder


async def test_every_provider_that_is_set_up_is_asked_and_one_that_is_away_holds_up_none(
    server: Lists, tmp_path: Path
) -> None:
    async with fault_server() as gone:
        pass
    server.pages = {"/v1/models": OPENROUTER}
    tables = f'[providers.away]\nbase_url = "{gone.base_url}/v1"\nattempts = 1\n'
    settings = at(server, "openrouter", tmp_path, tables)
    asked = {one.provider: one for one in await refresh(Registry(settings), settings, None, TODAY)}
    assert asked["openrouter"].kept is not None
    assert "nothing listens" in asked["away"].problem


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 2}', '{"format": 1, "providers": {"openrouter": {"models": {"m": 7}}}}']
)
def test_a_damaged_file_is_left_out(tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    (tmp_path / FILE).write_text(content, encoding="utf-8")
    found = read_refreshed(tmp_path)
    assert all(not facts.said() for one in found.values() for facts in one.models.values())
    assert bool(found) is not bool(caplog.records)


def test_a_kept_value_of_another_type_counts_as_not_said(tmp_path: Path) -> None:
    said = {"window": "9", "max_output": True, "input_price": -1, "output_price": 1e9, "tools": 1, "images": False}
    kept = {"as_of": TODAY, "source": "s", "models": {"m": said}}
    (tmp_path / FILE).write_text(json.dumps({"format": 1, "providers": {"p": kept}}), encoding="utf-8")
    one = read_refreshed(tmp_path)["p"]
    assert isinstance(one, Refreshed)
    assert one.models["m"].said() == {"images": False}


async def test_nothing_is_left_beside_the_file_and_a_program_that_loads_no_files_reads_none(
    server: Lists, tmp_path: Path
) -> None:
    server.pages = {"/v1/models": OPENROUTER}
    settings = at(server, "openrouter", tmp_path)
    await ask(settings, "openrouter")
    assert [path.name for path in (tmp_path / "state").iterdir()] == [FILE]
    assert Catalogue(Settings(provider="openrouter")).find("qwen/qwen9-coder") is None
    with pytest.raises(ConfigError, match="no folder"):
        await refresh(Registry(Settings()), Settings(), None, TODAY)


async def test_what_a_request_costs_goes_by_what_is_said(server: Lists, tmp_path: Path) -> None:
    async with fault_server() as answering:
        users = (
            f'provider = "work"\n[providers.work]\nbase_url = "{answering.base_url}/v1"\n'
            "[models.ok]\ninput_price = 10\noutput_price = 100\ncache_read_price = 1\ncache_write_price = 20\n"
        )
        registry = Registry(load(tmp_path, users))
        await registry.provider("work").complete(ModelRequest("ok", (user_message("Hi"),)))
        # 1000 tokens in, of them 900 from the cache and 90 into it; 7 out.
        assert registry.total().cost.usd == pytest.approx((10 * 10 + 900 * 1 + 90 * 20 + 7 * 100) / 1e6)
        await registry.close()
