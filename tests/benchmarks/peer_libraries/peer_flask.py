"""Asks a Flask application as a WSGI server does, without sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from typing import Any

from flask import Flask

from ..peer_requests import INTROSPECT, REPORTS, REVOKE, SOURCE, TOKEN, Answer, Asked

_ENVIRON: Mapping[str, Any] = {
    "SERVER_NAME": "auth.example.com",
    "SERVER_PORT": "443",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_HOST": "auth.example.com",
    "REMOTE_ADDR": SOURCE,
    "SCRIPT_NAME": "",
    "QUERY_STRING": "",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "https",
    "wsgi.multithread": False,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}


def ways_of(app: Flask) -> dict[str, Callable[[Asked], Answer]]:
    """Return what asks *app* at each path."""
    methods = {TOKEN: "POST", INTROSPECT: "POST", REVOKE: "POST", REPORTS: "GET"}
    return {path: partial(_ask, app, method) for path, method in methods.items()}


def _ask(app: Flask, method: str, asked: Asked) -> Answer:
    statuses: list[str] = []

    def start_response(status: str, *_: Any) -> Callable[[bytes], object]:
        statuses.append(status)
        return BytesIO().write

    environ = {
        **_ENVIRON,
        "REQUEST_METHOD": method,
        "PATH_INFO": asked.path,
        "CONTENT_TYPE": asked.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(asked.body)),
        "HTTP_AUTHORIZATION": asked.headers["Authorization"],
        "wsgi.input": BytesIO(asked.body),
        "wsgi.errors": None,
    }
    answer: Any = app.wsgi_app(environ, start_response)
    body = b"".join(answer)
    answer.close()
    return int(statuses[0][:3]), body
