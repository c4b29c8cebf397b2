"""What all tests share."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Before `support`, which imports parts of it.
pytest.register_assert_rewrite("oauthgrants.testing")

from support import Colour, World  # noqa: E402

pytest_plugins = ["conformance", "oauthgrants.testing.plugin", "secret_scan"]

settings.register_profile("ci", max_examples=200, deadline=None)
settings.register_profile("dev", max_examples=50, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Colour:
    """Whether the server is the sync or the async one."""
    chosen: Colour = request.param
    return chosen


@pytest.fixture
def world(colour: Colour) -> Iterator[World]:
    """A server of each colour in turn."""
    with asyncio.Runner() as runner:
        yield World(colour, runner)
