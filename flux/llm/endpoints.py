"""Services that speak a wire: where they are, which settings address them. Knows no key and makes no request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Wire = Literal["anthropic", "responses", "chat", "ollama"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row of the table. `default_base_url` and `default_model` are empty where only the user can know them.

    `base_url_setting` and `key_setting` are names of settings that belong to this service alone. `start_command` starts
    its server on this machine. `timeout_s` is how long to wait where the user has not said it, 0 as for any other.
    `base_path` is added to a base URL that lacks it.
    `unknown_window_tokens` is the window to count on where its server does not tell it, 0 as for any other.
    `window_advice` says how the server's window is made larger, of servers that cut what is too long without a word.
    The others are quirks of Chat Completions: newer OpenAI models take only `max_completion_tokens`, some servers no
    `stream_options`, some want the thoughts that came with a call, or the details of all thoughts, sent back, and LM
    Studio has a list of its own.
    """

    name: str
    display_name: str
    wire: Wire
    default_base_url: str = ""
    default_model: str = ""
    base_url_setting: str = ""
    key_setting: str = ""
    needs_key: bool = True
    key_header: Literal["authorization", "api-key"] = "authorization"
    base_path: str = ""
    start_command: str = ""
    timeout_s: float = 0.0
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    takes_stream_options: bool = True
    wants_thoughts_back: bool = False
    wants_details_back: bool = False
    unknown_window_tokens: int = 0
    window_advice: str = ""
    has_lm_studio_list: bool = False

    def full_base_url(self, base_url: str) -> str:
        """The address that the wire's paths are added to, of one as people write it."""
        if self.wire == "anthropic":  # its paths begin with the version; a gateway's address is often given with it
            return base_url.removesuffix("/v1")
        if self.wire == "ollama":  # the address of its compatible door is what many have at hand
            return base_url.removesuffix("/v1").removesuffix("/api")
        if not self.base_path or base_url.endswith(self.base_path):
            return base_url
        return base_url.removesuffix(self.base_path.rpartition("/")[0]) + self.base_path


ANTHROPIC = Endpoint(
    name="anthropic",
    display_name="Anthropic",
    wire="anthropic",
    default_base_url="https://api.anthropic.com",
    default_model="claude-sonnet-5-5",
    base_url_setting="anthropic_base_url",
    key_setting="anthropic_api_key",
)
OPENAI = Endpoint(
    name="openai",
    display_name="OpenAI",
    wire="responses",
    default_base_url="https://api.openai.com/v1",
    default_model="gpt-6.1-sol",
    base_url_setting="openai_base_url",
    key_setting="openai_api_key",
)
AZURE = Endpoint(
    # learn.microsoft.com/azure/foundry/openai/api-version-lifecycle (2026-11-21): `/openai/v1` of the resource's own
    # host, no `api-version`; the model's name is that of the deployment.
    name="azure",
    display_name="Azure OpenAI",
    wire="responses",
    base_url_setting="azure_openai_endpoint",
    key_setting="azure_openai_api_key",
    key_header="api-key",
    base_path="/openai/v1",
)
GROQ = Endpoint(
    # console.groq.com/docs/openai and /docs/models (2026-11-21).
    name="groq",
    display_name="Groq",
    wire="chat",
    default_base_url="https://api.groq.com/openai/v1",
    default_model="openai/gpt-oss-120b",
    key_setting="groq_api_key",
    max_tokens_name="max_completion_tokens",
)
OPENROUTER = Endpoint(
    # openrouter.ai/docs/api-reference/overview, and for the details of thoughts /docs/guides/best-practices/
    # reasoning-tokens (2026-11-21).
    name="openrouter",
    display_name="OpenRouter",
    wire="chat",
    default_base_url="https://openrouter.ai/api/v1",
    default_model="openrouter/auto",
    key_setting="openrouter_api_key",
    wants_details_back=True,
)
DEEPSEEK = Endpoint(
    # api-docs.deepseek.com/guides/thinking_mode (2026-11-21): a message with tool calls is refused without its
    # `reasoning_content`, be it empty.
    name="deepseek",
    display_name="DeepSeek",
    wire="chat",
    default_base_url="https://api.deepseek.com",
    default_model="deepseek-v4-pro",
    key_setting="deepseek_api_key",
    wants_thoughts_back=True,
)
COMPATIBLE = Endpoint(
    name="compatible",
    display_name="a service with OpenAI's Chat Completions",
    wire="chat",
    needs_key=False,
    window_advice="Give its model a larger window (with Ollama: OLLAMA_CONTEXT_LENGTH, or FLUX_PROVIDER=ollama, which "
    "sets it), or set FLUX_CONTEXT_WINDOW to the one it has.",
)
LITELLM = replace(
    COMPATIBLE,
    # docs.litellm.ai/docs/proxy/quick_start (2026-11-21): its proxy listens on port 4000.
    name="litellm",
    window_advice="Look at the window of the server behind the gateway, and set FLUX_CONTEXT_WINDOW to it.",
    display_name="a LiteLLM gateway",
    default_base_url="http://localhost:4000/v1",
    start_command="litellm --config config.yaml",
    base_url_setting="litellm_base_url",
    key_setting="litellm_api_key",
)
LM_STUDIO = replace(
    COMPATIBLE,
    # lmstudio.ai/docs/developer/openai-compat (2026-11-21).
    name="lm_studio",
    display_name="LM Studio",
    default_base_url="http://localhost:1234/v1",
    start_command="lms server start",
    base_url_setting="lm_studio_base_url",
    timeout_s=600.0,
    unknown_window_tokens=8192,
    window_advice="Load the model with a larger context length in LM Studio, or set FLUX_CONTEXT_WINDOW to it.",
    has_lm_studio_list=True,
)
MLX = replace(
    COMPATIBLE,
    # github.com/ml-explore/mlx-lm, mlx_lm/SERVER.md and server.py 0.32.2: `default_model` is the one it was started
    # with. Nothing comes while it reads a long prompt but comments, and of older versions not even those.
    name="mlx",
    display_name="MLX",
    start_command="mlx_lm.server --model NAME",
    default_base_url="http://localhost:8080/v1",
    default_model="default_model",
    base_url_setting="mlx_base_url",
    timeout_s=1800.0,
    unknown_window_tokens=32_768,  # it takes any length, beyond what its model was made for
)
OLLAMA = Endpoint(
    # docs.ollama.com/api (2026-11-21), its own API and not its compatible door. The first answer waits for the model to
    # be loaded, of which nothing is told.
    name="ollama",
    display_name="Ollama",
    start_command="ollama serve",
    wire="ollama",
    default_base_url="http://localhost:11434",
    base_url_setting="ollama_base_url",
    needs_key=False,
    window_advice="Set FLUX_CONTEXT_WINDOW to a window that the model has and the machine's memory holds.",
    timeout_s=600.0,
)
LLAMA_CPP = replace(
    COMPATIBLE,
    # github.com/ggml-org/llama.cpp, tools/server/README.md (2026-11-21); one server serves one model.
    name="llama_cpp",
    window_advice="Start llama-server with a larger context (-c), or set FLUX_CONTEXT_WINDOW to the one it has.",
    display_name="llama.cpp",
    start_command="llama-server -m FILE.gguf",
    default_base_url="http://localhost:8080/v1",
    timeout_s=600.0,
)
VLLM = replace(
    COMPATIBLE,
    # docs.vllm.ai/serving/openai_compatible_server (2026-11-21).
    name="vllm",
    window_advice="Start vLLM with a larger --max-model-len, or set FLUX_CONTEXT_WINDOW to the one it has.",
    display_name="vLLM",
    start_command="vllm serve NAME",
    default_base_url="http://localhost:8000/v1",
    timeout_s=600.0,
)
ENDPOINTS: tuple[Endpoint, ...] = (
    ANTHROPIC,
    OPENAI,
    AZURE,
    GROQ,
    OPENROUTER,
    DEEPSEEK,
    LITELLM,
    LM_STUDIO,
    MLX,
    OLLAMA,
    LLAMA_CPP,
    VLLM,
    COMPATIBLE,
)
"""In the order in which a provider is chosen where several keys are found."""
