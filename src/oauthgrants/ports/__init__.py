"""
What the host provides.

A class fits a port if it has the methods; it need not import us. Each method may be written
``def`` or ``async def``, whichever its driver asks for. What it raises becomes 503
``temporarily_unavailable``, so a store that is away never looks like a wrong password.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from oauthgrants.attempts import AttemptLimit, Attempts
from oauthgrants.ports.calling import (
    MaybeAwaitable,
    is_awaitable,
    never_blocks,
    off_loop,
    resolve,
    run,
)
from oauthgrants.ports.policies import (
    ExtraClaims,
    Hasher,
    LifetimePolicy,
    PasswordVerifier,
    ScopePolicy,
    SecondFactor,
    TotpSecrets,
)
from oauthgrants.ports.stores import (
    AttemptStore,
    ClientStore,
    DenyList,
    KnownSources,
    MfaTokenStore,
    Purgeable,
    ReplayStore,
    Rotation,
    Store,
    TokenStore,
    UserStore,
)

__all__ = [
    "AttemptLimit",
    "AttemptStore",
    "Attempts",
    "ClientStore",
    "Clock",
    "DenyList",
    "ExtraClaims",
    "Hasher",
    "KnownSources",
    "LifetimePolicy",
    "MaybeAwaitable",
    "MfaTokenStore",
    "PasswordVerifier",
    "Purgeable",
    "ReplayStore",
    "Rotation",
    "ScopePolicy",
    "SecondFactor",
    "Store",
    "TokenStore",
    "TotpSecrets",
    "UserStore",
    "is_awaitable",
    "never_blocks",
    "off_loop",
    "resolve",
    "run",
    "utc_now",
]

Clock = Callable[[], datetime]
"""Returns the time, aware, in UTC."""


def utc_now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)
