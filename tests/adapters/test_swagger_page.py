"""The Authorize button of FastAPI's documentation works for both grants, in a browser."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from playwright.sync_api import Page, expect
from swagger_page import authorize, browse, call, fill, find_browser, find_form, open_dialog, serve

WANTED = "OAUTHGRANTS_BROWSER_TESTS"
"""The environment variable without which these tests are skipped where there is no browser."""


@pytest.fixture(scope="module")
def page() -> Generator[Page, None, None]:
    executable = find_browser()
    if executable is None:
        if os.environ.get(WANTED):
            pytest.fail(f"{WANTED} is set, and there is no Chromium")
        pytest.skip(f"there is no Chromium; {WANTED}=1 makes this a failure")
    with browse(executable) as page:
        yield page


@pytest.fixture(scope="module")
def address() -> Generator[str, None, None]:
    with serve() as address:
        yield address


@pytest.mark.parametrize(
    ("flow", "client_id", "seen"),
    [
        pytest.param("password", "app", '"user": "alice"', id="password"),
        pytest.param("clientCredentials", "reports", '"user": null', id="client-credentials"),
    ],
)
def test_authorize_by_the_page_and_call_an_operation(
    page: Page, address: str, flow: str, client_id: str, seen: str
) -> None:
    dialog = open_dialog(page, address)
    form = find_form(dialog, flow)
    fill(form, flow, client_id)
    authorize(dialog, form)
    response = call(page)

    expect(response.locator(".response-col_status")).to_contain_text("200", timeout=30_000)
    expect(response).to_contain_text(f'"client": "{client_id}"')
    expect(response).to_contain_text(seen)


def test_without_a_token_the_operation_is_refused(page: Page, address: str) -> None:
    page.goto(f"{address}/docs")
    response = call(page)

    expect(response.locator(".response-col_status")).to_contain_text("401", timeout=30_000)
    expect(response).to_contain_text("www-authenticate: Bearer")
