"""
Limits on guessing passwords, client secrets and codes (RFC 6749, 2.3.1 and 4.3.2).

A guess is counted under several keys: who it is for together with where it comes from, where it
comes from, and who it is for, from wherever. The last ones are softer, and do not hold against a
source that has succeeded before: a stranger who guesses cannot lock anybody out (RFC 6819,
4.4.3.6).
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from json.encoder import encode_basestring_ascii as _quote
from typing import Literal

import attrs

from oauthgrants.attempts import AttemptLimit
from oauthgrants.brief import brief

_MOST_FAILURES = 1_000_000


@attrs.frozen(kw_only=True)
class Throttle:
    """
    How much guessing is let through.

    Past a limit a guess fails without having been looked at, the right one too, until the wait
    is over. Each wait is twice as long as the one before, and all of it lapses by itself.

    >>> Throttle(max_failures=5, window=timedelta(minutes=10)).from_one_source.max_failures
    5

    Attributes:
        max_failures: So many within *window* may one source make against one username, or one
            client; and so many in all, for passwords, for client secrets and for codes.
        window: How long failures count together, and how long the first wait is.
        longest_wait: No wait is longer.
        username_factor: So many times as many may all sources make against one username.
        client_factor: So many times as many against one client, and through it.
        known_for: So long a source stays known from which a user has signed in. Against it
            counts only what it does itself.
        too_many_requests: Whether the answer is 429 with ``Retry-After``, which tells who
            guesses that it is noticed; else it is that of an ordinary failure (C-04).

    Raises:
        ValueError: A limit leaves room for nothing, or is out of bounds; says which.
    """

    max_failures: int = 10
    window: timedelta = timedelta(minutes=15)
    longest_wait: timedelta = timedelta(days=1)
    username_factor: int = 10
    client_factor: int = 100
    known_for: timedelta = timedelta(days=30)
    too_many_requests: bool = False
    from_one_source: AttemptLimit = attrs.field(init=False, repr=False)
    of_one_username: AttemptLimit = attrs.field(init=False, repr=False)
    of_one_client: AttemptLimit = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        factors = {
            "from_one_source": 1,
            "of_one_username": self.username_factor,
            "of_one_client": self.client_factor,
        }
        for name, factor in factors.items():
            limit = AttemptLimit(
                max_failures=min(self.max_failures * factor, _MOST_FAILURES),
                window=self.window,
                longest_wait=max(self.longest_wait, self.window),
            )
            object.__setattr__(self, name, limit)

    @property
    def retry_after(self) -> tuple[str, str]:
        """The header that says when to come again (RFC 9110, 10.2.3)."""
        return "Retry-After", str(-(-self.window // timedelta(seconds=1)))


Kind = Literal["password", "client_secret", "otp"]
"""What is guessed; each is counted by itself."""


Rules = list[tuple[bytes, AttemptLimit]]
"""What counts a guess, the name with the source first; and how far each counts."""


@brief(kw_only=True)
class Guess:
    """
    A guess that is about to be made.

    Attributes:
        kind: What is guessed.
        name: The username, ``client_id`` or ``sub`` that it is guessed for.
        client_id: Through which client.
        source: From which address, None if the host does not say.
    """

    kind: Kind
    name: str
    client_id: str
    source: str | None

    @property
    def pair(self) -> bytes:
        """Stands for the name together with the source."""
        source = "null" if self.source is None else _quote(self.source)
        return self._digest("pair", _quote(self.name), source)

    def rules(self, throttle: Throttle, *, known: bool) -> Rules:
        """Return what counts the guess, and how far; *known* says that its source is."""
        rules = [(self.pair, throttle.from_one_source)]
        if known:
            return rules
        if self.source is not None:
            rules.append((self._digest("source", _quote(self.source)), throttle.from_one_source))
        if self.name != self.client_id:
            rules.append((self._digest("name", _quote(self.name)), throttle.of_one_username))
        rules.append((self._digest("client", _quote(self.client_id)), throttle.of_one_client))
        return rules

    def _digest(self, key: str, *quoted: str) -> bytes:
        # As JSON, so that no two lists of parts read the same.
        return sha256(f'["{self.kind}", "{key}", {", ".join(quoted)}]'.encode()).digest()
