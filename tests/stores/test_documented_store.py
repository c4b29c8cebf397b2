"""The store that docs/writing-a-store.md shows passes the contract, in the test that it shows."""

from __future__ import annotations

import doctest
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from oauthgrants.testing.store_contract import TokenStoreContract

PAGE = Path(__file__).parents[2] / "docs" / "writing-a-store.md"


def load_store() -> ModuleType:
    """Return a module with the class, out of the examples up to it."""
    module = ModuleType("sqlite_tokens")
    for example in doctest.DocTestParser().get_examples(PAGE.read_text("utf-8")):
        if example.exc_msg is None:
            exec(example.source, vars(module))
        if hasattr(module, "SqliteTokens"):
            break
    return module


def load_test() -> Any:
    """Return the class of the test file."""
    source = PAGE.read_text("utf-8").partition("## Test yours")[2]
    names: dict[str, Any] = {"__name__": "test_sqlite_tokens"}
    with patch.dict("sys.modules", sqlite_tokens=load_store()):
        exec(source.partition("```python\n")[2].partition("```")[0], names)
    return names["TestSqliteTokens"]


TestSqliteTokens = load_test()


def test_the_page_shows_a_contract() -> None:
    assert issubclass(TestSqliteTokens, TokenStoreContract)
