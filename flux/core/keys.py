"""Keys that are fetched when they are first needed: from a command, or from where `flux auth` keeps them.

A key that is not there when it is needed is an error that says who was asked. Knows no provider.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from flux.core import log
from flux.core.errors import ConfigError
from flux.core.process import TooMuchOutput, run
from flux.core.secret import Secret, is_key, redact

COMMAND_TIMEOUT_S = 30.0
MAX_KEY_BYTES = 1 << 16


class KeyHolder(ABC):
    """Something that has a key and gives it when asked. Its `str` says what, for messages, and is no secret."""

    @abstractmethod
    async def fetch(self) -> Secret:
        """The key. Raises ConfigError where there is none to be had."""


Key = Secret | KeyHolder


async def fetch_key(key: Key) -> Secret:
    """The key itself, which from now on no log shows. Raises ConfigError as `KeyHolder.fetch`."""
    if isinstance(key, KeyHolder):
        key = await key.fetch()
        log.hide(key)
    return key


@dataclass(frozen=True, slots=True)
class MissingVariable(KeyHolder):
    """`api_key_env` names a variable that is not set: said once the key is needed, and not before."""

    variable: str
    source: str

    def __str__(self) -> str:
        return f"the variable {self.variable}"

    async def fetch(self) -> Secret:
        raise ConfigError(
            f"The key is to be in the environment variable {self.variable}, which is not set.",
            key="api_key_env",
            source=self.source,
            hint=f"Set {self.variable}, or change api_key_env in {self.source}.",
        )


@dataclass(frozen=True, slots=True)
class CommandKey(KeyHolder):
    """A program prints the key. It is run in `environ`."""

    command: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)

    def __str__(self) -> str:
        return f"the command {self.command[0]}"  # its arguments may say more than they should

    async def fetch(self) -> Secret:
        try:
            done = await run(self.command, self.environ, timeout_s=COMMAND_TIMEOUT_S, limit_bytes=MAX_KEY_BYTES)
        except TimeoutError:
            raise self._error(f"did not end within {COMMAND_TIMEOUT_S:g} seconds") from None
        except TooMuchOutput:
            raise self._error("printed more than any key is long") from None
        except OSError as e:
            raise self._error(f"cannot be run: {e.strerror}") from None
        if done.status != 0:
            words = redact(done.errors.decode("utf-8", "replace").strip().rpartition("\n")[2])[:200]
            raise self._error(f"ended with status {done.status}" + (f": {words}" if words else ""))
        return checked_key(done.output.decode("utf-8", "replace"), f"what {self} printed")

    def _error(self, words: str) -> ConfigError:
        return ConfigError(f"There is no key: {self} {words}.", key="api_key_cmd")


def checked_key(text: str, what: str) -> Secret:
    """The text as a key. Raises ConfigError where it cannot be one; `what` says what it is."""
    text = text.strip()
    if not text or not is_key(text):
        raise ConfigError(f"There is no key: {what} is {'empty' if not text else 'no printable ASCII without spaces'}.")
    return Secret(text)
