"""What a step was made of, as one digest that changes with any part, and as short texts that show which part changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from stores.durable import digest_text

LONGEST_SHOWN = 48
"""Most characters of a part that is kept as it is; a longer one, or a digest, is kept as the first digits of a digest."""
DIGITS_SHOWN = 12
DIGEST = "#"
"""Prefix of the digits of a digest, so that they cannot be mistaken for a value."""


def fingerprint_of(made_of: Mapping[str, Any]) -> str:
    """sha256 over named parts: texts, numbers, None, and lists and mappings of them."""
    return digest_text(json.dumps(made_of, sort_keys=True, default=str))


def short_parts(made_of: Mapping[str, Any]) -> dict[str, str]:
    """Each part as a short text, by its name; the parts of a mapping are named ``NAME.KEY``."""
    return dict(_short(made_of))


def _short(made_of: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in made_of.items():
        if isinstance(value, Mapping):
            yield from _short(value, f"{before}{name}.")
            continue
        if value is None:
            value = "none"
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
        if re.fullmatch(r"[0-9a-f]{64}", text):
            text = DIGEST + text[:DIGITS_SHOWN]
        elif len(text) > LONGEST_SHOWN:
            text = DIGEST + digest_text(text)[:DIGITS_SHOWN]
        yield before + name, text
