"""Tiles of a provider over HTTP.

Nothing is fetched without stated rights. Requests are limited in rate, time and size, and repeated while the
provider is busy or out of order. A tile counts as absent only if the provider says so twice while still serving a
tile that it is known to have.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

from croplayer.sources.addresses import check_public, is_private
from croplayer.sources.guarded_http import FetchError, Limits, fetch
from croplayer.sources.redaction import secret_from_environment
from croplayer.sources.throttle import ProviderOutError, Throttle
from croplayer.sources.tile_cache import ServedTile, TileCache
from croplayer.sources.tile_image import MAX_TILE_BYTES, MISSING, BadTileError, Decoder, Tile
from croplayer.sources.tile_times import times_of, told_in
from croplayer.sources.tiles import REQUESTS_AT_ONCE, TilePlace, check_template, expand_template
from stores.durable import digest_text

TIMES_ABSENT = 2
"""How often a provider must say that a tile does not exist before the tile counts as absent."""
ABSENT_STATUS = (204, 404, 410)
BUSY_STATUS = (429, 503)
REFUSED_STATUS = (401, 403)
SHORTEST_WAIT_S, LONGEST_WAIT_S = 0.2, 10.0


class _RefusedError(Exception):
    """The provider refuses this user."""


class _BusyError(Exception):
    """The provider asks to wait before the next request."""

    def __init__(self, seconds: float) -> None:
        super().__init__("the server is too busy")
        self.seconds = seconds


@dataclass(frozen=True)
class HttpTiles:
    """Tiles of a provider by URL template. Nothing is fetched unless users state that they hold the rights."""

    template: str
    """URL with {z}, {x}, {y} and, if the provider asks for one, {token}."""
    i_have_rights: bool = False
    """The user's statement that they may fetch, store and analyse this imagery."""
    token_env: str | None = None
    """Name of the environment variable that holds the token; the token itself is never stored."""
    edition: str = ""
    """The user's name for the state of the imagery; with another name a run fetches it again."""
    hosts: tuple[str, ...] = ()
    """Other hosts that the provider may redirect to."""
    private_network: bool = False
    """Whether the host's name may resolve to an address of a private network."""
    requests_per_s: float = 50.0
    """Highest rate of requests of one worker process."""
    deadline_s: float = 30.0
    """Longest time for one request, from the name look-up to the last byte."""
    patience_s: float = 300.0
    """How long a worker waits for a provider that does not answer before the block fails."""
    tries: int = 5
    """Failed requests for one tile after which it counts as unreadable."""
    cache: str | None = None
    """Folder in which tiles are cached with their digests; None for no cache."""
    witness: tuple[int, int, int] | None = None
    """Place (x, y, zoom) of a tile that the provider is known to have. While the provider does not serve it, no tile
    counts as absent. If None, the first tile served becomes the witness, and pickling passes it on to other
    processes; until a tile has been served, no tile counts as absent."""

    def __post_init__(self) -> None:
        check_public(self.template, self.token_env, "tile template")
        check_template(self.template, frozenset({"z", "x", "y", "token"}))
        parts = urlsplit(self.template)
        if parts.scheme not in ("http", "https") or not self.host or "{" in parts.netloc:
            raise ValueError(f"tile template '{self.template}' is not an http or https address of a fixed host")
        if not self.i_have_rights:
            raise PermissionError(
                f"imagery from {self.host} is not fetched: set i_have_rights = true in the recipe's source if you hold "
                "the right to fetch, store and analyse it"
            )
        for name in ("requests_per_s", "deadline_s", "patience_s", "tries"):
            if not getattr(self, name) > 0:
                raise ValueError(f"tiles of {self.host}: {name} is {getattr(self, name)}; expected more than 0")

    def __getstate__(self) -> dict[str, Any]:
        """State for pickling, with this process's witness: a fresh process has not seen any tile."""
        return {**vars(self), "witness": self._witness()}

    @property
    def host(self) -> str:
        """Host of the provider, safe to print."""
        return urlsplit(self.template).hostname or ""

    def read_tile(self, place: TilePlace, decode: Decoder) -> Tile:
        """The tile from the cache or the provider, of kind MISSING if the provider says twice that it has none.

        Parameters
        ----------
        place : column, row and zoom of the tile
        decode : function from the tile's bytes to a Tile; raises BadTileError

        Raises
        ------
        BadTileError
            if the response is not such a tile
        ConnectionError
            if there is no response
        PermissionError
            if the provider refuses; all messages name the tile's place and never hold the token
        """
        cache = self._cache
        tile = _from_cache(cache.find(*place), decode) if cache else None
        if tile is None:
            tile, found = self._ask(place, decode)
            if cache and not tile.kind.is_absent:
                cache.put(*place, found.data, found.told)
        if not tile.kind.is_absent:
            self._remember_witness(place)
        return tile

    def confirm_absent(self, absent: Mapping[TilePlace, Tile], decode: Decoder) -> None:
        """Raise ConnectionError if the provider called tiles absent but does not serve its witness either.

        Tiles that the cache holds as absent are confirmed already; the others are added to it once confirmed.
        """
        cache = self._cache
        unsure = [place for place in absent if cache is None or cache.find(*place) is None]
        if not unsure:
            return
        calls = f"{self.host} says that {len(unsure)} tiles are absent, for example {unsure[0]}"
        witness = self._witness()
        if witness is None:
            raise ProviderOutError(f"{calls}, and no tile that it has is known; name one as the source's witness")
        tile, _ = self._ask(witness, decode)
        if tile.kind.is_absent:
            raise ProviderOutError(
                f"{calls}, but it does not serve tile {witness} either, which it has; "
                "run the same command again once it does"
            )
        if cache is not None:
            for place in unsure:
                cache.put(*place, absent[place].received)

    @property
    def is_remote(self) -> bool:
        """True: the tiles come from a provider."""
        return True

    def file_of(self, place: TilePlace) -> str:
        """Empty: a tile is no file of this machine."""
        return ""

    def settings(self) -> str:
        """Text that changes when the template or the edition changes; the provider is not asked."""
        return digest_text(f"{self.template} {self.edition}")

    def check(self) -> None:
        """Raise ValueError if the token's environment variable is empty."""
        self._address(TilePlace(0, 0, 0))

    def _ask(self, place: TilePlace, decode: Decoder) -> tuple[Tile, ServedTile]:
        """A tile and what the provider served, requested again until tries or patience are used up."""
        where = f"tile {place} of {self.host}"
        throttle = _shared_state(self).throttle
        end = time.monotonic() + self.patience_s
        failures = absences = 0
        while True:
            is_probe = throttle.enter()
            error: Exception
            try:
                found = self._fetch(place)
                tile = _decoded(found, decode)
            except _BusyError as busy:
                throttle.asked_to_wait(busy.seconds)
                error = ConnectionError(f"{where}: {busy}")
            except _RefusedError as refused:
                throttle.failed()
                raise PermissionError(f"{where}: {refused}") from None
            except (FetchError, BadTileError) as problem:
                throttle.failed()
                failures += not is_probe
                is_bad = isinstance(problem, BadTileError)
                error = BadTileError(str(problem)) if is_bad else ConnectionError(f"{where} {problem}")
            except BaseException:
                throttle.failed()
                raise
            else:
                throttle.answered()
                absences += tile.kind.is_absent
                if not tile.kind.is_absent or absences == TIMES_ABSENT:
                    return tile, found
                continue
            if failures >= self.tries or time.monotonic() > end:
                raise error
            time.sleep(random.uniform(0.5, 1.0) * min(SHORTEST_WAIT_S * 2**failures, LONGEST_WAIT_S))

    def _fetch(self, place: TilePlace) -> ServedTile:
        """A tile as it is served; without bytes when the provider says that it has none."""
        limits = Limits(
            self.deadline_s,
            MAX_TILE_BYTES,
            frozenset({self.host, *self.hosts}),
            self.private_network or is_private(self.host),
        )
        answer = fetch(self._address(place), limits)
        if answer.status in ABSENT_STATUS:
            return ServedTile(b"")
        if answer.status in BUSY_STATUS and answer.retry_after_s is not None:
            raise _BusyError(answer.retry_after_s)
        if answer.status in REFUSED_STATUS:
            raise _RefusedError(f"the server refuses with status {answer.status}; check the token and your rights")
        if answer.status != 200:
            raise FetchError(f"was answered with status {answer.status}")
        if not answer.body:
            raise FetchError("came without any bytes")
        return ServedTile(answer.body, told_in(answer.headers))

    def _address(self, place: TilePlace) -> str:
        token = ""
        if self.token_env is not None:
            token = quote(secret_from_environment(self.token_env, f"token for {self.host}").reveal(), safe="")
        return expand_template(self.template, z=place.zoom, x=place.x, y=place.y, token=token)

    @property
    def _cache(self) -> TileCache | None:
        return TileCache(f"{self.cache}/{self.settings()[:16]}") if self.cache else None

    def _witness(self) -> TilePlace | None:
        found = self.witness or _shared_state(self).witness or (self._cache.witness() if self._cache else None)
        return TilePlace(*found) if found else None

    def _remember_witness(self, place: TilePlace) -> None:
        provider = _shared_state(self)
        if provider.witness is None:
            provider.witness = place
            if self._cache and self._cache.witness() is None:
                self._cache.put_witness(place)


class _ProviderState:
    """What a process knows about a provider, changed by requests: its throttle, and a tile that it serves."""

    def __init__(self, tiles: HttpTiles) -> None:
        self.throttle = Throttle(tiles.host, tiles.requests_per_s, tiles.patience_s, REQUESTS_AT_ONCE)
        self.witness: TilePlace | None = None


@lru_cache(maxsize=16)
def _shared_state(tiles: HttpTiles) -> _ProviderState:
    """The one state of a provider in this process, made on first use: the cache is its registry."""
    return _ProviderState(tiles)


def _decoded(served: ServedTile, decode: Decoder) -> Tile:
    """The tile in what a provider served, with the times that it says; MISSING without bytes."""
    if not served.data:
        return MISSING
    tile = decode(served.data)
    return tile._replace(times=times_of(served.told)) if served.told else tile


def _from_cache(cached: ServedTile | None, decode: Decoder) -> Tile | None:
    """A tile from cached bytes, None if the provider must be asked.

    This is so if nothing is cached, or if it was cached under other settings and is not such a tile.
    """
    if cached is None:
        return None
    try:
        return _decoded(cached, decode)
    except BadTileError:
        return None
