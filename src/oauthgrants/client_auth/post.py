"""``client_secret_post``: client id and secret in the body (RFC 6749, 2.3.1)."""

from __future__ import annotations

from oauthgrants.client_auth.credentials import Credentials
from oauthgrants.forms import Form
from oauthgrants.secret import Secret


def read_post(form: Form, client_secret: str) -> Credentials:
    """
    Return the credentials in *form*.

    Raises:
        InvalidRequest: ``client_id`` is missing, or a character is not VSCHAR.
    """
    return Credentials(
        client_id=form.require("client_id"),
        secret=Secret(client_secret),
        method="client_secret_post",
    )
