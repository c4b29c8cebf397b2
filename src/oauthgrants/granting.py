"""What is granted of what was asked for: scope (RFC 6749, 3.3) and resources (RFC 8707)."""

from __future__ import annotations

from oauthgrants.brief import brief, service
from oauthgrants.clients import VerifiedClient
from oauthgrants.errors import InvalidScope, InvalidTarget
from oauthgrants.forms import is_absolute_uri
from oauthgrants.ports import ScopePolicy, resolve
from oauthgrants.scopes import Scope
from oauthgrants.users import User

_BEYOND = "the scope is more than may be granted"


@brief
class ScopeRequest:
    """
    What a client asks for.

    Attributes:
        scope: What it named, or its default.
        explicit: Whether it named one; then all of it is granted or nothing.
        within: On refresh, the scope of the whole grant; else None.
    """

    scope: Scope
    explicit: bool
    within: Scope | None = None


@service(kw_only=True)
class ScopeRules:
    """
    What scope is granted (RFC 6749, 3.3).

    Attributes:
        policy: May grant less than was asked for; with None, a request for too much is
            refused (C-09).
        most: How many tokens a scope may have.
    """

    policy: ScopePolicy | None = None
    most: int = 100

    def read(self, client: VerifiedClient, text: str | None) -> ScopeRequest:
        """
        Return what *client* asks for.

        Args:
            client: Who asks.
            text: The parameter ``scope``, None if it is absent.

        Raises:
            InvalidScope: *text* is malformed, or is missing and the client has no default, or,
                with no policy to narrow it, is more than the client may have.
        """
        registered, default = client.client.scope, client.client.default_scope
        if text is None:
            if default is not None:
                return ScopeRequest(default, explicit=False)
            if not registered:
                return ScopeRequest(Scope(), explicit=False)
            raise InvalidScope("the scope is missing, and the client has no default")
        requested = Scope.parse(text, most=self.most)
        if self.policy is None and not requested <= (registered or Scope()):
            raise InvalidScope(_BEYOND)
        return ScopeRequest(requested, explicit=True)

    def narrow(self, original: Scope, text: str | None) -> ScopeRequest:
        """
        Return what a client asks for on refresh (RFC 6749, 6).

        Args:
            original: The scope of the whole grant, which a client asks for by default.
            text: The parameter ``scope``, a part of *original*; None if it is absent.

        Raises:
            InvalidScope: *text* is malformed or more than *original*.
        """
        if text is None:
            return ScopeRequest(original, explicit=False, within=original)
        requested = Scope.parse(text, most=self.most)
        if not requested <= original:
            raise InvalidScope(_BEYOND)
        return ScopeRequest(requested, explicit=True, within=original)

    async def grant(
        self, request: ScopeRequest, client: VerifiedClient, user: User | None = None
    ) -> Scope:
        """
        Return what is granted of *request*.

        Args:
            request: What `read` or `narrow` returned.
            client: Who asks.
            user: The resource owner, None if the client acts for itself.

        Raises:
            InvalidScope: Client or user may not have it, or the policy leaves nothing of it.
            ValueError: The policy grants more than they may have.
        """
        allowed = client.client.scope or Scope()
        if user is not None and user.scope is not None:
            allowed &= user.scope
        if request.within is not None:
            allowed &= request.within
        if self.policy is not None:
            return await self._ask(self.policy, request, allowed, client, user)
        if request.scope <= allowed:
            return request.scope
        granted = request.scope & allowed
        if request.explicit or not granted:
            raise InvalidScope(_BEYOND)
        return granted

    async def _ask(
        self,
        policy: ScopePolicy,
        request: ScopeRequest,
        allowed: Scope,
        client: VerifiedClient,
        user: User | None,
    ) -> Scope:
        granted = await resolve(policy.grant_scope(request.scope, allowed, client.client, user))
        if not granted <= allowed:
            raise ValueError("the scope policy grants more than client and user may have")
        if request.scope and not granted:
            # No scope in the response would say that all of it was granted (5.1).
            raise InvalidScope(_BEYOND)
        return granted


@service
class ResourceRules:
    """
    Which resources a token is for (RFC 8707, 2).

    Attributes:
        default: Where a request names none (C-26); any client may name these.
    """

    default: tuple[str, ...] = ()

    def read(self, client: VerifiedClient, resources: tuple[str, ...]) -> tuple[str, ...]:
        """
        Return the audience of the tokens that *client* asks for.

        Args:
            client: Who asks.
            resources: Each ``resource`` of the request, empty without.

        Raises:
            InvalidTarget: A resource is malformed, unknown, or not the client's to ask for.
        """
        if not resources:
            return self.default
        return _require_within(resources, {*client.client.resources, *self.default})

    def narrow(self, original: tuple[str, ...], resources: tuple[str, ...]) -> tuple[str, ...]:
        """
        Return the audience of a refreshed access token (RFC 8707, 2.2).

        Args:
            original: The resources of the whole grant, for a request that names none.
            resources: Each ``resource`` of the request, a part of *original*; empty without.

        Raises:
            InvalidTarget: A resource is malformed or not of *original*.
        """
        return _require_within(resources, set(original)) if resources else original


def _require_within(resources: tuple[str, ...], allowed: set[str]) -> tuple[str, ...]:
    for resource in resources:
        if not is_absolute_uri(resource):
            raise InvalidTarget("the resource is not an absolute URI without fragment")
    if not set(resources) <= allowed:
        raise InvalidTarget("the resource is not known, or not for this client")
    return tuple(dict.fromkeys(resources))
