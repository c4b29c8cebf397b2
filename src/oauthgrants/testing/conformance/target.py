"""Which server is checked, and what the kit is given for it."""

from __future__ import annotations

from typing import Literal, cast, get_args
from urllib.parse import urlsplit

import attrs

from oauthgrants.addresses import is_loopback
from oauthgrants.secret import Secret

AuthMethod = Literal[
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "none",
]
"""How the client authenticates, by the names of the registry (RFC 7591, 2)."""
AUTH_METHODS = cast("tuple[AuthMethod, ...]", get_args(AuthMethod))

_BY_SECRET = ("client_secret_basic", "client_secret_post", "client_secret_jwt")


class Unusable(Exception):
    """The run cannot begin: what was given contradicts itself, or nobody is there to be checked."""


def _to_secret(value: Secret | str | None) -> Secret | None:
    return Secret(value) if isinstance(value, str) else value


@attrs.frozen(kw_only=True)
class Target:
    """
    A server, and a client (and a user) of it.

    Attributes:
        client_id: A client that may use client credentials, or password with *username*.
        client_secret: Its secret; ``client_secret_jwt`` makes its MAC with it.
        auth_method: How it authenticates, as it is registered.
        issuer: Where metadata is looked for. Without, *token_endpoint* says where to ask.
        token_endpoint: Used instead of what the metadata say, as the two below.
        introspection_endpoint: Without, and without metadata, those checks are skipped.
        revocation_endpoint: The same; then tokens are left to expire.
        private_key: A PEM, for ``private_key_jwt`` (extra ``jwt``).
        signing_alg: What it signs with.
        key_id: The ``kid`` that the key is registered by; the thumbprint of the key without.
        scope: What is asked for in each request; two or more scopes allow for more checks.
        resource: A resource indicator that the client may ask for (RFC 8707).
        username: A user, for the checks of the password and the refresh token grant.
        password: Theirs.
        other_client_id: A second client that authenticates in the same way, for the checks
            that nobody uses another's tokens.
        other_client_secret: Its secret.
        protected_resource: A URL that takes an access token; gets GET requests only.
        ca_file: PEM certificates to trust instead of the system's.
        allow_insecure: Whether plain http is used for hosts that are not loopback.
        wrong_secrets: Whether a few requests carry wrong secrets and made-up tokens; see
            `MOST_WRONG`.
        max_requests: How many requests are sent at most, revocation at the end included.
        timeout: Seconds to wait for each answer as a whole.

    Raises:
        Unusable: Something is missing, or contradicts something else.
    """

    client_id: str
    client_secret: Secret | None = attrs.field(default=None, converter=_to_secret)
    auth_method: AuthMethod = "client_secret_basic"
    issuer: str | None = None
    token_endpoint: str | None = None
    introspection_endpoint: str | None = None
    revocation_endpoint: str | None = None
    private_key: Secret | None = attrs.field(default=None, converter=_to_secret)
    signing_alg: str = "ES256"
    key_id: str | None = None
    scope: str | None = None
    resource: str | None = None
    username: str | None = None
    password: Secret | None = attrs.field(default=None, converter=_to_secret)
    other_client_id: str | None = None
    other_client_secret: Secret | None = attrs.field(default=None, converter=_to_secret)
    protected_resource: str | None = None
    ca_file: str | None = None
    allow_insecure: bool = False
    wrong_secrets: bool = True
    max_requests: int = 300
    timeout: float = 10.0

    def __attrs_post_init__(self) -> None:
        if self.issuer is None and self.token_endpoint is None:
            raise Unusable("give the issuer, or the token endpoint")
        if self.auth_method in _BY_SECRET and self.client_secret is None:
            raise Unusable(
                f"{self.auth_method} needs the client's secret: client_secret, or for the command "
                "OAUTHGRANTS_CLIENT_SECRET in the environment or --client-secret-file"
            )
        if self.auth_method == "private_key_jwt" and self.private_key is None:
            raise Unusable("private_key_jwt needs the client's private key")
        if self.auth_method == "none" and self.username is None:
            raise Unusable("a public client has only the password grant: give a user")
        if (self.username is None) != (self.password is None):
            raise Unusable("a user is a name and a password: give both or none")
        if self.other_client_id is not None and self.auth_method == "private_key_jwt":
            raise Unusable("a second client is only checked with clients that have a secret")
        if self.other_client_id is not None and (
            (self.other_client_secret is None) != (self.auth_method == "none")
        ):
            raise Unusable("the second client authenticates as the first one: its secret")
        for url in (
            self.issuer,
            self.token_endpoint,
            self.introspection_endpoint,
            self.revocation_endpoint,
            self.protected_resource,
        ):
            if url is not None:
                self.require_safe(url)

    @property
    def is_public(self) -> bool:
        """Whether the client has nothing to authenticate with."""
        return self.auth_method == "none"

    def require_safe(self, url: str) -> None:
        """
        Refuse a URL that secrets may not go to (RFC 6749, 1.6 and 3.2).

        Raises:
            Unusable: It is not https, nor http on a loopback host or allowed by the caller.
        """
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise Unusable("a URL is malformed") from None
        if not url.isascii() or not url.isprintable() or " " in url:
            raise Unusable("a URL has characters that it may not have")
        if parts.scheme not in ("http", "https") or not host:
            raise Unusable(f"not an http or https URL: {url}")
        if parts.username is not None or parts.password is not None:
            raise Unusable("a URL may have no user and no password in it")
        if parts.scheme == "http" and not (self.allow_insecure or is_loopback(host)):
            raise Unusable(f"plain http would show secrets to everybody on the way: {url}")
