"""
FastAPI's documentation page in a browser, without any network.

``python tests/adapters/swagger_page.py docs/images`` draws the pictures of the documentation.
"""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn
from fastapi import FastAPI, Security
from fastapi_offline import FastAPIOffline
from playwright.sync_api import Locator, Page, expect, sync_playwright

sys.path.append(str(Path(__file__).parent.parent))

from oauthgrants import (
    AsyncAuthorizationServer,
    AsyncResourceServer,
    Client,
    ClientCredentialsGrant,
    MemoryStore,
    RefreshTokenGrant,
    Secret,
    User,
    VerifiedToken,
)
from oauthgrants.adapters.fastapi import FastApiOAuth
from support import CHEAP, password_grant

API = "https://api.example.com"
SECRET = "7Fjfp0ZBr1KtDRbnfVdmIw"
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> str | None:
    """Return where a Chromium is, None without."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def make_app(issuer: str) -> FastAPI:
    """Return an application with both grants, a machine ``reports`` and a user ``alice``."""
    store = MemoryStore()
    clients: dict[str, dict[str, Any]] = {
        "reports": {"grant_types": ["client_credentials"]},
        "app": {"grant_types": ["password", "refresh_token"], "first_party": True},
    }
    for client_id, settings in clients.items():
        client, _ = Client.confidential(
            client_id, secret=SECRET, machine_made=True, scope="reports:read", **settings
        )
        store.add_client(client)
    password_hash = CHEAP.hash(Secret("wonderland"))
    store.add_user(User(sub="user-1", username="alice", password_hash=password_hash))
    server = AsyncAuthorizationServer(
        issuer=issuer,
        allow_insecure_transport=True,
        store=store,
        hasher=CHEAP,
        grants=[ClientCredentialsGrant(), password_grant(), RefreshTokenGrant()],
        audience=API,
    )
    oauth = FastApiOAuth(
        server,
        AsyncResourceServer(resource=API, tokens=server.lookup),
        scopes={"reports:read": "Read reports"},
    )
    app = FastAPIOffline(title="Reports")
    oauth.init_app(app)

    guard = oauth.require_token()

    @app.get("/reports")
    def list_reports(
        token: VerifiedToken = Security(guard, scopes=["reports:read"]),  # noqa: B008  # as FastAPI has it
    ) -> dict[str, str | None]:
        return {"client": token.client_id, "user": token.username}

    return app


@contextmanager
def serve(port: int = 0) -> Generator[str, None, None]:
    """Serve the application, and give its address."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(make_app(address), log_level="critical", ws="none", lifespan="off")
        )
        thread = Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def browse(executable: str) -> Generator[Page, None, None]:
    """Give a page of a browser that reaches this machine alone."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            # As root, in containers, there is no sandbox. Nothing but this machine has a name.
            args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )
        try:
            page = browser.new_page(viewport={"width": 1100, "height": 900})
            page.set_default_timeout(30_000)
            yield page
        finally:
            browser.close()


def open_dialog(page: Page, address: str) -> Locator:
    """Open the documentation, and return the dialog of its Authorize button."""
    page.goto(f"{address}/docs")
    page.locator(".auth-wrapper .btn.authorize").first.click()
    dialog = page.locator(".modal-ux")
    expect(dialog).to_be_visible(timeout=30_000)
    return dialog


def find_form(dialog: Locator, flow: str) -> Locator:
    """Return the part of *dialog* for one flow."""
    return dialog.locator(".auth-container").filter(has_text=f"Flow: {flow}")


def fill(form: Locator, flow: str, client_id: str) -> None:
    """Write into *form* who asks, and for what."""
    if flow == "password":
        form.locator("#oauth_username").fill("alice")
        form.locator("#oauth_password").fill("wonderland")
    form.locator(f"#client_id_{flow}").fill(client_id)
    form.locator(f"#client_secret_{flow}").fill(SECRET)
    form.get_by_text("select all", exact=True).click()


def authorize(dialog: Locator, form: Locator) -> None:
    """Ask for a token, and close *dialog* when there is one."""
    form.get_by_role("button", name="Apply given OAuth2 credentials").click()
    expect(form.get_by_role("button", name="Remove authorization")).to_be_visible(timeout=30_000)
    dialog.get_by_role("button", name="Close").first.click()


def call(page: Page) -> Locator:
    """Call the protected operation, and return what the page shows of the response."""
    operation = page.locator(".opblock", has_text="/reports")
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    return operation.locator(".live-responses-table .response").first


def draw(directory: Path) -> None:
    """Write the pictures of the documentation into *directory*."""
    executable = find_browser()
    if executable is None:
        raise SystemExit(f"there is no browser here, none of {', '.join(NAMES)}")
    with serve(8000) as address, browse(executable) as page:
        dialog = open_dialog(page, address)
        form = find_form(dialog, "password")
        fill(form, "password", "app")
        dialog.screenshot(path=directory / "fastapi-authorize.png")
        authorize(dialog, form)
        expect(call(page)).to_contain_text("200", timeout=30_000)
        page.locator(".opblock", has_text="/reports").screenshot(
            path=directory / "fastapi-response.png"
        )


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
