"""The token endpoint (RFC 6749, 3.2)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from oauthgrants.clients import VerifiedClient
from oauthgrants.errors import UnsupportedGrantType
from oauthgrants.forms import Form
from oauthgrants.grants import GrantHandler, TokenRequest
from oauthgrants.sender_constraints import Confirm
from oauthgrants.tokens import NO_CLAIMS
from oauthgrants.wire import HttpRequest, HttpResponse, render


@attrs.frozen
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
        """
        grant_type = form.require("grant_type")
        grant = self.grants.get(grant_type)
        if grant is None:
            raise UnsupportedGrantType("the grant type is not supported")
        client.require_grant_type(grant_type)
        cnf = NO_CLAIMS if self.confirm is None else await self.confirm(request, client)
        answer = await grant(TokenRequest(form=form, client=client, cnf=cnf, source=request.source))
        return render(answer.parameters())
