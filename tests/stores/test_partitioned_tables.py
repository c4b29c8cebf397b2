"""The contract of stores of tokens, where the tables are split as the page on scaling says."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import attrs
import pytest
from databases import open_engine
from sqlalchemy import text

from benchmarks.population import Population
from benchmarks.subjects import Subject, open_partitioned, open_postgresql, partitioning
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore
from oauthgrants.testing.store_contract import TokenStoreContract


@pytest.fixture(scope="module")
def partitioned() -> Iterator[Subject]:
    """A schema of its own, with partitions."""
    with open_partitioned("contract", True) as subject:
        yield subject


class TestPartitionedTables(TokenStoreContract[SqlAlchemyStore]):
    @pytest.fixture(autouse=True)
    def _subject(self, partitioned: Subject) -> None:
        self.subject = partitioned

    @contextmanager
    def open_store(self) -> Generator[SqlAlchemyStore, None, None]:
        store: SqlAlchemyStore = self.subject.store
        with store.engine.begin() as connection:
            for table in attrs.astuple(store.tables):
                connection.execute(table.delete())
        yield store

    @contextmanager
    def connect_again(self, store: SqlAlchemyStore) -> Generator[SqlAlchemyStore, None, None]:
        with open_engine(store.engine.url.render_as_string(hide_password=False)) as engine:
            yield SqlAlchemyStore(engine)


def test_what_was_there_before_stays() -> None:
    """Spread over all partitions, and found as before."""
    population = Population(400)
    with open_postgresql("split", True) as subject:
        subject.fill(population)
        with subject.store.engine.begin() as connection:
            for statement in partitioning():
                connection.execute(text(statement))
            counts = [
                connection.scalar(text(f"SELECT count(*) FROM oauth_{table}_{number}"))
                for table in ("access_tokens", "refresh_tokens")
                for number in range(4)
            ]

        for access, refresh in population:
            assert subject.store.find_access_token(access.digest) == access
            if refresh is not None:
                assert subject.store.find_refresh_token(refresh.digest) == refresh
        assert subject.store.delete_expired(datetime.now(UTC), 10) == 0

    assert sum(filter(None, counts)) == 400
    assert all(counts)
