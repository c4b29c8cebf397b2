"""
What the host provides.

A class fits a port if it has the methods; it need not import us. Each method may be written
``def`` or ``async def``, whichever its driver asks for. What it raises becomes 503
``temporarily_unavailable``, so a store that is away never looks like a wrong password.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from typing_extensions import TypeIs

from oauthgrants.clients import Client, ClientSecret
from oauthgrants.scopes import Scope
from oauthgrants.secret import Secret
from oauthgrants.tokens import AccessToken, Lifetimes, RefreshToken
from oauthgrants.users import PasswordOutcome, User

T = TypeVar("T")

MaybeAwaitable: TypeAlias = T | Awaitable[T]
"""What a port's method returns: the answer, or something to wait for it."""

Clock = Callable[[], datetime]
"""Returns the time, aware, in UTC."""


def utc_now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)


class Rotation(Enum):
    """What came of spending a refresh token."""

    ROTATED = "rotated"
    """It was spent by this call, and its successor is stored."""
    REPLAYED = "replayed"
    """It had been spent before: nothing is stored."""
    MISSING = "missing"
    """It is unknown, or its family has been revoked: nothing is stored."""


class ClientStore(Protocol):
    """The registered clients."""

    def find_client(self, client_id: str) -> MaybeAwaitable[Client | None]:
        """Return the client with this id, None if there is none."""
        ...

    def replace_client_secret(
        self, client_id: str, old: ClientSecret, new: ClientSecret
    ) -> MaybeAwaitable[None]:
        """
        Keep *new* in the place of *old*, the same secret hashed at a higher cost.

        If *old* is no longer there, do nothing; a store that is read-only does nothing ever.
        """
        ...


class UserStore(Protocol):
    """The resource owners."""

    def find_user(self, username: str) -> MaybeAwaitable[User | None]:
        """Return the user who types *username*, None if there is none."""
        ...

    def find_user_by_sub(self, sub: str) -> MaybeAwaitable[User | None]:
        """Return the user with this subject identifier, None if there is none."""
        ...

    def replace_password_hash(self, sub: str, old: str, new: str) -> MaybeAwaitable[None]:
        """
        Keep *new* in the place of *old*, the same password hashed at a higher cost.

        If *old* is no longer there, do nothing; a store that is read-only does nothing ever.
        """
        ...


class TokenStore(Protocol):
    """
    The tokens, under their digests. On return, what was written survives a crash.

    Tokens past ``expires_at`` may be dropped or returned; they are checked after the look-up.
    """

    def save_tokens(
        self, access: AccessToken | None, refresh: RefreshToken | None
    ) -> MaybeAwaitable[None]:
        """Store both or neither; None where there is none, or none that is stored."""
        ...

    def find_access_token(self, digest: bytes) -> MaybeAwaitable[AccessToken | None]:
        """Return the access token with this digest, None if unknown or revoked."""
        ...

    def find_refresh_token(self, digest: bytes) -> MaybeAwaitable[RefreshToken | None]:
        """Return the refresh token with this digest, spent or not, None if unknown or revoked."""
        ...

    def rotate_refresh_token(
        self,
        spent: bytes,
        access: AccessToken | None,
        refresh: RefreshToken,
        *,
        grace: timedelta,
    ) -> MaybeAwaitable[Rotation]:
        """
        Mark a refresh token as spent and store its successors, in one step.

        Of any number of calls at once with the same *spent*, one answers ROTATED, unless
        *grace* allows more.

        Args:
            spent: Digest of the refresh token that came.
            access: The new access token, None for one that is not stored, such as a JWT.
            refresh: The new refresh token, of the same family. Its ``issued_at`` is now.
            grace: For so long after it was first spent, the token of the family that was
                spent last may come again. Zero for never.
        """
        ...

    def revoke_family(self, family: str) -> MaybeAwaitable[None]:
        """End all tokens of *family*, access and refresh, in one step; unknown ones are none."""
        ...

    def revoke_access_token(self, digest: bytes) -> MaybeAwaitable[None]:
        """End the access token with this digest; an unknown one is none."""
        ...


class DenyList(Protocol):
    """What is revoked of the JWTs, which no store knows."""

    def deny(self, identifier: str, expires_at: datetime) -> MaybeAwaitable[None]:
        """Remember *identifier*, a ``jti`` or a family, until *expires_at*."""
        ...

    def is_denied(self, identifiers: Collection[str]) -> MaybeAwaitable[bool]:
        """Return whether any of *identifiers* is remembered."""
        ...


class Purgeable(Protocol):
    """A store that keeps what has expired until it is told to forget it."""

    def delete_expired(self, now: datetime, limit: int) -> MaybeAwaitable[int]:
        """
        Delete tokens and denials that have expired by *now*, *limit* of them at most.

        Return how many; less than *limit* says that nothing more is left, but for what has
        expired within the last minute. Call it from a timer, again and again until then: each
        call is short, and holds up nobody.
        """
        ...


class Hasher(Protocol):
    """How passwords are kept, and client secrets that people chose."""

    def hash(self, secret: Secret) -> MaybeAwaitable[str]:
        """Return *secret* in the form that is kept."""
        ...

    def verify(self, encoded: str | None, secret: Secret) -> MaybeAwaitable[bool]:
        """
        Return whether *secret* matches *encoded*.

        None stands for an unknown client or user: do the same work and
        return False, so that timing tells nobody who exists.
        """
        ...

    def needs_rehash(self, encoded: str) -> MaybeAwaitable[bool]:
        """Return whether *encoded* is weaker than what `hash` makes."""
        ...


class PasswordVerifier(Protocol):
    """Who checks a resource owner's password (RFC 6749, 4.3.2)."""

    def verify_password(
        self, username: str, password: Secret, client: Client
    ) -> MaybeAwaitable[PasswordOutcome]:
        """
        Return whose password it is, or why it is refused.

        Args:
            username: As sent: not trimmed, folded or normalised.
            password: As sent.
            client: The client that asks, authenticated if it can be.
        """
        ...


class ScopePolicy(Protocol):
    """Grants less than what was asked for (RFC 6749, 3.3)."""

    def grant_scope(
        self, requested: Scope, allowed: Scope, client: Client, user: User | None
    ) -> MaybeAwaitable[Scope]:
        """
        Return what is granted, at most *allowed*; nothing refuses the request.

        Args:
            requested: By the client, or its default.
            allowed: All that client and user may have; on refresh, of what was granted.
            client: Who asks.
            user: The resource owner, None if the client acts for itself.

        Raises:
            InvalidScope: Nothing is.
        """
        ...


class ExtraClaims(Protocol):
    """Adds claims of the host's own to access tokens."""

    @property
    def parameters(self) -> Collection[str]:
        """The names of the request's parameters that it wants to see."""
        ...

    def make_claims(
        self, client: Client, user: User | None, scope: Scope, parameters: Mapping[str, str]
    ) -> MaybeAwaitable[Mapping[str, Any]]:
        """
        Return claims for a JWT and for introspection; registered ones are passed over.

        Args:
            client: Who gets the token.
            user: On whose behalf, None if the client acts for itself.
            scope: What was granted.
            parameters: Those of `parameters` that the request has.
        """
        ...


class LifetimePolicy(Protocol):
    """Chooses how long tokens live."""

    def choose_lifetimes(
        self,
        usual: Lifetimes,
        client: Client,
        grant_type: str,
        scope: Scope,
        user: User | None,
    ) -> MaybeAwaitable[Lifetimes]:
        """
        Return the lifetimes of the tokens about to be issued.

        Args:
            usual: What client, grant and server say.
            client: Who gets them.
            grant_type: How.
            scope: What was granted.
            user: On whose behalf, None if the client acts for itself.
        """
        ...


def is_awaitable(answer: MaybeAwaitable[T]) -> TypeIs[Awaitable[T]]:
    """Return whether *answer* has to be waited for."""
    return hasattr(answer, "__await__")


async def resolve(answer: MaybeAwaitable[T]) -> T:
    """Return what a port answered, waiting for it if need be."""
    return await answer if is_awaitable(answer) else answer


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """
    Drive *coroutine* to its end on the caller's stack: no loop, no thread.

    Raises:
        RuntimeError: A port did suspend.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        return cast("T", done.value)
    try:
        coroutine.close()
    finally:
        # Whatever the port does on its way out, such as to suspend once more.
        raise RuntimeError(
            "a port suspended, and there is no event loop to wait on; use "
            "AsyncAuthorizationServer or AsyncResourceServer, or a port that answers at once"
        )


Marked = TypeVar("Marked", bound=type)


def never_blocks(port: Marked) -> Marked:
    """
    Mark a port whose ``def`` methods answer at once, such as one that keeps all in memory.

    `AsyncAuthorizationServer` calls them on the loop. Those of other ports it calls in a
    worker thread.
    """
    port.never_blocks = True  # type: ignore[attr-defined]  # a mark, not a member
    return port


P = TypeVar("P")


def off_loop(port: P, in_thread: Callable[..., Awaitable[Any]]) -> P:
    """
    Return *port* as it can be called on an event loop.

    Args:
        port: One that is marked with `never_blocks`, or written ``async def``, stays as it is.
        in_thread: Calls a function in a worker thread, such as ``asyncio.to_thread``.
    """
    if port is None or getattr(type(port), "never_blocks", False):
        return port
    return cast("P", _OffLoop(port, in_thread))


class _OffLoop:
    """Calls each ``def`` method of a port in a worker thread."""

    def __init__(self, port: object, in_thread: Callable[..., Awaitable[Any]]) -> None:
        self._port = port
        self._in_thread = in_thread

    def __getattr__(self, name: str) -> Any:
        from inspect import iscoroutinefunction

        method = getattr(self._port, name)
        if not callable(method) or iscoroutinefunction(method):
            return method
        in_thread = self._in_thread

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await resolve(await in_thread(method, *args, **kwargs))

        # Decided once a method: the next look-up finds it without coming here.
        setattr(self, name, call)
        return call
