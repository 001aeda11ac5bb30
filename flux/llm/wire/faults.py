"""From what a server says of a failure to our error tree. By type and code first, by status second.

The errors made here say nothing of which endpoint, model or request; the transport adds that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape

from flux.core.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    ContentRefused,
    ContextWindowExceeded,
    ModelNotFound,
    Overloaded,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    TimedOut,
)
from flux.llm.wire.json_values import Object, child, children, parse_object, text

MAX_WORDS = 600
"""Of a server's message, so many characters are shown."""

_CONTEXT = re.compile(
    r"prompt is too long|input is too long|context[ _]?(?:length|window|size)|maximum context"
    r"|too many (?:input )?tokens"
    r"|reduce the length of the (?:messages|prompt|input)|exceeds? the (?:available|model'?s?) context",
    re.IGNORECASE,
)
_MEMORY = re.compile(r"requires more system memory|out of memory|insufficient (?:gpu |system )?memory", re.I)
_QUOTA = re.compile(r"credit balance|exceeded your current quota|insufficient (?:credit|funds|quota|balance)", re.I)
_MODEL = re.compile(
    r"model.{0,200}(?:not found|does not exist|not exist)|unknown model",
    re.I | re.S,
)
_TOO_LONG_HINT = "Start a new conversation, send less at a time, or choose a model with a larger window."

_QUOTA_CODES = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error"}
_CONTEXT_CODES = {"context_length_exceeded", "exceed_context_size_error", "model_context_window_exceeded"}
_KEY_CODES = {"authentication_error", "permission_error", "invalid_api_key", "permission_denied"}
_MODEL_CODES = {"model_not_found", "not_found_error", "model_not_available", "invalid_model"}
_RATE_CODES = {"rate_limit_error", "rate_limit_exceeded", "too_many_requests", "requests", "tokens"}
_CONTENT_CODES = {
    "content_filter",
    "content_policy_violation",
    "bio_policy",
    "misalignment_policy_violation",
    "image_content_policy_violation",
}
_SERVER_CODES = {
    "overloaded_error",
    "overloaded",
    "api_error",
    "server_error",
    "internal_error",
    "internal_server_error",
    "timeout_error",
    "service_unavailable",
    "slow_down",
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a server says of a failure: its type, its code, its words."""

    kind: str = ""
    code: str = ""
    words: str = ""
    is_json: bool = True


def read_complaint(body: bytes) -> Complaint:
    """What an error's body says, in any of the shapes that servers use; of an HTML page, its title."""
    source = body.decode("utf-8", "replace").strip()
    try:
        return complaint_of(parse_object(source.removeprefix("[").removesuffix("]")))  # Google's come in a list
    except ValueError:
        title = re.search(r"<title[^>]*>(.*?)</title>|<h1[^>]*>(.*?)</h1>", source, re.IGNORECASE | re.DOTALL)
        words = next((group for group in title.groups() if group), "") if title else source
        return Complaint(words=unescape(re.sub(r"<[^>]*>", " ", words)), is_json=False)


def complaint_of(found: Object) -> Complaint:
    """The complaint in an object: `{"error": {…}}`, `{"error": "…"}`, or the fields themselves."""
    if isinstance(found.get("error"), str):
        return Complaint(words=text(found, "error"))
    inner = child(found, "error") or found
    code = inner.get("code")
    words = text(inner, "message") or text(inner, "detail") or text(inner, "msg")
    words = words or "; ".join(text(item, "msg") for item in children(inner, "detail"))  # FastAPI's validation
    kind = text(inner, "type")
    return Complaint("" if kind == "error" else kind, str(code) if isinstance(code, str | int) else "", words)


def make_error(complaint: Complaint, status: int | None = None, retry_after_s: float | None = None) -> ProviderError:
    """The error for a complaint that came with this status; None: inside an answer that had begun."""
    names = {complaint.kind.lower(), complaint.code.lower()}
    words = " ".join(complaint.words.split())
    said = _said(complaint, words, status)
    # A server that names its limit on tokens in a minute talks of tokens too; that is status 429.
    may_be_long = status in {None, 400, 413, 422, 500}
    if names & _QUOTA_CODES or status == 402 or _QUOTA.search(words):
        return QuotaExhausted(f"no credit or quota is left: {said}", hint="Look at the account's billing page.")
    if names & _CONTEXT_CODES or (may_be_long and _CONTEXT.search(words)):
        return ContextWindowExceeded(f"the request is longer than the model's window: {said}", hint=_TOO_LONG_HINT)
    if _MEMORY.search(words):
        return RequestRejected(
            f"the server has too little memory: {said}",
            hint="Choose a smaller model, or a smaller window by FLUX_CONTEXT_WINDOW.",
        )
    if names & _CONTENT_CODES:
        return ContentRefused(
            f"the request was declined: {said}", hint="Say it in other words, or choose another model for it."
        )
    if names & _RATE_CODES or status == 429:
        wait = "" if retry_after_s is None else f" (try again in {retry_after_s:.0f} s)"
        return RateLimited(f"asked too often{wait}: {said}", retry_after_s=retry_after_s)
    if status == 407:
        return ConnectionFailed(
            f"the proxy wants a name and a password: {said}",
            hint="They go into HTTPS_PROXY: http://name:password@host.",
            is_lasting=True,
        )
    if names & _KEY_CODES or status in {401, 403}:
        return AuthenticationFailed(
            f"the key was not accepted: {said}", hint="Check the key, and what it may be used for."
        )
    if status == 404 and not complaint.is_json:
        return RequestRejected(f"there is no such address: {said}", hint="Check the base URL; most end with /v1.")
    if names & _MODEL_CODES or status == 404 or (status in {400, 422} and _MODEL.search(words)):
        return ModelNotFound(f"the model was not found: {said}", hint="Check FLUX_MODEL and the base URL.")
    if status == 413:
        return ContextWindowExceeded(f"the request is too large: {said}", hint=_TOO_LONG_HINT)
    if status == 408:
        return TimedOut(f"the server gave up waiting: {said}")
    if names & _SERVER_CODES or status == 409 or (status is not None and status >= 500):
        return Overloaded(f"the service failed on its own side: {said}", retry_after_s=retry_after_s)
    if status is not None and 300 <= status < 400:
        return RequestRejected(
            f"the service redirects: {said}", hint="Flux follows no redirect with a key; set the final base URL."
        )
    return RequestRejected(f"the request was refused: {said}")


def _said(complaint: Complaint, words: str, status: int | None) -> str:
    """What is known, in one line."""
    short = words if len(words) <= MAX_WORDS else f"{words[:MAX_WORDS]}…"
    label = complaint.code if complaint.code and complaint.code != str(status) else complaint.kind
    known = [part for part in (str(status or ""), label) if part]
    return f"{short} ({', '.join(known)})" if short and known else short or ", ".join(known) or "no reason was given"
