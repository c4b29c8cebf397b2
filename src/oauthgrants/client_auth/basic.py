"""``client_secret_basic``: id and secret in the ``Authorization`` field (RFC 6749, 2.3.1)."""

from __future__ import annotations

from binascii import Error as NotBase64
from binascii import a2b_base64, b2a_base64

from oauthgrants.client_auth.credentials import Credentials
from oauthgrants.errors import InvalidClient, InvalidRequest
from oauthgrants.forms import decode_form_text
from oauthgrants.secret import Secret

_MALFORMED = "the Basic credentials are malformed"


def read_basic(authorization: str, client_id: str | None) -> Credentials:
    """
    Return the credentials in the field value *authorization*.

    Each half is form-encoded below the Base64, so ``+`` means space; there is no second try
    on the raw text (C-22).

    Args:
        authorization: Not empty.
        client_id: The body's, None without. It may name the same client.

    Raises:
        InvalidClient: The scheme is another one (C-02).
        InvalidRequest: The credentials are malformed, or the body names another client.
    """
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient("the authentication scheme is not supported")
    encoded = encoded.strip(" ")
    try:
        octets = a2b_base64(encoded)
        name, colon, secret = octets.decode().partition(":")
    except (NotBase64, ValueError):
        raise InvalidRequest(_MALFORMED) from None
    # The decoder is lenient, even in its strict mode: it skips what is not of the alphabet.
    if not colon or b2a_base64(octets, newline=False).decode() != encoded:
        raise InvalidRequest(_MALFORMED)
    name, secret = decode_form_text(name), decode_form_text(secret)
    if client_id is not None and client_id != name:
        raise InvalidRequest("client_id and the Authorization header name two clients")
    return Credentials(
        client_id=name,
        secret=Secret(secret) if secret else None,
        method="client_secret_basic",
        by_header=True,
    )
