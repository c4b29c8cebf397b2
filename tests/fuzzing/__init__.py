"""
What comes from outside, mutated a million times: ``python -m tests.fuzzing`` runs each target.

A target is a module in ``targets`` with a function ``fuzz`` that takes octets, and raises if what
the library makes of them is not what it has to be: it compares with the grammar written a second
time (`models`), goes there and back, or holds an answer to the specification. ``corpus`` has its
first inputs, one a line.

With atheris, the inputs follow the coverage (`guided`); without it they are mutations of the corpus
(`mutations`), of which ``tests/test_fuzz_targets.py`` tries a few in the ordinary tests.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).parent
LONGEST = 4096
"""Octets of an input."""

TARGETS = tuple(sorted(path.stem for path in (FOLDER / "targets").glob("[a-z]*.py")))
"""The names of the targets."""


def load(target: str) -> Callable[[bytes], None]:
    """Return what tries an input; it is imported only now, so that it can be instrumented."""
    fuzz: Callable[[bytes], None] = import_module(f"{__package__}.targets.{target}").fuzz
    return fuzz
