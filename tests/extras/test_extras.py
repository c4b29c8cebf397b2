"""Each extra has a use, and says what brings it; `.ci/run extras` tries them one at a time."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import uses

ROOT = Path(__file__).parent.parent.parent
# They bring tools, or other extras.
WITHOUT_USE = {"all", "bench", "docs", "test"}


def test_each_extra_is_used_and_missed() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"].keys()

    assert extras - WITHOUT_USE == uses.USES.keys() == uses.NEEDS.keys()


# The others need a process of their own: Django is set up once, and the demo has tests.
@pytest.mark.parametrize(
    "extra", sorted(uses.USES.keys() - {"cli", "django", "djangorestframework"})
)
def test_the_extra_is_used(extra: str) -> None:
    uses.USES[extra]()


def test_here_nothing_is_missing() -> None:
    assert uses.check_messages() == []
