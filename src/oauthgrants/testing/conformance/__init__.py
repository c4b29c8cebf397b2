"""
Checks any authorization server from outside, over HTTP.

`run_conformance` takes a `Target` and returns a `Report`; ``oauthgrants conformance`` does the
same from a command line. To add a check, write a function in the module of its section below
``sections`` and decorate it; its requirements have to be in ``requirements.toml``.
"""

from __future__ import annotations

from oauthgrants.testing.conformance.catalogue import CHECKS
from oauthgrants.testing.conformance.levels import Check, Level
from oauthgrants.testing.conformance.results import Exchange, Report, Result, Status
from oauthgrants.testing.conformance.running import run_conformance
from oauthgrants.testing.conformance.target import AUTH_METHODS, Target, Unusable

__all__ = [
    "AUTH_METHODS",
    "CHECKS",
    "Check",
    "Exchange",
    "Level",
    "Report",
    "Result",
    "Status",
    "Target",
    "Unusable",
    "run_conformance",
]
