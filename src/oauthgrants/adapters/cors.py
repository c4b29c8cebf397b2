"""Which scripts of other origins may call the endpoints (RFC 9700, 2.6; the Fetch standard)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import attrs

from oauthgrants.adapters.places import AnyServer
from oauthgrants.endpoints.metadata import well_known_url
from oauthgrants.protected_resource import ProtectedResource
from oauthgrants.wire import HttpRequest, HttpResponse

# origin = scheme "://" host [ ":" port ], as browsers write it (RFC 6454, Section 6.2)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]+)?")
_ANY = "*"
# A proof or a form makes a request that browsers ask about first.
_REQUEST_HEADERS = "Authorization, Content-Type, DPoP"
_RESPONSE_HEADERS = "DPoP-Nonce, WWW-Authenticate"
_VARY = ("Vary", "Origin")
_HOUR = 60 * 60


@attrs.frozen
class CrossOrigin:
    """
    Opens the token, revocation, metadata and JWKS endpoints to scripts of some origins.

    Introspection is for servers and stays closed. Cookies are never let through.

    Attributes:
        origins: Which ones, ``*`` for all, none to change nothing.
        methods: What may be sent to each path that is open.

    >>> from oauthgrants import AuthorizationServer, ClientCredentialsGrant, MemoryStore
    >>> server = AuthorizationServer(
    ...     issuer="https://auth.example.com",
    ...     store=MemoryStore(),
    ...     grants=[ClientCredentialsGrant()],
    ... )
    >>> sorted(CrossOrigin.to(server, ["https://app.example.com"]).methods)
    ['/.well-known/oauth-authorization-server', '/revoke', '/token']
    """

    origins: frozenset[str]
    methods: Mapping[str, str]

    @classmethod
    def to(
        cls,
        server: AnyServer,
        allowed_origins: str | Iterable[str],
    ) -> CrossOrigin:
        """
        Return who may call *server*: scripts of *allowed_origins*.

        Raises:
            ValueError: One of them is no origin.
        """
        named = [allowed_origins] if isinstance(allowed_origins, str) else [*allowed_origins]
        for origin in named:
            if origin != _ANY and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"allowed_origins has {origin!r}; it takes origins as browsers send them, such "
                    f"as 'https://app.example.com', lower case and without path, and {_ANY!r}"
                )
        methods = _find_methods(server) if named else {}
        return cls(frozenset(named), {urlsplit(url).path: methods[url] for url in methods})

    def answer_preflight(self, request: HttpRequest) -> HttpResponse | None:
        """Return what a browser hears that asks beforehand, None if *request* does not."""
        if request.method != "OPTIONS":
            return None
        method = self.methods.get(request.path)
        allowed = self._find_allowed(request)
        asked = request.get_headers("access-control-request-method")
        if method is None or not allowed or not asked:
            return None
        return HttpResponse(
            status=200,
            headers=(
                *allowed,
                ("Access-Control-Allow-Methods", method),
                ("Access-Control-Allow-Headers", _REQUEST_HEADERS),
                ("Access-Control-Max-Age", str(_HOUR)),
                *self._vary(),
            ),
        )

    def add_to(self, response: HttpResponse, request: HttpRequest) -> HttpResponse:
        """Return *response* as the script may read it that sent *request*."""
        if not self.methods or request.path not in self.methods:
            return response
        allowed = self._find_allowed(request)
        exposed = (("Access-Control-Expose-Headers", _RESPONSE_HEADERS),) if allowed else ()
        return attrs.evolve(
            response, headers=(*response.headers, *allowed, *exposed, *self._vary())
        )

    def _find_allowed(self, request: HttpRequest) -> tuple[tuple[str, str], ...]:
        origins = request.get_headers("origin")
        if len(origins) != 1:
            return ()
        allowed = _ANY if _ANY in self.origins else origins[0]
        if allowed not in self.origins:
            return ()
        return (("Access-Control-Allow-Origin", allowed),)

    def _vary(self) -> tuple[tuple[str, str], ...]:
        # Caches keep documents; what is for one origin is not for another.
        return () if _ANY in self.origins else (_VARY,)


def _find_methods(server: AnyServer) -> dict[str, str]:
    if isinstance(server, ProtectedResource):
        return {server.metadata_url: "GET"}
    documents = {well_known_url(server.issuer, "oauth-authorization-server"): "GET"}
    if server.jwks_uri is not None:
        documents[server.jwks_uri] = "GET"
    return {server.token_endpoint: "POST", server.revocation_endpoint: "POST", **documents}
