"""What may stand in the settings, and what the system checks say of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import include, path

from django_adapter.mounting import AnyRoute, routing
from django_adapter.projects import running
from oauthgrants import (
    AsyncAuthorizationServer,
    AuthorizationServer,
    ClientCredentialsGrant,
    Lifetimes,
    MemoryStore,
    ResourceServer,
    Secret,
)
from oauthgrants.adapters.django.conf import Configuration, read_configuration
from oauthgrants.adapters.django.routes import make_project_urls
from oauthgrants.adapters.django.servers import Servers, servers
from oauthgrants.adapters.django.users import DjangoPasswords, DjangoUsers
from oauthgrants.assembly import Endpoints
from oauthgrants.forms import Limits
from oauthgrants.grants.password import PasswordGrant
from oauthgrants.throttling import Throttle

ISSUER = {"ISSUER": "https://auth.example.com"}
RESOURCE = {"RESOURCE": "https://api.example.com"}

pytestmark = pytest.mark.filterwarnings("ignore::oauthgrants.grants.password.PasswordGrantWarning")

users = DjangoUsers(sub_prefix="account:")
store = MemoryStore()


class Passwords:
    """A verifier of the project's own."""


class Tokens:
    """Knows no token."""

    def find_access_token(self, value: Secret) -> None:
        """Return None."""


def make(**settings: Any) -> Servers:
    return Servers(Configuration.read(settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"ISUER": "x"}, "unknown key 'ISUER'; is it 'ISSUER'?", id="misspelt"),
        pytest.param({"issuer": "x"}, "unknown key 'issuer'; is it 'ISSUER'?", id="lower-case"),
        pytest.param({"COLOUR": "red"}, "unknown key 'COLOUR'; there are ACCESS_TOK", id="unknown"),
        pytest.param({7: "red"}, "unknown key 7; there are ACCESS_TOK", id="no-text"),
        pytest.param({"LIFETIMES": Lifetimes()}, "unknown key 'LIFETIMES'", id="spelt-out"),
        pytest.param({"REFRESH_GRACE": "1 h"}, r"\['REFRESH_GRACE'\] has to be sec", id="time"),
        pytest.param({"FAMILY_LIFETIME": True}, r"\['FAMILY_LIFETIME'\] has to be s", id="flag"),
        pytest.param({"LIMITS": 7}, r"\['LIMITS'\] has to be a dict", id="limits"),
        pytest.param({"LIMITS": {"bodi": 7}}, r"\['LIMITS'\]: .*bodi", id="limits-key"),
        pytest.param({"ENDPOINTS": {"token": 7}}, r"\['ENDPOINTS'\]: ", id="endpoints"),
        pytest.param({"THROTTLE": {"window": "x"}}, r"\['THROTTLE.window'\] has", id="throttle"),
        pytest.param({"THROTTLE": {"window": 0}}, r"\['THROTTLE'\]: .*window", id="no-window"),
        pytest.param({"GRANTS": "password"}, r"\['GRANTS'\] has to be a list", id="one-grant"),
        pytest.param({"GRANTS": 7}, r"\['GRANTS'\] has to be a list", id="number-of-grants"),
        pytest.param({"GRANTS": ["no.such"]}, r"\['GRANTS'\] is 'no.such': ", id="no-grant"),
        pytest.param({"HASHER": "no.such"}, r"\['HASHER'\] is 'no.such': ", id="no-module"),
        pytest.param({"HASHER": "attrs.such"}, r"\['HASHER'\] is 'attrs.such': ", id="no-name"),
    ],
)
def test_what_is_wrong_is_refused(settings: dict[Any, Any], message: str) -> None:
    """The message names the key."""
    with pytest.raises(ImproperlyConfigured, match=f"^OAUTHGRANTS(?: has an )?{message}"):
        Configuration.read(settings)


@pytest.mark.parametrize("given", [None, [], "ISSUER"])
def test_settings_are_a_dict(given: object) -> None:
    with (
        override_settings(OAUTHGRANTS=given),
        pytest.raises(ImproperlyConfigured, match=r"OAUTHGRANTS (has to be a dict|is missing)"),
    ):
        read_configuration()


@pytest.mark.parametrize(
    ("settings", "attribute", "message"),
    [
        pytest.param({}, "server", "has no 'ISSUER'", id="no-issuer"),
        pytest.param({}, "resource_server", "has no 'RESOURCE'", id="no-resource"),
        pytest.param(RESOURCE, "resource_server", "has no 'ISSUER'", id="nobody-knows-tokens"),
        pytest.param({"ISSUER": "http://a"}, "server", "has to be https", id="http"),
        pytest.param(ISSUER | {"GRANTS": ["magic"]}, "server", "GRANTS has 'magic'", id="grant"),
        pytest.param(
            ISSUER | {"GRANTS": [7]}, "server", "no attribute 'grant_type'", id="no-grant"
        ),
        pytest.param(
            ISSUER | {"ACCESS_TOKEN_LIFETIME": 0}, "server", "access_token has", id="lifetime"
        ),
        pytest.param(
            ISSUER | {"ACCESS_TOKEN_FORMAT": "jwt"}, "server", "takes signing_keys", id="jwt"
        ),
        pytest.param(
            ISSUER | {"TRUSTED_PROXIES": ["x"]}, "view", "trusted_proxies has 'x'", id="proxies"
        ),
        pytest.param(
            ISSUER | {"ALLOWED_ORIGINS": ["x"]}, "view", "allowed_origins has 'x'", id="origins"
        ),
        pytest.param(
            ISSUER | {"MUTUAL_TLS": {"endpoint_aliases": {"x": "https://b"}}},
            "server",
            "endpoint_aliases has 'x'",
            id="mutual-tls",
        ),
        pytest.param(
            ISSUER | RESOURCE | {"TRUSTED_PROXIES": ["x"]}, "guard", "has 'x'", id="guard"
        ),
        pytest.param(
            ISSUER | RESOURCE | {"RESOURCE_REALM": "é"}, "resource_server", "realm", id="realm"
        ),
    ],
)
def test_what_makes_no_server_is_refused(
    settings: dict[str, Any], attribute: str, message: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^OAUTHGRANTS.*{message}"):
        getattr(make(**settings), attribute)


@pytest.mark.req("R8705-5-a")
def test_mutual_tls_is_a_dict() -> None:
    aliases = {"token_endpoint": "https://mtls.example.com/token"}

    server = make(**ISSUER, MUTUAL_TLS={"endpoint_aliases": aliases}).server

    assert server.metadata()["mtls_endpoint_aliases"] == aliases


def test_a_prefix_is_a_path() -> None:
    made = make(**ISSUER, PREFIX="oauth")

    with pytest.raises(ImproperlyConfigured, match="OAUTHGRANTS: prefix is 'oauth'"):
        made.find_paths(made.server)


def test_everything_of_the_servers_can_be_set() -> None:
    """What comes to be a setting of a server is one here."""
    from inspect import signature

    wanted = {*signature(AuthorizationServer).parameters} - {"lifetimes"}
    shared = {"allow_insecure_transport", "clock", "event_sink", "limits", "resource"}
    of_resource = {*signature(ResourceServer).parameters} - shared
    likely: dict[str, Any] = {"grants": [], "refresh_grace": 0}
    for key in (*wanted, *(f"resource_{name}" for name in of_resource)):
        Configuration.read({key.upper(): likely.get(key)})


def test_settings_reach_the_servers() -> None:
    """Seconds become times, dicts become records, paths become what they lead to."""
    path = "django_adapter.test_django_settings"
    given = Configuration.read(
        ISSUER
        | RESOURCE
        | {
            "ACCESS_TOKEN_LIFETIME": 600,
            "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
            "FAMILY_LIFETIME": 7 * 86400,
            "REFRESH_GRACE": 10,
            "LIMITS": {"body": 1000},
            "ENDPOINTS": {"token": "/t"},
            "THROTTLE": {"window": 60, "max_failures": 3},
            "ASSERTIONS": {"leeway": 5, "accept_endpoint_audience": True},
            "USERS": f"{path}.users",
            "STORE": f"{path}.store",
            "PASSWORD_VERIFIER": f"{path}.Passwords",
            "GRANTS": [f"{ClientCredentialsGrant.__module__}.ClientCredentialsGrant", "password"],
            "RESOURCE_REALM": "reports",
            "RESOURCE_ALLOW_QUERY": True,
            "EVENT_SINK": None,
        }
    )
    settings = given.server_settings()
    made = Servers(given)

    assert settings["lifetimes"] == Lifetimes(
        access_token=timedelta(minutes=10),
        refresh_token=timedelta(days=1),
        family=timedelta(days=7),
    )
    assert settings["refresh_grace"] == timedelta(seconds=10)
    assert settings["limits"] == Limits(body=1000)
    assert settings["endpoints"] == Endpoints(token="/t")
    assert settings["throttle"] == Throttle(window=timedelta(minutes=1), max_failures=3)
    assert settings["assertions"].leeway == timedelta(seconds=5)
    assert settings["audience"] == "https://api.example.com"
    assert (settings["users"], settings["store"]) == (users, store)
    assert isinstance(given.values["password_verifier"], Passwords)
    assert made.server.token_endpoint == "https://auth.example.com/t"
    assert made.server.metadata()["grant_types_supported"] == ["client_credentials", "password"]
    assert made.resource_server.metadata()["bearer_methods_supported"] == ["header", "query"]
    assert made.resource_server.limits == Limits(body=1000)


def test_records_may_come_as_they_are() -> None:
    limits, throttle = Limits(body=1000), Throttle(max_failures=3)
    given = Configuration.read({"LIMITS": limits, "THROTTLE": throttle, "ENDPOINTS": Endpoints()})

    assert given.values == {"limits": limits, "throttle": throttle, "endpoints": Endpoints()}


def test_the_grants_check_passwords_with_django() -> None:
    """Unless they have somebody else to do it."""
    own = PasswordGrant(verifier=DjangoPasswords(users))
    bare = PasswordGrant(access_token_lifetime=timedelta(seconds=5))
    seen: list[Any] = []

    class Server(AuthorizationServer):
        def __init__(self, **settings: Any) -> None:
            seen.extend(settings["grants"])
            super().__init__(**settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oauthgrants.adapters.django.servers.AuthorizationServer", Server)
        for grant in ("password", own, bare):
            _ = make(**ISSUER, GRANTS=[grant]).server

    named, own_again, filled = seen
    assert isinstance(named.verifier, DjangoPasswords)
    assert own_again is own
    assert isinstance(filled.verifier, DjangoPasswords)
    assert attrs.evolve(filled, verifier=None) == bare


def test_users_of_the_projects_own_have_passwords_of_their_own() -> None:
    """A store of users that is not Django's is asked for their hashes."""
    made = make(**ISSUER, USERS=MemoryStore(), GRANTS=["password"])

    assert made.server.metadata()["grant_types_supported"] == ["password"]


def test_both_colours_are_made() -> None:
    made = make(**ISSUER, **RESOURCE)

    assert isinstance(made.async_server, AsyncAuthorizationServer)
    assert made.async_resource_server.resource == "https://api.example.com"
    assert made.server is made.server


def test_a_project_may_be_a_resource_server_alone() -> None:
    made = make(**RESOURCE, RESOURCE_TOKENS=Tokens())

    assert "authorization_servers" not in made.resource_server.metadata()
    with running(ISSUER=None, GRANTS=None, RESOURCE_TOKENS=Tokens()):
        assert [url.name for url in make_project_urls(is_async=False)] == ["resource_metadata"]
        assert run_checks() == []


def test_a_project_may_be_an_authorization_server_alone() -> None:
    with running(RESOURCE=None, GRANTS=["client_credentials"]):
        assert [url.name for url in make_project_urls(is_async=True)] == [
            "token",
            "introspect",
            "revoke",
            "metadata",
        ]
        assert run_checks() == []


def test_a_right_project_passes_the_checks() -> None:
    with running(GRANTS=["client_credentials"]):
        assert run_checks() == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param({"ISUER": 1}, "OAUTHGRANTS has an unknown key 'ISUER'", id="unknown"),
        pytest.param(
            ISSUER | {"GRANTS": list[str]()}, "OAUTHGRANTS: no grants are enabled", id="server"
        ),
        pytest.param({}, "OAUTHGRANTS has neither 'ISSUER' nor 'RESOURCE'", id="nothing"),
        pytest.param(None, "OAUTHGRANTS is missing from the settings", id="none"),
        pytest.param(ISSUER | {"PREFIX": "a"}, "OAUTHGRANTS: prefix is 'a'", id="prefix"),
    ],
)
def test_the_checks_say_what_is_wrong(settings: object, said: str) -> None:
    """Once: not for the routes too."""
    with routing([], OAUTHGRANTS=settings):
        [message] = run_checks()

    assert (message.id, message.level) == ("oauthgrants.E001", 40)
    assert message.msg.startswith(said)


def test_the_checks_warn_of_the_password_grant() -> None:
    """So that it can be silenced like any other warning of Django's."""
    with running(GRANTS=["password"]):
        [message] = run_checks()

    assert message.id == "oauthgrants.W001"
    assert "RFC 9700" in message.msg


@pytest.mark.parametrize(
    ("before", "prefix", "missing"),
    [
        pytest.param(None, None, "/token, /introspect, /revoke, /.well-known", id="not-included"),
        pytest.param("auth/", None, "/token, /introspect, /revoke, /.well-kn", id="below-a-path"),
        pytest.param("", "/auth", "/auth/token, /auth/introspect, /auth/revoke", id="elsewhere"),
    ],
)
def test_the_checks_miss_routes(before: str | None, prefix: str | None, missing: str) -> None:
    """What the metadata advertise has to be there."""
    with running(GRANTS=["client_credentials"]):
        made = make_project_urls(is_async=False)
    settings = ISSUER | ({} if prefix is None else {"PREFIX": prefix})
    urls: list[AnyRoute] = [] if before is None else [path(before, include(made))]
    with routing(urls, OAUTHGRANTS=settings):
        [message] = run_checks()

    assert message.id == "oauthgrants.W002"
    assert message.msg.startswith(f"no view of oauthgrants is at {missing}")


def test_somebody_elses_view_is_not_ours() -> None:
    def catch_all(_: HttpRequest, rest: str) -> HttpResponse:
        raise AssertionError(rest)

    with routing([path("<path:rest>", catch_all)], OAUTHGRANTS=ISSUER):
        [message] = run_checks()

    assert message.id == "oauthgrants.W002"


def test_a_project_without_routes_is_not_asked_for_them() -> None:
    with override_settings(ROOT_URLCONF=None, OAUTHGRANTS=ISSUER):
        assert [message.id for message in run_checks() if "oauth" in str(message.id)] == []


def test_nothing_is_made_twice() -> None:
    with running(GRANTS=["client_credentials"]):
        assert servers() is servers()
        assert servers().view is servers().view
