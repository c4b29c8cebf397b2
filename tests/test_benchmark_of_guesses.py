"""What the limits allow reaches the verifier of ``oauthgrants serve``, and no more."""

from __future__ import annotations

import socket
from collections import Counter
from contextlib import suppress

import pytest

from benchmarks import guesses
from benchmarks.guesses import Attack, Outcome
from oauthgrants.throttling import Throttle

req = pytest.mark.req


def has_addresses() -> bool:
    """Return whether this machine is all of 127.0.0.0/8, as Linux has it."""
    with suppress(OSError), socket.create_server(("127.0.0.5", 0)):
        return True
    return False


@req("R6749-4.3.2-f", "R6819-4.4.3.6-a")
@pytest.mark.skipif(not has_addresses(), reason="127.0.0.2 and on are not addresses here")
def test_no_more_guesses_than_allowed_reach_the_verifier(
    capsys: pytest.CaptureFixture[str],
) -> None:
    attack = Attack(guesses=50, names=5, sources=2)

    outcome = guesses.run(attack)

    assert outcome.looked_at == attack.most_looked_at(Throttle()) == 20
    assert outcome.not_looked_at == 30
    assert outcome.answers == {(400, "invalid_grant"): 50}
    assert outcome.known == [200] * 5
    assert outcome.stranger == 200

    print(guesses.describe(attack, outcome, Throttle()))
    assert "5 of 5 let in" in capsys.readouterr().out


def test_the_smallest_limit_counts() -> None:
    throttle = Throttle(max_failures=10, username_factor=2, client_factor=5)

    assert Attack().most_looked_at(throttle) == 50
    assert Attack(names=1).most_looked_at(throttle) == 20
    assert Attack(names=1, sources=1).most_looked_at(throttle) == 10
    assert Attack(guesses=7).most_looked_at(throttle) == 7


def test_who_is_refused_is_told_in_the_table() -> None:
    outcome = Outcome(
        looked_at=1,
        not_looked_at=0,
        answers=Counter({(400, "invalid_grant"): 1}),
        known=[200, 400],
        stranger=400,
        seconds=1.0,
    )

    table = guesses.describe(Attack(), outcome, Throttle())

    assert "1 of 2 let in" in table
    assert "refused" in table
