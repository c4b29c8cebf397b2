"""Client authentication (RFC 6749, 2.3): exactly one method, the registered one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs

from oauthgrants.client_auth.basic import read_basic
from oauthgrants.client_auth.credentials import Credentials
from oauthgrants.client_auth.none import read_none
from oauthgrants.client_auth.post import read_post
from oauthgrants.client_auth.secrets import SecretVerifier
from oauthgrants.clients import AUTH_METHODS, SECRET_METHODS, Client, VerifiedClient
from oauthgrants.errors import InvalidClient, InvalidClientWithoutBasic, InvalidRequest
from oauthgrants.forms import Form, Limits
from oauthgrants.ports import ClientStore, resolve
from oauthgrants.wire import HttpRequest

CLIENT_PARAMETERS = frozenset(
    {"client_id", "client_secret", "client_assertion", "client_assertion_type"}
)
"""The body parameters of client authentication (RFC 6749, 2.3.1; RFC 7521, 4.2)."""


@attrs.frozen(kw_only=True)
class ClientAuthenticator:
    """
    Authenticates the client of a request to any endpoint.

    Attributes:
        clients: The registered clients.
        secrets: Compares client secrets.
        methods: The registered names of the methods that are enabled.
        secret_methods_equal: Whether a secret may come by Basic and by body alike (C-12).
        challenges: Whether a request without credentials is asked for Basic (C-11).
        limits: How long a header may be.
        clock: Tells which secrets have expired.
    """

    clients: ClientStore
    secrets: SecretVerifier
    methods: frozenset[str] = AUTH_METHODS
    secret_methods_equal: bool = False
    challenges: bool = True
    limits: Limits = Limits()
    clock: Callable[[], datetime]

    def read(self, request: HttpRequest, form: Form) -> Credentials:
        """
        Return who *request* claims to come from, and by which method.

        Raises:
            InvalidRequest: It uses several methods, or one in a malformed way.
            InvalidClient: It uses none, or one that is not enabled.
        """
        authorization = request.find_header("authorization", self.limits)
        client_secret = form.get("client_secret")
        assertion = form.get("client_assertion") or form.get("client_assertion_type")
        mechanisms = (authorization, client_secret, assertion)
        if sum(mechanism is not None for mechanism in mechanisms) > 1:
            raise InvalidRequest("more than one client authentication method is used")
        if assertion is not None:
            raise InvalidRequest("the client_assertion_type is not supported")
        if authorization is not None:
            return self._require_enabled(read_basic(authorization, form.get("client_id")), True)
        if client_secret is not None:
            return self._require_enabled(read_post(form, client_secret), False)
        credentials = read_none(form)
        if credentials is None or "none" not in self.methods:
            refusal = self._refusal(False) if self.challenges else InvalidClientWithoutBasic
            raise refusal("client authentication is missing")
        return credentials

    async def authenticate(self, credentials: Credentials) -> VerifiedClient:
        """
        Return the client whose *credentials* these are.

        Raises:
            InvalidClient: The client is unknown, its secret is wrong or expired, or the method
                is not the registered one. The answer is one and the same.
        """
        client = await resolve(self.clients.find_client(credentials.client_id))
        refusal = self._refusal(credentials.by_header)
        if credentials.secret is None:
            if client is None or not (client.is_public and client.active):
                raise refusal(_FAILED, reason="no such public client")
            return VerifiedClient(client, authenticated=False, method="none")
        # A client with another method costs the work of an unknown one, and is told the same.
        matched = await self.secrets.find_match(
            client if client is not None and self._may_use(client, credentials.method) else None,
            credentials.secret,
            self.clock(),
        )
        if client is None or matched is None:
            raise refusal(_FAILED, reason=self._reason(client, credentials.method))
        return VerifiedClient(
            client, authenticated=True, method=credentials.method, secret_id=matched.id
        )

    def _may_use(self, client: Client, method: str) -> bool:
        registered = client.token_endpoint_auth_method
        return client.active and (
            method == registered
            or (
                (self.secret_methods_equal or client.secret_methods_equal)
                and method in SECRET_METHODS
                and registered in SECRET_METHODS
            )
        )

    def _require_enabled(self, credentials: Credentials, by_header: bool) -> Credentials:
        # Basic without a secret is the way in which some libraries send a mere client_id.
        method = "none" if credentials.secret is None else credentials.method
        if method not in self.methods:
            raise self._refusal(by_header)("the client authentication method is not supported")
        return credentials

    def _refusal(self, by_header: bool) -> type[InvalidClient]:
        if by_header or "client_secret_basic" in self.methods:
            return InvalidClient
        return InvalidClientWithoutBasic

    def _reason(self, client: Client | None, method: str) -> str:
        if client is None:
            return "unknown client"
        if not client.active:
            return "the client is disabled"
        if not self._may_use(client, method):
            return f"{method} is not the client's registered method"
        return "wrong or expired client secret"


_FAILED = "client authentication failed"
