"""Where the bytes of map tiles come from: a folder or a provider over HTTP."""

from __future__ import annotations

import os
import string
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from croplayer.durable import digest_text
from croplayer.sources.tile_image import MAX_TILE_BYTES, BadTileError


class TileStore(Protocol):
    """Reads the bytes of tiles. Picklable."""

    def read_tile(self, x: int, y: int, zoom: int) -> bytes | None:
        """The tile's bytes, or None when the provider has no such tile."""
        ...

    def fingerprint(self) -> str:
        """A text that changes when the tiles change."""
        ...

    def check(self) -> None:
        """Raise when no tile can ever come from here."""
        ...


def expand_template(template: str, **values: object) -> str:
    """Fill ``{z}``, ``{x}``, ``{y}`` and ``{token}`` of a tile address."""
    return template.format_map({k: str(v) for k, v in values.items()})


def check_template(template: str, allowed: frozenset[str]) -> None:
    """Raise ValueError unless a template names z, x and y and nothing unknown."""
    names = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    missing, unknown = {"z", "x", "y"} - names, names - allowed
    if missing or unknown:
        problem = (
            f"lacks {{{', '.join(sorted(missing))}}}" if missing else f"has unknown {{{', '.join(sorted(unknown))}}}"
        )
        raise ValueError(f"tile template '{template}' {problem}; expected {{z}}, {{x}} and {{y}}")


@dataclass(frozen=True)
class FolderTiles:
    """Tiles in files; a file that is not there is a tile the provider does not have."""

    template: str
    """Path with {z}, {x} and {y}, for example ``tiles/{z}/{x}/{y}.jpg``."""

    def __post_init__(self) -> None:
        check_template(self.template, frozenset("zxy"))

    def read_tile(self, x: int, y: int, zoom: int) -> bytes | None:
        try:
            return Path(expand_template(self.template, z=zoom, x=x, y=y)).read_bytes()
        except FileNotFoundError:
            return None

    def fingerprint(self) -> str:
        """Digest of the names, sizes and times of the files below the folder."""
        root = self._folder()
        lines = []
        for path in sorted(p for p in root.rglob("*") if p.is_file()):
            status = path.stat()
            lines.append(f"{path.relative_to(root).as_posix()} {status.st_size} {status.st_mtime_ns}")
        return digest_text("\n".join(lines))

    def check(self) -> None:
        if not self._folder().is_dir():
            raise FileNotFoundError(f"tile folder {self._folder()} does not exist")

    def _folder(self) -> Path:
        return Path(self.template.split("{", 1)[0].rpartition("/")[0] or ".")


@dataclass(frozen=True)
class HttpTiles:
    """Tiles of a provider by URL template. Nothing is fetched unless the user states that he holds the rights."""

    template: str
    """URL with {z}, {x}, {y} and, if the provider asks for one, {token}."""
    i_have_rights: bool = False
    """The user's statement that he may fetch, store and analyse this imagery."""
    token_env: str | None = None
    """Name of the environment variable that holds the token; the token itself is never stored."""
    edition: str = ""
    """The user's name for the state of the imagery; changing it makes a run fetch again."""
    deadline_s: float = 30.0
    """Longest time for one tile from request to last byte."""
    tries: int = 5

    def __post_init__(self) -> None:
        check_template(self.template, frozenset({"z", "x", "y", "token"}))
        if urlsplit(self.template).scheme not in ("http", "https"):
            raise ValueError(f"tile template '{self.template}' is not an http or https address")
        if not self.i_have_rights:
            raise PermissionError(
                f"imagery from {self.host} is not fetched: set i_have_rights = true in the recipe's source if you hold "
                "the right to fetch, store and analyse it"
            )
        if ("{token}" in self.template) != (self.token_env is not None):
            raise ValueError(
                "a tile template with {token} needs token_env, and token_env needs {token} in the template"
            )

    @property
    def host(self) -> str:
        """Host of the provider, safe to print."""
        return urlsplit(self.template).hostname or ""

    def read_tile(self, x: int, y: int, zoom: int) -> bytes | None:
        where = f"tile {zoom}/{x}/{y} of {self.host}"
        url = expand_template(self.template, z=zoom, x=x, y=y, token=self._token())
        for attempt in range(self.tries):
            try:
                return self._fetch(url, where)
            except BadTileError:
                if attempt == self.tries - 1:
                    raise
        raise AssertionError("unreachable")

    def fingerprint(self) -> str:
        return digest_text(f"{self.template} {self.edition}")

    def check(self) -> None:
        self._token()

    def _token(self) -> str:
        if self.token_env is None:
            return ""
        token = os.environ.get(self.token_env)
        if not token:
            raise ValueError(f"environment variable {self.token_env} is empty; it must hold the token for {self.host}")
        return token

    def _fetch(self, url: str, where: str) -> bytes | None:
        end = time.monotonic() + self.deadline_s
        try:
            with _session(self.tries).get(url, stream=True, timeout=self.deadline_s, allow_redirects=False) as answer:
                if answer.status_code in (204, 404, 410):
                    return None
                if answer.status_code != 200:
                    raise ConnectionError(f"{where}: the server answered {answer.status_code}")
                data = bytearray()
                for part in answer.iter_content(64 * 1024):
                    data += part
                    if len(data) > MAX_TILE_BYTES:
                        raise BadTileError(f"{where} is larger than {MAX_TILE_BYTES} bytes")
                    if time.monotonic() > end:
                        raise ConnectionError(f"{where} did not arrive within {self.deadline_s} s")
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
            raise BadTileError(f"{where} arrived incomplete: {type(error).__name__}") from None
        except requests.RequestException as error:
            # The library's own message holds the address and with it the token.
            raise ConnectionError(f"{where} could not be fetched: {type(error).__name__}") from None
        if not bytes(data[:4]).startswith((b"\xff\xd8\xff", b"\x89PNG", b"RIFF")):
            raise BadTileError(f"{where}: the server answered 200 with something that is no image")
        return bytes(data)


@lru_cache(maxsize=8)
def _session(tries: int) -> requests.Session:
    session = requests.Session()
    retry = Retry(
        total=tries,
        backoff_factor=0.2,
        backoff_jitter=0.2,
        status_forcelist=(429, 500, 502, 503, 504),
        respect_retry_after_header=True,
        raise_on_status=False,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry, pool_maxsize=16))
    session.headers["User-Agent"] = "croplayer"
    return session
