"""An authorization server on a loopback port, for tests from end to end."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from oauthgrants.adapters.wsgi import WsgiApplication
from oauthgrants.testing.oauth import OAuth

_SECONDS = 5


class _Server(ThreadingMixIn, WSGIServer):
    """Answers each connection in a thread."""

    daemon_threads = True


class _Handler(WSGIRequestHandler):
    """Logs nothing: what is of interest are the events."""

    timeout = _SECONDS  # for a client that connects and says nothing
    server_version = "oauthgrants"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is wsgiref's
        """Do nothing."""

    def handle(self) -> None:
        """Answer, unless the client goes away meanwhile."""
        try:
            super().handle()
        except ConnectionError:
            return


class LiveOAuth(OAuth):
    """
    An `OAuth` that listens on loopback.

    What goes over the wire is plain http, and the server takes it there alone. `serve` makes one.
    """

    @property
    def url(self) -> str:
        """Where it listens, its issuer too: ``http://127.0.0.1:…``."""
        return self.server.issuer

    @classmethod
    @contextmanager
    def serve(cls, **settings: Any) -> Generator[LiveOAuth]:
        """
        Listen on a free port, until the end of the ``with`` statement.

        Args:
            **settings: As for `OAuth`, but for *issuer*, which is where it listens.

        >>> import urllib.request
        >>> with LiveOAuth.serve() as oauth:
        ...     where = f"{oauth.url}/.well-known/oauth-authorization-server"
        ...     with urllib.request.urlopen(where) as response:
        ...         response.status
        200
        """
        with _Server(("127.0.0.1", 0), _Handler) as http:
            port: int = http.server_address[1]
            oauth = cls(
                issuer=f"http://127.0.0.1:{port}", allow_insecure_transport=True, **settings
            )
            http.set_app(WsgiApplication(oauth.server))
            thread = Thread(target=partial(http.serve_forever, poll_interval=0.01), daemon=True)
            thread.start()
            try:
                yield oauth
            finally:
                http.shutdown()
                thread.join()
