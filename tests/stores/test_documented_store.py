"""The store that docs/writing-a-store.md shows passes the contract, as the page says."""

from __future__ import annotations

import doctest
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from oauthgrants.ports import TokenStore
from oauthgrants.testing.store_contract import TokenStoreContract

PAGE = Path(__file__).parents[2] / "docs" / "writing-a-store.md"


def load_store() -> Any:
    """Return the class, out of the examples up to it."""
    namespace: dict[str, Any] = {}
    for example in doctest.DocTestParser().get_examples(PAGE.read_text("utf-8")):
        if example.exc_msg is None:
            exec(example.source, namespace)
        if "SqliteTokens" in namespace:
            break
    return namespace["SqliteTokens"]


SqliteTokens = load_store()


class TestDocumentedStore(TokenStoreContract[TokenStore]):
    @contextmanager
    def open_store(self) -> Generator[TokenStore, None, None]:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "tokens.db"
            with closing(SqliteTokens(path)) as store:
                self._path = path
                yield store

    @contextmanager
    def connect_again(self, store: TokenStore) -> Generator[TokenStore, None, None]:
        with closing(SqliteTokens(self._path)) as again:
            yield again
