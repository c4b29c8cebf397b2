"""The revocation endpoint (RFC 7009)."""

from __future__ import annotations

from collections.abc import Callable

from oauthgrants.brief import service
from oauthgrants.clients import VerifiedClient
from oauthgrants.errors import InvalidGrant
from oauthgrants.events import Event, NothingRevoked, TokenRevoked, token_id
from oauthgrants.forms import Form
from oauthgrants.issuing import TokenIssuer
from oauthgrants.lookup import TokenLookup
from oauthgrants.ports import Clock
from oauthgrants.secret import Secret
from oauthgrants.tokens import RefreshToken
from oauthgrants.wire import HttpRequest, HttpResponse, render


@service(kw_only=True)
class RevocationHandler:
    """
    Ends a token for the client that it was issued to.

    A refresh token takes with it all that came from the same sign-in (2.1).

    Attributes:
        lookup: Finds tokens.
        issuer: Ends families.
        clock: Tells the time.
        record: Reports events.
    """

    lookup: TokenLookup
    issuer: TokenIssuer
    clock: Clock
    record: Callable[[Event], None]

    async def __call__(
        self, request: HttpRequest, form: Form, client: VerifiedClient
    ) -> HttpResponse:
        """
        Return ``{}``, also for a token that is unknown, expired or ended already (2.2; C-23).

        Raises:
            InvalidRequest: ``token`` is missing.
            InvalidGrant: The token is another client's (C-15); it stays.
        """
        value = Secret(form.require("token"))
        # A spent refresh token names its family too.
        token = await self.lookup.find(value, form.get("token_type_hint"), spent_too=True)
        if token is None:
            self.record(
                NothingRevoked(
                    at=self.clock(),
                    source=request.source,
                    client_id=client.client_id,
                    secret_id=client.secret_id,
                    key_id=client.key_id,
                )
            )
            return render({})
        if token.client_id != client.client_id:
            raise InvalidGrant("the token was issued to another client")
        if isinstance(token, RefreshToken):
            await self.issuer.revoke_family(client, token)
        else:
            await self.lookup.revoke(token)
        self.record(
            TokenRevoked(
                at=self.clock(),
                source=request.source,
                client_id=client.client_id,
                sub=token.sub,
                family=token.family,
                token_id=token_id(token),
                secret_id=client.secret_id,
                key_id=client.key_id,
            )
        )
        return render({})
