"""MCP servers on the Python SDK, and tokens for the machines that call them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from oauthgrants.adapters.asgi import Receive, Send, send_response
from oauthgrants.adapters.asgi import Scope as Connection
from oauthgrants.adapters.asgi_guard import Application
from oauthgrants.adapters.proxies import Proxies
from oauthgrants.errors import OAuthError, TemporarilyUnavailable
from oauthgrants.ports import run
from oauthgrants.resource import AsyncResourceServer, ResourceServer
from oauthgrants.scopes import Scope
from oauthgrants.server import AsyncAuthorizationServer
from oauthgrants.tokens import VerifiedToken
from oauthgrants.wire import HttpRequest

try:
    from mcp.server.auth.provider import AccessToken
    from mcp.server.auth.settings import AuthSettings
except ModuleNotFoundError as _missing:  # pragma: no cover  # a test tries it in its own process
    raise ModuleNotFoundError(
        "McpOAuth needs the Python SDK of MCP: pip install 'oauthgrants[mcp]'", name=_missing.name
    ) from _missing

# After it, since without both libraries it is this extra that is asked for.
from oauthgrants.adapters.starlette import StarletteOAuth


def metadata_for_sdk(issuer: str) -> dict[str, str]:
    """
    Return what the SDK's clients want of the metadata of *issuer*, for ``metadata=``.

    They model ``authorization_endpoint`` as required, though RFC 8414, 2 asks for it only where
    a grant uses one, and drop metadata without it. Nothing answers there but 404, and
    ``grant_types_supported`` says that no grant sends anybody there.

    >>> metadata_for_sdk("https://auth.example.com")
    {'authorization_endpoint': 'https://auth.example.com/authorize'}
    """
    return {"authorization_endpoint": f"{issuer.rstrip('/')}/authorize"}


class ResourceTokenVerifier:
    """
    Checks tokens for the SDK, as its ``TokenVerifier`` has it.

    What the SDK's ``get_access_token()`` returns in a tool then has the client, the subject, the
    scope and the host's own claims. The SDK shows it the token and no more, so one that is bound
    to a key or a certificate is refused.

    Attributes:
        resource_server: Checks the tokens, audience included; one that is not for asyncio does
            so in worker threads.
    """

    def __init__(self, resource_server: ResourceServer | AsyncResourceServer) -> None:
        """Make a verifier."""
        self.resource_server = resource_server

    async def verify_token(self, token: str) -> AccessToken | None:
        """
        Return what *token* stands for, None if it is not valid here.

        Raises:
            TemporarilyUnavailable: The store or server that knows the token does not answer.
                `McpOAuth.init_app` makes 503 of it; without that, the application answers 500.
        """
        request = HttpRequest(
            method="POST",
            url=self.resource_server.resource,
            headers=[("Authorization", f"Bearer {token}")],
        )
        try:
            verified = await self._require_token(request)
        except TemporarilyUnavailable:
            raise  # nobody is told that a good token is bad
        except OAuthError:
            return None
        return AccessToken(
            token=token,
            client_id=verified.client_id,
            scopes=list(verified.scope),
            expires_at=int(verified.expires_at.timestamp()),
            resource=self._find_resource(verified),
            subject=verified.sub,
            claims=dict(verified.claims),
        )

    async def _require_token(self, request: HttpRequest) -> VerifiedToken:
        if isinstance(self.resource_server, AsyncResourceServer):
            return await self.resource_server.require_token(request)
        return await asyncio.to_thread(self.resource_server.require_token, request)

    def _find_resource(self, verified: VerifiedToken) -> str | None:
        """Return the one of several audiences that the SDK would compare."""
        own = self.resource_server.resource
        return own if own in verified.audience else next(iter(verified.audience), None)


class McpOAuth(StarletteOAuth):
    """
    Gives an MCP server its checks, and its application the endpoints.

    Guards for routes beside those of MCP are as in `StarletteOAuth`.

    >>> from mcp.server import MCPServer
    >>> from oauthgrants import ClientCredentialsGrant, MemoryStore
    >>> issuer, resource = "https://mcp.example.com", "https://mcp.example.com/mcp"
    >>> server = AsyncAuthorizationServer(
    ...     issuer=issuer,
    ...     store=MemoryStore(),
    ...     grants=[ClientCredentialsGrant()],
    ...     audience=resource,
    ...     metadata=metadata_for_sdk(issuer),
    ... )
    >>> api = AsyncResourceServer(
    ...     resource=resource, tokens=server.lookup, authorization_servers=[issuer]
    ... )
    >>> oauth = McpOAuth(server, api, scope="reports:read")
    >>> mcp = MCPServer("reports", auth=oauth.settings, token_verifier=oauth.token_verifier)
    >>> app = mcp.streamable_http_app()
    >>> oauth.init_app(app)
    """

    def __init__(
        self,
        server: AsyncAuthorizationServer | None,
        resource_server: AsyncResourceServer,
        *,
        scope: Scope | str | Iterable[str] = (),
        prefix: str | None = None,
        trusted_proxies: Proxies = (),
        allowed_origins: str | Iterable[str] = (),
    ) -> None:
        """
        Make an adapter.

        Args:
            server: Answers at the endpoints; None if the tokens come from elsewhere.
            resource_server: Checks the tokens. Its ``authorization_servers`` tell clients where
                to get one.
            scope: What each request to the MCP server has to have, all of it.
            prefix: As for `StarletteOAuth`.
            trusted_proxies: As for `AsgiRequests`.
            allowed_origins: Origins whose scripts may call the server (CORS), ``*`` for all.

        Raises:
            TypeError: A server is not for asyncio.
            ValueError: The SDK's clients would not find their way, or another argument is
                malformed; says which.
        """
        super().__init__(
            server,
            resource_server,
            prefix=prefix,
            trusted_proxies=trusted_proxies,
            allowed_origins=allowed_origins,
        )
        issuers: list[str] = run(resource_server.metadata()).get("authorization_servers", [])
        if server is not None:
            _require_way_to(server, issuers)
        elif not issuers:
            raise ValueError("resource_server names no authorization_servers, so clients find none")
        self.token_verifier: ResourceTokenVerifier = ResourceTokenVerifier(resource_server)
        """For ``token_verifier=`` of the MCP server."""
        self.settings: AuthSettings = AuthSettings.model_validate(
            {
                "issuer_url": issuers[0] if server is None else server.issuer,
                "resource_server_url": resource_server.resource,
                "required_scopes": list(Scope.of(scope)),
                # The resource server has checked it, with the host's settings.
                "validate_token_resource": False,
            }
        )
        """For ``auth=`` of the MCP server."""

    def init_app(self, app: Any) -> None:
        """
        Add the endpoints to *app*, and answer 503 when tokens cannot be checked.

        Args:
            app: What ``streamable_http_app()`` or ``sse_app()`` returns.
        """
        super().init_app(app)
        app.add_middleware(_Unavailability, oauth=self)


class _Unavailability:
    """Makes a response of what the SDK's own middleware lets pass."""

    def __init__(self, app: Application, oauth: McpOAuth) -> None:
        self._app = app
        self._oauth = oauth

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        try:
            await self._app(connection, receive, send)
        except TemporarilyUnavailable as error:
            # Tokens are checked before anything is sent.
            response = self._oauth.token_verifier.resource_server.render(error)
            await send_response(response, connection, send)


def _require_way_to(server: AsyncAuthorizationServer, issuers: list[str]) -> None:
    if server.issuer not in issuers:
        raise ValueError(
            f"resource_server does not name {server.issuer} among its authorization_servers, "
            "so clients do not find it"
        )
    if "authorization_endpoint" not in run(server.metadata()):
        raise ValueError(
            "the SDK's clients drop metadata without an authorization_endpoint; give the server "
            "metadata=metadata_for_sdk(issuer)"
        )
