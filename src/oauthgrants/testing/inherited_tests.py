"""Tests to inherit, from a class that has to say what they are made on."""

from __future__ import annotations

from typing import Any


class InheritedTests:
    """What every contract is: its tests run in a subclass that fills in what is abstract."""

    def __init_subclass__(cls, **settings: Any) -> None:
        """
        Check that a class of tests is whole.

        Raises:
            TypeError: It is not, and pytest would leave it out without a word.
        """
        super().__init_subclass__(**settings)
        if cls.__name__.startswith("Test") and (missing := sorted(_abstract(cls))):
            raise TypeError(
                f"{cls.__name__} has no {', '.join(missing)}, so that pytest would run none of its "
                "tests, and not say so; a class for others to complete needs another name"
            )


def _abstract(cls: type) -> set[str]:
    # `dir` names more than there is.
    found = {name: getattr(cls, name, None) for name in dir(cls)}
    return {name for name, value in found.items() if getattr(value, "__isabstractmethod__", False)}
