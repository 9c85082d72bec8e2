"""HTTP requests with limits on their time, the size of the answer and the hosts that may be reached."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry

from croplayer.sources.redaction import guard_logger
from stores import __version__

CONNECTIONS = 16
MOST_REDIRECTS = 3
_PART_BYTES = 64 * 1024


class FetchError(Exception):
    """A request failed; the message holds no address."""


class Limits(NamedTuple):
    """Limits of a request."""

    deadline_s: float
    """Longest time in seconds, from the name look-up to the last byte."""
    largest_bytes: int
    """Largest size of the answer's body."""
    hosts: frozenset[str]
    """Hosts that may be reached, redirects included."""
    may_be_private: bool
    """Whether a host may have an address of a private network or of this machine."""


class Answer(NamedTuple):
    """A server's answer."""

    status: int
    """HTTP status."""
    body: bytes
    retry_after_s: float | None
    """Time in seconds that the server asks to wait; None if it names none."""
    whole_bytes: int | None = None
    """Size of the whole file of which the body is a part; None if the server does not say."""
    headers: Mapping[str, str] = MappingProxyType({})
    """Headers of the answer; upper and lower case are the same."""


@dataclass
class _Call:
    """A request in progress, and the sockets to shut down at its deadline."""

    may_be_private: bool
    is_over: bool = False
    _handles: list[socket.socket] = field(default_factory=list)

    def watch(self, made: socket.socket) -> None:
        """Shut a connection down at the deadline, through a duplicate handle: TLS takes over the socket itself."""
        self._handles.append(socket.socket(fileno=os.dup(made.fileno())))
        if self.is_over:
            self.cut()

    def cut(self) -> None:
        self.is_over = True
        for handle in self._handles:
            with suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        for handle in self._handles:
            handle.close()


_current = threading.local()


def fetch(url: str, limits: Limits, part: tuple[int, int] | None = None) -> Answer:
    """Get the answer to a request, or a part of it: the first and the last byte.

    Raises FetchError if there is no complete answer within the limits; the error holds no trace of the address.
    """
    problem = ""
    try:
        with _watched(limits) as call:
            answer = _follow(url, limits, call, part)
        # A connection that was shut down looks like one that has ended.
        if not call.is_over:
            return answer
    except FetchError as error:
        problem = str(error)
    except (requests.RequestException, HTTPError, OSError) as error:
        problem = _problem(error)
    if call.is_over:
        problem = f"did not arrive within {limits.deadline_s:g} s"
    # Raised outside of the handlers, so that the library's error, which holds the address, is not its context.
    raise FetchError(problem)


@contextmanager
def _watched(limits: Limits) -> Iterator[_Call]:
    """A call whose connections are shut down at the deadline, whatever it is waiting for."""
    call = _Call(limits.may_be_private)
    timer = threading.Timer(limits.deadline_s, call.cut)
    timer.daemon = True
    _current.call = call
    timer.start()
    try:
        yield call
    finally:
        timer.cancel()
        _current.call = None
        call.release()


def _problem(error: BaseException) -> str:
    """What went wrong, told only by the class of the error: its message may hold the address."""
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            break
        if isinstance(seen, _PrivateAddressError):
            return str(seen)
        nested = next((a for a in (getattr(seen, "reason", None), *seen.args) if isinstance(a, BaseException)), None)
        seen = nested or seen.__cause__ or seen.__context__
    return f"could not be fetched: {type(error).__name__}"


def _follow(url: str, limits: Limits, call: _Call, part: tuple[int, int] | None) -> Answer:
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={part[0]}-{part[1]}"} if part else {})
    for _ in range(MOST_REDIRECTS + 1):
        parts = urlsplit(url)
        if (parts.hostname or "") not in limits.hosts:
            raise FetchError(f"was redirected to {parts.hostname}, which is not one of its hosts")
        with _session().get(
            url, stream=True, timeout=limits.deadline_s, allow_redirects=False, headers=headers
        ) as answer:
            if not answer.is_redirect:
                body = _body(answer, limits, call)
                return Answer(answer.status_code, body, _retry_after(answer), _whole_bytes(answer), answer.headers)
            target = urljoin(url, answer.headers["location"])
        if parts.scheme == "https" and urlsplit(target).scheme != "https":
            raise FetchError("was redirected to an address without encryption")
        url = target
    raise FetchError(f"was redirected more than {MOST_REDIRECTS} times")


def _body(answer: requests.Response, limits: Limits, call: _Call) -> bytes:
    if answer.headers.get("content-encoding", "identity").casefold() not in ("identity", ""):
        raise FetchError("came compressed although that was not requested")
    data = bytearray()
    # One read from the socket at a time: a larger read would block on a server that sends byte by byte.
    while part := answer.raw.read1(_PART_BYTES, decode_content=False):
        data += part
        if len(data) > limits.largest_bytes:
            raise FetchError(f"is larger than {limits.largest_bytes} bytes")
    return bytes(data)


def _retry_after(answer: requests.Response) -> float | None:
    text = answer.headers.get("retry-after")
    if text is None:
        return None
    try:
        return max(0.0, float(Retry().parse_retry_after(text)))
    except InvalidHeader:
        return None


def _whole_bytes(answer: requests.Response) -> int | None:
    whole = answer.headers.get("content-range", "").rpartition("/")[2]
    return int(whole) if whole.isdecimal() else None


class _PrivateAddressError(OSError):
    """A host name resolved to an address of a private network."""


def _guarded(connection: Any, made: socket.socket) -> socket.socket:
    """A new connection, watched; raises _PrivateAddressError for a private address that is not allowed."""
    call: _Call | None = getattr(_current, "call", None)
    if call is None:
        return made
    if not call.may_be_private and connection.proxy is None:
        address = ipaddress.ip_address(made.getpeername()[0].partition("%")[0])
        if not (getattr(address, "ipv4_mapped", None) or address).is_global:
            made.close()
            raise _PrivateAddressError(
                "has an address of a private network; if that is meant, set private_network = true in the source"
            )
    call.watch(made)
    return made


def _reused(connection: Any) -> None:
    """Watch a pooled connection that is used again."""
    call: _Call | None = getattr(_current, "call", None)
    if call is not None and connection.sock is not None:
        call.watch(connection.sock)


class _Http(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _guarded(self, super()._new_conn())

    def request(self, *args: Any, **options: Any) -> None:
        _reused(self)
        super().request(*args, **options)


class _Https(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _guarded(self, super()._new_conn())

    def request(self, *args: Any, **options: Any) -> None:
        _reused(self)
        super().request(*args, **options)


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


@lru_cache(maxsize=1)
def _session() -> requests.Session:
    guard_logger("urllib3.connectionpool")
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(max_retries=0, pool_maxsize=CONNECTIONS))
    session.headers["User-Agent"] = f"croplayer/{__version__}"
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session
