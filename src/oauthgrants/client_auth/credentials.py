"""What a request says about its client."""

from __future__ import annotations

import attrs

from oauthgrants.errors import InvalidRequest
from oauthgrants.forms import is_vschar
from oauthgrants.secret import Secret


@attrs.frozen(kw_only=True)
class Credentials:
    """
    Who a request claims to come from.

    Attributes:
        client_id: Printable ASCII.
        secret: None where none, or an empty one, was sent.
        method: The registered name of the method.
        by_header: Whether they came in the ``Authorization`` field.

    Raises:
        InvalidRequest: A character is not VSCHAR (RFC 6749, A.1 and A.2).
    """

    client_id: str
    secret: Secret | None = None
    method: str
    by_header: bool = False

    def __attrs_post_init__(self) -> None:
        secret = "" if self.secret is None else self.secret.reveal()
        if not (is_vschar(self.client_id) and is_vschar(secret)):
            raise InvalidRequest("the client credentials are malformed")
