"""The reports in the documentation are those of now."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from kit_authlib import serving_authlib
from kit_servers import serving_own
from write_reports import PAGE, run_authlib, run_ours, statuses, words_for

from oauthgrants.testing.conformance import CHECKS, Report, Status
from oauthgrants.testing.conformance.probe import MOST_WRONG

WRITE = "python tests/conformance_kit/write_reports.py"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text("utf-8")


@pytest.fixture(scope="module")
def authlib() -> Report:
    with serving_authlib() as url:
        return run_authlib(url)


def test_our_report_is_current(page: str) -> None:
    with serving_own() as (url, _):
        ours = run_ours(url)

    said = {title: ours for title, (ours, _) in statuses(page).items()}
    assert said == {check.title: words_for([ours], check)[0] for check in CHECKS}, WRITE


def test_the_report_about_authlib_is_current(page: str, authlib: Report) -> None:
    installed = version("authlib")
    if f"Authlib {installed} in Flask" not in page:
        pytest.skip(f"the page is about another version than {installed}")

    said = {title: authlib for title, (_, authlib) in statuses(page).items()}
    assert said == {check.title: words_for([authlib], check)[0] for check in CHECKS}, WRITE


def test_what_authlib_is_known_to_do_otherwise_is_found(authlib: Report) -> None:
    """Of all versions: repeats are not refused, and neither are two ways to authenticate."""
    failed = {each.check.name for each in authlib.results if each.status is Status.FAILED}

    assert {"repeated_scope_is_refused", "two_methods_are_refused"} <= failed
    assert (0, 1) == (authlib.remaining, authlib.exit_status())


def test_the_page_about_the_kit_counts_right() -> None:
    text = (PAGE.parent / "conformance-kit.md").read_text("utf-8")

    assert f"makes up to {len(CHECKS)} checks" in text
    assert MOST_WRONG == 9
    assert "At most nine requests carry something that is wrong on purpose" in text
