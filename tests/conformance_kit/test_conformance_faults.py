"""Each check finds the fault that it is for, and finds none where there is none."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from kit_faults import CASES, Case
from kit_servers import OwnServer, serving_own, target
from write_reports import target_of

from oauthgrants.testing.conformance import CHECKS, Report, Result, Status, run_conformance


@pytest.fixture(scope="module")
def served() -> Generator[tuple[str, OwnServer]]:
    with serving_own() as both:
        yield both


@pytest.fixture(scope="module")
def reports(served: tuple[str, OwnServer]) -> dict[str, Report]:
    """What comes of all checks where nothing is wrong, by the client that asks."""
    issuer, server = served
    server.faults = ()
    methods = {case.method for case in CASES.values()}
    return {method: run_conformance(target(issuer, method)) for method in methods}


def test_there_is_a_fault_for_each_check() -> None:
    assert {check.name for check in CHECKS} == CASES.keys()
    assert len(CHECKS) == len(CASES) == len({check.title for check in CHECKS})


@pytest.mark.parametrize("name", CASES)
def test_each_check_can_pass_and_fail(
    served: tuple[str, OwnServer], reports: dict[str, Report], name: str
) -> None:
    """With nothing but one fault, it is the fault that it finds."""
    issuer, server = served
    case = CASES[name]

    if case.settings or case.well:
        server.faults = case.well
        well = _make(name, case, issuer, is_well=True)
    else:
        well = reports[case.method][name]
    server.faults = [case.fault]
    broken = _make(name, case, issuer, is_well=False)

    assert (Status.PASSED, "") == (well.status, well.why)
    assert Status.FAILED is broken.status, broken
    assert broken.why
    assert broken.exchanges


def _make(name: str, case: Case, issuer: str, *, is_well: bool) -> Result:
    return run_conformance(target_of(case, issuer, is_well=is_well), only=[name])[name]
