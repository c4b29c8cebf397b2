"""``oauthgrants serve``: a server for development and tests, on threads and nothing else."""

from __future__ import annotations

import logging
import signal
import sys
import warnings
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType

from oauthgrants.cli.config import load
from oauthgrants.cli.http_server import HttpServer, listen
from oauthgrants.events import logger


def serve(config: Path, *, host: str, port: int) -> None:
    """
    Run the server that the file *config* describes, until a signal ends it.

    Args:
        config: A TOML file.
        host: Where to listen.
        port: Where to listen; zero for one that is free.

    Raises:
        ConfigError: The file has what it may not have.
        CommandError: The address cannot be had, or the store.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        configuration = load(config)
    server, tokens, tls = configuration.server, configuration.tokens, configuration.tls
    for warning in caught:
        print(f"warning: {warning.message}", file=sys.stderr)
    with closing(tokens), listen(host, port) as listener, events_on_stderr():
        tokens.prepare()
        http = HttpServer(
            listener, server.handle, issuer=server.issuer, secure=tls.secure if tls else None
        )
        with http, stopped_by_signals(http):
            shown = f"[{host}]" if ":" in host else host
            scheme = "https" if tls else "http"
            print(f"listening on {scheme}://{shown}:{listener.getsockname()[1]}", flush=True)
            http.run()


@contextmanager
def events_on_stderr() -> Generator[None]:
    """Write the library's events to stderr, and nothing else: URLs may have secrets in them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


@contextmanager
def stopped_by_signals(http: HttpServer) -> Generator[None]:
    """Let SIGTERM and SIGINT stop *http*."""
    signals = (signal.SIGTERM, signal.SIGINT)
    # The interpreter itself writes to the socket: no code of ours runs at an unknown moment,
    # and the wait ends on every platform.
    waker = signal.set_wakeup_fd(http.waker.fileno())
    handlers = [signal.signal(each, _do_nothing) for each in signals]
    try:
        yield
    finally:
        for each, handler in zip(signals, handlers, strict=True):
            signal.signal(each, handler)
        signal.set_wakeup_fd(waker)


def _do_nothing(_signal: int, _frame: FrameType | None) -> None:
    pass
