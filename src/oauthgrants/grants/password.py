"""The resource owner password credentials grant, a legacy (RFC 6749, 4.3)."""

from __future__ import annotations

import warnings
from datetime import timedelta
from functools import partial

import attrs

from oauthgrants.brief import brief
from oauthgrants.clients import Client
from oauthgrants.errors import (
    InvalidGrant,
    InvalidRequest,
    MfaRequired,
    UnauthorizedClient,
)
from oauthgrants.forms import Form, Limits
from oauthgrants.grants import GrantHandler, Services, TokenRequest
from oauthgrants.issuing import Issue
from oauthgrants.mfa import MFA_OTP
from oauthgrants.ports import (
    Hasher,
    MaybeAwaitable,
    PasswordVerifier,
    SecondFactor,
    UserStore,
    resolve,
)
from oauthgrants.scopes import Scope
from oauthgrants.secret import Secret
from oauthgrants.throttling import Guess
from oauthgrants.throttling.limited import WRONG
from oauthgrants.tokens import TokenResponse, require_lifetime
from oauthgrants.users import (
    Accepted,
    Disabled,
    Locked,
    PasswordOutcome,
    Rejected,
    User,
)
from oauthgrants.users import MfaRequired as SecondFactorWanted

WARNING = (
    "the password grant shows a user's password to the client; RFC 9700, Section 2.4 says that "
    "it must not be used, and OAuth 2.1 drops it. Keep it to first-party clients, and move them "
    "to the authorization code grant"
)


class PasswordGrantWarning(UserWarning):
    """The password grant was enabled (RFC 9700, 2.4)."""


@brief
class PasswordRequest:
    """The parameters of RFC 6749, 4.3.2."""

    username: str
    password: Secret
    scope: str | None

    @classmethod
    def from_form(cls, form: Form, limits: Limits) -> PasswordRequest:
        """
        Return the request in *form*; nothing is trimmed, folded or normalised.

        Raises:
            InvalidRequest: A parameter is missing or too long.
        """
        username, password = form.require("username"), form.require("password")
        if len(password.encode()) > limits.password:
            raise InvalidRequest("the password is too long")
        return cls(username, Secret(password), form.get("scope"))


@attrs.frozen(kw_only=True)
class PasswordGrant:
    """
    The resource owner's password for a token: legacy, first-party clients only.

    .. warning::
       RFC 9700, Section 2.4 forbids this grant and OAuth 2.1 drops it: the client sees the
       password, users learn to type it anywhere, and second factors have no place. It is here
       for those who still run it. Making one warns with `PasswordGrantWarning`.

    Attributes:
        verifier: Checks passwords; None for the server's own users and hasher.
        second_factor: Says which users have to show more than a password, by `MfaOtpGrant`;
            None for only those for whom the verifier answers ``MfaRequired``.
        first_party_only: Whether clients have to be marked ``first_party``.
        refresh_tokens: Whether clients registered for ``refresh_token`` get one.
        access_token_lifetime: Whole seconds, None for the server's.
        refresh_token_lifetime: Whole seconds, None for the server's.
    """

    verifier: PasswordVerifier | None = None
    second_factor: SecondFactor | None = None
    first_party_only: bool = True
    refresh_tokens: bool = True
    access_token_lifetime: timedelta | None = attrs.field(default=None, validator=require_lifetime)
    refresh_token_lifetime: timedelta | None = attrs.field(default=None, validator=require_lifetime)

    grant_type = "password"
    parameters: frozenset[str] = frozenset({"username", "password", "scope"})

    def __attrs_post_init__(self) -> None:
        warnings.warn(WARNING, PasswordGrantWarning, stacklevel=3)

    def bind(self, services: Services) -> GrantHandler:
        """
        Return what answers requests.

        Raises:
            ValueError: There is neither a verifier nor a store of users.
        """
        if self.verifier is not None:
            return partial(self._answer, services, services.adapt(self.verifier))
        if services.users is None:
            raise ValueError(
                "PasswordGrant cannot check passwords: give it a verifier, or the server users="
            )
        return partial(self._answer, services, StoredPasswords(services.users, services.hasher))

    async def _answer(
        self, services: Services, verifier: PasswordVerifier, request: TokenRequest
    ) -> TokenResponse:
        client = request.client
        if self.first_party_only and not client.client.first_party:
            raise UnauthorizedClient("the client may not use this grant type", reason="third party")
        asked = PasswordRequest.from_form(request.form, services.limits)  # 4.3.2
        audience = services.resources.read(client, request.form.get_all("resource"))  # RFC 8707
        scope_request = services.scopes.read(client, asked.scope)  # 3.3
        outcome = await self._verify(services, verifier, request, asked)
        user = self._require_accepted(outcome)
        scope = await services.scopes.grant(scope_request, client, user)
        if isinstance(outcome, SecondFactorWanted) or await self._wants_more(user, client.client):
            raise await self._ask(services, request, user, scope, audience)
        issue = Issue(
            client=client,
            grant_type=self.grant_type,
            scope=scope,
            audience=audience,
            user=user,
            # The password has done its work: nothing after it gets to see it.
            form=request.form.without("password"),
            cnf=request.cnf,
            source=request.source,
            access_token_lifetime=self.access_token_lifetime,
            refresh_token_lifetime=self.refresh_token_lifetime,
        )
        return await services.issuer.issue(  # 4.3.3
            issue, with_refresh_token=self.refresh_tokens and services.may_refresh(client.client)
        )

    async def _verify(
        self,
        services: Services,
        verifier: PasswordVerifier,
        request: TokenRequest,
        asked: PasswordRequest,
    ) -> PasswordOutcome:
        client = request.client.client

        def check() -> MaybeAwaitable[PasswordOutcome]:
            return verifier.verify_password(asked.username, asked.password, client)

        if services.limited is None:
            return await resolve(check())
        guess = Guess(
            kind="password",
            name=asked.username,
            client_id=client.client_id,
            source=request.source,
        )
        return await services.limited.make(guess, check, _is_right)

    async def _wants_more(self, user: User, client: Client) -> bool:
        return self.second_factor is not None and await resolve(
            self.second_factor.is_wanted(user, client)
        )

    async def _ask(
        self,
        services: Services,
        request: TokenRequest,
        user: User,
        scope: Scope,
        audience: tuple[str, ...],
    ) -> MfaRequired:
        if services.waiting is None or MFA_OTP not in services.grant_types:
            return MfaRequired("a second factor is required")
        return await services.waiting.begin(request.client, user, scope, audience, request.source)

    def _require_accepted(self, outcome: PasswordOutcome) -> User:
        match outcome:
            case Accepted(user) | SecondFactorWanted(user) if user.active:
                return user
            case Accepted(user) | SecondFactorWanted(user):
                reason, sub = Disabled().reason, user.sub
            case Rejected(reason, sub) | Disabled(reason, sub) | Locked(reason, sub):
                pass
            case _:
                # Only its type: it may be something that is not for a log.
                raise TypeError(
                    "verify_password has to answer Accepted, Rejected, Disabled, Locked or "
                    f"MfaRequired, not a {type(outcome).__name__}"
                )
        # One answer for all of them: the client does not learn who exists.
        raise InvalidGrant(WRONG["password"], reason=reason, sub=sub)


def _is_right(outcome: PasswordOutcome) -> bool:
    return isinstance(outcome, Accepted | SecondFactorWanted)


@attrs.frozen
class StoredPasswords:
    """The verifier of a server that keeps its users' password hashes itself."""

    users: UserStore
    hasher: Hasher

    async def verify_password(
        self,
        username: str,
        password: Secret,
        client: Client,  # noqa: ARG002  # the port's, for verifiers that care who asks
    ) -> PasswordOutcome:
        """Return whose password it is; an unknown user costs what a wrong password does."""
        user = await resolve(self.users.find_user(username))
        encoded = None if user is None else user.password_hash
        matches = await resolve(self.hasher.verify(encoded, password))
        if user is None or encoded is None or not matches:
            return Rejected(sub=None if user is None else user.sub)
        if not user.active:
            return Disabled(sub=user.sub)
        if await resolve(self.hasher.needs_rehash(encoded)):
            stronger = await resolve(self.hasher.hash(password))
            await resolve(self.users.replace_password_hash(user.sub, encoded, stronger))
        return Accepted(user)
