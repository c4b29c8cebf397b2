"""One target under atheris, a process of its own: libFuzzer ends it when it is done."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from . import load


def main(target: str, *options: str) -> None:
    """Fuzz *target* with the *options* of libFuzzer."""
    # It has no types, and is there only where somebody fuzzes.
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=["oauthgrants"]):
        fuzz = load(target)
    atheris.Setup([sys.argv[0], *options], fuzz)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
