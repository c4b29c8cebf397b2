"""What sends the requests of contracts does not change them, and shows what came back."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from marked_contract import AsyncAdapterContract, Send

from oauthgrants import AsyncAuthorizationServer
from oauthgrants.adapters.asgi import AsgiApplication
from oauthgrants.testing.sending import send_to_asgi


class TestSendToAsgi(AsyncAdapterContract):
    """An application that is called as the page on adapters says passes the whole contract."""

    @contextmanager
    def mount(
        self, server: AsyncAuthorizationServer, *, prefix: str, trusted_proxies: Any
    ) -> Generator[Send, None, None]:
        application = AsgiApplication(server, trusted_proxies=trusted_proxies)
        yield partial(send_to_asgi, application, prefix=prefix)


def test_who_reads_on_is_told_that_nobody_is_there() -> None:
    """Instead of waiting for ever."""
    received: list[str] = []

    async def read_on(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        while not received or received[-1] != "http.disconnect":
            received.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    response = send_to_asgi(read_on, "POST", "/", [], iter([b"a", b"b"]))

    assert (response.status, response.body) == (204, b"")
    assert received == ["http.request", "http.request", "http.request", "http.disconnect"]
