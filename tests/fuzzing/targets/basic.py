"""Basic credentials: the one spelling that RFC 6749, Section 2.3.1 has."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote_plus

from oauthgrants.client_auth.basic import read_basic
from oauthgrants.errors import InvalidClient, InvalidRequest

from .. import models

_AS_TEXT = 0x80


def fuzz(data: bytes) -> None:
    """
    Read *data* as a field value; write what it says anew, and read that.

    Its first octet says whether the rest is one, or what Base64 makes of it.
    """
    if (data[:1] or b"\0")[0] >= _AS_TEXT:
        value = data[1:].decode("latin-1")
    else:
        value = f"Basic {b64encode(data[1:]).decode()}"
    try:
        expected = models.parse_basic(value)
    except models.Refused:
        expected = None
    try:
        credentials = read_basic(value, None)
    except (InvalidClient, InvalidRequest):
        credentials = None
    assert (credentials is None) == (expected is None), "refused, or not refused"
    if credentials is None:
        return
    secret = credentials.secret.reveal() if credentials.secret is not None else ""
    assert (credentials.client_id, secret) == expected
    pair = f"{quote_plus(credentials.client_id)}:{quote_plus(secret)}".encode()
    again = read_basic(f"Basic {b64encode(pair).decode()}", credentials.client_id)
    assert again.client_id == credentials.client_id
    assert (again.secret.reveal() if again.secret is not None else "") == secret
