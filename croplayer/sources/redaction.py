"""Secrets that leave the process only in the request that needs them."""

from __future__ import annotations

import logging
import os
from typing import NoReturn
from urllib.parse import quote, quote_plus

HIDDEN = "***"

_known: set[str] = set()


class Secret:
    """A text that is never shown, stored or sent to another process."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text
        _known.update({text, quote(text), quote(text, safe=""), quote_plus(text)} - {""})

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled; read it from its environment variable where it is needed")

    def reveal(self) -> str:
        """The text, for the request it is for."""
        return self._text


def secret_from_environment(variable: str, purpose: str) -> Secret:
    """The secret in an environment variable; raises ValueError, which names only the variable, if it is empty."""
    text = os.environ.get(variable, "").strip()
    if not text:
        raise ValueError(f"environment variable {variable} is empty; it must hold the {purpose}")
    return Secret(text)


def redacted(text: str) -> str:
    """A text with every secret that this process has read replaced by ``***``."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


class RedactingFilter(logging.Filter):
    """Removes known secrets from log records, arguments included."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace secrets in a record; every record is kept."""
        if _known:
            record.msg, record.args = redacted(record.getMessage()), ()
            record.exc_info = None
        return True


def guard_logger(name: str) -> None:
    """Keep known secrets out of a logger, whatever its level."""
    logger = logging.getLogger(name)
    if not any(isinstance(f, RedactingFilter) for f in logger.filters):
        logger.addFilter(RedactingFilter())
