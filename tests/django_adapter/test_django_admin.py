"""The admin: secrets shown once, tokens looked up and revoked."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.test import Client, override_settings
from django.urls import path, reverse

from django_adapter.mounting import routing
from django_adapter.projects import add_user, digest_of
from oauthgrants import Client as OAuthClient
from oauthgrants import Secret
from oauthgrants.adapters.django import models
from oauthgrants.adapters.django.store import DjangoStore
from oauthgrants.hashing import fast_digest
from oauthgrants.jose import SigningKey
from oauthgrants.sealed import SealingKey
from oauthgrants.testing.store_samples import HOUR, make_access_token, make_pair, moment

OAUTHGRANTS = {"ISSUER": "https://auth.example.com", "GRANTS": ["client_credentials"]}
SECRET = re.compile("ogcs_[A-Za-z0-9_-]{48}")
NEW: dict[str, Any] = {
    "client_id": "reports",
    "token_endpoint_auth_method": "client_secret_basic",
    "grant_types": ["client_credentials"],
    "scope": "write  read",
    "active": "on",
    "secrets-TOTAL_FORMS": 0,
    "secrets-INITIAL_FORMS": 0,
}


@pytest.fixture(autouse=True)
def _routes(database: None) -> Any:  # pyright: ignore[reportUnusedFunction]
    with routing([path("admin/", admin.site.urls)], OAUTHGRANTS=OAUTHGRANTS):
        yield


@pytest.fixture
def browser() -> Client:
    """Somebody who may do everything."""
    return sign_in(add_user(is_staff=True, is_superuser=True))


def sign_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:oauthgrants_{name}", args=args)


def secret_on(response: Any) -> Secret:
    """Return the secret that a page shows, once."""
    [secret] = SECRET.findall(response.content.decode())
    return Secret(secret)


def errors_of(response: Any) -> str:
    context = response.context
    found = [*context["adminform"].form.errors.values()]
    for inline in context["inline_admin_formsets"]:
        found += inline.formset.non_form_errors()
    return " ".join(map(str, found))


def everything_on(browser: Client) -> str:
    """Return all pages that there are about clients and tokens."""
    pages = [page(f"{model}_changelist") for model in ("client", "accesstoken", "refreshtoken")]
    for model in (models.Client, models.AccessToken, models.RefreshToken):
        for row in model.objects.all():
            name = model._meta.model_name
            pages += (page(f"{name}_{each}", row.pk) for each in ("change", "history", "delete"))
    responses = [browser.get(each) for each in pages]
    assert {response.status_code for response in responses} == {200}
    return " ".join(response.content.decode() for response in responses)


def test_a_new_client_has_a_secret_that_is_shown_once(browser: Client) -> None:
    response = browser.post(page("client_add"), NEW)

    secret = secret_on(response)
    assert "no-store" in response["Cache-Control"]
    found = DjangoStore().find_client("reports")
    assert found is not None
    assert [kept.hash for kept in found.secrets] == [fast_digest(secret)]
    assert str(found.scope) == "read write"
    assert (found.default_scope, found.client_name, found.resources) == (None, None, ())
    # Nowhere else, now and later: not in a cookie, a session, the log or on a page.
    kept = [
        *(str(cookie) for cookie in browser.cookies.values()),
        *(str(session.get_decoded()) for session in Session.objects.all()),
        *(f"{entry} {entry.change_message}" for entry in LogEntry.objects.all()),
        everything_on(browser),
    ]
    assert secret.reveal() not in " ".join(kept)
    assert "sha256:" not in " ".join(kept)


def test_a_client_can_do_what_was_ticked(browser: Client) -> None:
    """Everything that a client has can be said."""
    changes = {
        "client_id": "",
        "client_name": "Reports",
        "token_endpoint_auth_method": "client_secret_post",
        "grant_types": ["password", "refresh_token"],
        "default_scope": "read",
        "resources": "https://a.example.com\r\n\r\n https://b.example.com \r\n",
        "introspects": "urn:c",
        "first_party": "on",
        "access_token_lifetime": "600",
        "refresh_token_lifetime": "1 00:00:00",
        "secret_methods_equal": "on",
        "active": "",
    }

    browser.post(page("client_add"), NEW | changes)

    row = models.Client.objects.get()
    assert re.fullmatch("[A-Za-z0-9_-]{22}", row.client_id)
    found = DjangoStore().find_client(row.client_id)
    assert found is not None
    assert found == OAuthClient(
        client_id=row.client_id,
        client_name="Reports",
        token_endpoint_auth_method="client_secret_post",
        grant_types=("password", "refresh_token"),
        scope=found.scope,
        default_scope=found.default_scope,
        resources=("https://a.example.com", "https://b.example.com"),
        introspects=("urn:c",),
        first_party=True,
        access_token_lifetime=timedelta(minutes=10),
        refresh_token_lifetime=timedelta(days=1),
        secret_methods_equal=True,
        active=False,
        secrets=found.secrets,
    )
    # The page to change it has it all, and changes nothing by itself.
    form = browser.get(page("client_change", row.pk)).context["adminform"].form
    assert form["resources"].value() == "https://a.example.com\nhttps://b.example.com"
    again = {
        name: form[name].value() if name == "grant_types" else str(form[name].value())
        for name in form.fields
        if form[name].value() not in {None, False}
    }
    management = {
        "secrets-TOTAL_FORMS": 1,
        "secrets-INITIAL_FORMS": 1,
        "secrets-0-id": models.ClientSecret.objects.get().pk,
        "secrets-0-client": row.pk,
    }
    assert browser.post(page("client_change", row.pk), again | management).status_code == 302
    assert DjangoStore().find_client(row.client_id) == found


def test_a_public_client_has_no_secret(browser: Client) -> None:
    changes = {"token_endpoint_auth_method": "none", "grant_types": ["password"]}

    response = browser.post(page("client_add"), NEW | changes)

    assert response.status_code == 302
    assert DjangoStore().find_client("reports") == OAuthClient.public(
        "reports", grant_types=["password"], scope="read write"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"client_id": "user:1"}, "may be the subject identifier", id="sub"),
        pytest.param({"client_id": "caf\xe9"}, "printable ASCII", id="not-ascii"),
        pytest.param({"client_id": "taken"}, "already exists", id="taken"),
        pytest.param({"grant_types": []}, "required", id="no-grant"),
        pytest.param({"grant_types": ["magic"]}, "not one of the available", id="unknown-grant"),
        pytest.param({"scope": 're"ad'}, "the scope is malformed", id="scope"),
        pytest.param({"default_scope": "admin"}, "within scope", id="default-scope"),
        pytest.param({"resources": "no URI"}, "not an absolute URI", id="resource"),
        pytest.param({"access_token_lifetime": "0.5"}, "whole seconds", id="lifetime"),
        pytest.param({"token_endpoint_auth_method": "none"}, "may not use", id="public-for-itself"),
    ],
)
def test_what_contradicts_itself_is_refused(
    changes: dict[str, Any], message: str, browser: Client
) -> None:
    DjangoStore().add_client(OAuthClient.public("taken"))

    response = browser.post(page("client_add"), NEW | changes)

    assert response.status_code == 200
    assert message in errors_of(response)
    assert models.Client.objects.count() == 1


def test_a_client_may_sign_with_a_key(browser: Client) -> None:
    """Its public one is registered, and there is no secret."""
    key = SigningKey.generate("ES256")
    jwks = json.dumps({"keys": [key.public.as_dict()]})
    changes = {"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks}

    response = browser.post(page("client_add"), NEW | changes)

    assert response.status_code == 302
    assert DjangoStore().find_client("reports") == OAuthClient.with_keys(
        "reports", grant_types=["client_credentials"], scope="read write", jwks=jwks
    )
    without = browser.post(
        page("client_add"),
        NEW | {"client_id": "b", "token_endpoint_auth_method": "private_key_jwt"},
    )
    assert "needs jwks or jwks_uri" in errors_of(without)


def test_a_client_may_show_a_certificate(browser: Client) -> None:
    """One of the subjects that it can have is registered, and there is no secret."""
    changes = {
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_subject_dn": "CN=reports",
        "tls_client_certificate_bound_access_tokens": "on",
    }

    response = browser.post(page("client_add"), NEW | changes)

    assert response.status_code == 302
    assert DjangoStore().find_client("reports") == OAuthClient.with_certificate(
        "reports",
        grant_types=["client_credentials"],
        scope="read write",
        tls_client_auth_subject_dn="CN=reports",
        tls_client_certificate_bound_access_tokens=True,
    )
    shown = browser.get(page("client_add")).content.decode()
    assert "Certificate: Distinguished name" in shown
    assert "Bind tokens to certificates" in shown
    both = NEW | changes | {"client_id": "b", "tls_client_auth_san_ip": "192.0.2.1"}
    assert "needs exactly one of" in errors_of(browser.post(page("client_add"), both))
    twice = NEW | changes | {"client_id": "b", "dpop_bound_access_tokens": "on"}
    assert "a token is bound once" in errors_of(browser.post(page("client_add"), twice))


def test_a_client_may_sign_with_a_secret(browser: Client) -> None:
    """Where the settings have what encrypts it."""
    changes = {
        "token_endpoint_auth_method": "client_secret_jwt",
        "token_endpoint_auth_signing_alg": "HS384",
    }
    assert "not one of the available" in errors_of(browser.post(page("client_add"), NEW | changes))
    key = SealingKey.generate()

    with override_settings(OAUTHGRANTS=OAUTHGRANTS | {"ASSERTIONS": {"sealing_key": key}}):
        response = browser.post(page("client_add"), NEW | changes)

    match = re.search("The secret of reports is ([A-Za-z0-9_-]{64}) and", response.content.decode())
    assert match is not None
    found = DjangoStore().find_client("reports")
    assert found is not None
    [kept] = found.secrets
    assert key.open(kept.hash, owner="reports").reveal() == match[1]
    row = models.Client.objects.get()
    plain = NEW | {"token_endpoint_auth_method": "client_secret_basic"}
    assert "not sealed ones" in errors_of(browser.post(page("client_change", row.pk), plain))


def test_a_client_that_comes_to_need_a_secret_gets_one(browser: Client) -> None:
    DjangoStore().add_client(OAuthClient.public("reports", grant_types=["password"]))
    row = models.Client.objects.get()

    response = browser.post(page("client_change", row.pk), NEW)

    [kept] = models.ClientSecret.objects.all()
    assert kept.hash == fast_digest(secret_on(response))
    assert str(kept) == kept.secret_id


def test_the_identifier_of_a_client_stays(browser: Client) -> None:
    DjangoStore().add_client(OAuthClient.public("app", grant_types=["password"]))
    row = models.Client.objects.get()

    browser.post(page("client_change", row.pk), NEW | {"client_name": "Reports"})

    assert (row.client_id, str(models.Client.objects.get())) == ("app", "app")
    assert models.Client.objects.get().client_name == "Reports"


def test_secrets_are_rotated_without_downtime(browser: Client) -> None:
    """A new one beside the old, which ends later, and is deleted in the end."""
    browser.post(page("client_add"), NEW)
    row = models.Client.objects.get()
    chosen = {"action": "make_secret", "_selected_action": [row.pk]}

    second = secret_on(browser.post(page("client_changelist"), chosen))

    old, new = models.ClientSecret.objects.all()
    assert new.hash == fast_digest(second)
    forms = {
        "secrets-TOTAL_FORMS": 2,
        "secrets-INITIAL_FORMS": 2,
        "secrets-0-id": old.pk,
        "secrets-0-client": row.pk,
        "secrets-1-id": new.pk,
        "secrets-1-client": row.pk,
    }
    end = {"secrets-0-expires_at_0": "2030-01-02", "secrets-0-expires_at_1": "03:04:05"}
    assert browser.post(page("client_change", row.pk), NEW | forms | end).status_code == 302
    old.refresh_from_db()
    assert str(old.expires_at) == "2030-01-02 03:04:05+00:00"
    assert "2030-01-02" in browser.get(page("client_change", row.pk)).content.decode()

    gone = {"secrets-0-DELETE": "on"}
    assert browser.post(page("client_change", row.pk), NEW | forms | gone).status_code == 302
    assert [kept.pk for kept in models.ClientSecret.objects.all()] == [new.pk]


def test_the_last_secret_stays(browser: Client) -> None:
    """Else the client could not even be read."""
    browser.post(page("client_add"), NEW)
    row, kept = models.Client.objects.get(), models.ClientSecret.objects.get()
    forms = {
        "secrets-TOTAL_FORMS": 1,
        "secrets-INITIAL_FORMS": 1,
        "secrets-0-id": kept.pk,
        "secrets-0-client": row.pk,
        "secrets-0-DELETE": "on",
    }

    response = browser.post(page("client_change", row.pk), NEW | forms)

    assert "The last secret cannot be deleted" in errors_of(response)
    assert models.ClientSecret.objects.get() == kept


def test_a_client_with_a_secret_does_not_become_public(browser: Client) -> None:
    browser.post(page("client_add"), NEW)
    row = models.Client.objects.get()
    changes = {"token_endpoint_auth_method": "none", "grant_types": ["password"]}

    response = browser.post(page("client_change", row.pk), NEW | changes)

    assert "goes with no client_secret" in errors_of(response)


def test_a_new_secret_is_for_one_client_that_has_use_for_it(browser: Client) -> None:
    for name in ("a", "b"):
        client, _ = OAuthClient.confidential(name)
        DjangoStore().add_client(client)
    DjangoStore().add_client(OAuthClient.public("c"))
    a, b, c = models.Client.objects.all()

    for chosen in ([a.pk, b.pk], [c.pk]):
        response = browser.post(
            page("client_changelist"),
            {"action": "make_secret", "_selected_action": chosen},
            follow=True,
        )
        assert "Choose one client that authenticates by a secret." in response.content.decode()

    assert models.ClientSecret.objects.count() == 2


@pytest.mark.parametrize("how", ["page", "action"])
def test_a_client_goes_with_its_tokens(how: str, browser: Client) -> None:
    store = DjangoStore()
    store.add_client(OAuthClient.public("app"))
    store.save_tokens(*make_pair())
    row = models.Client.objects.get()

    if how == "page":
        browser.post(page("client_delete", row.pk), {"post": "yes"})
    else:
        chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        browser.post(page("client_changelist"), chosen)

    for model in (models.Client, models.AccessToken, models.RefreshToken, models.Family):
        assert model.objects.count() == 0


def test_all_tokens_of_a_client_are_revoked(browser: Client) -> None:
    store = DjangoStore()
    store.add_client(OAuthClient.public("app"))
    store.save_tokens(*make_pair())
    store.save_tokens(make_access_token(), None)
    row = models.Client.objects.get()

    response = browser.post(
        page("client_changelist"),
        {"action": "revoke_tokens", "_selected_action": [row.pk]},
        follow=True,
    )

    assert "All their tokens are revoked" in response.content.decode()
    assert [token.client_id for token in models.AccessToken.objects.all()] == ["reports"]
    assert models.RefreshToken.objects.count() == 0
    assert LogEntry.objects.get().change_message == "Revoked all tokens."


def test_tokens_are_shown_without_what_could_be_used(browser: Client) -> None:
    access, refresh = make_pair()
    DjangoStore().save_tokens(access, refresh)

    shown = everything_on(browser)

    assert "alice" in shown
    for digest in (access.digest, refresh.digest):
        assert digest.hex() not in shown
        assert repr(digest) not in shown
    assert browser.get(page("accesstoken_add")).status_code == 403


def test_tokens_are_searched_by_who_has_them(browser: Client) -> None:
    user = add_user("bob")
    store = DjangoStore()
    mine = make_access_token(client_id="app", sub=f"user:{user.pk}", username="bob")
    store.save_tokens(mine, None)
    store.save_tokens(make_access_token(client_id="reports"), None)

    found = {
        term: [
            row.sub
            for row in browser.get(page("accesstoken_changelist"), {"q": term})
            .context["cl"]
            .queryset
        ]
        for term in ("bob", f"user:{user.pk}", "app", "reports", "rep", "")
    }

    assert found == {
        "bob": [mine.sub],
        f"user:{user.pk}": [mine.sub],
        "app": [mine.sub],
        "reports": ["reports"],
        "rep": [],
        "": ["reports", mine.sub],
    }


@pytest.mark.parametrize("kind", ["accesstoken", "refreshtoken"])
@pytest.mark.parametrize("how", ["page", "action"])
def test_tokens_are_revoked(kind: str, how: str, browser: Client) -> None:
    """A refresh token with all that came from the same sign-in."""
    access, refresh = make_pair()
    other = make_access_token()
    store = DjangoStore()
    store.save_tokens(access, refresh)
    store.save_tokens(other, None)
    digest = access.digest if kind == "accesstoken" else refresh.digest
    model: Any = models.AccessToken if kind == "accesstoken" else models.RefreshToken
    row = model.objects.get(digest=digest)

    if how == "page":
        browser.post(page(f"{kind}_delete", row.pk), {"post": "yes"})
    else:
        listed = browser.get(page(f"{kind}_changelist")).content.decode()
        assert "Revoke the selected tokens" in listed
        assert "Delete selected" not in listed
        browser.post(
            page(f"{kind}_changelist"), {"action": "delete_selected", "_selected_action": [row.pk]}
        )

    assert store.find_access_token(access.digest) is None
    assert (store.find_refresh_token(refresh.digest) is None) == (kind == "refreshtoken")
    assert store.find_access_token(other.digest) == other


def test_a_token_is_found_by_what_was_pasted(browser: Client) -> None:
    """It is not kept, not shown, and in no address."""
    values = ["an access token", "a refresh token"]
    access, refresh = make_pair(digest=digest_of(values[1]))
    DjangoStore().save_tokens(make_access_token(digest=digest_of(values[0])), None)
    DjangoStore().save_tokens(access, refresh)
    look_up = page("accesstoken_look_up")
    assert look_up in browser.get(page("refreshtoken_changelist")).content.decode()
    assert "csrfmiddlewaretoken" in browser.get(look_up).content.decode()

    for value, model in zip(values, (models.AccessToken, models.RefreshToken), strict=True):
        response = browser.post(look_up, {"token": f" {value}\n"})
        row = model.objects.get(digest=digest_of(value))
        assert response.status_code == 302
        assert response["Location"] == page(f"{model._meta.model_name}_change", row.pk)

    unknown = browser.post(look_up, {"token": "a guess"})
    assert unknown.status_code == 200
    assert "There is none" in unknown.content.decode()
    assert "a guess" not in unknown.content.decode()
    assert "This field is required" in browser.post(look_up, {"token": ""}).content.decode()


def test_a_token_is_found_by_who_may_see_it() -> None:
    """Whoever may see the one kind may not see the other."""
    user = add_user(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_accesstoken"))
    browser = sign_in(user)
    access, refresh = make_pair(digest=digest_of("a refresh token"))
    DjangoStore().save_tokens(access, refresh)

    response = browser.post(page("accesstoken_look_up"), {"token": "a refresh token"})

    assert "There is none" in response.content.decode()
    listed = browser.get(page("accesstoken_changelist"))
    assert "Revoke the selected tokens" not in listed.content.decode()


def test_who_may_not_see_tokens_may_not_look_them_up() -> None:
    browser = sign_in(add_user(is_staff=True))

    response = browser.post(page("accesstoken_look_up"), {"token": "a guess"})

    assert response.status_code == 403


def test_a_moment_is_the_projects_where_there_are_no_time_zones(browser: Client) -> None:
    """What the page shows and takes is in TIME_ZONE; what is kept is the moment."""
    client, _ = OAuthClient.confidential("reports", secret_expires_at=moment() + HOUR)
    DjangoStore().add_client(client)
    row, kept = models.Client.objects.get(), models.ClientSecret.objects.get()
    forms = {
        "secrets-TOTAL_FORMS": 1,
        "secrets-INITIAL_FORMS": 1,
        "secrets-0-id": kept.pk,
        "secrets-0-client": row.pk,
        "secrets-0-expires_at_0": "2030-01-02",
        "secrets-0-expires_at_1": "03:04:05",
    }
    with override_settings(USE_TZ=False, TIME_ZONE="Asia/Tokyo"):
        browser.post(page("client_change", row.pk), NEW | forms)
        shown = browser.get(page("client_change", row.pk)).content.decode()

    kept.refresh_from_db()
    assert str(kept.expires_at) == "2030-01-01 18:04:05+00:00"
    assert 'value="03:04:05"' in shown


def test_without_an_authorization_server_there_are_clients_all_the_same(browser: Client) -> None:
    """Such as a project that shares its database with the one that has it."""
    with override_settings(OAUTHGRANTS={}):
        response = browser.post(page("client_add"), NEW)

    [kept] = models.ClientSecret.objects.all()
    assert kept.hash == fast_digest(secret_on(response))
