"""The token endpoint (RFC 6749, 3.2)."""

from __future__ import annotations

from collections.abc import Mapping

from oauthgrants.brief import service
from oauthgrants.clients import VerifiedClient
from oauthgrants.confirmations import KEY
from oauthgrants.errors import UnsupportedGrantType
from oauthgrants.forms import Form
from oauthgrants.grants import GrantHandler, TokenRequest
from oauthgrants.sender_constraints import NOTHING, Confirm
from oauthgrants.wire import HttpRequest, HttpResponse, render_tokens

_BOUND = "DPoP"


@service
class TokenHandler:
    """
    Hands a request to its grant.

    Attributes:
        grants: What answers each enabled ``grant_type``, character for character.
        confirm: Says what tokens are to be bound to, None on a server that binds none.
    """

    grants: Mapping[str, GrantHandler]
    confirm: Confirm | None = None

    async def __call__(
        self, request: HttpRequest, form: Form, client: VerifiedClient
    ) -> HttpResponse:
        """
        Return the tokens.

        Raises:
            InvalidRequest: ``grant_type`` is missing.
            UnsupportedGrantType: It is not enabled.
            UnauthorizedClient: The client is not registered for it.
            OAuthError: What tokens are to be bound to is not shown, or the grant refuses.
            ValueError: The grant, one of the host's own, would make bearer tokens of them.
        """
        grant_type = form.require("grant_type")
        grant = self.grants.get(grant_type)
        if grant is None:
            raise UnsupportedGrantType("the grant type is not supported")
        client.require_grant_type(grant_type)
        shown = NOTHING if self.confirm is None else await self.confirm(request, client)
        answer = await grant(
            TokenRequest(form=form, client=client, cnf=shown.cnf, source=request.source)
        )
        if KEY in shown.cnf and answer.token_type != _BOUND:
            raise ValueError(f"grant {grant_type!r} does not bind its tokens: pass cnf=request.cnf")
        return render_tokens(answer, headers=shown.headers)
