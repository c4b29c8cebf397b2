"""ASGI applications of frameworks, called without a web server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from oauthgrants import HttpResponse
from oauthgrants.testing.sending import Body, Header, body_messages, make_scope, read_response

HOST = ("Host", "auth.example.com")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
BASIC = ("Authorization", "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3")
READER = ("Authorization", "Bearer reader")
WRITER = ("Authorization", "Bearer writer")
TOKEN_REQUEST = b"grant_type=client_credentials"


def ask(
    app: Any, method: str, target: str, *headers: Header, body: Body = b"", prefix: str = ""
) -> HttpResponse:
    """Return the response of *app*; one to HEAD as web servers send it, without a body."""
    scope = make_scope(method, target, [HOST, *headers], prefix=prefix)
    return read_response([*_call(app, scope, body)])


def ask_websocket(app: Any, target: str, *headers: Header) -> list[dict[str, Any]]:
    """Return what *app* sends to a WebSocket."""
    scope = make_scope("GET", target, [HOST, *headers])
    scope |= {"type": "websocket", "scheme": "ws", "subprotocols": []}
    del scope["method"]
    return _call(app, scope, None)


def send_to(app: Any, prefix: str = "") -> Any:
    """Return how a contract sends requests to *app*."""

    def send(method: str, target: str, headers: Sequence[Header], body: Body) -> HttpResponse:
        sent = _call(app, make_scope(method, target, headers, prefix=prefix), body)
        if method == "HEAD":
            sent = [sent[0]]
        return read_response(sent)

    return send


def _call(app: Any, scope: dict[str, Any], body: Body | None) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []
    messages = iter([{"type": "websocket.connect"}]) if body is None else body_messages(body)

    async def receive() -> dict[str, Any]:
        message = next(messages, None)
        if message is None:  # the client waits for the end of the response
            await asyncio.Event().wait()
        assert message is not None
        return message

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def call() -> None:
        await asyncio.wait_for(app(scope, receive, send), 30)

    asyncio.run(call())
    return sent
