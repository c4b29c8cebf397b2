"""What the tests of the Django project share."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from databases import postgres_url
from django.test.utils import setup_test_environment, teardown_test_environment

from django_adapter.routers import chosen
from django_adapter.tables import empty_database, use_postgres


@pytest.fixture(scope="session", autouse=True)
def _contexts() -> Generator[None, None, None]:  # pyright: ignore[reportUnusedFunction]
    """Let responses have the contexts of their templates."""
    setup_test_environment()
    yield
    teardown_test_environment()


@pytest.fixture
def database() -> Generator[None, None, None]:
    """The project's database, with the tables there and nothing in them."""
    with empty_database():
        yield


@pytest.fixture(params=["sqlite", "postgres"])
def alias(request: pytest.FixtureRequest) -> Generator[str, None, None]:
    """Each database in turn, where everything is then."""
    wanted: str = request.param
    if wanted == "postgres":
        use_postgres(postgres_url())
    with empty_database(wanted), chosen(wanted):
        yield wanted
