"""
Limits on guessing passwords, client secrets and codes (RFC 6749, 2.3.1 and 4.3.2).

A guess is counted under several keys: the name that it is for together with the source that it
comes from; the source; the name, whatever the source; the client. Name and client have higher
limits. Only the first key counts for a source that has succeeded before: so a stranger who guesses
cannot lock anybody out (RFC 6819, 4.4.3.6).
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from json.encoder import encode_basestring_ascii as _quote
from typing import Literal

import attrs

from oauthgrants.attempts import MOST_FAILURES, AttemptLimit
from oauthgrants.brief import brief


@attrs.frozen(kw_only=True)
class Throttle:
    """
    How many wrong guesses at passwords, client secrets and codes are let through.

    Past a limit each guess is refused without being looked at, even a right one, until the wait is
    over. Each wait is twice as long as the one before. Failures are forgotten after a while.

    >>> Throttle(max_failures=5, window=timedelta(minutes=10)).from_one_source.max_failures
    5

    Attributes:
        max_failures: How many failures within *window* one source may have at one username or
            one client, and how many in all. Passwords, client secrets and codes are counted
            separately.
        window: How long failures are counted together, and how long the first wait is.
        longest_wait: No wait is longer.
        username_factor: All sources together may have this many times *max_failures* at one
            username.
        client_factor: All sources together may have this many times *max_failures* at one
            client's secret, or at passwords and codes through one client.
        known_for: How long a source stays known after a user has signed in from there. A known
            source has to wait only for its own failures at that username.
        too_many_requests: Whether the answer is 429 with ``Retry-After``, which tells an attacker
            that the guesses were noticed; else it is that of an ordinary failure (C-04).

    Raises:
        ValueError: A number or a time is out of the bounds of `AttemptLimit`.
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
                max_failures=min(self.max_failures * factor, MOST_FAILURES),
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
"""The digests that a guess is counted under, the pair of name and source first; their limits."""


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
        """Return what the guess is counted under; *known* says whether its source is known."""
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
