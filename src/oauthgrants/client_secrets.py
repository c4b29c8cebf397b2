"""The secrets of clients, as they are kept (RFC 6749, 2.3.1; RFC 7591, 3.2.1)."""

from __future__ import annotations

import warnings
from datetime import datetime
from typing import Any

import attrs

from oauthgrants.client_keys import ASSERTION_METHODS, seal_client_secret
from oauthgrants.errors import InvalidClientMetadata
from oauthgrants.forms import is_vschar
from oauthgrants.hashing import Argon2idHasher, fast_digest
from oauthgrants.sealed import SealingKey
from oauthgrants.secret import Secret, SecretFormat, random_id

SECRET_METHODS = frozenset({"client_secret_basic", "client_secret_post"})
"""The methods of RFC 6749, 2.3.1: the client shows a secret that the server keeps as a digest."""

CLIENT_SECRET = SecretFormat("ogcs_")
"""The form of the client secrets that we make."""


def _require_aware(_: object, attribute: attrs.Attribute[Any], moment: object) -> None:
    if moment is not None and not (isinstance(moment, datetime) and moment.utcoffset() is not None):
        raise InvalidClientMetadata(
            f"{attribute.name} of a client_secret has to be an aware datetime, or None for never, "
            f"not {moment!r}"
        )


@attrs.frozen(kw_only=True)
class ClientSecret:
    """
    One live secret of a client, as a digest.

    Attributes:
        hash: ``sha256:…`` for a secret that a machine made, ``sealed:…`` for one that verifies
            assertions, else a PHC string.
        expires_at: The first moment at which it is refused, aware; None for never.
        id: Names it in events, so that one sees which secret is still in use.

    Raises:
        InvalidClientMetadata: *expires_at* is not aware.
    """

    hash: str = attrs.field(repr=False)
    expires_at: datetime | None = attrs.field(default=None, validator=_require_aware)
    id: str = attrs.field(factory=lambda: random_id(6))

    def is_live(self, now: datetime) -> bool:
        """Return whether the secret has not expired (RFC 7591, 3.2.1)."""
        return self.expires_at is None or now < self.expires_at

    def ending_by(self, moment: datetime | None) -> ClientSecret:
        """
        Return the secret as one that ends at *moment* or earlier; None leaves it as it is.

        Raises:
            InvalidClientMetadata: *moment* is not aware.
        """
        if moment is None:
            return self
        ending = attrs.evolve(self, expires_at=moment)
        return self if self.expires_at is not None and self.expires_at <= moment else ending


def hash_client_secret(
    secret: Secret, *, machine_made: bool = False, expires_at: datetime | None = None
) -> ClientSecret:
    """
    Return *secret* as a client keeps it.

    Args:
        secret: What the client is to show.
        machine_made: Whether it came from a random generator with 128 bits or more; then a
            fast digest suffices. Secrets that we made are known by their checksum.
        expires_at: When it is no longer accepted, aware; None for never.

    Raises:
        InvalidClientMetadata: *secret* is empty or not VSCHAR (RFC 6749, A.2), or *expires_at*
            is not aware.
    """
    text = secret.reveal()
    if not text or not is_vschar(text):
        raise InvalidClientMetadata(
            "client_secret has to be one or more printable ASCII characters (RFC 6749, A.2)"
        )
    if machine_made or CLIENT_SECRET.recognises(secret):
        return ClientSecret(hash=fast_digest(secret), expires_at=expires_at)
    return ClientSecret(hash=Argon2idHasher().hash(secret), expires_at=expires_at)


def make_client_secret(
    client_id: str,
    method: str,
    *,
    secret: Secret | str | None,
    machine_made: bool,
    expires_at: datetime | None,
    sealing_key: SealingKey | None,
    signing_alg: str | None,
) -> tuple[ClientSecret, Secret]:
    """
    Return a secret as a client keeps it, and as it is shown.

    Args:
        client_id: Whose it is.
        method: The client's ``token_endpoint_auth_method``.
        secret: One that exists already, None for a new one of 256 random bits or more.
        machine_made: Whether the secret that exists came from a random generator.
        expires_at: When it is no longer accepted, aware; None for never.
        sealing_key: Encrypts it, where the server has to read it again.
        signing_alg: The HMAC that it is for, None for any.

    Raises:
        InvalidClientMetadata: *secret* cannot be one, or there is no *sealing_key* for it.
    """
    by_assertion = method in ASSERTION_METHODS
    if secret is None:
        # The longest HMAC takes 64 octets, and ours have 53.
        secret = Secret(random_id(48)) if by_assertion else CLIENT_SECRET.generate()
    elif isinstance(secret, str):
        secret = Secret(secret)
    if by_assertion:
        sealed = seal_client_secret(secret, sealing_key, client_id, signing_alg)
        return ClientSecret(hash=sealed, expires_at=expires_at), secret
    kept = hash_client_secret(secret, machine_made=machine_made, expires_at=expires_at)
    if method == "client_secret_basic" and set("+% ") & set(secret.reveal()):
        warnings.warn(
            "this client_secret reads differently before and after form-decoding, which "
            "RFC 6749, Section 2.3.1 asks of Basic credentials and many clients forget; "
            "choose one without '+', '%' and space",
            stacklevel=3,
        )
    return kept, secret
