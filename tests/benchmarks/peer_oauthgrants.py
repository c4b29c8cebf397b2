"""oauthgrants as a contender: both colours, and in Flask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oauthgrants import (
    AsyncAuthorizationServer,
    AsyncResourceServer,
    AuthorizationServer,
    HttpRequest,
    MemoryStore,
    ResourceServer,
)
from oauthgrants.errors import OAuthError
from oauthgrants.jose import SigningKey
from oauthgrants.throttling import Throttle

from .asking import ALICE, AUDIENCE, ISSUER, settings_of
from .peer_requests import (
    INTROSPECT,
    REPORTS,
    REVOKE,
    SOURCE,
    TOKEN,
    Answer,
    Asked,
    Contender,
    World,
)

_MOST_FAILURES = 1_000_000


def sync(world: World) -> Contender:
    """Return a server that answers on the caller's stack."""
    server = AuthorizationServer(**settings_for(world))
    resource = ResourceServer(resource=AUDIENCE, tokens=server.lookup)

    def at(path: str, answer: Callable[[HttpRequest], Any]) -> Callable[[Asked], Answer]:
        url = ISSUER + path

        def ask(asked: Asked) -> Answer:
            response = answer(_form(url, asked))
            return response.status, response.body

        return ask

    def reports(asked: Asked) -> Answer:
        try:
            token = resource.require_token(_get(asked), scope="read")
        except OAuthError as error:
            refusal = resource.render(error)
            return refusal.status, refusal.body
        return 200, token.client_id

    ways = {
        TOKEN: at(TOKEN, server.token),
        INTROSPECT: at(INTROSPECT, server.introspect),
        REVOKE: at(REVOKE, server.revoke),
        REPORTS: reports,
    }
    return Contender("oauthgrants", ways)


def for_asyncio(world: World) -> Contender:
    """Return a server whose answers are awaited."""
    server = AsyncAuthorizationServer(**settings_for(world))
    resource = AsyncResourceServer(resource=AUDIENCE, tokens=server.lookup)

    def at(path: str, answer: Callable[[HttpRequest], Any]) -> Callable[[Asked], Any]:
        url = ISSUER + path

        async def ask(asked: Asked) -> Answer:
            response = await answer(_form(url, asked))
            return response.status, response.body

        return ask

    async def reports(asked: Asked) -> Answer:
        try:
            token = await resource.require_token(_get(asked), scope="read")
        except OAuthError as error:
            refusal = resource.render(error)
            return refusal.status, refusal.body
        return 200, token.client_id

    ways = {
        TOKEN: at(TOKEN, server.token),
        INTROSPECT: at(INTROSPECT, server.introspect),
        REVOKE: at(REVOKE, server.revoke),
        REPORTS: reports,
    }
    return Contender("oauthgrants, async", ways, is_async=True)


def in_flask(world: World) -> Contender:
    """Return a Flask application with a sync server in it."""
    from flask import Flask, g

    from oauthgrants.adapters.flask import FlaskOAuth

    from .peer_libraries.peer_flask import ways_of

    server = AuthorizationServer(**settings_for(world))
    oauth = FlaskOAuth(server, ResourceServer(resource=AUDIENCE, tokens=server.lookup))
    app = Flask(__name__)
    oauth.init_app(app)

    def reports() -> str:
        return str(g.oauth_token.client_id)

    app.get(REPORTS)(oauth.require_token(scope="read")(reports))
    return Contender("oauthgrants in Flask", ways_of(app))


def settings_for(world: World) -> dict[str, Any]:
    """Return the settings of a server with `MemoryStore`, the default ones but for grants."""
    store = MemoryStore()
    store.add_client(world.client)
    store.add_user(ALICE)
    # None: events go where they go by default, to the logger of the library.
    settings = settings_of(store, event_sink=None)
    if world.algorithm is not None:
        key = SigningKey.from_pem(world.pem, world.algorithm, kid="1")
        settings |= {"access_token_format": "jwt", "signing_keys": key}
    if world.guesses_are_free:
        settings["throttle"] = Throttle(max_failures=_MOST_FAILURES)
    return settings


def _form(url: str, asked: Asked) -> HttpRequest:
    return HttpRequest(
        method="POST",
        url=url,
        headers=asked.headers.items(),
        body=asked.body,
        source=SOURCE,
    )


def _get(asked: Asked) -> HttpRequest:
    return HttpRequest(
        method="GET", url=AUDIENCE + REPORTS, headers=asked.headers.items(), source=SOURCE
    )
