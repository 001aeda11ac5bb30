"""What can be set: each setting's name, default, what it may be, its variable, where it may stand and who may set it.

`docs/configuration.md` is generated from it. Knows no layer, no file and no value.
"""

# ruff: noqa: RUF009 -- `_setting` returns a dataclass field, which the rule cannot see.

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from flux.core.keys import Key
from flux.core.layers import (
    BODY,
    COMMAND,
    HEADERS,
    KEY,
    NAMES,
    PATH,
    TEXT,
    TRUTH,
    URL,
    WORD,
    Kind,
    Source,
    between,
    choice,
    whole,
)
from flux.core.secret import Secret
from flux.core.tables import ROLES, model_of, setting_of

CONFIG_FOLDER_VARIABLE = "FLUX_CONFIG_FOLDER"
STATE_FOLDER_VARIABLE = "FLUX_STATE_FOLDER"

_T = TypeVar("_T")

Place = Literal["top", "table", "both"]
"""Where a setting may stand in a file: above all tables, in a table `[providers.NAME]`, or in both."""
Reach = Literal["all", "user", "own"]
"""Which layers may set it: all; all but the project's; or only those that nobody but the user can have written."""


def _setting(default: _T, kind: Kind, variable: str, doc: str, place: Place = "top", reach: Reach = "all") -> _T:
    """Declares a field of `SettingValues`: its default, what it may be, its environment variable, what it is for."""
    metadata = {"kind": kind, "variable": variable, "doc": doc, "place": place, "reach": reach}
    field: _T = dataclasses.field(default=default, metadata=metadata)
    return field


def _key_of(provider: str, variable: str) -> Key | None:
    return _setting(None, KEY, variable, f"The key for the provider {provider}, and for no other.")


def _address_of(provider: str, variable: str) -> str:
    return _setting("", URL, variable, f"The address used by the provider {provider} where base_url is unset.")


def _budget(period: str) -> float | None:
    doc = f"US dollars that may be spent in one {period}; a request that could pass it is not sent. Unset: no limit."
    return _setting(None, between(0, 1_000_000), f"FLUX_BUDGET_{period.upper()}", doc, reach="user")


@dataclass(frozen=True, slots=True)
class SettingValues:
    """A value for each setting that may stand above all tables. A field's name is its name in TOML and editors."""

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
    connect_timeout_s: float | None = _setting(
        None,
        between(0.1, 86400),
        "FLUX_CONNECT_TIMEOUT_S",
        "Seconds to wait for a connection, TLS included. Unset: 10, or timeout_s where that is less.",
        "both",
    )
    first_byte_timeout_s: float | None = _setting(
        None,
        between(0.1, 86400),
        "FLUX_FIRST_BYTE_TIMEOUT_S",
        "Seconds to wait for the first byte of an answer, such as while a server loads a model. Unset: as timeout_s.",
        "both",
    )
    total_timeout_s: float = _setting(
        3600.0,
        between(0.1, 86400),
        "FLUX_TOTAL_TIMEOUT_S",
        "Seconds that one answer may take from its request to its end.",
        "both",
    )
    attempts: int = _setting(
        3,
        whole(1),
        "FLUX_ATTEMPTS",
        "How often a request is tried in all where it fails for a reason that may pass, such as a rate limit; never "
        "once anything of the answer was shown.",
        "both",
    )
    fallback: tuple[str, ...] = _setting(
        (),
        NAMES,
        "FLUX_FALLBACK",
        "Who answers in its order where the chosen provider cannot be reached, keeps failing, or refuses its key or "
        "quota: NAME or NAME/MODEL each. A turn goes on with the next one, and says so.",
        reach="user",
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
    compaction: str = _setting(
        "summary",
        choice("summary", "provider"),
        "FLUX_COMPACTION",
        "What takes the place of the earlier turns of a long conversation: a summary by the model of the role summary, "
        "or what the chat's own provider makes of them, which only its models can read (Anthropic's beta, OpenAI).",
        "both",
    )
    context_window: int = _setting(
        0,
        whole(0),
        "FLUX_CONTEXT_WINDOW",
        "The model's window in tokens. 0: as its server or Flux's table of models has it. Ollama makes it this large.",
        "both",
    )
    map_tokens: int = _setting(
        1000,
        whole(0),
        "FLUX_MAP_TOKENS",
        "The size, in tokens, of the outline of the project that goes along with a chat's first message. 0: none.",
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
    budget_session: float | None = _budget("session")
    budget_day: float | None = _budget("day")
    budget_month: float | None = _budget("month")
    max_steps: int = _setting(40, whole(1), "FLUX_MAX_STEPS", "How many requests one turn may make.")
    system_prompt: str = _setting("", TEXT, "FLUX_SYSTEM_PROMPT", "Instructions of your own, added to Flux's.")
    script: Path | None = _setting(None, PATH, "FLUX_SCRIPT", "The file of steps for the provider scripted.")
    response_cache: int = _setting(
        0,
        whole(0),
        "FLUX_RESPONSE_CACHE",
        "Megabytes of answers to keep, so that exactly the same request is answered without asking again; not "
        "where tools are offered, as in a chat. 0: none. `flux cache clear` empties it.",
    )
    response_cache_days: float = _setting(
        30.0, between(0, 3650), "FLUX_RESPONSE_CACHE_DAYS", "How many days a kept answer is used."
    )
    telemetry: bool = _setting(
        False,
        TRUTH,
        "FLUX_TELEMETRY",
        "Send spans and metrics of requests, without their words, to your own OpenTelemetry collector, where "
        "OTEL_EXPORTER_OTLP_ENDPOINT has it; needs flux-lsp[otel].",
        reach="user",
    )
    log_level: str = _setting(
        "warning",
        choice("debug", "info", "warning", "error"),
        "FLUX_LOG",
        "What is logged: this and all that is graver. debug has what libraries say too, requests among it; no keys.",
    )
    log_file: Path | None = _setting(
        None,
        PATH,
        "FLUX_LOG_FILE",
        "Where to log; one of 4 MB is set aside, and three of those are kept. Unset: to standard error.",
    )


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


FIELDS = {f.name: f for f in dataclasses.fields(SettingValues)}

DECLARATIONS: tuple[Declaration, ...] = (
    *(Declaration(name, default=f.default, **f.metadata) for name, f in FIELDS.items()),
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
MODEL_DECLARATIONS: tuple[Declaration, ...] = (
    Declaration("window", "", whole(1), "The window in tokens, input and output together."),
    Declaration("max_output", "", whole(1), "The longest answer, in tokens."),
    Declaration("input_price", "", between(0, 1_000_000), "US dollars for a million tokens of input."),
    Declaration("output_price", "", between(0, 1_000_000), "US dollars for a million tokens of output."),
    Declaration("cache_read_price", "", between(0, 1_000_000), "The same for input that is read from the cache."),
    Declaration("cache_write_price", "", between(0, 1_000_000), "The same for input that is written to the cache."),
    Declaration("tools", "", TRUTH, "It takes tools by itself."),
    Declaration("images", "", TRUTH, "It takes pictures."),
    Declaration("code_execution", "", TRUTH, "Its service can run code for it."),
    Declaration(
        "thinking", "", choice("none", "always", "adaptive", "budget", "effort"), "How it is asked to think, if at all."
    ),
    Declaration("temperature", "", TRUTH, "It takes a temperature."),
    Declaration("forced_tools", "", TRUTH, "It takes a tool_choice that leaves it no choice."),
)
"""What a table `[models.NAME]` may say of a model."""
BY_FACT = {declaration.name: declaration for declaration in MODEL_DECLARATIONS}
BY_NAME = {declaration.name: declaration for declaration in DECLARATIONS}
BY_VARIABLE = {declaration.variable: declaration for declaration in DECLARATIONS if declaration.variable}


def find_declaration(source: Source, name: str) -> Declaration | None:
    """What the source means by a name, None where it is no setting, or none that may stand there."""
    if source.uses_variables:
        return BY_VARIABLE.get(name)
    if model_of(name)[0]:
        return BY_FACT.get(model_of(name)[1])
    provider, setting = setting_of(name)
    declaration = BY_NAME.get(setting)
    wrong_place: Place = "top" if provider else "table"
    return None if declaration is None or declaration.place == wrong_place else declaration


def may_set(source: Source, declaration: Declaration) -> bool:
    """Whether the source is one that the setting is taken from."""
    match declaration.reach:
        case "all":
            return True
        case "user":
            return not source.is_project
        case "own":
            return source.is_own


def without_keys(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Variables without those that hold a provider's key."""
    return {name: value for name, value in environ.items() if not _is_key_variable(name)}


def _is_key_variable(name: str) -> bool:
    declaration = BY_VARIABLE.get(name.upper())
    return declaration is not None and declaration.kind is KEY
