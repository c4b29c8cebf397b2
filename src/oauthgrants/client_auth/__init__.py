"""Client authentication (RFC 6749, 2.3): exactly one method, the registered one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from oauthgrants.brief import service
from oauthgrants.client_auth.assertion_rules import JWT_BEARER, NotAcceptable, NotProven
from oauthgrants.client_auth.basic import read_basic
from oauthgrants.client_auth.credentials import Credentials
from oauthgrants.client_auth.guesses import LimitedSecrets, TooManyGuesses
from oauthgrants.client_auth.mutual_tls import CertificateVerifier, read_certificate_of
from oauthgrants.client_auth.none import read_none
from oauthgrants.client_auth.post import read_post
from oauthgrants.client_auth.secrets import SecretVerifier
from oauthgrants.client_certificates import CERTIFICATE_METHODS
from oauthgrants.client_secrets import SECRET_METHODS, ClientSecret
from oauthgrants.clients import AUTH_METHODS, Client, VerifiedClient
from oauthgrants.errors import (
    InvalidClient,
    InvalidClientWithoutBasic,
    InvalidRequest,
    TooManyWrongSecrets,
)
from oauthgrants.forms import Form, Limits
from oauthgrants.ports import ClientStore, is_awaitable
from oauthgrants.secret import Secret
from oauthgrants.wire import HttpRequest

if TYPE_CHECKING:
    # Only for annotations: servers without clients that sign never load joserfc.
    from oauthgrants.client_auth.assertions import AssertionVerifier
    from oauthgrants.jose import Jws

CLIENT_PARAMETERS = frozenset(
    {"client_id", "client_secret", "client_assertion", "client_assertion_type"}
)
"""The body parameters of client authentication (RFC 6749, 2.3.1; RFC 7521, 4.2)."""

# The Authorization header, a secret in the body, an assertion in the body
_MECHANISMS = 3
_THROTTLED = "too many wrong secrets"
_FAILED = "client authentication failed"


@service(kw_only=True)
class ClientAuthenticator:
    """
    Authenticates the client of a request to any endpoint.

    Attributes:
        clients: The registered clients.
        secrets: Compares client secrets.
        limited: Compares them within limits on guessing, None to have no limits.
        assertions: Returns what verifies assertions, None where no method with them is enabled.
        certificates: Compares certificates.
        methods: The registered names of the methods that are enabled.
        secret_methods_equal: Whether a secret may come by Basic or in the body, whichever of the
            two is registered (C-12).
        challenges: Whether a request without credentials is asked for Basic (C-11).
        limits: How long a header may be.
        clock: Tells which secrets have expired.
    """

    clients: ClientStore
    secrets: SecretVerifier
    limited: LimitedSecrets | None = None
    assertions: Callable[[], AssertionVerifier] | None = None
    certificates: CertificateVerifier
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
        if (authorization, client_secret, assertion).count(None) < _MECHANISMS - 1:
            raise InvalidRequest("more than one client authentication method is used")
        if assertion is not None:
            return self._read_assertion(form)
        if authorization is not None:
            return self._require_enabled(read_basic(authorization, form.get("client_id")), True)
        if client_secret is not None:
            return self._require_enabled(read_post(form, client_secret), False)
        credentials = self._read_identifier(request, form)
        if credentials is None:
            refusal = self._refusal(False) if self.challenges else InvalidClientWithoutBasic
            raise refusal("client authentication is missing")
        return credentials

    async def authenticate(
        self, credentials: Credentials, source: str | None = None
    ) -> VerifiedClient:
        """
        Return the client whose *credentials* these are.

        Args:
            credentials: What it sent.
            source: The address that it connects from, None if unknown.

        Raises:
            InvalidClient: The client is unknown, its secret, signature or certificate is wrong, or
                the method is not the registered one, or too many secrets were wrong. The answer
                is one and the same, but for an assertion that the client has signed.
        """
        found = self.clients.find_client(credentials.client_id)
        client = await found if is_awaitable(found) else found
        refusal = self._refusal(credentials.by_header)
        if credentials.assertion is not None:
            return await self._verify(client, credentials, credentials.assertion, source)
        if credentials.secret is None:
            if client is not None and client.token_endpoint_auth_method in CERTIFICATE_METHODS:
                return await self._verify_certificate(client, credentials)
            if client is None or not (self._may_use(client, "none") and "none" in self.methods):
                raise refusal(_FAILED, reason="no such public client")
            return VerifiedClient(client, authenticated=False, method="none")
        matched = await self._find_match(client, credentials, credentials.secret, source)
        if client is None or matched is None:
            raise refusal(_FAILED, reason=self._reason(client, credentials.method))
        return VerifiedClient(
            client, authenticated=True, method=credentials.method, secret_id=matched.id
        )

    async def _find_match(
        self,
        client: Client | None,
        credentials: Credentials,
        presented: Secret,
        source: str | None,
    ) -> ClientSecret | None:
        usable = client
        if client is not None and not self._may_use(client, credentials.method):
            # The wrong method costs the work, and gets the answer, of an unknown client.
            usable = None
        if self.limited is None or (usable is None and client is not None and client.active):
            # The wrong method is no guess: some clients try Basic, then the body (C-12).
            return await self.secrets.find_match(usable, presented, self.clock())
        matched = self.limited.find_at_once(usable, presented, source)
        if matched is not None:
            return matched
        try:
            return await self.limited.find_match(usable, credentials.client_id, presented, source)
        except TooManyGuesses as error:
            raise self._too_many(error, credentials) from None

    async def _verify(
        self, client: Client | None, credentials: Credentials, assertion: Jws, source: str | None
    ) -> VerifiedClient:
        # It is there, since `read` has parsed the assertion with it.
        assert self.assertions is not None  # noqa: S101
        refusal, client_id = self._refusal(False), credentials.client_id
        usable = client if client and self._may_use(client, credentials.method) else None
        # As with secrets, the wrong method is no guess.
        limited = self.limited if usable is not None or client is None else None
        try:
            if limited is not None and credentials.method == "client_secret_jwt":
                # Nobody guesses the signature of a private key, so only secrets have limits.
                await limited.require_room(client_id, source)
            secret_id = await self.assertions().verify(usable, assertion)
        except TooManyGuesses as error:
            raise self._too_many(error, credentials) from None
        except NotProven as error:
            if limited is not None:
                await limited.note_failure(client_id, source)
            reason = str(error) if usable else self._reason(client, credentials.method)
            raise refusal(_FAILED, reason=reason) from None
        except NotAcceptable as error:
            raise refusal(f"the client assertion is not accepted: {error}") from None
        if limited is not None:
            limited.fast.note_success(client_id, source)
        assert usable is not None  # noqa: S101  # nobody signs for an unknown client
        return VerifiedClient(
            usable,
            authenticated=True,
            method=credentials.method,
            secret_id=secret_id,
            # The header is signed, and the key that verified it bears this name.
            key_id=assertion.kid if secret_id is None else None,
        )

    async def _verify_certificate(self, client: Client, credentials: Credentials) -> VerifiedClient:
        method, refusal = client.token_endpoint_auth_method, self._refusal(credentials.by_header)
        if method not in self.methods:
            raise refusal(_FAILED, reason=f"{method} is not enabled")
        if not client.active or credentials.by_header:
            raise refusal(_FAILED, reason=self._reason(client, credentials.method))
        try:
            shown = await self.certificates.verify(client, credentials)
        except NotProven as error:
            raise refusal(_FAILED, reason=str(error)) from None
        return VerifiedClient(client, authenticated=True, method=method, key_id=shown)

    def _too_many(self, error: TooManyGuesses, credentials: Credentials) -> InvalidClient:
        if error.retry_after is not None:
            throttled = TooManyWrongSecrets(_FAILED, reason=_THROTTLED)
            return throttled.with_headers(error.retry_after)
        return self._refusal(credentials.by_header)(_FAILED, reason=_THROTTLED)

    def _read_identifier(self, request: HttpRequest, form: Form) -> Credentials | None:
        """Return a client that sends only its ``client_id``, on a connection that may show more."""
        if self.methods & CERTIFICATE_METHODS:
            shown = read_certificate_of(request, form)
            if shown is not None:
                return shown
        return read_none(form) if "none" in self.methods else None

    def _read_assertion(self, form: Form) -> Credentials:
        if self.assertions is None or form.get("client_assertion_type") != JWT_BEARER:
            raise InvalidRequest("the client_assertion_type is not supported")
        assertion = form.require("client_assertion")
        try:
            credentials = self.assertions().read(assertion, form.get("client_id"))
        except NotProven as error:
            raise self._refusal(False)(_FAILED, reason=str(error)) from None
        return self._require_enabled(credentials, False)

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
        # Some libraries send a client_id without a secret by Basic.
        proof = credentials.secret or credentials.assertion
        method = "none" if proof is None else credentials.method
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
