"""Serves the page: to those who have its address with the token, and to nobody else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.document import Document
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop

from croplayer.active.page.desk import Desk
from croplayer.active.page.document import Page, ask_name
from croplayer.active.page.session import Session
from croplayer.pages.private import LOCAL, Refused, address_of, has_token, listening, new_token

LONGEST_NAME = 80


class _Guarded(BokehTornado):  # type: ignore[misc]
    """Bokeh's web application behind a token in the address, which every request and every websocket must have."""

    def __init__(self, applications: dict[str, Application], token: str, origins: list[str]) -> None:
        self._token = token
        # Addresses hold the token, so no request is logged.
        super().__init__(
            applications, prefix=f"/{token}", extra_websocket_origins=origins, use_index=False, log_function=lambda handler: None
        )  # fmt: skip

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        if not has_token(request, self._token):
            return self.get_handler_delegate(request, Refused)
        return super().find_handler(request, **kwargs)


def serve(desk: Desk, host: str = LOCAL, port: int = 0, say: Callable[[str], None] = print) -> None:
    """Serve the page until the process is stopped.

    Parameters
    ----------
    host : address to listen at; the usual one is reached from this machine alone
    port : 0 takes one that is free
    say : is given the address of the page, with its token, once it can be opened

    Raises
    ------
    OSError
        if the port is in use
    """
    # Routes hold the token, too.
    logging.getLogger("bokeh").setLevel(logging.WARNING)
    # A tab that is closed while it is sent something is nothing to warn of.
    logging.getLogger("bokeh.server.views.ws").setLevel(logging.ERROR)
    token, listener = new_token(), listening(host, port)
    port = listener.getsockname()[1]
    # Elsewhere names of the machine are not known; whoever has no token is refused before the origin is asked for.
    origins = [f"{LOCAL}:{port}", f"localhost:{port}"] if host == LOCAL else ["*"]
    application = Application(FunctionHandler(lambda document: _open(desk, document)))
    tornado = _Guarded({"/": application}, token, origins)
    web = HTTPServer(tornado)
    web.add_socket(listener)
    server = BaseServer(IOLoop.current(), tornado, web)
    server.start()
    say(address_of(host, listener, token))
    server.run_until_shutdown()


def _open(desk: Desk, document: Document) -> None:
    given = document.session_context.request.arguments.get("name", [b""])[0]
    name = " ".join(given.decode("utf-8", "replace").split())[:LONGEST_NAME]
    if not name:
        ask_name(document)
        return
    try:
        Page(document, Session(desk, name))
    except (OSError, ValueError) as error:
        document.clear()
        ask_name(document, str(error))
