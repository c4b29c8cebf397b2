"""``manage.py oauth_client`` and ``manage.py oauth_purge``."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from oauthgrants import Client, Secret
from oauthgrants.adapters.django import models
from oauthgrants.adapters.django.store import DjangoStore
from oauthgrants.hashing import fast_digest
from oauthgrants.jose import SigningKey
from oauthgrants.ports import utc_now
from oauthgrants.testing.store_samples import make_access_token, make_pair

pytestmark = pytest.mark.usefixtures("database")


def run(*arguments: str) -> tuple[str, str]:
    """Return what a command writes, to both streams."""
    out, err = StringIO(), StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def secret_in(said: str) -> Secret:
    match = re.search("^client_secret: (ogcs_[A-Za-z0-9_-]{48})$", said, re.MULTILINE)
    assert match is not None
    return Secret(match[1])


def find(client_id: str) -> Client:
    client = DjangoStore().find_client(client_id)
    assert client is not None
    return client


def test_a_client_is_registered() -> None:
    out, err = run(
        "oauth_client",
        *("add", "--client-id", "reports", "--name", "Reports"),
        *("--scope", "read write", "--default-scope", "read"),
    )

    client = find("reports")
    assert out.startswith("client_id: reports\n")
    assert [kept.hash for kept in client.secrets] == [fast_digest(secret_in(out))]
    assert (client.grant_types, client.first_party) == (("client_credentials",), False)
    assert (str(client.scope), str(client.default_scope)) == ("read write", "read")
    assert client.client_name == "Reports"
    assert "once" in err


def test_a_public_client_has_no_secret() -> None:
    out, err = run("oauth_client", "add", "--public", "--grant-type", "password")

    client = find(out.removeprefix("client_id: ").strip())
    assert (client.is_public, client.first_party) == (True, True)
    assert err == ""


def test_a_client_signs_with_a_key(tmp_path: Path) -> None:
    jwks = json.dumps({"keys": [SigningKey.generate("ES256").public.as_dict()]})
    file = tmp_path / "jwks.json"
    file.write_text(jwks, "utf-8")

    out, err = run("oauth_client", "add", "--client-id", "a", "--jwks", str(file))
    run("oauth_client", "add", "--client-id", "b", "--jwks-uri", "https://b.example.com/jwks")

    assert (out, err) == ("client_id: a\n", "")
    assert (find("a").token_endpoint_auth_method, find("a").jwks) == ("private_key_jwt", jwks)
    assert find("b").jwks_uri == "https://b.example.com/jwks"
    with pytest.raises(CommandError, match=r"'a': .* goes with no client_secret"):
        run("oauth_client", "secret", "a")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["add", "--public"], "--public needs --grant-type", id="public"),
        pytest.param(["add", "--client-id", "user:1"], "may be a user's sub", id="sub"),
        pytest.param(["add", "--client-id", "app"], "'app' is registered already", id="twice"),
        pytest.param(["add", "--scope", 're"ad'], "is malformed", id="scope"),
        pytest.param(["add", "--default-scope", "a"], "within scope", id="default-scope"),
        pytest.param(["secret", "nobody"], "there is no client 'nobody'", id="secret-of-nobody"),
        pytest.param(["secret", "app"], "goes with no client_secret", id="secret-of-public"),
        pytest.param(["deactivate", "nobody"], "there is no client 'nobody'", id="deactivate"),
        pytest.param(["add", "--jwks", "/no/such"], "No such file", id="no-keys"),
        pytest.param(["add", "--jwks-uri", "a", "--public"], "not allowed with", id="two-kinds"),
        pytest.param(["oust"], "invalid choice: 'oust'", id="unknown"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments: list[str], message: str) -> None:
    DjangoStore().add_client(Client.public("app"))

    with pytest.raises(CommandError, match=message):
        run("oauth_client", *arguments)

    assert models.Client.objects.count() == 1


@pytest.mark.parametrize(
    ("options", "hours"),
    [
        pytest.param([], None, id="for-ever"),
        pytest.param(["--others-expire-in=1.5"], 1.5, id="end"),
    ],
)
def test_a_client_gets_a_further_secret(options: list[str], hours: float | None) -> None:
    run("oauth_client", "add", "--client-id", "app")
    before = utc_now()

    out, _ = run("oauth_client", "secret", "app", *options)

    old, new = find("app").secrets
    assert new.hash == fast_digest(secret_in(out))
    assert new.expires_at is None
    if hours is None:
        assert old.expires_at is None
    else:
        assert old.expires_at is not None
        assert timedelta() <= old.expires_at - before - timedelta(hours=hours) < timedelta(hours=1)


def test_clients_are_switched_off_and_on() -> None:
    run("oauth_client", "add", "--client-id", "app")
    run("oauth_client", "add", "--client-id", "b", "--grant-type", "a", "--grant-type", "c")
    run("oauth_client", "deactivate", "app")

    assert not find("app").active
    assert run("oauth_client", "list")[0] == "app  client_credentials  (inactive)\nb  a, c\n"

    run("oauth_client", "activate", "app")
    assert find("app").active


def test_what_has_expired_is_deleted() -> None:
    """Batch after batch; what is valid stays."""
    store, valid = DjangoStore(), make_pair()
    store.save_tokens(*valid)
    for _ in range(5):
        store.save_tokens(make_access_token(issued_at=utc_now() - timedelta(days=1)), None)

    out, _ = run("oauth_purge", "--batch-size", "2")

    assert out == "deleted 5 that had expired\n"
    assert [row.digest for row in models.AccessToken.objects.all()] == [valid[0].digest]
    assert run("oauth_purge", "--database", "default")[0] == "deleted 0 that had expired\n"


@pytest.mark.parametrize("size", ["0", "-1", "x", "1.5"])
def test_a_batch_has_something_in_it(size: str) -> None:
    with pytest.raises(CommandError, match="has to be an integer of 1 or more"):
        run("oauth_purge", f"--batch-size={size}")


def test_clients_need_no_authorization_server() -> None:
    settings: dict[str, Any] = {"USERS": "django_adapter.test_django_settings.users"}
    with override_settings(OAUTHGRANTS=settings):
        run("oauth_client", "add", "--client-id", "user:1")
        with pytest.raises(CommandError, match="may be a user's sub"):
            run("oauth_client", "add", "--client-id", "account:1")
