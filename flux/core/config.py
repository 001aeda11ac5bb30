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
from typing import Literal, TypeVar, cast

from flux.core.credentials import Credentials, Service, find_credentials
from flux.core.errors import ConfigError
from flux.core.key_store import KeyStore
from flux.core.keys import CommandKey, Key, MissingVariable
from flux.core.layers import (
    BODY,
    COMMAND,
    HEADERS,
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
from flux.core.tables import PROVIDERS, ROLES, expand, flatten, setting_of
from flux.core.trust import TrustItem, TrustQuestion, TrustStore

_T = TypeVar("_T")

Place = Literal["top", "table", "both"]
"""Where a setting may stand in a file: above all tables, in a table `[providers.NAME]`, or in both."""
Reach = Literal["all", "user", "own"]
"""Which layers may set it: all; all but the project's; or only those that nobody but the user can have written."""


def _setting(default: _T, kind: Kind, variable: str, doc: str, place: Place = "top", reach: Reach = "all") -> _T:
    """Declares a field of `Settings`: its default, what it may be, its environment variable, and what it is for."""
    metadata = {"kind": kind, "variable": variable, "doc": doc, "place": place, "reach": reach}
    field: _T = dataclasses.field(default=default, metadata=metadata)
    return field


def _key_of(provider: str, variable: str) -> Key | None:
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
    model: str = _setting(
        "", TEXT, "FLUX_MODEL", "The model's name at the provider. Unset: the provider's default.", "both"
    )
    base_url: str = _setting("", URL, "FLUX_BASE_URL", "The address of the chosen provider's service.", "both")
    api_key: Key | None = _setting(
        None, KEY, "FLUX_API_KEY", "The key for the chosen provider, whichever it is.", "both"
    )
    headers: Mapping[str, Secret] | None = _setting(
        None, HEADERS, "", "Headers that each request to the chosen provider has besides Flux's own.", "both"
    )
    extra_body: Mapping[str, object] | None = _setting(
        None, BODY, "", "Fields that each request to the chosen provider has besides Flux's own.", "both"
    )
    anthropic_api_key: Key | None = _key_of("anthropic", "ANTHROPIC_API_KEY")
    openai_api_key: Key | None = _key_of("openai", "OPENAI_API_KEY")
    azure_openai_api_key: Key | None = _key_of("azure", "AZURE_OPENAI_API_KEY")
    groq_api_key: Key | None = _key_of("groq", "GROQ_API_KEY")
    openrouter_api_key: Key | None = _key_of("openrouter", "OPENROUTER_API_KEY")
    deepseek_api_key: Key | None = _key_of("deepseek", "DEEPSEEK_API_KEY")
    litellm_api_key: Key | None = _key_of("litellm", "LITELLM_API_KEY")
    anthropic_base_url: str = _address_of("anthropic", "ANTHROPIC_BASE_URL")
    openai_base_url: str = _address_of("openai", "OPENAI_BASE_URL")
    azure_openai_endpoint: str = _address_of("azure", "AZURE_OPENAI_ENDPOINT")
    litellm_base_url: str = _address_of("litellm", "LITELLM_BASE_URL")
    lm_studio_base_url: str = _address_of("lm_studio", "LM_STUDIO_BASE_URL")
    mlx_base_url: str = _address_of("mlx", "MLX_BASE_URL")
    ollama_base_url: str = _address_of("ollama", "OLLAMA_BASE_URL")
    auto_order: str = _setting(
        "",
        TEXT,
        "FLUX_AUTO_ORDER",
        "What the provider auto tries, in this order: names of providers, local (servers on this machine that have a "
        "model), keys (services whose key is set). Unset: local, keys.",
    )
    ollama_keep_alive: str = _setting(
        "",
        TEXT,
        "OLLAMA_KEEP_ALIVE",
        "How long Ollama keeps a model in memory after an answer, e.g. 30m. Unset: as Ollama is set up.",
    )
    pull_models: bool = _setting(
        False, TRUTH, "FLUX_PULL_MODELS", "Let Ollama download a model that is not there yet, without asking."
    )
    max_tokens: int = _setting(8192, whole(1), "FLUX_MAX_TOKENS", "The longest answer, in tokens.", "both")
    temperature: float | None = _setting(
        None,
        between(0, 2),
        "FLUX_TEMPERATURE",
        "How freely the model picks its words. Unset: left to the provider.",
        "both",
    )
    thinking: str = _setting(
        "",
        choice("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        "FLUX_THINKING",
        "How long the model thinks before it answers, as near as the model has it. Unset: left to the provider.",
        "both",
    )
    stored_responses: bool = _setting(
        False,
        TRUTH,
        "FLUX_STORED_RESPONSES",
        "Let OpenAI's Responses API keep the conversation, and send only what is new (previous_response_id).",
        "both",
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
        "both",
    )
    ca_bundle: Path | None = _setting(
        None,
        PATH,
        "FLUX_CA_BUNDLE",
        "A PEM file of authorities that are believed besides your system's own, such as your network's.",
        "both",
        "user",
    )
    client_cert: Path | None = _setting(
        None,
        PATH,
        "FLUX_CLIENT_CERT",
        "A PEM file with the certificate to show to a service that asks.",
        "both",
        "user",
    )
    client_key: Path | None = _setting(
        None, PATH, "FLUX_CLIENT_KEY", "The certificate's key, where it is not in the same file.", "both", "user"
    )
    context_pruning: bool = _setting(
        True, TRUTH, "FLUX_CONTEXT_PRUNING", "Drop the oldest parts of a conversation before it outgrows the model."
    )
    context_window: int = _setting(
        0,
        whole(0),
        "FLUX_CONTEXT_WINDOW",
        "The model's window in tokens. 0: as its server or Flux's table of models has it. Ollama makes it this large.",
        "both",
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
        return find_credentials(self.for_provider(service.name).layers, service)

    def for_provider(self, name: str) -> Settings:
        """The settings with this provider as the chosen one, and with its table `[providers.NAME]` put in its place.

        What is set for the chosen provider alone (model, address, key, headers, body) is not for another one.
        """
        is_chosen = self.provider in {"", name}
        layers = [Layer(Source("explicit"), {"provider": name})]
        for layer in self._known_layers():
            values = {n: value for n, value in layer.values.items() if is_chosen or n not in _OF_THE_CHOSEN}
            for n, value in layer.values.items():
                provider, setting = setting_of(n)
                if provider == name:
                    values[setting] = value
            layers.append(Layer(layer.source, values))
        return _settings(layers)

    def tables(self) -> tuple[str, ...]:
        """The providers that have a table or a kept key of their own, in the order of the layers."""
        names = (setting_of(name)[0] for layer in self._known_layers() for name in layer.values)
        return tuple(dict.fromkeys(name for name in names if name))

    def table_value(self, provider: str, setting: str) -> object:
        """What the strongest layer has for it in the provider's own table, None where none has."""
        name = f"{PROVIDERS}.{provider}.{setting}"
        return next((layer.values[name] for layer in self._known_layers() if name in layer.values), None)

    def role(self, role: str) -> str:
        """What `[roles]` says of it: `provider/model` or a provider's name.

        Empty where nothing is said, or where a stronger layer sets a provider or a model for all.
        """
        for layer in self._known_layers():
            if said := layer.values.get(f"{ROLES}.{role}"):
                return str(said)
            if not layer.values.keys().isdisjoint({"provider", "model"}):
                break
        return ""

    def override(self, values: Mapping[str, object]) -> Settings:
        """These settings with values put on top, as the command line would. Raises ConfigError as `load_settings`."""
        layer = _check_layer(flatten(RawLayer(Source("explicit"), values), []), [], {})
        return _settings((layer, *self._known_layers()))

    def secrets(self) -> tuple[Secret, ...]:
        """Every key that is known by now and every header, for what must be kept out of logs."""
        values = [value for layer in self._known_layers() for value in layer.values.values()]
        values += [
            part for value in values if isinstance(value, dict) for part in cast("dict[str, object]", value).values()
        ]
        return tuple(value for value in values if isinstance(value, Secret))

    def _known_layers(self) -> Sequence[Layer]:
        if self.layers:
            return self.layers
        given = {name: value for name, f in _FIELDS.items() if (value := getattr(self, name)) != f.default}
        return (Layer(Source("explicit"), given),)  # made by hand, not loaded


def settings_of(values: Mapping[str, object]) -> Settings:
    """Settings from a program's own mapping, in the names and tables of `config.toml`. No file is read.

    `api_key_env` names a variable of the environment. Raises ConfigError, also for a name that is no setting.
    """
    warnings: list[str] = []
    layer = _check_layer(flatten(RawLayer(Source("explicit"), values), warnings), warnings, os.environ)
    if warnings:
        raise ConfigError(" ".join(warnings))
    return _settings((layer,))


@dataclass(frozen=True, slots=True)
class Declaration:
    """A setting as it is documented."""

    name: str
    variable: str
    kind: Kind
    doc: str
    default: object = None
    place: Place = "top"
    reach: Reach = "all"


_FIELDS = {f.name: f for f in dataclasses.fields(Settings) if f.metadata}

DECLARATIONS: tuple[Declaration, ...] = (
    *(Declaration(name, default=f.default, **f.metadata) for name, f in _FIELDS.items()),
    Declaration(
        "kind",
        "",
        WORD,
        "The provider that this one is like. Unset: the one of the same name, else compatible.",
        place="table",
    ),
    Declaration(
        "api_key_env",
        "FLUX_API_KEY_ENV",
        TEXT,
        "The name of the variable that has the key for the chosen provider.",
        place="both",
        reach="own",
    ),
    Declaration(
        "api_key_cmd",
        "FLUX_API_KEY_CMD",
        COMMAND,
        "A command that prints the key for the chosen provider, run when it is first needed.",
        place="both",
        reach="own",
    ),
    *(
        Declaration(f"{ROLES}.{role}", "", TEXT, f"Who {what}: provider/model, or a provider's name.")
        for role, what in (
            ("chat", "answers in the chat"),
            ("edit", "does code actions and edits"),
            ("inline", "completes while you type"),
            ("summary", "summarizes what a conversation must forget"),
        )
    ),
)
_BY_NAME = {declaration.name: declaration for declaration in DECLARATIONS}
_BY_VARIABLE = {declaration.variable: declaration for declaration in DECLARATIONS if declaration.variable}
_OF_THE_CHOSEN = {"model", "base_url", "api_key", "headers", "extra_body", "client_cert", "client_key"}

CONFIG_FOLDER_VARIABLE = "FLUX_CONFIG_FOLDER"
STATE_FOLDER_VARIABLE = "FLUX_STATE_FOLDER"


@dataclass(frozen=True, slots=True)
class UserFolders:
    """Flux's own folders in the user's home, absolute; None where there is no home. They need not exist."""

    config: Path | None
    state: Path | None


def find_user_folders(environ: Mapping[str, str] | None = None) -> UserFolders:
    """Where the system keeps settings and state of a program called flux; the two variables above win.

    Without a home a path that begins with it would lie in the current folder, which is the project: None instead.
    """
    environ = os.environ if environ is None else environ
    config, state = environ.get(CONFIG_FOLDER_VARIABLE), environ.get(STATE_FOLDER_VARIABLE)
    return UserFolders(
        _named_folder(config) if config else _usual_folder("user_config_path"),
        _named_folder(state) if state else _usual_folder("user_state_path"),
    )


def _named_folder(name: str) -> Path | None:
    try:
        return Path(name).expanduser().absolute()
    except RuntimeError:  # it begins with a home that there is not
        return None


def _usual_folder(kind: Literal["user_config_path", "user_state_path"]) -> Path | None:
    import platformdirs

    try:
        folder: Path = getattr(platformdirs, kind)("flux", appauthor=False)
    except RuntimeError:  # platformdirs 4.14 where there is no home; earlier ones give `~/.config`
        return None
    return folder if folder.is_absolute() else None


def config_folder() -> Path:
    """Where the user's own `config.toml` is. Raises ConfigError where there is no home."""
    return _found(find_user_folders().config, CONFIG_FOLDER_VARIABLE)


def state_folder() -> Path:
    """Where Flux keeps sessions, answers to trust questions and installed data. Raises as `config_folder`."""
    return _found(find_user_folders().state, STATE_FOLDER_VARIABLE)


def _found(folder: Path | None, variable: str) -> Path:
    if folder is None:
        raise ConfigError("There is no home folder.", hint=f"{variable} names a folder to use instead.")
    return folder


def is_in_container(environ: Mapping[str, str] | None = None, root: Path = Path("/")) -> bool:
    """Whether Flux runs in a container, where `localhost` is the container itself: of Docker, Podman or Kubernetes."""
    environ = os.environ if environ is None else environ
    files = (root / ".dockerenv", root / "run" / ".containerenv")
    return bool(environ.get("container") or environ.get("KUBERNETES_SERVICE_HOST")) or any(f.exists() for f in files)


def program_environment(environ: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """The environment for a program that Flux starts: without the keys of any provider."""
    environ = os.environ if environ is None else environ
    return {name: value for name, value in environ.items() if not _is_key_variable(name)}


def _is_key_variable(name: str) -> bool:
    declaration = _BY_VARIABLE.get(name.upper())
    return declaration is not None and declaration.kind is KEY


def tokenizer_folders(environ: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Where tiktoken's ranks may lie on this machine, first look first."""
    environ = os.environ if environ is None else environ
    named = [environ[name] for name in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR") if environ.get(name)]
    state = find_user_folders(environ).state
    return (*map(Path, named), *([state / "tokenizers"] if state else []))


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
    users = list(_read_user(folders.config, warnings)) if folders.config else []
    raw = [flatten(RawLayer(Source("explicit"), explicit), warnings), RawLayer(Source("environment"), environ)]
    raw += [] if question else project
    raw += users
    variables = dict(environ)
    for layer in users:
        if layer.source.uses_variables:
            variables = {name: str(value) for name, value in layer.values.items()} | variables
    layers = [_check_layer(layer, warnings, variables) for layer in raw]
    settings = _settings([*layers, *([KeyStore(folders.config).layer()] if folders.config else [])])
    return Loaded(settings, tuple(warnings), question.items if question else (), question)


def _settings(layers: Sequence[Layer]) -> Settings:
    values: dict[str, object] = {}
    for layer in reversed(layers):
        values.update(layer.values)
    settings = Settings(layers=tuple(layers))
    values = {name: value for name, value in values.items() if name in _FIELDS}
    return dataclasses.replace(settings, **values)  # pyright: ignore[reportArgumentType] -- each checked by its Kind


def _read_project(folder: Path, warnings: list[str]) -> Iterator[RawLayer]:
    files = (
        (read_variables, Source("project .env", folder / ".env")),
        (read_toml, Source("project config", folder / ".flux" / "config.toml")),
    )
    for read, source in files:
        try:
            layer = read(source)
            if layer is not None:
                yield flatten(layer, warnings)
        except ConfigError as e:
            warnings.append(f"{e.message} It was ignored.")


def _read_user(folder: Path, warnings: list[str]) -> Iterator[RawLayer]:
    for layer in (
        read_variables(Source("user .env", folder / ".env")),
        read_toml(Source("user config", folder / "config.toml")),
    ):
        if layer is not None:
            yield flatten(layer, warnings)


def _known(raw: RawLayer) -> Iterator[tuple[Declaration, str, object]]:
    for name, value in raw.values.items():
        declaration = _declaration(raw.source, name)
        if declaration is not None and not is_unset(value) and _may_set(raw.source, declaration):
            yield declaration, name, value


def _declaration(source: Source, name: str) -> Declaration | None:
    if source.uses_variables:
        return _BY_VARIABLE.get(name)
    provider, setting = setting_of(name)
    declaration = _BY_NAME.get(setting)
    wrong_place: Place = "top" if provider else "table"
    return None if declaration is None or declaration.place == wrong_place else declaration


def _may_set(source: Source, declaration: Declaration) -> bool:
    match declaration.reach:
        case "all":
            return True
        case "user":
            return not source.is_project
        case "own":
            return source.is_own


def _trust_question(folder: Path, project: Sequence[RawLayer]) -> TrustQuestion | None:
    items: list[TrustItem] = []
    content: list[tuple[str, str, str]] = []
    for raw in project:
        for declaration, name, value in _known(raw):
            text = shown(value) if declaration.kind not in {KEY, HEADERS} else _masked(value)
            items.append(TrustItem(name, text, raw.source))
            content.append((raw.source.kind, name, repr(value)))
    if not items:
        return None
    # The digest covers what is set and nothing else: an unrelated line may change, a new setting of Flux asks again.
    digest = hashlib.sha256(json.dumps(sorted(content)).encode("ascii")).hexdigest()
    return TrustQuestion(folder.resolve(), tuple(items), digest)


def _masked(value: object) -> str:
    if isinstance(value, Mapping):
        headers = cast("Mapping[str, object]", value)  # keys of TOML are strings
        return ", ".join(f"{shown(name)}: {_masked(text)}" for name, text in headers.items())
    return Secret(str(value)).masked()


def _check_layer(raw: RawLayer, warnings: list[str], variables: Mapping[str, str]) -> Layer:
    """The layer's values, each as its Kind has it. `variables` is what the user's own files may name."""
    warnings += _unknown_names(raw)
    values: dict[str, object] = {}
    for declaration, name, given in _known(raw):
        value = given
        if raw.source.kind == "user config" and declaration.place != "top":
            try:
                value = expand(given, variables)
            except KeyError as e:
                warnings.append(f"{name} in {raw.source} was left out: the variable {e.args[0]} is not set.")
                continue
        provider, _ = setting_of(name)
        prefix = f"{PROVIDERS}.{provider}." if provider else ""
        values[f"{prefix}{declaration.name}"] = _check_value(declaration, name, value, raw.source)
    for prefix in {name.removesuffix("api_key_env").removesuffix("api_key_cmd") for name in values}:
        _find_key(values, prefix, raw.source, variables)
    return Layer(raw.source, values)


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
        key = _check_value(_BY_NAME["api_key"], str(variable), text, source) if text else missing
        values[f"{prefix}api_key"] = key
    elif command is not None:
        words = cast("tuple[str, ...]", command)  # as its Kind has checked
        values[f"{prefix}api_key"] = CommandKey(words, program_environment(variables))


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
        declaration = _declaration(raw.source, name)
        if declaration is not None and not _may_set(raw.source, declaration):
            where = "the environment and your own files" if declaration.reach == "own" else "your own settings"
            yield f"{name} in {raw.source} was left out: it may be set in {where} only."
    if raw.source.uses_variables:
        # Other programs also have variables that begin with FLUX_: only a likely slip of the pen is worth a word.
        known = [*_BY_VARIABLE, CONFIG_FOLDER_VARIABLE, STATE_FOLDER_VARIABLE]
        for name in raw.values:
            near = difflib.get_close_matches(name, known, 1, 0.85) if name.startswith("FLUX_") else []
            if near and name not in known:
                yield f"{name} in {raw.source} is no setting of Flux. Did you mean {near[0]}?"
        return
    for name in raw.values:
        if _declaration(raw.source, name) is None:
            provider, setting = setting_of(name)
            known = [d.name for d in DECLARATIONS if d.place != ("top" if provider else "table")]
            near = difflib.get_close_matches(setting.lower().removeprefix("flux_"), known, 1, 0.6)
            more = f" Did you mean {near[0]}?" if near else ""
            yield f"{shown(name)} in {raw.source} is no setting of Flux, and was left out.{more}"
