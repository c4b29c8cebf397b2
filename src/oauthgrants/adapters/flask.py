"""Endpoints and access tokens in Flask."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from io import BytesIO
from typing import TYPE_CHECKING, Any, ParamSpec

from oauthgrants.adapters.places import TOKEN_KEY, Place, find_places, find_prefix
from oauthgrants.adapters.proxies import Proxies
from oauthgrants.adapters.wsgi import WsgiApplication
from oauthgrants.adapters.wsgi_guard import WsgiGuard
from oauthgrants.errors import OAuthError
from oauthgrants.resource import ResourceServer
from oauthgrants.scopes import Scope
from oauthgrants.server import AuthorizationServer
from oauthgrants.wire import HttpResponse

try:
    from flask import (
        Blueprint,
        Flask,
        Request,
        Response,
        after_this_request,
        current_app,
        g,
        request,
    )
    from flask.blueprints import BlueprintSetupState
except ModuleNotFoundError as _missing:  # pragma: no cover  # a test tries it in its own process
    raise ModuleNotFoundError(
        "FlaskOAuth needs Flask: pip install 'oauthgrants[flask]'", name=_missing.name
    ) from _missing

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

_P = ParamSpec("_P")


class FlaskOAuth:
    """
    Serves the endpoints in a Flask application, and guards its views.

    An application factory may give the servers later, to `init_app`.

    >>> from oauthgrants import ClientCredentialsGrant, MemoryStore
    >>> server = AuthorizationServer(
    ...     issuer="https://auth.example.com",
    ...     store=MemoryStore(),
    ...     grants=[ClientCredentialsGrant()],
    ...     audience="https://api.example.com",
    ... )
    >>> api = ResourceServer(resource="https://api.example.com", tokens=server.lookup)
    >>> app = Flask("reports")
    >>> oauth = FlaskOAuth(server, api)
    >>> oauth.init_app(app)
    >>> @app.get("/reports")
    ... @oauth.require_token(scope="reports:read")
    ... def reports():
    ...     return {"for": g.oauth_token.client_id}
    >>> app.test_client().get("/reports").status
    '401 UNAUTHORIZED'
    """

    def __init__(
        self,
        server: AuthorizationServer | None = None,
        resource_server: ResourceServer | None = None,
        *,
        name: str = "oauth",
        prefix: str | None = None,
        trusted_proxies: Proxies = (),
        allowed_origins: str | Iterable[str] = (),
    ) -> None:
        """
        Make an adapter.

        Args:
            server: Answers at the endpoints, None for a resource server alone.
            resource_server: Checks the tokens, None without guards.
            name: Of the blueprint; another one for a second adapter in one application.
            prefix: The path before those of the endpoints, by default that of the issuer. Give
                a shorter one if the application itself is mounted below a prefix.
            trusted_proxies: As for `WsgiRequests`.
            allowed_origins: Origins whose scripts may call the server (CORS), ``*`` for all.

        Raises:
            TypeError: A server is for asyncio.
            ValueError: Another argument is malformed; says which.
        """
        self._name = name
        self._prefix = prefix
        self._trusted_proxies = trusted_proxies
        self._allowed_origins = allowed_origins
        self._server = server
        self._resource_server = resource_server
        # Made once here, so that what does not fit is refused at once.
        self._make_blueprint(server, resource_server)

    @property
    def blueprint(self) -> Blueprint:
        """The endpoints, for ``register_blueprint``, where `init_app` is not what you want."""
        return self._make_blueprint(self._server, self._resource_server)

    def init_app(
        self,
        app: Flask,
        server: AuthorizationServer | None = None,
        resource_server: ResourceServer | None = None,
    ) -> None:
        """
        Add the endpoints to *app*.

        Args:
            app: The application.
            server: Instead of the one that the adapter was made with.
            resource_server: Likewise.

        Raises:
            TypeError: A server is for asyncio.
            ValueError: A blueprint has the same name.
        """
        app.register_blueprint(
            self._make_blueprint(server or self._server, resource_server or self._resource_server)
        )

    def require_token(
        self,
        *,
        scope: Scope | str | Iterable[str] | None = None,
        any_scope: Scope | str | Iterable[str] | None = None,
    ) -> Callable[[Callable[_P, Any]], Callable[_P, Any]]:
        """
        Return a decorator for views, which find the token in ``g.oauth_token``.

        Args:
            scope: The scope that the token has to have, all of it.
            any_scope: Scope tokens of which it has to have at least one.
        """

        def decorate(view: Callable[_P, Any]) -> Callable[_P, Any]:
            @wraps(view)
            def guarded(*args: _P.args, **kwargs: _P.kwargs) -> Any:
                guard = self._find_guard()
                try:
                    token = guard.verify(request.environ, scope=scope, any_scope=any_scope)
                except OAuthError as error:
                    return _respond(guard.resource_server.render(error))
                setattr(g, TOKEN_KEY, token)
                if token.response_headers:
                    after_this_request(_add(token.response_headers))
                return current_app.ensure_sync(view)(*args, **kwargs)

            return guarded

        return decorate

    def render(self, error: OAuthError) -> Response:
        """Return *error* as a response, for error handlers of the host's own."""
        return _respond(self._find_guard().resource_server.render(error))

    def _find_guard(self) -> WsgiGuard:
        guards: dict[str, WsgiGuard] = current_app.extensions.get("oauthgrants", {})
        if self._name not in guards:
            raise RuntimeError(
                "nothing checks tokens here: give FlaskOAuth a resource server, and call "
                "init_app(app)"
            )
        return guards[self._name]

    def _make_blueprint(
        self, server: AuthorizationServer | None, resource_server: ResourceServer | None
    ) -> Blueprint:
        blueprint = Blueprint(
            self._name, __name__, url_prefix=find_prefix(server, self._prefix) or None
        )
        for part in (server, resource_server):
            if part is not None:
                blueprint.record(
                    _mount(
                        WsgiApplication(
                            part,
                            trusted_proxies=self._trusted_proxies,
                            allowed_origins=self._allowed_origins,
                        ),
                        find_places(part),
                    )
                )
        if resource_server is not None:
            guard = WsgiGuard(resource_server, trusted_proxies=self._trusted_proxies)

            def install(state: BlueprintSetupState) -> None:
                state.app.extensions.setdefault("oauthgrants", {})[self._name] = guard

            blueprint.record(install)
        return blueprint


def _mount(
    application: WsgiApplication, places: list[Place]
) -> Callable[[BlueprintSetupState], None]:
    """Return what adds *places* to an application, for all methods: the server says which."""

    def answer() -> Response:
        return _respond(application.answer(_put_body_back(request)))

    def mount(state: BlueprintSetupState) -> None:
        for place in places:
            endpoint = f"{state.name_prefix}.{state.name}.{place.name}".lstrip(".")
            rule = place.under(state.url_prefix or "")
            state.app.url_map.add(state.app.url_rule_class(rule, endpoint=endpoint))
            state.app.view_functions[endpoint] = answer

    return mount


def _put_body_back(request: Request) -> WSGIEnvironment:
    """Return the environ of *request*, with the body even where the host has read it."""
    environ: WSGIEnvironment = request.environ
    if "stream" not in vars(request):
        return environ
    body = request.get_data()
    if request.content_length and not body:
        raise RuntimeError(
            "the form was read before the endpoint saw it, and its octets are gone: exempt the "
            "blueprint from what reads it, such as a check for CSRF, or call request.get_data() "
            "first"
        )
    return {**environ, "wsgi.input": BytesIO(body)}


def _respond(response: HttpResponse) -> Response:
    return current_app.response_class(
        response.body, status=response.status, headers=list(response.framed_headers)
    )


def _add(headers: Iterable[tuple[str, str]]) -> Callable[[Response], Response]:
    def add(response: Response) -> Response:
        response.headers.extend(headers)
        return response

    return add
