"""``none``: a public client says who it is and proves nothing (RFC 6749, 3.2.1)."""

from __future__ import annotations

from oauthgrants.client_auth.credentials import Credentials
from oauthgrants.forms import Form


def read_none(form: Form) -> Credentials | None:
    """
    Return who *form* says it comes from, None if it does not say.

    Raises:
        InvalidRequest: A character of ``client_id`` is not VSCHAR.
    """
    client_id = form.get("client_id")
    return None if client_id is None else Credentials(client_id=client_id, method="none")
