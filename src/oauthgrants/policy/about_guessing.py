"""Rules about guessing: limits, and how costly a stolen hash is to try (RFC 6749, 4.3.2)."""

from __future__ import annotations

from collections.abc import Iterator

from oauthgrants.hashing import Argon2idHasher
from oauthgrants.policy.findings import Severity
from oauthgrants.policy.rules import of_server, of_user
from oauthgrants.users import User
from oauthgrants.wiring import Wiring, is_shared

# NIST SP 800-63B, 5.2.2
_MOST_FAILURES = 100
# The least that OWASP's Password Storage Cheat Sheet takes: memory in MiB, and passes over it.
_ENOUGH = tuple(
    Argon2idHasher(memory_cost=memory * 1024, time_cost=time, lanes=1)
    for memory, time in ((46, 1), (19, 2), (12, 3), (9, 4), (7, 5))
)
_ADVICE = "Take the default costs of Argon2idHasher, or 19 MiB and two passes at the least."


@of_server(
    Severity.ERROR,
    "R6749-2.3.1-g",
    "R6749-4.3.2-f",
    "R7009-5-a",
    advice="Give the server a throttle, and a store of attempts to count in.",
)
def no_throttle(wiring: Wiring) -> Iterator[str]:
    """Nothing limits guesses at passwords and secrets."""
    if wiring.limiter is None:
        yield "passwords and secrets can be guessed at without limit"


@of_server(
    Severity.WARNING,
    "R6749-4.3.2-f",
    advice=f"Let max_failures be {_MOST_FAILURES} at most; the default is 10.",
)
def loose_throttle(wiring: Wiring) -> Iterator[str]:
    """The limits on guessing let very much through."""
    if wiring.limiter is not None:
        most = wiring.limiter.throttle.max_failures
        if most > _MOST_FAILURES:
            yield f"one source may be wrong {most} times before it has to wait"


@of_server(
    Severity.ERROR,
    "R6749-2.3.1-g",
    "R6749-4.3.2-f",
    advice="Give the server attempts that all processes share, such as the store of its tokens.",
)
def attempts_in_memory(wiring: Wiring) -> Iterator[str]:
    """Each process counts guesses for itself."""
    limiter = wiring.limiter
    if (
        limiter is not None
        and is_shared(wiring.services.tokens)
        and not is_shared(limiter.attempts)
    ):
        yield "tokens are shared and attempts are not: each process allows as many guesses again"


@of_server(
    Severity.WARNING,
    "R6819-4.4.3.6-a",
    advice="Give the server known_sources, such as the store of its tokens.",
)
def strangers_lock_out(wiring: Wiring) -> Iterator[str]:
    """A stranger who guesses at a name can lock its owner out."""
    if wiring.limiter is not None and wiring.limiter.sources is None:
        yield "nothing remembers from where users sign in, so strangers can lock them out"


@of_server(Severity.ERROR, "R6819-5.1.4.1.3-a", advice=_ADVICE)
def weak_hasher(wiring: Wiring) -> Iterator[str]:
    """Passwords and chosen secrets are hashed at too low a cost."""
    memory = getattr(wiring.services.hasher, "memory_cost", None)
    time = getattr(wiring.services.hasher, "time_cost", None)
    # Another hash than Argon2id has other costs, which its owner has to judge.
    if isinstance(memory, int) and isinstance(time, int) and not _is_enough(memory, time):
        yield f"a hash costs {memory} KiB and {time} passes, and is cheap to try"


@of_user(
    Severity.WARNING,
    "R6819-5.1.4.1.3-a",
    advice="Let the user sign in, which hashes the password anew, or set another password.",
)
def weak_password_hash(_: Wiring, user: User) -> Iterator[str]:
    """A password is kept at too low a cost."""
    if user.password_hash is None:
        return
    try:
        is_weak = all(hasher.needs_rehash(user.password_hash) for hasher in _ENOUGH)
    except ValueError:
        # It is not Argon2id: for the host's own hasher to judge.
        return
    if is_weak:
        yield "the hash of the password is cheap to try"


def _is_enough(memory: int, time: int) -> bool:
    return any(memory >= each.memory_cost and time >= each.time_cost for each in _ENOUGH)
