"""The store that docs/writing-a-store.md shows whole passes the whole contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from aiosqlite_store import AiosqliteStore
from oauthgrants.testing.store_contract import StoreContract
from oauthgrants.testing.store_samples import make_pair


class TestAiosqliteStore(StoreContract[AiosqliteStore]):
    @asynccontextmanager
    async def open_store(self) -> AsyncGenerator[AiosqliteStore, None]:
        with TemporaryDirectory() as folder:
            self._path = Path(folder) / "oauth.db"
            async with AiosqliteStore.open(self._path) as store:
                yield store

    @asynccontextmanager
    async def connect_again(self, store: AiosqliteStore) -> AsyncGenerator[AiosqliteStore, None]:
        async with AiosqliteStore.open(self._path) as again:
            yield again


def test_a_task_that_is_cancelled_leaves_no_transaction_open(tmp_path: Path) -> None:
    """Wherever it was: what it began is done as a whole or not at all, and others go on."""

    async def cancel_after(turns: int, store: AiosqliteStore) -> None:
        access, refresh = make_pair()
        saving = asyncio.create_task(store.save_tokens(access, refresh))
        for _ in range(turns):
            await asyncio.sleep(0)
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)

        found = await store.find_access_token(access.digest)
        assert (found is None) == (await store.find_refresh_token(refresh.digest) is None)

    async def work() -> None:
        async with AiosqliteStore.open(tmp_path / "oauth.db") as store:
            for turns in range(12):
                await cancel_after(turns, store)
            access, refresh = make_pair()
            await store.save_tokens(access, refresh)
            assert await store.find_access_token(access.digest) == access

    asyncio.run(work())
