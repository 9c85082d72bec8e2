"""A page of this machine that opens for those who have its address, which holds a token, and for nobody else."""

from __future__ import annotations

import hmac
import secrets
import socket

from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

LOCAL = "127.0.0.1"
"""The usual host: reached from this machine alone."""
_TOKEN_BYTES = 24


class Refused(RequestHandler):
    """The answer to whoever does not have the token: 403 without content."""

    def prepare(self) -> None:
        """Answer at once, whatever was asked."""
        self.set_status(403)
        self.clear_header("Content-Type")
        self.clear_header("Server")
        self.finish()


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def has_token(request: HTTPServerRequest, token: str) -> bool:
    """Whether the path of a request begins with the token."""
    given = (request.path or "").lstrip("/").partition("/")[0]
    return hmac.compare_digest(given.encode(), token.encode())


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes one that is free. Raises OSError, with what to do, if it cannot be used."""
    try:
        found = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise OSError(
            f"port {port} of {host} cannot be used ({error.strerror}); give another one with --port"
        ) from None
    found.setblocking(False)
    return found


def address_of(host: str, listener: socket.socket, token: str) -> str:
    """The address of the page with its token."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}/{token}/"
