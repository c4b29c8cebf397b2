"""The examples in docstrings of the Django application, which need Django set up."""

from __future__ import annotations

import doctest
from importlib import import_module
from pkgutil import walk_packages

import oauthgrants.adapters.django as package


def test_the_examples_are_right(database: None) -> None:
    """``--doctest-modules`` passes these modules over: see pyproject.toml."""
    names = [module.name for module in walk_packages(package.__path__, f"{package.__name__}.")]
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

    results = {name: doctest.testmod(import_module(name), optionflags=flags) for name in names}

    assert {name: result for name, result in results.items() if result.failed} == {}
    assert len(names) >= 25
    assert sum(result.attempted for result in results.values()) >= 15
