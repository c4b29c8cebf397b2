"""Clients and their registered metadata (RFC 6749, 2; RFC 7591, 2)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import attrs

from oauthgrants.brief import brief
from oauthgrants.client_certificates import SELF_SIGNED, TLS_CLIENT_AUTH, to_certificate_jwks
from oauthgrants.client_keys import to_jwks
from oauthgrants.client_rules import AUTH_METHODS as AUTH_METHODS  # noqa: PLC0414  # public here
from oauthgrants.client_rules import find_contradictions
from oauthgrants.client_secrets import ClientSecret, make_client_secret
from oauthgrants.errors import InvalidClientMetadata, UnauthorizedClient
from oauthgrants.scopes import Scope
from oauthgrants.sealed import SealingKey
from oauthgrants.secret import Secret, random_id


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
        default_scope: What it gets when it asks for no scope; None to refuse such requests.
        resources: The RFC 8707 identifiers that it may ask tokens for.
        introspects: The audiences whose tokens it may introspect, as a resource server.
        first_party: Whether it may use the password grant, and so see its users' passwords.
        access_token_lifetime: Whole seconds, None for the server's.
        refresh_token_lifetime: Whole seconds, None for the server's.
        secrets: Its live secrets; any of them authenticates it.
        jwks: Its public keys, for ``private_key_jwt``, or its certificates as ``x5c``, for
            ``self_signed_tls_client_auth``: a JWK Set as JSON; a mapping will do.
        jwks_uri: The https URL of that JWK Set, instead of *jwks*.
        token_endpoint_auth_signing_alg: The only ``alg`` of its assertions, None for any that
            fits its keys.
        tls_client_auth_subject_dn: The subject of its certificate, for ``tls_client_auth``, as
            RFC 4514 writes it. Such a client has exactly one of this and the next four, which
            are alternative names of the subject (RFC 8705, 2.1.2).
        tls_client_auth_san_dns: A host name.
        tls_client_auth_san_uri: A URI.
        tls_client_auth_san_ip: An IP address.
        tls_client_auth_san_email: An email address.
        tls_client_certificate_bound_access_tokens: Whether its access tokens are bound to the
            certificate that it shows (RFC 8705, 3.4).
        dpop_bound_access_tokens: Whether it has to bind them to a key (RFC 9449, 5.2).
        secret_methods_equal: Whether a secret may come by Basic or in the body, whichever of the
            two is registered (C-12).
        active: False for a client that may not authenticate.
        client_name: A name for people to read.

    Raises:
        InvalidClientMetadata: An attribute is malformed or contradicts another; the message
            names it.
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
        kept, secret = make_client_secret(
            client_id,
            token_endpoint_auth_method,
            secret=secret,
            machine_made=machine_made,
            expires_at=secret_expires_at,
            sealing_key=sealing_key,
            signing_alg=metadata.get("token_endpoint_auth_signing_alg"),
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

    @classmethod
    def with_certificate(
        cls,
        client_id: str | None = None,
        *,
        certificate: str | bytes | None = None,
        **metadata: Any,
    ) -> Client:
        """
        Return a client that shows a certificate (RFC 8705, 2).

        Either an authority has issued it, and one of the five ``tls_client_auth_…`` attributes
        says to whom (``tls_client_auth``); or the certificate itself is registered
        (``self_signed_tls_client_auth``).

        Args:
            client_id: Made up if left out, of 22 characters that need no encoding.
            certificate: The one to register, PEM as text or DER as octets; it may be
                self-signed. ``jwks`` or ``jwks_uri`` may have several.
            **metadata: Any other attribute of `Client`.

        Raises:
            InvalidClientMetadata: The metadata contradict one another.
        """
        if certificate is not None:
            metadata = {"jwks": to_certificate_jwks(certificate), **metadata}
        registered = metadata.keys() & {"jwks", "jwks_uri"}
        return cls(
            client_id=random_id() if client_id is None else client_id,
            token_endpoint_auth_method=SELF_SIGNED if registered else TLS_CLIENT_AUTH,
            **metadata,
        )

    def make_secret(
        self,
        *,
        secret: Secret | str | None = None,
        machine_made: bool = False,
        expires_at: datetime | None = None,
        sealing_key: SealingKey | None = None,
    ) -> tuple[ClientSecret, Secret]:
        """
        Return a further secret for ``add_client_secret`` of a store, and its value, shown once.

        Args:
            secret: One that exists already; left out, a new one of 256 random bits.
            machine_made: As in `confidential`.
            expires_at: When it is no longer accepted, aware; None for never.
            sealing_key: Encrypts it for ``client_secret_jwt``; the server's.

        Raises:
            InvalidClientMetadata: The client authenticates without secrets, or *secret* cannot
                be one.
        """
        self._require_secrets()
        return make_client_secret(
            self.client_id,
            self.token_endpoint_auth_method,
            secret=secret,
            machine_made=machine_made,
            expires_at=expires_at,
            sealing_key=sealing_key,
            signing_alg=self.token_endpoint_auth_signing_alg,
        )

    def with_secret(
        self, added: ClientSecret, *, others_expire_at: datetime | None = None
    ) -> Client:
        """
        Return the client with a further secret, by which it authenticates too.

        Args:
            added: The new one.
            others_expire_at: When its other secrets expire at the latest, aware; None to leave
                them as they are.

        Raises:
            InvalidClientMetadata: The client authenticates without secrets, has one with this
                id, or *others_expire_at* is not aware.
        """
        self._require_secrets()
        if any(kept.id == added.id for kept in self.secrets):
            raise InvalidClientMetadata(
                f"client {self.client_id!r}: there is a client_secret {added.id!r} already"
            )
        others = (kept.ending_by(others_expire_at) for kept in self.secrets)
        return attrs.evolve(self, secrets=(*others, added))

    def without_secret(self, secret_id: str) -> Client:
        """
        Return the client without one of its secrets.

        Raises:
            InvalidClientMetadata: It has no secret with this id, or only this one.
        """
        left = tuple(kept for kept in self.secrets if kept.id != secret_id)
        if left == self.secrets:
            raise InvalidClientMetadata(
                f"client {self.client_id!r}: there is no client_secret {secret_id!r}"
            )
        return attrs.evolve(self, secrets=left)

    def _require_secrets(self) -> None:
        if not self.secrets:
            raise InvalidClientMetadata(
                f"client {self.client_id!r}: token_endpoint_auth_method "
                f"{self.token_endpoint_auth_method} goes with no client_secret"
            )

    def __attrs_post_init__(self) -> None:
        for contradicted, message in find_contradictions(self):
            if contradicted:
                raise InvalidClientMetadata(f"client {self.client_id!r}: {message}")


@brief
class VerifiedClient:
    """
    A client that has gone through client authentication: proof of it for the type checker.

    Attributes:
        client: As registered.
        authenticated: False for a public client, which only says who it is.
        method: The registered name of the method that it used.
        secret_id: Which of its secrets it showed, None with a method without.
        key_id: The ``kid`` of the key that it signed with, or ``x5t#S256`` of the certificate
            that it showed; None without.
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
