"""Clients and their registered metadata (RFC 6749, 2; RFC 7591, 2)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import attrs

from oauthgrants.brief import brief
from oauthgrants.client_keys import (
    ASSERTION_METHODS,
    find_contradictions,
    seal_client_secret,
    to_jwks,
)
from oauthgrants.client_secrets import (
    CLIENT_SECRET,
    SECRET_METHODS,
    ClientSecret,
    hash_client_secret,
)
from oauthgrants.errors import InvalidClientMetadata, UnauthorizedClient
from oauthgrants.forms import is_absolute_uri, is_vschar
from oauthgrants.scopes import Scope
from oauthgrants.sealed import SealingKey, is_sealed
from oauthgrants.secret import Secret, random_id
from oauthgrants.tokens import is_lifetime

AUTH_METHODS = SECRET_METHODS | ASSERTION_METHODS | {"none"}
"""The values of ``token_endpoint_auth_method`` that clients can be registered with."""


def _to_optional_scope(scope: Scope | str | Iterable[str] | None) -> Scope | None:
    return None if scope is None else Scope.of(scope)


def _to_optional_text(value: str | None) -> str | None:
    return value or None


def _to_tuple(values: Iterable[str]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise InvalidClientMetadata(f"a list of strings is wanted, not the string {values!r}")
    return tuple(values)


@attrs.frozen(kw_only=True)
class Client:
    """
    A registered client (RFC 6749, 2). Make one by `Client.confidential` or `Client.public`.

    Attributes:
        client_id: Printable ASCII.
        token_endpoint_auth_method: A registered name; ``none`` makes the client public.
        grant_types: The values of ``grant_type`` that it may use. The default is RFC 7591's
            and allows none of ours.
        scope: All that it may have, None for a client whose tokens have no scope.
        default_scope: What it gets when it asks for none, None to refuse that.
        resources: The RFC 8707 identifiers that it may ask tokens for.
        introspects: The audiences whose tokens it may introspect, as a resource server.
        first_party: Whether it may see its users' passwords.
        access_token_lifetime: Whole seconds, None for the server's.
        refresh_token_lifetime: Whole seconds, None for the server's.
        secrets: Its live secrets; any of them authenticates it.
        jwks: Its public keys, for ``private_key_jwt``: a JWK Set as JSON; a mapping will do.
        jwks_uri: Where they are instead, an https URL.
        token_endpoint_auth_signing_alg: The only ``alg`` of its assertions, None for any that
            fits its keys.
        tls_client_auth_subject_dn: Who its certificate is for, for ``tls_client_auth``: this,
            as RFC 4514 writes it, or one of the next four (RFC 8705, 2.1.2).
        tls_client_auth_san_dns: A host name.
        tls_client_auth_san_uri: A URI.
        tls_client_auth_san_ip: An IP address.
        tls_client_auth_san_email: An email address.
        tls_client_certificate_bound_access_tokens: Whether its access tokens are bound to the
            certificate that it shows (RFC 8705, 3.4).
        dpop_bound_access_tokens: Whether it has to bind them to a key (RFC 9449, 5.2).
        secret_methods_equal: Whether a secret may come by Basic and by body alike.
        active: A client that is not fails to authenticate.
        client_name: For people.

    Raises:
        InvalidClientMetadata: Two of them contradict one another; the message names the field.
        TypeError: *client_id* is not text.
    """

    client_id: str = attrs.field(validator=attrs.validators.instance_of(str))
    token_endpoint_auth_method: str = "client_secret_basic"
    grant_types: tuple[str, ...] = attrs.field(default=("authorization_code",), converter=_to_tuple)
    scope: Scope | None = attrs.field(default=None, converter=_to_optional_scope)
    default_scope: Scope | None = attrs.field(default=None, converter=_to_optional_scope)
    resources: tuple[str, ...] = attrs.field(default=(), converter=_to_tuple)
    introspects: tuple[str, ...] = attrs.field(default=(), converter=_to_tuple)
    first_party: bool = False
    access_token_lifetime: timedelta | None = None
    refresh_token_lifetime: timedelta | None = None
    secrets: tuple[ClientSecret, ...] = ()
    secret_methods_equal: bool = False
    active: bool = True
    client_name: str | None = None
    jwks: str | None = attrs.field(default=None, converter=to_jwks)
    jwks_uri: str | None = attrs.field(default=None, converter=_to_optional_text)
    token_endpoint_auth_signing_alg: str | None = attrs.field(
        default=None, converter=_to_optional_text
    )
    tls_client_auth_subject_dn: str | None = attrs.field(default=None, converter=_to_optional_text)
    tls_client_auth_san_dns: str | None = attrs.field(default=None, converter=_to_optional_text)
    tls_client_auth_san_uri: str | None = attrs.field(default=None, converter=_to_optional_text)
    tls_client_auth_san_ip: str | None = attrs.field(default=None, converter=_to_optional_text)
    tls_client_auth_san_email: str | None = attrs.field(default=None, converter=_to_optional_text)
    tls_client_certificate_bound_access_tokens: bool = False
    dpop_bound_access_tokens: bool = False

    @property
    def is_public(self) -> bool:
        """Whether it cannot keep a secret; its registered method alone says so (RFC 6749, 2.1)."""
        return self.token_endpoint_auth_method == "none"

    @classmethod
    def confidential(
        cls,
        client_id: str | None = None,
        *,
        secret: Secret | str | None = None,
        machine_made: bool = False,
        secret_expires_at: datetime | None = None,
        token_endpoint_auth_method: str = "client_secret_basic",
        sealing_key: SealingKey | None = None,
        **metadata: Any,
    ) -> tuple[Client, Secret]:
        """
        Return a client that authenticates by a secret, and the secret, shown this once.

        Args:
            client_id: Made up if left out, of 22 characters that need no encoding.
            secret: One that exists already; left out, a new one of 256 random bits.
            machine_made: Whether the secret that exists came from a random generator with
                128 bits or more; other ones are kept as Argon2id, a slow check on every call.
            secret_expires_at: When it is no longer accepted, aware; None for never.
            token_endpoint_auth_method: ``client_secret_basic``, ``client_secret_post``, or
                ``client_secret_jwt``, for which the secret is kept encrypted.
            sealing_key: Encrypts it; the server's.
            **metadata: Any other attribute of `Client`.

        Raises:
            InvalidClientMetadata: The metadata contradict one another.

        >>> client, secret = Client.confidential("reports", grant_types=["client_credentials"])
        >>> client.client_id, secret, secret.reveal()[:5]
        ('reports', Secret(…), 'ogcs_')
        """
        client_id = random_id() if client_id is None else client_id
        by_assertion = token_endpoint_auth_method in ASSERTION_METHODS
        if secret is None:
            # The longest HMAC takes 64 octets, and ours have 53.
            secret = Secret(random_id(48)) if by_assertion else CLIENT_SECRET.generate()
        elif isinstance(secret, str):
            secret = Secret(secret)
        if by_assertion:
            algorithm = metadata.get("token_endpoint_auth_signing_alg")
            sealed = seal_client_secret(secret, sealing_key, client_id, algorithm)
            kept = ClientSecret(hash=sealed, expires_at=secret_expires_at)
        else:
            kept = hash_client_secret(
                secret, machine_made=machine_made, expires_at=secret_expires_at
            )
        if token_endpoint_auth_method == "client_secret_basic" and set("+% ") & set(
            secret.reveal()
        ):
            warnings.warn(
                "this client_secret reads differently before and after form-decoding, which "
                "RFC 6749, Section 2.3.1 asks of Basic credentials and many clients forget; "
                "choose one without '+', '%' and space",
                stacklevel=2,
            )
        client = cls(
            client_id=client_id,
            token_endpoint_auth_method=token_endpoint_auth_method,
            secrets=(kept,),
            **metadata,
        )
        return client, secret

    @classmethod
    def public(cls, client_id: str | None = None, **metadata: Any) -> Client:
        """
        Return a client that cannot keep a secret, such as an app on its user's device.

        Args:
            client_id: Made up if left out, of 22 characters that need no encoding.
            **metadata: Any other attribute of `Client`.

        Raises:
            InvalidClientMetadata: The metadata contradict one another.
        """
        return cls(
            client_id=random_id() if client_id is None else client_id,
            token_endpoint_auth_method="none",
            **metadata,
        )

    @classmethod
    def with_keys(cls, client_id: str | None = None, **metadata: Any) -> Client:
        """
        Return a client that signs assertions with its private key (``private_key_jwt``).

        Args:
            client_id: Made up if left out, of 22 characters that need no encoding.
            **metadata: ``jwks`` or ``jwks_uri``, and any other attribute of `Client`.

        Raises:
            InvalidClientMetadata: The metadata contradict one another.
            ModuleNotFoundError: joserfc is missing; says what to install.
        """
        return cls(
            client_id=random_id() if client_id is None else client_id,
            token_endpoint_auth_method="private_key_jwt",
            **metadata,
        )

    def __attrs_post_init__(self) -> None:
        for contradicted, message in self._contradictions():
            if contradicted:
                raise InvalidClientMetadata(f"client {self.client_id!r}: {message}")

    def _contradictions(self) -> Iterable[tuple[bool, str]]:
        method = self.token_endpoint_auth_method
        sealed = [is_sealed(kept.hash) for kept in self.secrets]
        yield (
            not self.client_id or not is_vschar(self.client_id),
            "client_id has to be one or more printable ASCII characters (RFC 6749, A.1)",
        )
        yield (
            method not in AUTH_METHODS,
            f"token_endpoint_auth_method is {method!r}, and has to be one of "
            f"{', '.join(sorted(AUTH_METHODS))}",
        )
        yield (
            method == "none" and bool(self.secrets),
            "token_endpoint_auth_method none goes with no client_secret (RFC 6749, 10.1)",
        )
        yield (
            method in {*SECRET_METHODS, "client_secret_jwt"} and not self.secrets,
            f"token_endpoint_auth_method {method} needs a client_secret",
        )
        yield (
            method in SECRET_METHODS and any(sealed),
            f"token_endpoint_auth_method {method} takes hashed secrets, and not sealed ones",
        )
        yield (
            method == "client_secret_jwt" and not all(sealed),
            "token_endpoint_auth_method client_secret_jwt takes sealed secrets, for a hashed one "
            "verifies no signature",
        )
        yield (
            method == "private_key_jwt" and bool(self.secrets),
            "token_endpoint_auth_method private_key_jwt goes with no client_secret",
        )
        yield from find_contradictions(
            method,
            jwks=self.jwks,
            jwks_uri=self.jwks_uri,
            algorithm=self.token_endpoint_auth_signing_alg,
        )
        yield (
            method == "none" and "client_credentials" in self.grant_types,
            "grant_types has client_credentials, which a client with "
            "token_endpoint_auth_method none may not use (RFC 6749, 4.4)",
        )
        yield (
            self.default_scope is not None and not self.default_scope,
            "default_scope is empty; leave it out to refuse requests without scope",
        )
        yield (
            self.default_scope is not None and not self.default_scope <= (self.scope or Scope()),
            "default_scope has to lie within scope",
        )
        for name in ("access_token_lifetime", "refresh_token_lifetime"):
            yield (
                not is_lifetime(getattr(self, name)),
                f"{name} has to be a timedelta of one or more whole seconds",
            )
        for resource in self.resources:
            yield (
                not is_absolute_uri(resource),
                f"resources has {resource!r}, which is not an absolute URI without fragment "
                "(RFC 8707, 2)",
            )


@brief
class VerifiedClient:
    """
    A client that has gone through client authentication: proof of it for the type checker.

    Attributes:
        client: As registered.
        authenticated: False for a public client, which is identified and no more.
        method: The registered name of the method that it used.
        secret_id: Which of its secrets it showed, None with a method without.
        key_id: The ``kid`` of the key that it signed with, None without.
    """

    client: Client
    authenticated: bool
    method: str
    secret_id: str | None = None
    key_id: str | None = None

    @property
    def client_id(self) -> str:
        """The client's identifier."""
        return self.client.client_id

    def require_grant_type(self, grant_type: str) -> None:
        """
        Check that the client is registered for *grant_type*.

        Raises:
            UnauthorizedClient: It is not (RFC 6749, 5.2).
        """
        if grant_type not in self.client.grant_types:
            raise UnauthorizedClient("the client may not use this grant type")
