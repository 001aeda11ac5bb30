"""Settings: the layers, their order, what is refused, and what a project may set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from flux.core.config import Loaded, Settings, UserFolders, load_settings
from flux.core.errors import ConfigError
from flux.core.layers import Source
from flux.core.secret import Secret
from flux.core.trust import TrustStore


class Home:
    """A user's home and a project folder, made of files."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.project.mkdir()
        self.user = UserFolders(folder / "config", folder / "state")
        self.trust = TrustStore(self.user.state)

    def write(self, name: str, text: str) -> Path:
        """`user/...` is in the user's configuration folder, anything else in the project."""
        file = self.user.config / name.removeprefix("user/") if name.startswith("user/") else self.project / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def load(
        self,
        environ: Mapping[str, str] | None = None,
        explicit: Mapping[str, object] | None = None,
        *,
        yes: bool = False,
    ) -> Loaded:
        loaded = self._load(environ, explicit)
        if yes and loaded.trust_question:
            self.trust.grant(loaded.trust_question)
            loaded = self._load(environ, explicit)
        return loaded

    def _load(self, environ: Mapping[str, str] | None, explicit: Mapping[str, object] | None) -> Loaded:
        return load_settings(
            self.project, explicit or {}, environ=environ or {}, trust=self.trust, user_folders=self.user
        )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_with_nothing_set_every_value_is_its_default(home: Home) -> None:
    loaded = home.load()
    assert loaded == Loaded(Settings())
    assert loaded.settings.source("model") == Source("default")


def test_a_stronger_layer_wins_and_every_value_knows_its_layer(home: Home) -> None:
    config = home.write("user/config.toml", 'model = "g"\ntimeout_s = 7\nmax_steps = 6\nmax_tokens = 5\nprovider = "d"')
    user_env = home.write("user/.env", "FLUX_MODEL=f\nFLUX_TIMEOUT_S=6\nFLUX_MAX_STEPS=5\nFLUX_MAX_TOKENS=4\n")
    project = home.write(".flux/config.toml", 'model = "e"\ntimeout_s = 5\nmax_steps = 4')
    project_env = home.write(".env", "FLUX_MODEL=d\nFLUX_TIMEOUT_S=4")
    settings = home.load({"FLUX_MODEL": "c", "FLUX_STREAMING": "no"}, {"model": "a"}, yes=True).settings
    assert (settings.model, settings.source("model")) == ("a", Source("explicit"))
    assert (settings.streaming, settings.source("streaming")) == (False, Source("environment"))
    assert (settings.timeout_s, settings.source("timeout_s")) == (4.0, Source("project .env", project_env))
    assert (settings.max_steps, settings.source("max_steps")) == (4, Source("project config", project))
    assert (settings.max_tokens, settings.source("max_tokens")) == (4, Source("user .env", user_env))
    assert (settings.provider, settings.source("provider")) == ("d", Source("user config", config))


def test_the_provider_may_be_written_in_any_case(home: Home) -> None:
    assert home.load({"FLUX_PROVIDER": " Anthropic "}).settings.provider == "anthropic"


def test_an_empty_value_leaves_the_setting_to_weaker_layers(home: Home) -> None:
    home.write("user/config.toml", 'model = "m"')
    assert home.load({"FLUX_MODEL": " "}, {"model": None}).settings.model == "m"


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("FLUX_MAX_TOKENS", "many", "a whole number of at least 1"),
        ("FLUX_MAX_TOKENS", "0", "a whole number of at least 1"),
        ("FLUX_MAX_TOKENS", "1.5", "a whole number of at least 1"),
        ("FLUX_TEMPERATURE", "nan", "a number from 0 to 2"),
        ("FLUX_STREAMING", "perhaps", "true or false"),
        ("FLUX_APPROVAL", "never", '"ask" or "auto"'),
        ("FLUX_BASE_URL", "localhost:1234", "a URL that begins with http:// or https://"),
        ("FLUX_BASE_URL", "https://user:word@host/v1", "without user, password or query"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_with_name_layer_and_what_is_allowed(
    home: Home, variable: str, value: str, allowed: str
) -> None:
    with pytest.raises(ConfigError) as error:
        home.load({variable: value})
    assert variable in str(error.value)
    assert "the environment" in str(error.value)
    assert allowed in str(error.value)
    assert ":word@" not in str(error.value)


def test_a_wrong_type_in_toml_names_the_file(home: Home) -> None:
    file = home.write("user/config.toml", "max_tokens = true")
    with pytest.raises(ConfigError, match="max_tokens in the user's own config") as error:
        home.load()
    assert str(file) in str(error.value)


def test_a_wrong_key_is_not_shown_in_its_error(home: Home) -> None:
    with pytest.raises(ConfigError) as error:
        home.load({"FLUX_API_KEY": "two words"})
    assert "two words" not in str(error.value)


def test_a_broken_file_of_the_user_is_an_error_and_one_of_the_project_a_warning(home: Home) -> None:
    home.write(".flux/config.toml", "model = ")
    assert "is not TOML" in home.load().warnings[0]
    home.write("user/config.toml", "model = ")
    with pytest.raises(ConfigError, match="is not TOML"):
        home.load()


def test_unknown_names_are_reported_and_the_rest_is_kept(home: Home) -> None:
    home.write("user/config.toml", 'modle = "x"\nmodel = "m"')
    loaded = home.load({"FLUX_MODLE": "x", "FLUX_SYSTEM": "another program's"}, {"colour": "red"})
    assert loaded.settings.model == "m"
    assert [warning.split(" is no setting")[0].split(" in ")[0] for warning in loaded.warnings] == [
        "colour",
        "FLUX_MODLE",
        "modle",
    ]
    assert loaded.warnings[1].endswith("Did you mean FLUX_MODEL?")


def test_keys_are_not_shown_by_str_or_repr(home: Home) -> None:
    settings = home.load({"FLUX_API_KEY": "sk-hidden-0123456789"}).settings
    assert settings.api_key == Secret("sk-hidden-0123456789")
    assert "hidden" not in f"{settings!r} {settings.api_key} {settings.layers!r}"
    assert settings.secrets() == (Secret("sk-hidden-0123456789"),)


def test_a_relative_path_in_a_file_is_meant_from_that_file(home: Home) -> None:
    home.write("user/config.toml", 'script = "talk.json"')
    assert home.load().settings.script == home.user.config / "talk.json"


def test_the_project_sets_nothing_before_the_user_said_yes(home: Home) -> None:
    home.write(".env", "FLUX_PROVIDER=openai\nOPENAI_API_KEY=sk-0123456789abcdefgh\nDATABASE_URL=x\n")
    home.write(".flux/config.toml", 'approval = "auto"')
    loaded = home.load()
    assert loaded.settings == Settings()
    assert [str(item) for item in loaded.ignored] == [
        "FLUX_PROVIDER = openai",
        "OPENAI_API_KEY = ****efgh",
        "approval = auto",
    ]
    assert loaded.trust_question is not None
    assert loaded.trust_question.items == loaded.ignored
    assert "0123456789" not in str(loaded.trust_question)


def test_a_yes_holds_for_this_content_in_this_folder_only(home: Home, tmp_path: Path) -> None:
    home.write(".env", "FLUX_MODEL=a\n")
    assert home.load(yes=True).settings.model == "a"
    assert home.load().trust_question is None
    home.write(".env", "FLUX_MODEL=a\nUNRELATED=1\n")
    assert home.load().settings.model == "a"
    home.write(".env", "FLUX_MODEL=b\n")
    assert home.load().settings.model == ""
    (tmp_path / "other").mkdir()
    other = Home(tmp_path / "other")
    other.trust, other.user = home.trust, home.user
    other.write(".env", "FLUX_MODEL=a\n")
    assert other.load().trust_question is not None


def test_an_answer_is_readable_by_the_user_alone(home: Home) -> None:
    home.write(".env", "FLUX_API_KEY=sk-0123456789abcdefgh\n")
    home.load(yes=True)
    (file,) = (home.user.state / "trust").iterdir()
    assert file.stat().st_mode & 0o077 in {0, 0o066}  # Windows has no such bits and reports all of them
    assert "0123456789" not in file.read_text(encoding="utf-8")


def test_the_actions_of_a_project_wait_for_a_yes_to_exactly_what_they_say(home: Home) -> None:
    mine = home.write("user/actions/mine.toml", 'title = "mine"')
    theirs = home.write(".flux/actions/theirs.toml", 'title = "theirs"\nprompt = "Sort it."')
    loaded = home.load()
    assert [raw.source.file for raw in loaded.actions] == [mine]
    assert [str(item) for item in loaded.ignored] == ["title = theirs", "prompt = Sort it."]
    assert f"the project's action ({theirs})" in str(loaded.trust_question)
    assert [raw.source.file for raw in home.load(yes=True).actions] == [mine, theirs]
    theirs.write_text('title = "theirs"\nprompt = "Sort all."', encoding="utf-8")
    assert [raw.source.file for raw in home.load().actions] == [mine]


def test_an_action_that_is_no_toml_is_named_and_stops_nobody(home: Home) -> None:
    file = home.write("user/actions/broken.toml", "title =")
    loaded = home.load()
    assert loaded.actions == ()
    assert f"the user's own action ({file}) is not TOML" in loaded.broken_actions[0]


def test_a_dotenv_that_sets_nothing_of_flux_raises_no_question(home: Home) -> None:
    home.write(".env", "DATABASE_URL=x\nFLUX_MODEL=\n")
    assert home.load() == Loaded(Settings())


def test_a_wrong_value_in_an_untrusted_file_stops_nobody(home: Home) -> None:
    home.write(".env", "FLUX_MAX_TOKENS=lots\n")
    assert home.load().settings.max_tokens == 8192
    with pytest.raises(ConfigError, match="FLUX_MAX_TOKENS in the project's"):
        home.load(yes=True)


def test_a_dotenv_does_not_draw_on_the_environment(home: Home) -> None:
    home.write("user/.env", "FLUX_SYSTEM_PROMPT=${HOME} $HOME\n")
    assert home.load({"HOME": "/home/me"}).settings.system_prompt == "${HOME} $HOME"


def test_control_characters_of_a_project_do_not_reach_the_question(home: Home) -> None:
    home.write(".flux/config.toml", 'system_prompt = "\\u001b[2Jhello\\nworld"')
    assert str(home.load().ignored[0]) == "system_prompt = \\x1b[2Jhello\\nworld"


def test_a_dotenv_beside_the_users_own_config_needs_no_question(home: Home) -> None:
    home.write("user/.env", "FLUX_MODEL=m\n")
    assert (home.load().settings.model, home.load().trust_question) == ("m", None)


def test_an_override_is_the_strongest_layer(home: Home) -> None:
    settings = home.load({"FLUX_MODEL": "a"}).settings.override({"model": "b", "provider": "Demo"})
    assert (settings.model, settings.provider, settings.source("model")) == ("b", "demo", Source("explicit"))
    with pytest.raises(ConfigError):
        settings.override({"max_tokens": "x"})


def test_without_a_folder_no_project_is_looked_at(home: Home) -> None:
    loaded = load_settings(None, {}, environ={"FLUX_MODEL": "m"}, trust=home.trust, user_folders=home.user)
    assert loaded.settings.model == "m"
