"""
Fixtures for pytest, which finds them where the library is installed.

They load when a test asks for them, and no web framework ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    # Loaded when a test asks for one: pytest begins without waiting for it.
    from oauthgrants.testing.clock import MovableClock
    from oauthgrants.testing.live import LiveOAuth
    from oauthgrants.testing.oauth import AsyncOAuth, OAuth


@pytest.fixture
def oauth_settings() -> Mapping[str, Any]:
    """
    What the servers of the other fixtures are made with, such as ``audience`` or ``grants``.

    Override it to have your own; see `AuthorizationServer` for what there is.
    """
    return {}


@pytest.fixture
def oauth_clock() -> MovableClock:
    """A clock that tests move; the servers of the other fixtures go by it."""
    from oauthgrants.testing.clock import MovableClock

    return MovableClock()


@pytest.fixture
def oauth(
    request: pytest.FixtureRequest, oauth_settings: Mapping[str, Any], oauth_clock: MovableClock
) -> OAuth:
    """An authorization server in memory."""
    from oauthgrants.testing.oauth import OAuth

    return OAuth(**_usual(request, oauth_clock) | dict(oauth_settings))


@pytest.fixture
def async_oauth(
    request: pytest.FixtureRequest, oauth_settings: Mapping[str, Any], oauth_clock: MovableClock
) -> AsyncOAuth:
    """The same for asyncio."""
    from oauthgrants.testing.oauth import AsyncOAuth

    return AsyncOAuth(**_usual(request, oauth_clock) | dict(oauth_settings))


@pytest.fixture
def live_oauth(
    request: pytest.FixtureRequest, oauth_settings: Mapping[str, Any]
) -> Iterator[LiveOAuth]:
    """An authorization server on a loopback port, by the clock of the machine."""
    from oauthgrants.ports import utc_now
    from oauthgrants.testing.live import LiveOAuth

    usual = _usual(request, utc_now)
    with LiveOAuth.serve(**usual | dict(oauth_settings)) as oauth:
        yield oauth


def _usual(request: pytest.FixtureRequest, clock: Any) -> dict[str, Any]:
    # Each test has tokens of its own, and the same ones each time that it runs.
    return {"seed": request.node.nodeid, "clock": clock}
