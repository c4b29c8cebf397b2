"""How many guesses may fail: so many at once, then one after each wait, and all is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauthgrants.attempts import AttemptLimit, Attempts

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
YEAR = timedelta(days=366)
LIMIT = AttemptLimit(max_failures=3, window=15 * MINUTE, longest_wait=timedelta(hours=2))


def times(longest: timedelta) -> st.SearchStrategy[timedelta]:
    """Return times of every size up to *longest*, which are found at its edges too."""
    return st.timedeltas(timedelta(), longest) | st.sampled_from(
        [timedelta(), MOMENT, longest / 2, longest - MOMENT, longest]
    )


@st.composite
def limits(draw: st.DrawFn) -> AttemptLimit:
    longest = draw(times(YEAR).filter(bool))
    return AttemptLimit(
        max_failures=draw(st.integers(1, 6) | st.just(1_000_000)),
        window=draw(times(longest).filter(bool)),
        longest_wait=longest,
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[AttemptLimit, list[tuple[datetime, Attempts]]]:
    """Return a limit, and the attempts that were allowed of some, with what was counted."""
    limit = draw(limits())
    now = draw(st.datetimes(max_value=datetime(9900, 1, 1), timezones=st.just(UTC)))
    attempts: Attempts | None = None
    allowed: list[tuple[datetime, Attempts]] = []
    for sixteenths in draw(st.lists(st.integers(-40, 20), min_size=1, max_size=30)):
        counted = limit.count(attempts, now)
        if counted is not None:
            attempts = counted
            allowed.append((now, counted))
        unit = limit.window if sixteenths > 0 else limit.longest_wait
        now += abs(sixteenths) * unit / 16
    return limit, allowed


def begin(limit: AttemptLimit, attempts: Attempts | None, *moments: datetime) -> Attempts:
    """Return what is counted after attempts at *moments*, each of which is allowed."""
    for moment in moments:
        attempts = limit.count(attempts, moment)
        assert attempts is not None
    assert attempts is not None
    return attempts


@given(histories())
def test_never_more_are_allowed_within_a_window(
    history: tuple[AttemptLimit, list[tuple[datetime, Attempts]]],
) -> None:
    limit, allowed = history
    moments = [moment for moment, _ in allowed]

    for first, (begun, counted) in enumerate(allowed):
        within = [moment for moment in moments[first:] if moment < begun + limit.window]
        if counted.failures == 1:
            assert len(within) <= limit.max_failures
        # Whenever one looks: the end of a window and the beginning of the next.
        assert len(within) < 2 * limit.max_failures
        if counted.failures >= limit.max_failures:
            assert len(within) == 1


@given(histories())
def test_waits_are_bounded_and_lapse_by_themselves(
    history: tuple[AttemptLimit, list[tuple[datetime, Attempts]]],
) -> None:
    limit, allowed = history

    for moment, counted in allowed:
        assert counted.forgotten_at - moment <= 2 * limit.longest_wait
        fresh = begin(limit, None, counted.forgotten_at)
        assert limit.count(counted, counted.forgotten_at) == fresh
        if counted.allowed_at is not None:
            assert limit.window <= counted.allowed_at - moment <= limit.longest_wait
            assert limit.count(counted, counted.allowed_at - MOMENT) is None
            assert limit.count(counted, counted.allowed_at) is not None


@given(limits(), st.integers(1, 60))
def test_waits_double_up_to_the_longest(limit: AttemptLimit, more: int) -> None:
    limit = attrs.evolve(limit, max_failures=min(limit.max_failures, 6))
    attempts = begin(limit, None, *[NOW] * limit.max_failures)
    now, waits = NOW, list[timedelta]()
    for _ in range(more):
        assert attempts.allowed_at is not None
        waits.append(attempts.allowed_at - now)
        now = attempts.allowed_at
        attempts = begin(limit, attempts, now)

    assert waits[0] == limit.window
    for wait, after in pairwise(waits):
        assert after == min(2 * wait, limit.longest_wait)


@given(histories(), st.lists(times(YEAR), max_size=5))
def test_an_attempt_that_succeeded_leaves_no_trace(
    history: tuple[AttemptLimit, list[tuple[datetime, Attempts]]], later: list[timedelta]
) -> None:
    """Whatever was counted before, it is as if the attempt had not been."""
    limit, allowed = history
    before: Attempts | None = None

    for moment, counted in allowed:
        withdrawn = counted.withdraw()
        for wait in (timedelta(), *later):
            assert limit.count(withdrawn, moment + wait) == limit.count(before, moment + wait)
        before = counted


@given(
    limits(),
    st.integers(0, 2**31 - 1),
    times(YEAR),
    st.none() | times(YEAR),
    st.datetimes(datetime(1, 1, 3), datetime(9990, 1, 1), timezones=st.just(UTC)),
)
def test_nothing_overflows(
    limit: AttemptLimit,
    failures: int,
    until: timedelta,
    wait: timedelta | None,
    now: datetime,
) -> None:
    """Whatever another limit has left there."""
    attempts = Attempts(
        failures=failures,
        allowed_at=None if wait is None else now + wait,
        forgotten_at=now + until,
        forgotten_before=now,
    )

    counted = limit.count(attempts, now)

    assert counted is None or now < counted.forgotten_at <= now + 2 * YEAR


def test_so_many_are_allowed_then_one_after_each_wait() -> None:
    attempts = begin(LIMIT, None, NOW, NOW + MINUTE, NOW + 2 * MINUTE)

    assert LIMIT.count(attempts, NOW + 3 * MINUTE) is None
    assert attempts == Attempts(
        failures=3,
        allowed_at=NOW + 17 * MINUTE,
        forgotten_at=NOW + 32 * MINUTE,
        forgotten_before=NOW + 15 * MINUTE,
    )
    attempts = begin(LIMIT, attempts, NOW + 20 * MINUTE)
    assert attempts == Attempts(
        failures=4,
        allowed_at=NOW + 50 * MINUTE,
        forgotten_at=NOW + 80 * MINUTE,
        forgotten_before=NOW + 32 * MINUTE,
    )


def test_the_shortest_wait_grows_to_the_longest() -> None:
    limit = AttemptLimit(max_failures=1, window=MOMENT, longest_wait=YEAR)
    counted = [
        Attempts(failures=failures, forgotten_at=NOW + YEAR, forgotten_before=NOW)
        for failures in (44, 45, 2**31)
    ]

    waits = [begin(limit, attempts, NOW).allowed_at for attempts in counted]

    assert waits == [NOW + 2**44 * MOMENT, NOW + YEAR, NOW + YEAR]


def test_less_than_nothing_is_not_withdrawn() -> None:
    nothing = begin(LIMIT, None, NOW).withdraw()

    assert nothing.failures == 0
    assert nothing.withdraw() == nothing


@pytest.mark.parametrize(
    "change",
    [
        {"max_failures": 0},
        {"max_failures": -1},
        {"max_failures": 1_000_001},
        {"window": timedelta()},
        {"window": -MINUTE},
        {"window": timedelta(hours=2) + MOMENT},
        {"longest_wait": timedelta()},
        {"longest_wait": YEAR + MOMENT},
        {"window": timedelta.max, "longest_wait": timedelta.max},
    ],
)
def test_a_limit_that_limits_nothing_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="an AttemptLimit takes max_failures from 1 to 1000000"):
        attrs.evolve(LIMIT, **change)
