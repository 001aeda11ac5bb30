"""The command line: reads the arguments, then starts one door.

Every import of weight sits inside the function that needs it, so that `flux --version` and the start of the language
server load nothing they do not use.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from flux import __version__
from flux.core.errors import ConfigError, FluxError, SessionMissing

DONE, FAILED, WRONG_USE, CANCELLED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the process's exit status: 0 done, 1 the turn failed, 2 usage or settings, 130 cancelled."""
    _open_missing_streams()
    _use_utf8()
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.json and arguments.prompt is None:
        parser.error("--json needs -p")
    try:
        match arguments.command:
            case "serve":
                return _serve(arguments)
            case "sessions":
                from flux.ui.sessions import run_sessions

                return run_sessions(arguments)
            case "usage":
                from flux.ui.usage import run_usage

                return run_usage(arguments)
            case "budget":
                from flux.ui.usage import run_budget

                return run_budget(arguments)
            case "cache":
                from flux.ui.usage import run_cache

                return run_cache(arguments)
            case "context":
                from flux.ui.context import show_context

                return show_context(arguments)
            case "models":
                from flux.ui.models import run_models

                return run_models(arguments)
            case "tokens":
                return _install_tokens()
            case "providers":
                from flux.ui.providers import show_providers

                return show_providers(arguments)
            case "batch":
                from flux.ui.batch import run_batch

                return run_batch(arguments)
            case "doctor":
                from flux.ui.doctor import run_doctor

                return run_doctor(arguments)
            case "auth":
                from flux.ui.auth import run_auth

                return run_auth(arguments)
            case _ if arguments.prompt is not None:
                # Importing an SDK makes 200,000 objects; to look through them again and again is a fifth of its time.
                gc.set_threshold(50_000)
                from flux.ui.once import run_once

                return run_once(arguments)
            case _:
                from flux.ui.chat import run_chat

                return run_chat(arguments)
    except (ConfigError, SessionMissing) as error:
        return _say(error, WRONG_USE)
    except FluxError as error:
        return _say(error, FAILED)
    except KeyboardInterrupt:
        return CANCELLED
    except BrokenPipeError:
        # The reader of our output has gone (`flux -p … | head`): nothing more to say, and nobody to say it to.
        _say_no_more()
        return FAILED
    except OSError as error:
        # What concerns a file or a connection comes as a FluxError: this one is about our own output (a full disk), or
        # about an event loop that could not be made, of which Python would print the trace of its half.
        sys.unraisablehook = lambda _: None
        warnings.simplefilter("ignore", RuntimeWarning)
        print(f"flux: {error}", file=sys.stderr)
        _say_no_more()
        return FAILED


def _say(error: FluxError, status: int) -> int:
    print(f"flux: {error}", file=sys.stderr)
    return status


def _open_missing_streams() -> None:
    """A program may be started with streams closed (`>&-`): what is written there goes nowhere, and nothing is read."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  open to the end


def _say_no_more() -> None:
    """Or the interpreter would complain, at its end, of what it could not write."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except OSError:
        return  # no more files may be open, and the output is not at fault
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def _use_utf8() -> None:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="flux",
        description="A coding assistant. Without a command: a chat in the current folder.",
        epilog="Settings: docs/configuration.md. FLUX_PROVIDER=demo works without a key.",
    )
    parser.set_defaults(command=None)
    parser.add_argument("--version", action="version", version=f"flux {__version__}")
    parser.add_argument(
        "-p", "--prompt", metavar="TEXT", help="run one turn and print the answer; piped input joins it"
    )
    approval = parser.add_mutually_exclusive_group()
    approval.add_argument("--yes", action="store_true", help="approve edits without asking")
    approval.add_argument("--review", action="store_true", help="decide on each piece of the edits once a turn is done")
    parser.add_argument("--json", action="store_true", help="with -p: print every event as a line of JSON")
    parser.add_argument("--trust", action="store_true", help="let this folder's .env and .flux/config.toml take effect")
    _add_which(parser)
    _add_common(parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the language server on standard input and output")
    serve.add_argument("--tcp", metavar="HOST:PORT", help="listen on an address instead")
    _add_log_file(serve)
    serve.set_defaults(command="serve")
    _add_sessions(commands.add_parser("sessions", help="list, show, search, export and delete stored sessions"))
    context = commands.add_parser("context", help="what the next message of a session would send, item by item")
    context.add_argument("text", nargs="?", default="", metavar="TEXT", help="the words of the message")
    context.add_argument("--json", dest="as_json", action="store_true", help="as JSON, with the request itself")
    _add_which(context)
    _add_common(context)
    context.set_defaults(command="context")
    models = commands.add_parser("models", help="list the models of the chosen provider, and what runs here")
    models.add_argument(
        "action",
        nargs="?",
        choices=["pull", "refresh"],
        help="pull NAME: let Ollama download a model; refresh [PROVIDER]: ask for windows, prices, abilities",
    )
    models.add_argument("name", nargs="?", metavar="NAME")
    _add_common(models)
    models.set_defaults(command="models")
    _add_usage(commands.add_parser("usage", help="tokens and money of all sessions, by day, model, provider or role"))
    budget = commands.add_parser("budget", help="limits of money, and what is spent of them")
    budget.add_argument("period", nargs="?", choices=["day", "month"], help="allow more in it")
    budget.add_argument("amount", nargs="?", metavar="AMOUNT", help="so many dollars")
    _add_common(budget)
    budget.set_defaults(command="budget")
    cache = commands.add_parser("cache", help="answers that are kept for equal requests (response_cache)")
    cache.add_argument("action", nargs="?", choices=["clear"], help="delete them")
    cache.set_defaults(command="cache")
    tokens = commands.add_parser("tokens", help="tokenizer data for exact counts")
    tokens.add_argument("action", choices=["install"], help="download the tables of tiktoken, once")
    tokens.set_defaults(command="tokens")
    providers = commands.add_parser("providers", help="the providers that are set up, and whether they answer")
    providers.add_argument("action", nargs="?", choices=["list", "check"], default="list")
    providers.add_argument("names", nargs="*", metavar="NAME", help="these; else all")
    _add_common(providers)
    providers.set_defaults(command="providers")
    batch = commands.add_parser("batch", help="many requests from a file; what has an answer is not asked again")
    batch.add_argument(
        "file", metavar="FILE", type=Path, help="a JSON object on each line: prompt, id, system, model, …"
    )
    batch.add_argument("-o", "--output", metavar="RESULTS", type=Path, help="unset: FILE.results.jsonl beside it")
    batch.add_argument("--concurrency", metavar="N", type=int, default=4, help="so many at a time (4)")
    _add_common(batch)
    batch.set_defaults(command="batch")
    doctor = commands.add_parser("doctor", help="what works here and what does not, and what to do; costs nothing")
    doctor.add_argument(
        "--deep", action="store_true", help="try each model with one short request, which may cost money"
    )
    doctor.add_argument("--json", dest="as_json", action="store_true", help="as JSON")
    _add_common(doctor)
    doctor.set_defaults(command="doctor")
    auth = commands.add_parser("auth", help="keys that Flux keeps in the system's keyring")
    auth.add_argument("action", choices=["set", "list", "remove"])
    auth.add_argument("name", nargs="?", metavar="PROVIDER", help="whose key")
    auth.set_defaults(command="auth")
    return parser


def _add_sessions(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command="sessions", action="list", as_json=False, limit=100)
    actions = parser.add_subparsers(title="commands", metavar="COMMAND")
    one = argparse.ArgumentParser(add_help=False)
    one.add_argument("id", metavar="ID", help="a session's id, or the beginning of one")
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument("--json", dest="as_json", action="store_true", help="as JSON")
    limit = argparse.ArgumentParser(add_help=False)
    limit.add_argument("--limit", metavar="N", type=int, default=100, help="at most so many")
    listing = actions.add_parser("list", parents=[as_json, limit], help="the sessions, last used first")
    listing.set_defaults(action="list")
    showing = actions.add_parser("show", parents=[one, as_json], help="what was said")
    raw = "as JSON: each request as it left and its answer as it came, without keys"
    showing.add_argument("--raw", action="store_true", help=raw)
    showing.add_argument("--turn", metavar="ID", help="with --raw: of this turn alone")
    showing.set_defaults(action="show")
    searching = actions.add_parser("search", parents=[as_json, limit], help="messages that have all the words")
    searching.add_argument("words", metavar="WORD", nargs="+", help="a word or a part of one")
    searching.set_defaults(action="search")
    exporting = actions.add_parser("export", parents=[one, as_json], help="a whole session as Markdown or JSON")
    exporting.add_argument("-o", "--output", metavar="FILE", type=Path, help="write it there")
    exporting.set_defaults(action="export")
    deleting = actions.add_parser("delete", parents=[one], help="remove a session for good")
    deleting.add_argument("--yes", dest="is_sure", action="store_true", help="do not ask")
    deleting.set_defaults(action="delete")


def _add_usage(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command="usage", by="day", form="table")
    parser.add_argument("action", nargs="?", choices=["show", "reset"], help="reset: begin the sums from nothing")
    groupings = parser.add_mutually_exclusive_group()
    for by in ("day", "model", "provider", "role", "session"):
        groupings.add_argument(f"--{by}", dest="by", action="store_const", const=by, help=f"a line for each {by}")
    forms = parser.add_mutually_exclusive_group()
    for form in ("json", "csv"):
        forms.add_argument(f"--{form}", dest="form", action="store_const", const=form, help=f"as {form.upper()}")
    parser.add_argument("--since", metavar="DAY", help="from this day (2026-11-01), or the last so many (7d)")


def _add_which(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--continue", dest="continues", action="store_true", help="go on with this folder's last session"
    )
    which.add_argument("--resume", metavar="ID", help="go on with a session (see `flux sessions`)")


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--provider", metavar="NAME", help="e.g. anthropic, openai, compatible, demo")
    parser.add_argument("--model", metavar="NAME")
    _add_log_file(parser)
    parser.add_argument(
        "--workspace", metavar="DIR", action="append", type=Path, help="a folder to work in; may be given several times"
    )


def _add_log_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--log-file", metavar="FILE", type=Path, help="log into this file; FLUX_LOG=debug logs more")


def _serve(arguments: argparse.Namespace) -> int:
    # With Python's 700 the imports look for garbage hundreds of times, and each large request makes it look through all
    # that is loaded. With more than this the garbage of the imports stays long enough to cost memory.
    gc.set_threshold(5_000)
    from flux.lsp import server

    gc.freeze()  # what was imported stays: one look through it for garbage is a tenth of the whole start
    if arguments.tcp is None:
        return server.serve_stdio(arguments.log_file)
    host, _, port = arguments.tcp.rpartition(":")
    if not (host and port.isdigit() and int(port) < 65536):
        raise ConfigError(f"--tcp {arguments.tcp} is not HOST:PORT.", hint="For example --tcp 127.0.0.1:8765")
    return server.serve_tcp(
        host.strip("[]"),
        int(port),
        lambda where: print(f"flux: {where}", file=sys.stderr, flush=True),
        arguments.log_file,
    )


def _install_tokens() -> int:
    from flux.core.config import state_folder
    from flux.llm.tokens import install_ranks

    print(f"Installed {install_ranks(state_folder() / 'tokenizers')}.")
    return DONE
