"""What a request says about its client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oauthgrants.brief import brief
from oauthgrants.errors import InvalidRequest
from oauthgrants.forms import is_vschar
from oauthgrants.secret import Secret

if TYPE_CHECKING:
    # Only for annotations: servers without clients that sign never load joserfc.
    from oauthgrants.jose import Jws


@brief(kw_only=True)
class Credentials:
    """
    Who a request claims to come from.

    Attributes:
        client_id: Printable ASCII.
        secret: None where none, or an empty one, was sent.
        method: The registered name of the method.
        by_header: Whether they came in the ``Authorization`` field.
        assertion: What the client has signed, None with a method without.
        certificate: What it shows on the TLS layer, DER; None with a method without.
        certificate_verified: Whether the host has validated its chain.

    Raises:
        InvalidRequest: A character is not VSCHAR (RFC 6749, A.1 and A.2).
    """

    client_id: str
    secret: Secret | None = None
    method: str
    by_header: bool = False
    assertion: Jws | None = None
    certificate: bytes | None = None
    certificate_verified: bool = False

    def __attrs_post_init__(self) -> None:
        secret = "" if self.secret is None else self.secret.reveal()
        if not (is_vschar(self.client_id) and is_vschar(secret)):
            raise InvalidRequest("the client credentials are malformed")
