"""What the token endpoint makes of a request before any grant sees it (RFC 6749, 3.2 and 5)."""

from __future__ import annotations

import json

import pytest

from oauthgrants import HttpRequest
from oauthgrants.forms import Limits
from support import FORM, ISSUER, World, basic, error_of

req = pytest.mark.req
CC = "grant_type=client_credentials"


@req("R6749-3.2-a", "R9110-15.5.2-a")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post", "FOO"])
def test_only_post_yields_a_token(world: World, method: str) -> None:
    headers = [FORM, basic("service", world.secrets["service"])]
    response = world.send(
        HttpRequest(method=method, url=f"{ISSUER}/token", headers=headers, body=CC.encode())
    )

    assert error_of(response) == (405, "invalid_request")
    assert ("Allow", "POST") in response.headers
    assert world.store.tokens == []


@req("R6749-3.2-f")
@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        pytest.param("application/x-www-form-urlencoded", 200, id="plain"),
        pytest.param("Application/X-WWW-Form-URLencoded", 200, id="case"),
        pytest.param("application/x-www-form-urlencoded; charset=utf-8", 200, id="charset"),
        pytest.param("application/x-www-form-urlencoded;charset=UTF-8", 200, id="no-space"),
        pytest.param("application/json", 400, id="json"),
        pytest.param("multipart/form-data; boundary=x", 400, id="multipart"),
        pytest.param("application/x-www-form-urlencodedx", 400, id="longer"),
        pytest.param("", 400, id="missing"),
    ],
)
def test_the_media_type_is_a_form(world: World, media_type: str, status: int) -> None:
    headers = [("content-TYPE", media_type), basic("service", world.secrets["service"])]
    response = world.send(
        HttpRequest(method="POST", url=f"{ISSUER}/token", headers=headers, body=CC.encode())
    )

    assert status == response.status
    if status == 400:
        assert response.json()["error"] == "invalid_request"


@req("R6749-3.2-e", "R6749-5.2-b")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(f"{CC}&scope=read&scope=read", id="same"),
        pytest.param(f"{CC}&scope=read&scope=", id="one-empty"),
        pytest.param(f"{CC}&scope&scope=read", id="without-equals"),
        pytest.param(f"{CC}&{CC}", id="grant-type"),
        pytest.param(f"{CC}&sc%6Fpe=read&scope=read", id="escaped-name"),
        pytest.param(f"{CC}&client_id=service&client_id=service", id="client-id"),
        pytest.param(f"{CC}&username=a&username=b", id="another-grants"),
    ],
)
def test_a_known_parameter_comes_once(world: World, body: str) -> None:
    assert error_of(world.post(body, client="service")) == (400, "invalid_request")
    assert world.store.tokens == []


@req("R6749-3.2-d")
@pytest.mark.parametrize("extra", ["foo=1", "foo=1&foo=2", "foo", "=", "&&", "%00=%00", "Scope=x"])
def test_unknown_parameters_change_nothing(world: World, extra: str) -> None:
    response = world.post(f"{CC}&{extra}&scope=write", client="service")

    assert (200, "write") == (response.status, response.json()["scope"])


@req("R6749-3.2-c")
@pytest.mark.parametrize("scope", ["&scope=", "&scope", ""])
def test_an_empty_value_counts_as_absent(world: World, scope: str) -> None:
    assert world.post(CC + scope, client="service").json()["scope"] == "read"


@req("R6749-3.2-c", "R6749-4.3.2-a", "R6749-5.2-b", "R6749-6-a")
@pytest.mark.parametrize(
    "body",
    [
        "grant_type=password&username=&password=wonderland",
        "grant_type=password&username=alice&password=",
        "grant_type=password&password=wonderland",
        "grant_type=password&username=alice",
        "grant_type=refresh_token",
        "grant_type=refresh_token&refresh_token=",
        "grant_type=",
        "scope=profile",
        "",
    ],
)
def test_a_required_parameter_is_not_left_out(world: World, body: str) -> None:
    assert error_of(world.post(body, client="app")) == (400, "invalid_request")


@req("R6749-B-b", "R6749-10.14-a")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"&scope=%", id="cut-escape"),
        pytest.param(b"&scope=%4", id="half-escape"),
        pytest.param(b"&scope=%zz", id="no-hex"),
        pytest.param(b"&scope=%FF", id="escaped-octet"),
        pytest.param(b"&scope=\xff", id="raw-octet"),
        pytest.param(b"&unknown=%C3", id="unknown-name"),
        pytest.param(b"&%ED%A0%80=surrogate", id="surrogate"),
    ],
)
def test_a_body_that_is_not_utf_8_is_refused(world: World, body: bytes) -> None:
    assert error_of(world.post(CC.encode() + body, client="service")) == (400, "invalid_request")


@req("R6749-B-a")
def test_pairs_are_split_before_they_are_decoded(world: World) -> None:
    """An escaped ampersand, equals sign or plus belongs to the value."""
    world.add_client("a&b=c+d", scope="read", default_scope="read")

    response = world.post(CC, client="a&b=c+d", client_id="a&b=c+d")

    assert response.status == 200


@pytest.mark.parametrize(
    ("limits", "body"),
    [
        pytest.param(Limits(body=40), f"{CC}&x=aaaaaaaaaaaaaaaa", id="body"),
        pytest.param(Limits(parameters=2), f"{CC}&a=1&b=2", id="parameters"),
        pytest.param(Limits(header_value=20), CC, id="header"),
    ],
)
def test_sizes_are_bounded(world: World, limits: Limits, body: str) -> None:
    world.configure(limits=limits)

    assert error_of(world.post(body, client="service")) == (400, "invalid_request")


def test_sizes_reach_their_bounds(world: World) -> None:
    filler = "a" * (64 * 1024 - len(CC) - 3)

    assert world.post(f"{CC}&x={filler}", client="service").status == 200
    assert world.post(f"{CC}&x={filler}a", client="service").status == 400
    assert world.post(f"{CC}{'&x=1' * 63}", client="service").status == 200
    assert world.post(f"{CC}{'&x=1' * 64}", client="service").status == 400


@req("R6749-2.3.1-e")
@pytest.mark.parametrize(
    "query",
    [
        "client_id=service",
        "client_secret=x",
        "client_assertion=x",
        "username=alice",
        "password=x",
        "access_token=x",
        "refresh_token=x",
        "tenant=1&pass%77ord=x",
        "password",
    ],
)
def test_credentials_do_not_belong_in_the_uri(world: World, query: str) -> None:
    response = world.post(CC, client="service", path=f"/token?{query}")

    assert error_of(response) == (400, "invalid_request")
    assert world.store.tokens == []


def test_other_parts_of_a_query_are_ignored(world: World) -> None:
    assert world.post(CC, client="service", path="/token?tenant=1&%FF=%").status == 200


@req("R6749-A.10-a", "R6749-5.2-h", "R6749-4.5-a")
@pytest.mark.parametrize(
    "grant_type",
    [
        "Client_Credentials",
        "client_credentials ",
        "authorization_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "caf\xe9",
        "a\x00b",
        "😀",
    ],
)
def test_a_grant_type_is_matched_to_the_letter(world: World, grant_type: str) -> None:
    response = world.post(client="service", grant_type=grant_type)

    assert error_of(response) == (400, "unsupported_grant_type")


@req("R6749-5.2-g", "R6749-6-h")
@pytest.mark.parametrize(
    ("client", "body"),
    [
        ("service", "grant_type=password&username=alice&password=wonderland"),
        ("service", "grant_type=refresh_token&refresh_token=x"),
        ("app", CC),
    ],
)
def test_a_client_uses_the_grants_it_is_registered_for(
    world: World, client: str, body: str
) -> None:
    assert error_of(world.post(body, client=client)) == (400, "unauthorized_client")


@req("R7591-2-b")
def test_without_grant_types_a_client_may_use_none(world: World) -> None:
    world.add_client("plain", grant_types=["authorization_code"])

    assert error_of(world.post(CC, client="plain")) == (400, "unauthorized_client")


@req("R6749-5.1-a", "R6749-5.1-c", "R6749-5.1-f", "R6749-5.1-g", "R6749-A.13-a", "R6749-5.1-b")
def test_success_is_json_that_nobody_stores(world: World) -> None:
    response = world.post(CC, client="service")

    body = response.json()
    assert response.status == 200
    assert set(response.headers) == {
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        ("Pragma", "no-cache"),
    }
    assert isinstance(body["access_token"], str)
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert b'"expires_in":3600' in response.body


@req("R6749-5.2-a", "R6749-5.2-k", "R6749-5.2-j")
@pytest.mark.parametrize("body", ["", CC + "&scope=admin", "grant_type=%22%5C%0D%0Aevil"])
def test_an_error_is_json_that_nobody_stores(world: World, body: str) -> None:
    response = world.post(body, client="service")

    members = response.json()
    assert response.status == 400
    assert ("Content-Type", "application/json") in response.headers
    assert ("Cache-Control", "no-store") in response.headers
    assert ("Pragma", "no-cache") in response.headers
    assert set(members) == {"error", "error_description"}
    for text in members.values():
        assert all(0x20 <= ord(c) <= 0x7E and c not in '"\\' for c in text)
    assert "evil" not in response.body.decode()


def test_there_is_nothing_at_other_paths(world: World) -> None:
    assert error_of(world.post(CC, client="service", path="/tokens")) == (404, "invalid_request")


@req("R6749-3.2-b")
def test_an_endpoint_may_have_a_query(world: World) -> None:
    from oauthgrants.assembly import Endpoints

    world.configure(endpoints=Endpoints(token="/t?tenant=1"))

    document = world.send(
        HttpRequest(method="GET", url=f"{ISSUER}/.well-known/oauth-authorization-server")
    )
    assert world.server.token_endpoint == f"{ISSUER}/t?tenant=1"
    assert document.json()["token_endpoint"] == f"{ISSUER}/t?tenant=1"
    assert world.post(CC, client="service", path="/t?tenant=1").status == 200


def test_the_order_of_checks_is_fixed(world: World) -> None:
    """Each request is wrong in all later ways too; the first wrong answers (C-21)."""
    app = basic("app", world.secrets["app"])
    wrong = basic("app", "wrong")
    bad_scope = "scope=admin&username=alice&password=wrong"
    steps: list[tuple[int, str, list[tuple[str, str]], str, str]] = [
        (405, "GET", [], "scope=%ff&scope=x", "invalid_request"),
        (400, "POST", [("Content-Type", "text/plain"), wrong], "", "invalid_request"),
        (400, "POST", [FORM, wrong], "grant_type=a&grant_type=b", "invalid_request"),
        (400, "POST", [FORM, wrong], "client_secret=x&grant_type=nope", "invalid_request"),
        (401, "POST", [FORM, wrong], "grant_type=nope", "invalid_client"),
        (400, "POST", [FORM, app], bad_scope, "invalid_request"),
        (400, "POST", [FORM, app], f"grant_type=nope&{bad_scope}", "unsupported_grant_type"),
        (400, "POST", [FORM, app], f"{CC}&{bad_scope}", "unauthorized_client"),
        (400, "POST", [FORM, app], "grant_type=password&scope=admin", "invalid_request"),
        (400, "POST", [FORM, app], f"grant_type=password&{bad_scope}", "invalid_scope"),
        (
            400,
            "POST",
            [FORM, app],
            "grant_type=password&username=alice&password=wrong",
            "invalid_grant",
        ),
    ]
    for status, method, headers, body, error in steps:
        response = world.send(
            HttpRequest(method=method, url=f"{ISSUER}/token", headers=headers, body=body.encode())
        )
        assert (status, error) == error_of(response), body


@req("R6749-5.1-d", "R6749-5.1-h")
def test_members_that_are_not_there_are_left_out_and_none_is_overwritten() -> None:
    from oauthgrants import Scope, Secret
    from oauthgrants.tokens import TokenResponse

    response = TokenResponse(
        access_token=Secret("value"),
        expires_in=60,
        scope=Scope.parse("a"),
        extra={"scope": "everything", "example_parameter": "example_value"},
    )

    assert json.dumps(response.parameters(), sort_keys=True) == (
        '{"access_token": "value", "example_parameter": "example_value", "expires_in": 60, '
        '"scope": "a", "token_type": "Bearer"}'
    )
    absent = TokenResponse(
        access_token=Secret("value"), expires_in=60, extra={"refresh_token": "x", "scope": "all"}
    )
    assert set(absent.parameters()) == {"access_token", "token_type", "expires_in"}
