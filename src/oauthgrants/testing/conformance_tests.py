"""
The checks of the conformance kit as tests, one each.

A test module says which server is checked, once for all checks::

    @pytest.fixture(scope="module")
    def report(live_server):
        return run_conformance(Target(issuer=live_server, client_id="reports", client_secret="…"))


    @each_check
    def test_conformance(report, check):
        require_conformance(report, check)

Checks that cannot be made are skipped, with the reason; ``pytest -rs`` shows it.
"""

from __future__ import annotations

import pytest

from oauthgrants.testing.conformance import CHECKS, Check, Report, Status

each_check: pytest.MarkDecorator = pytest.mark.parametrize(
    "check", CHECKS, ids=lambda check: str(check.name)
)
"""Runs a test once for each check, which it takes as ``check``."""


def require_conformance(report: Report, check: Check, *, strict: bool = False) -> None:
    """
    Fail the running test if *check* failed, with what was sent and what came back.

    Args:
        report: What came of a run.
        check: Which one is asked for.
        strict: Whether what is asked with SHOULD has to be done as well; what is only
            recommended is skipped otherwise.
    """
    result = report[check.name]
    if result.status is Status.SKIPPED:
        pytest.skip(result.why)
    if result in report.failures(strict=strict):
        shown = "\n\n".join(f"{each.request}\n\n{each.response}" for each in result.exchanges)
        pytest.fail(f"{check.title}: {result.why}\n\n{shown}", pytrace=False)
    if result.status is Status.FAILED:
        pytest.skip(f"{check.level} failed: {result.why}")
