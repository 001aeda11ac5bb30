"""Settings: what they are, where they come from, and which of the user's folders are Flux's.

The only reader of the environment and of the user's home. Layers, strongest first: the command line or the editor's
settings, the environment, the project's `.env`, the project's `.flux/config.toml`, a `.env` beside the user's own
`config.toml`, that `config.toml`, the defaults. The project's two files take effect only once the user has said yes to
what they set (`flux.core.trust`). `docs/configuration.md` is generated from the declarations below.
"""

# ruff: noqa: RUF009 -- `_setting` returns a dataclass field, which the rule cannot see.

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from flux.core.credentials import Credentials, Service, find_credentials
from flux.core.errors import ConfigError
from flux.core.layers import (
    KEY,
    PATH,
    TEXT,
    TRUTH,
    URL,
    WORD,
    Kind,
    Layer,
    RawLayer,
    Source,
    between,
    choice,
    is_unset,
    read_toml,
    read_variables,
    shown,
    whole,
)
from flux.core.secret import Secret
from flux.core.trust import TrustItem, TrustQuestion, TrustStore

_T = TypeVar("_T")


def _setting(default: _T, kind: Kind, variable: str, doc: str) -> _T:
    """Declares a field of `Settings`: its default, what it may be, its environment variable, and what it is for."""
    field: _T = dataclasses.field(default=default, metadata={"kind": kind, "variable": variable, "doc": doc})
    return field


def _key_of(provider: str, variable: str) -> Secret | None:
    return _setting(None, KEY, variable, f"The key for the provider {provider}, and for no other.")


def _address_of(provider: str, variable: str) -> str:
    return _setting("", URL, variable, f"The address used by the provider {provider} where base_url is unset.")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, each the value of the strongest layer that has it.

    A field's name is its name in TOML and in editor settings. `layers` holds the values by layer, strongest first, so
    a value is changed by `override`, which keeps them in step.
    """

    provider: str = _setting(
        "", WORD, "FLUX_PROVIDER", "The provider, in any case. Unset: the one whose key is found, Anthropic first."
    )
    model: str = _setting("", TEXT, "FLUX_MODEL", "The model's name at the provider. Unset: the provider's default.")
    base_url: str = _setting("", URL, "FLUX_BASE_URL", "The address of the chosen provider's service.")
    api_key: Secret | None = _setting(None, KEY, "FLUX_API_KEY", "The key for the chosen provider, whichever it is.")
    anthropic_api_key: Secret | None = _key_of("anthropic", "ANTHROPIC_API_KEY")
    openai_api_key: Secret | None = _key_of("openai", "OPENAI_API_KEY")
    azure_openai_api_key: Secret | None = _key_of("azure", "AZURE_OPENAI_API_KEY")
    groq_api_key: Secret | None = _key_of("groq", "GROQ_API_KEY")
    openrouter_api_key: Secret | None = _key_of("openrouter", "OPENROUTER_API_KEY")
    deepseek_api_key: Secret | None = _key_of("deepseek", "DEEPSEEK_API_KEY")
    litellm_api_key: Secret | None = _key_of("litellm", "LITELLM_API_KEY")
    anthropic_base_url: str = _address_of("anthropic", "ANTHROPIC_BASE_URL")
    openai_base_url: str = _address_of("openai", "OPENAI_BASE_URL")
    azure_openai_endpoint: str = _address_of("azure", "AZURE_OPENAI_ENDPOINT")
    litellm_base_url: str = _address_of("litellm", "LITELLM_BASE_URL")
    lm_studio_base_url: str = _address_of("lm_studio", "LM_STUDIO_BASE_URL")
    mlx_base_url: str = _address_of("mlx", "MLX_BASE_URL")
    ollama_base_url: str = _address_of("ollama", "OLLAMA_BASE_URL")
    ollama_keep_alive: str = _setting(
        "",
        TEXT,
        "OLLAMA_KEEP_ALIVE",
        "How long Ollama keeps a model in memory after an answer, e.g. 30m. Unset: as Ollama is set up.",
    )
    pull_models: bool = _setting(
        False, TRUTH, "FLUX_PULL_MODELS", "Let Ollama download a model that is not there yet, without asking."
    )
    max_tokens: int = _setting(8192, whole(1), "FLUX_MAX_TOKENS", "The longest answer, in tokens.")
    temperature: float | None = _setting(
        None, between(0, 2), "FLUX_TEMPERATURE", "How freely the model picks its words. Unset: left to the provider."
    )
    thinking: str = _setting(
        "",
        choice("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        "FLUX_THINKING",
        "How long the model thinks before it answers, as near as the model has it. Unset: left to the provider.",
    )
    streaming: bool = _setting(
        True, TRUTH, "FLUX_STREAMING", "Show the answer as it comes; false asks for it in one piece."
    )
    timeout_s: float = _setting(
        120.0,
        between(0.1, 86400),
        "FLUX_TIMEOUT_S",
        "Seconds to wait for a provider to say anything more. Unset: longer for lm_studio and ollama (600) and mlx "
        "(1800).",
    )
    context_pruning: bool = _setting(
        True, TRUTH, "FLUX_CONTEXT_PRUNING", "Drop the oldest parts of a conversation before it outgrows the model."
    )
    context_window: int = _setting(
        0,
        whole(0),
        "FLUX_CONTEXT_WINDOW",
        "The model's window in tokens. 0: as its server or Flux's table of models has it. Ollama makes it this large.",
    )
    approval: str = _setting(
        "",
        choice("ask", "auto", "review"),
        "FLUX_APPROVAL",
        "Whether edits wait for your yes: ask before the first of a turn, auto for none, review to decide on each "
        "piece at its end. Unset: a terminal asks; an editor shows them unsaved.",
    )
    tools: str = _setting(
        "",
        choice("native", "text"),
        "FLUX_TOOLS",
        "How the model is offered tools: native by its service's own form, text in words, for models that take none. "
        "Unset: native where the model takes them, as far as that can be found out.",
    )
    max_steps: int = _setting(40, whole(1), "FLUX_MAX_STEPS", "How many requests one turn may make.")
    system_prompt: str = _setting("", TEXT, "FLUX_SYSTEM_PROMPT", "Instructions of your own, added to Flux's.")
    script: Path | None = _setting(None, PATH, "FLUX_SCRIPT", "The file of steps for the provider scripted.")
    log_file: Path | None = _setting(None, PATH, "FLUX_LOG_FILE", "Where to log. Unset: to standard error.")
    layers: tuple[Layer, ...] = dataclasses.field(default=(), compare=False, repr=False)

    def source(self, name: str) -> Source:
        """Where the value of the setting `name` is from."""
        return next((layer.source for layer in self._known_layers() if name in layer.values), Source("default"))

    def credentials(self, service: Service) -> Credentials:
        """The service's base URL and the key that may go there.

        Raises ConfigError where one is missing or they must not meet. `api_key` and `base_url` are for the chosen
        provider: another one gets only what is set under its own name.
        """
        is_chosen = self.provider in {"", service.name}
        return find_credentials(self._known_layers(), service, is_chosen=is_chosen)

    def override(self, values: Mapping[str, object]) -> Settings:
        """These settings with values put on top, as the command line would. Raises ConfigError as `load_settings`."""
        layer = _check_layer(RawLayer(Source("explicit"), values), [])
        return _settings((layer, *self._known_layers()))

    def secrets(self) -> tuple[Secret, ...]:
        """Every key of every layer, for what must be kept out of logs."""
        values = (value for layer in self._known_layers() for value in layer.values.values())
        return tuple(value for value in values if isinstance(value, Secret))

    def _known_layers(self) -> Sequence[Layer]:
        if self.layers:
            return self.layers
        given = {d.name: value for d in DECLARATIONS if (value := getattr(self, d.name)) != d.default}
        return (Layer(Source("explicit"), given),)  # made by hand, not loaded


@dataclass(frozen=True, slots=True)
class Declaration:
    """A setting as it is documented."""

    name: str
    variable: str
    kind: Kind
    doc: str
    default: object


DECLARATIONS: tuple[Declaration, ...] = tuple(
    Declaration(f.name, f.metadata["variable"], f.metadata["kind"], f.metadata["doc"], f.default)
    for f in dataclasses.fields(Settings)
    if f.metadata
)
_BY_NAME = {declaration.name: declaration for declaration in DECLARATIONS}
_BY_VARIABLE = {declaration.variable: declaration for declaration in DECLARATIONS}

CONFIG_FOLDER_VARIABLE = "FLUX_CONFIG_FOLDER"
STATE_FOLDER_VARIABLE = "FLUX_STATE_FOLDER"


@dataclass(frozen=True, slots=True)
class UserFolders:
    """Flux's own folders in the user's home. They need not exist."""

    config: Path
    state: Path


def find_user_folders(environ: Mapping[str, str] | None = None) -> UserFolders:
    """Where the system keeps settings and state of a program called flux; the two variables above win."""
    environ = os.environ if environ is None else environ
    config, state = environ.get(CONFIG_FOLDER_VARIABLE), environ.get(STATE_FOLDER_VARIABLE)
    if config and state:
        return UserFolders(Path(config).expanduser(), Path(state).expanduser())
    import platformdirs

    return UserFolders(
        Path(config).expanduser() if config else platformdirs.user_config_path("flux", appauthor=False),
        Path(state).expanduser() if state else platformdirs.user_state_path("flux", appauthor=False),
    )


def config_folder() -> Path:
    """Where the user's own `config.toml` is."""
    return find_user_folders().config


def state_folder() -> Path:
    """Where Flux keeps sessions, answers to trust questions and installed data."""
    return find_user_folders().state


def tokenizer_folders(environ: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Where tiktoken's ranks may lie on this machine, first look first."""
    environ = os.environ if environ is None else environ
    named = [environ[name] for name in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR") if environ.get(name)]
    return (*map(Path, named), find_user_folders(environ).state / "tokenizers")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and what the user should be told of them.

    `ignored` is what the project's files set and what was not applied; `trust_question` asks for it, None where there
    is nothing to ask.
    """

    settings: Settings
    warnings: tuple[str, ...] = ()
    ignored: tuple[TrustItem, ...] = ()
    trust_question: TrustQuestion | None = None


def load_settings(
    folder: Path | None,
    explicit: Mapping[str, object],
    *,
    environ: Mapping[str, str] | None = None,
    trust: TrustStore | None = None,
    user_folders: UserFolders | None = None,
) -> Loaded:
    """The settings for work in `folder`, with `explicit` values (by setting name) on top.

    Raises ConfigError for a value that is not allowed and for an unreadable file of the user's. An unreadable file of
    the project, and names that are no settings, are warnings.
    """
    environ = os.environ if environ is None else environ
    folders = user_folders or find_user_folders(environ)
    trust = trust or TrustStore(folders.state)
    warnings: list[str] = []

    project = list(_read_project(folder, warnings)) if folder else []
    question = _trust_question(folder, project) if folder else None
    if question and trust.is_granted(question):
        question = None
    raw: list[RawLayer] = [RawLayer(Source("explicit"), explicit), RawLayer(Source("environment"), environ)]
    raw += [] if question else project
    raw += _read_user(folders.config)
    settings = _settings([_check_layer(layer, warnings) for layer in raw])
    return Loaded(settings, tuple(warnings), question.items if question else (), question)


def _settings(layers: Sequence[Layer]) -> Settings:
    values: dict[str, object] = {}
    for layer in reversed(layers):
        values.update(layer.values)
    settings = Settings(layers=tuple(layers))
    return dataclasses.replace(settings, **values)  # pyright: ignore[reportArgumentType] -- each checked by its Kind


def _read_project(folder: Path, warnings: list[str]) -> Iterator[RawLayer]:
    files = (
        (read_variables, Source("project .env", folder / ".env")),
        (read_toml, Source("project config", folder / ".flux" / "config.toml")),
    )
    for read, source in files:
        try:
            layer = read(source)
        except ConfigError as e:
            warnings.append(f"{e.message} It was ignored.")
        else:
            if layer is not None:
                yield layer


def _read_user(folder: Path) -> Iterator[RawLayer]:
    for layer in (
        read_variables(Source("user .env", folder / ".env")),
        read_toml(Source("user config", folder / "config.toml")),
    ):
        if layer is not None:
            yield layer


def _known(raw: RawLayer) -> Iterator[tuple[Declaration, str, object]]:
    table = _BY_VARIABLE if raw.source.uses_variables else _BY_NAME
    for name, value in raw.values.items():
        if name in table and not is_unset(value):
            yield table[name], name, value


def _trust_question(folder: Path, project: Sequence[RawLayer]) -> TrustQuestion | None:
    items: list[TrustItem] = []
    content: list[tuple[str, str, str]] = []
    for raw in project:
        for declaration, name, value in _known(raw):
            text = Secret(str(value)).masked() if declaration.kind is KEY else shown(value)
            items.append(TrustItem(name, text, raw.source))
            content.append((raw.source.kind, name, repr(value)))
    if not items:
        return None
    # The digest covers what is set and nothing else: an unrelated line may change, a new setting of Flux asks again.
    digest = hashlib.sha256(json.dumps(sorted(content)).encode("ascii")).hexdigest()
    return TrustQuestion(folder.resolve(), tuple(items), digest)


def _check_layer(raw: RawLayer, warnings: list[str]) -> Layer:
    warnings += _unknown_names(raw)
    values: dict[str, object] = {}
    for declaration, name, value in _known(raw):
        values[declaration.name] = _check_value(declaration, name, value, raw.source)
    return Layer(raw.source, values)


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
        parsed = parsed.expanduser()
        return source.file.parent / parsed if source.file else parsed
    return parsed


def _unknown_names(raw: RawLayer) -> Iterator[str]:
    if raw.source.uses_variables:
        # Other programs also have variables that begin with FLUX_: only a likely slip of the pen is worth a word.
        known = [*_BY_VARIABLE, CONFIG_FOLDER_VARIABLE, STATE_FOLDER_VARIABLE]
        for name in raw.values:
            near = difflib.get_close_matches(name, known, 1, 0.85) if name.startswith("FLUX_") else []
            if near and name not in known:
                yield f"{name} in {raw.source} is no setting of Flux. Did you mean {near[0]}?"
        return
    for name in raw.values:
        if name not in _BY_NAME:
            near = difflib.get_close_matches(name.lower().removeprefix("flux_"), list(_BY_NAME), 1, 0.6)
            more = f" Did you mean {near[0]}?" if near else ""
            yield f"{shown(name)} in {raw.source} is no setting of Flux, and was left out.{more}"
