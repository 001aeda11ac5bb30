"""Settings: what they are, where they come from, and which of the user's folders are Flux's.

The only reader of the environment and of the user's home. Layers, strongest first: the command line or the editor's
settings, the environment, the project's `.env`, the project's `.flux/config.toml`, a `.env` beside the user's own
`config.toml`, that `config.toml`, the defaults. The project's two files take effect only once the user has said yes to
what they set (`flux.core.trust`). What can be set is declared in `flux.core.declarations`; `flux.core.checking`
reads it.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from flux.core.checking import check_layer
from flux.core.credentials import Credentials, Service, find_credentials, key_words
from flux.core.declarations import CONFIG_FOLDER_VARIABLE, FIELDS, STATE_FOLDER_VARIABLE, SettingValues, without_keys
from flux.core.errors import ConfigError
from flux.core.key_store import KeyStore
from flux.core.keys import Key
from flux.core.layers import Layer, LayerKind, RawLayer, Source, read_toml, read_variables
from flux.core.secret import Secret
from flux.core.tables import PROVIDERS, ROLES, flatten, model_of, setting_of
from flux.core.trust import TrustItem, TrustQuestion, TrustStore, find_question

ACTIONS_FOLDER = "actions"
"""Of the user's own code actions, in `.flux` of a project and in the user's configuration folder."""
MAX_ACTIONS = 50
_OF_THE_CHOSEN = {"model", "base_url", "api_key", "headers", "extra_body", "client_cert", "client_key"}


@dataclass(frozen=True, slots=True)
class Settings(SettingValues):
    """All settings, each the value of the strongest layer that has it.

    `layers` holds the values by layer, strongest first, so a value is changed by `override`, which keeps them in step.
    """

    layers: tuple[Layer, ...] = dataclasses.field(default=(), compare=False, repr=False)
    state: Path | None = dataclasses.field(default=None, compare=False, repr=False)
    """Flux's own folder of what it keeps, of settings that were loaded from files."""

    def source(self, name: str) -> Source:
        """Where the value of the setting `name` is from."""
        return next((layer.source for layer in self._known_layers() if name in layer.values), Source("default"))

    def credentials(self, service: Service) -> Credentials:
        """The service's base URL and the key that may go there.

        Raises ConfigError where one is missing or they must not meet. `api_key` and `base_url` are for the chosen
        provider: another one gets only what is set under its own name.
        """
        return find_credentials(self.for_provider(service.name).layers, service)

    def key_words(self, service: Service, key: Key | None) -> str:
        """Where that key of the service is set, for a person; empty where there is none."""
        return key_words(self.for_provider(service.name).layers, key, service)

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
        return _settings(layers, self.state)

    def tables(self) -> tuple[str, ...]:
        """The providers that have a table or a kept key of their own, in the order of the layers."""
        names = (setting_of(name)[0] for layer in self._known_layers() for name in layer.values)
        return tuple(dict.fromkeys(name for name in names if name))

    def table_value(self, provider: str, setting: str) -> object:
        """What the strongest layer has for it in the provider's own table, None where none has."""
        name = f"{PROVIDERS}.{provider}.{setting}"
        return next((layer.values[name] for layer in self._known_layers() if name in layer.values), None)

    def models(self) -> Mapping[str, Mapping[str, object]]:
        """What the tables `[models.NAME]` say, by the name in small letters; a stronger layer's word wins."""
        said: dict[str, dict[str, object]] = {}
        for layer in reversed(self._known_layers()):
            for name, value in layer.values.items():
                model, fact = model_of(name)
                if model:
                    said.setdefault(model, {})[fact] = value
        return said

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
        layer = check_layer(flatten(RawLayer(Source("explicit"), values), []), [], {})
        return _settings((layer, *self._known_layers()), self.state)

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
        given = {name: value for name, f in FIELDS.items() if (value := getattr(self, name)) != f.default}
        return (Layer(Source("explicit"), given),)  # made by hand, not loaded


def settings_of(values: Mapping[str, object]) -> Settings:
    """Settings from a program's own mapping, in the names and tables of `config.toml`. No file is read.

    `api_key_env` names a variable of the environment. Raises ConfigError, also for a name that is no setting.
    """
    warnings: list[str] = []
    layer = check_layer(flatten(RawLayer(Source("explicit"), values), warnings), warnings, os.environ)
    if warnings:
        raise ConfigError(" ".join(warnings))
    return _settings((layer,))


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
    return without_keys(environ)


def tokenizer_folders(environ: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Where tiktoken's ranks may lie on this machine, first look first."""
    environ = os.environ if environ is None else environ
    named = [environ[name] for name in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR") if environ.get(name)]
    state = find_user_folders(environ).state
    return (*map(Path, named), *([state / "tokenizers"] if state else []))


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and what the user should be told of them.

    `actions` are the code actions of the user and of a trusted project, as they stand in their files, the user's first;
    `broken_actions` says which files are none.
    `ignored` is what the project's files set and what was not applied; `trust_question` asks for it, None where there
    is nothing to ask.
    """

    settings: Settings
    warnings: tuple[str, ...] = ()
    actions: tuple[RawLayer, ...] = ()
    broken_actions: tuple[str, ...] = ()
    ignored: tuple[TrustItem, ...] = ()
    trust_question: TrustQuestion | None = None


def load_settings(
    folder: Path | None,
    explicit: Mapping[str, object],
    *,
    environ: Mapping[str, str] | None = None,
    trust: TrustStore | None = None,
    user_folders: UserFolders | None = None,
    leaves_out: bool = False,
) -> Loaded:
    """The settings for work in `folder`, with `explicit` values (by setting name) on top.

    `leaves_out`: of those what is not allowed is a warning, as an editor may send it before its user has typed it out.

    Raises ConfigError for a value that is not allowed and for an unreadable file of the user's. An unreadable file of
    the project, and names that are no settings, are warnings.
    """
    environ = os.environ if environ is None else environ
    folders = user_folders or find_user_folders(environ)
    trust = trust or TrustStore(folders.state)
    warnings: list[str] = []

    project = list(_read_project(folder, warnings)) if folder else []
    broken: list[str] = []
    of_project = list(_read_actions(folder / ".flux", "project action", broken)) if folder else []
    question = find_question(folder, project, of_project) if folder else None
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
    layers = [
        check_layer(layer, warnings, variables, leaves_out=leaves_out and layer.source.kind == "explicit")
        for layer in raw
    ]
    layers += [KeyStore(folders.config).layer()] if folders.config else []
    settings = _settings(layers, folders.state)
    actions = list(_read_actions(folders.config, "user action", broken)) if folders.config else []
    actions += [] if question else of_project
    return Loaded(
        settings, tuple(warnings), tuple(actions), tuple(broken), question.items if question else (), question
    )


def settings_stamp(folder: Path) -> tuple[object, ...]:
    """What is another once a file that `load_settings` reads for the folder was written, made or removed."""
    own = find_user_folders().config
    files = [folder / ".env"]
    for base in (folder / ".flux", *([own] if own else [])):
        files += [base / ".env", base / "config.toml", base / "keys.json", *(base / ACTIONS_FOLDER).glob("*.toml")]
    found: list[tuple[str, int, int]] = []
    for file in files:
        with suppress(OSError):
            status = file.stat()
            found.append((str(file), status.st_mtime_ns, status.st_size))
    return tuple(sorted(found))


def _settings(layers: Sequence[Layer], state: Path | None = None) -> Settings:
    values: dict[str, object] = {}
    for layer in reversed(layers):
        values.update(layer.values)
    settings = Settings(layers=tuple(layers), state=state)
    values = {name: value for name, value in values.items() if name in FIELDS}
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


def _read_actions(folder: Path, kind: LayerKind, broken: list[str]) -> Iterator[RawLayer]:
    """The files in `actions` below the folder, by name."""
    for file in sorted((folder / ACTIONS_FOLDER).glob("*.toml"))[:MAX_ACTIONS]:
        try:
            layer = read_toml(Source(kind, file))
        except ConfigError as e:
            broken.append(e.message)
        else:
            yield from [layer] if layer else []


def _read_user(folder: Path, warnings: list[str]) -> Iterator[RawLayer]:
    for layer in (
        read_variables(Source("user .env", folder / ".env")),
        read_toml(Source("user config", folder / "config.toml")),
    ):
        if layer is not None:
            yield flatten(layer, warnings)
