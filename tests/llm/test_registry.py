"""Several providers at once: who has which role, whether they answer, and what all of them used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from flux.core.config import Settings, UserFolders, load_settings
from flux.core.errors import ConfigError, Overloaded
from flux.core.messages import user_message
from flux.core.usage import Cost, Usage
from flux.llm.base_provider import ModelRequest
from flux.llm.registry import Assignment, Check, Entry, Registry, Spent, assign
from tests.support.fault_server import FaultServer, fault_server

TABLES = """
provider = "work"

[providers.work]
kind = "openai"
base_url = "{url}/v1"
api_key = "key-of-work-0001"
model = "ok"

[providers.laptop]
base_url = "{url}/local/v1"
model = "missing"
attempts = 1
headers = {{ x-house = "blue" }}
extra_body = {{ top_k = 5, max_tokens = 7 }}

[providers.claude]
kind = "anthropic"
base_url = "{url}"
api_key = "key-of-claude-01"
model = "claude-sonnet-5-5"

[roles]
edit = "laptop/ok"
summary = "claude"
"""


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with fault_server() as running:
        yield running


def load(folder: Path, text: str, **environ: str) -> Settings:
    folders = UserFolders(folder, folder / "state")
    (folder / "config.toml").write_text(text, encoding="utf-8")
    return load_settings(None, {}, environ=environ, user_folders=folders).settings


def request(model: str = "ok") -> ModelRequest:
    return ModelRequest(model, (user_message("Hello?"),))


def test_each_role_has_who_was_named_for_it_or_who_chats(tmp_path: Path) -> None:
    settings = load(tmp_path, TABLES.format(url="http://127.0.0.1:9"))
    assert [assign(settings, role) for role in ("chat", "edit", "inline", "summary")] == [
        Assignment("work", "ok"),
        Assignment("laptop", "ok"),
        Assignment("work", "ok"),
        Assignment("claude", "claude-sonnet-5-5"),
    ]
    chat = load(tmp_path, '[roles]\nchat = "openrouter/anthropic/claude-sonnet-5-5"')
    for role in ("chat", "inline"):
        assert assign(chat, role) == Assignment("openrouter", "anthropic/claude-sonnet-5-5")


def test_a_role_for_nobody_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Unsupported provider: labtop") as error:
        assign(load(tmp_path, TABLES.format(url="http://127.0.0.1:9").replace("laptop/ok", "labtop/ok")), "edit")
    assert error.value.key == "roles.edit"
    assert "laptop" in error.value.hint


def test_a_list_shows_who_is_set_up_and_no_key(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        'provider = "work"\n[providers.work]\nkind = "openai"\napi_key_cmd = "pass show work"\n'
        '[providers.bad]\nkind = "opnai"\n'
        '[roles]\nedit = "demo"',
        GROQ_API_KEY="key-of-groq-00001",
    )
    *entries, bad, groq = Registry(settings).entries()
    assert entries == [
        Entry("work", "https://api.openai.com/v1", "gpt-6.1-sol", "the command pass"),
        Entry("demo", "", "demo", "", ("edit",)),
    ]
    assert bad.problem.startswith("Unsupported provider: opnai.")
    assert groq == Entry("groq", "https://api.groq.com/openai/v1", "openai/gpt-oss-120b", "the key ****0001")


async def test_a_check_asks_each_for_its_models(server: FaultServer, tmp_path: Path) -> None:
    text = TABLES.format(url=server.base_url) + '[providers.gone]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n'
    registry = Registry(load(tmp_path, text))
    found = {name: await registry.check(name) for name in (*registry.names(), "demo", "nobody")}
    await registry.close()
    assert {name: (check.is_reached, check.words.partition("\n")[0]) for name, check in found.items()} == {
        "work": (True, "answers, with 2 models, ok among them"),
        "laptop": (True, "answers, with 2 models; missing is not among them"),
        "claude": (True, "answers, with 2 models; claude-sonnet-5-5 is not among them"),
        "gone": (False, "127.0.0.1:9: nothing listens there."),
        "demo": (True, "answers; it has no list of models"),
        "nobody": (False, found["nobody"].words.partition("\n")[0]),
    }
    assert found["nobody"].words.startswith("Unsupported provider: nobody")
    assert isinstance(found["work"], Check)
    assert [arrived.path for arrived in server.received] == ["/v1/models", "/local/v1/models", "/v1/models?limit=1000"]
    assert [arrived.headers.get("authorization", "") for arrived in server.received] == [
        "Bearer key-of-work-0001",
        "",
        "Bearer key-of-claude-01",
    ]


async def test_the_usage_of_all_is_added_up_and_can_be_reset(server: FaultServer, tmp_path: Path) -> None:
    registry = Registry(load(tmp_path, TABLES.format(url=server.base_url)))
    work = registry.provider("work")
    assert registry.provider("WORK") is work
    await work.complete(request("ok"))
    await work.complete(request("ok"))
    await registry.provider("claude").complete(request("claude-sonnet-5-5"))
    with pytest.raises(Overloaded):
        await registry.provider("laptop").complete(request("overloaded"))
    used = Usage(1000, 7, cache_read_tokens=900, cache_write_tokens=90)
    unknown = Cost(is_complete=False)
    assert dict(registry.usage()) == {
        "work": Spent(2, used + used, unknown),
        "claude": Spent(1, used, Cost(pytest.approx(0.000_405))),
        "laptop": Spent(1),
    }
    assert registry.total().usage == used + used + used
    assert registry.summary().splitlines() == [
        "work: 2 requests, 2,000 tokens in, 14 out, price unknown",
        "claude: 1 requests, 1,000 tokens in, 7 out, $0.0004",
        "laptop: 1 requests, 0 tokens in, 0 out, $0.0000",
        "in all: 4 requests, 3,000 tokens in, 21 out, $0.0004 and more (price unknown)",
    ]
    registry.reset()
    assert registry.total() == Spent()
    await registry.close()


@pytest.mark.parametrize("name", ["laptop", "work", "claude"])
async def test_headers_and_body_of_a_table_are_sent_and_win(server: FaultServer, tmp_path: Path, name: str) -> None:
    own = 'headers = { X-House = "red" }\nextra_body = { metadata = { a = "b" }, temperature = 0.5 }\nmodel = "ok"\n'
    text = TABLES.format(url=server.base_url).replace('model = "ok"\n', own)
    text = text.replace('model = "claude-sonnet-5-5"\n', own)
    registry = Registry(load(tmp_path, text))
    await registry.provider(name).complete(request())
    await registry.close()
    arrived = server.received[-1]
    if name == "laptop":
        assert arrived.headers["x-house"] == "blue"
        assert (arrived.json["top_k"], arrived.json["max_tokens"]) == (5, 7)
    else:
        assert arrived.headers["x-house"] == "red"
        assert (arrived.json["metadata"], arrived.json["temperature"]) == ({"a": "b"}, 0.5)
    assert arrived.body.count(b'"max_tokens"') <= 1
