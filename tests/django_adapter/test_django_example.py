"""``examples/django_project`` does what its README says, on a WSGI and an ASGI server."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Literal

import pytest

from django_adapter.live import Site, manage, serving

EXAMPLE = Path(__file__).parents[2] / "examples" / "django_project"

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="file descriptors are passed on Unix only"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example, with its tables."""
    folder = tmp_path_factory.mktemp("example") / "project"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "db.sqlite3*"))
    manage(folder, "migrate", "--verbosity=0")
    users = "from django.contrib.auth.models import User\n" + "\n".join(
        f"User.objects.create_user({name!r}, password='wonderland', is_staff={is_staff})"
        for name, is_staff in (("alice", True), ("bob", False))
    )
    manage(folder, "shell", "-c", users)
    return folder


def add_client(folder: Path, *options: str) -> str:
    """Register a client, and return its identifier and secret with a colon between."""
    said = manage(folder, "oauth_client", "add", *options)
    match = re.fullmatch(r"client_id: (\S+)\nclient_secret: (\S+)\n", said)
    assert match is not None
    return f"{match[1]}:{match[2]}"


def test_the_example_passes_the_checks(project: Path) -> None:
    """With nothing left to warn of, and no change of the models that has no migration."""
    assert manage(project, "check") == ("System check identified no issues (1 silenced).\n")
    assert manage(project, "makemigrations", "--check", "--dry-run") == "No changes detected\n"


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_the_example_issues_and_takes_tokens(kind: Literal["wsgi", "asgi"], project: Path) -> None:
    """For a client, and for users, each with the scope that is theirs."""
    scope = ["--scope", "reports:read reports:write", "--default-scope", "reports:read"]
    machine = add_client(project, "--client-id", f"machine-{kind}", *scope)
    grants = ["--grant-type", "password", "--grant-type", "refresh_token"]
    app = add_client(project, "--client-id", f"app-{kind}", *grants, *scope)

    with serving(project, kind) as site:
        use_as_a_client(site, machine, f"machine-{kind}")
        use_as_users(site, app, f"app-{kind}")


def use_as_a_client(site: Site, machine: str, name: str) -> None:
    status, answer = site.post(machine, grant_type="client_credentials")
    assert (status, answer["expires_in"], answer["scope"]) == (200, 600, "reports:read")
    token = answer["access_token"]

    assert site.get("/reports/", token) == (200, {"for": name})
    assert site.get("/reports/count", token) == (200, {"count": 0, "for": name})
    assert site.get("/reports/api", token) == (200, {"user": name, "client": name})
    assert site.get("/reports/7", token, method="PUT")[0] == 403
    for path in ("/reports/", "/reports/count", "/reports/api"):
        assert site.get(path)[0] == 401
    status, document = site.get("/.well-known/oauth-authorization-server")
    assert (status, document["token_endpoint"]) == (200, "http://127.0.0.1:8000/token")


def use_as_users(site: Site, app: str, name: str) -> None:
    def sign_in(username: str, password: str = "wonderland") -> tuple[int, dict[str, str]]:
        scope = "reports:read reports:write" if username == "alice" else "reports:read"
        return site.post(
            app, grant_type="password", username=username, password=password, scope=scope
        )

    status, alices = sign_in("alice")
    assert status == 200
    assert site.get("/reports/api", alices["access_token"]) == (
        200,
        {"user": "alice", "client": name},
    )
    status, changed = site.get("/reports/7", alices["access_token"], method="PUT")
    assert (status, changed["changed"]) == (200, 7)
    assert re.fullmatch(r"user:\d+", changed["by"])
    status, refreshed = site.post(
        app, grant_type="refresh_token", refresh_token=alices["refresh_token"]
    )
    assert site.get("/reports/", refreshed["access_token"]) == (200, {"for": "alice"})

    status, bobs = sign_in("bob")
    assert site.get("/reports/7", bobs["access_token"], method="PUT")[0] == 403
    assert sign_in("bob", "a guess")[0] == 400
