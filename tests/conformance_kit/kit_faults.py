"""For each check a server that does not do what it asks, and nothing else wrong."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlsplit

import attrs
from kit_servers import (
    KEY,
    SCOPE,
    SECRET,
    SERVER_KEY,
    Asked,
    Fault,
    to_response,
)

from oauthgrants import HttpResponse
from oauthgrants.testing.conformance.jwts import claims_of, header_of

Change = Callable[[Asked, HttpResponse], HttpResponse]
When = Callable[[Asked], object]

METADATA = "/.well-known/oauth-authorization-server"


@attrs.frozen
class Case:
    """
    How a check is shown to fail.

    Attributes:
        fault: What the server does wrong.
        method: The client that asks.
        settings: What else is special about it.
        well: What makes the server do right where ours has nothing to show.
    """

    fault: Fault
    method: str = "client_secret_basic"
    settings: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    well: Sequence[Fault] = ()


# What a server answers instead


def issues(asked: Asked, _: HttpResponse) -> HttpResponse:
    """Issue a token that nobody should get."""
    return to_response(
        {
            "access_token": token_urlsafe(32),
            "token_type": "Bearer",
            "scope": asked.form.get("scope", SCOPE),
            "refresh_token": token_urlsafe(32),
        }
    )


def refuses(code: str = "invalid_request", status: int = 400) -> Change:
    return lambda _, __: to_response({"error": code}, status)


def says(**changes: Any) -> Change:
    """Change members of the answer; None leaves one out."""

    def change(_: Asked, response: HttpResponse) -> HttpResponse:
        members = {**response.json(), **changes}
        kept = {name: value for name, value in members.items() if value is not None}
        return attrs.evolve(response, body=json.dumps(kept).encode())

    return change


def header(name: str, value: str | None) -> Change:
    def change(_: Asked, response: HttpResponse) -> HttpResponse:
        kept = [each for each in response.headers if each[0].lower() != name.lower()]
        more = [] if value is None else [(name, value)]
        return attrs.evolve(response, headers=(*kept, *more))

    return change


def body(text: bytes) -> Change:
    return lambda _, response: attrs.evolve(response, body=text)


def status(number: int) -> Change:
    return lambda _, response: attrs.evolve(response, status=number)


def answers(members: Mapping[str, Any], number: int = 200) -> Change:
    return lambda _, __: to_response(members, number)


def claims(**changes: Any) -> Change:
    """Sign the access token anew, with other claims."""

    def change(asked: Asked, response: HttpResponse) -> HttpResponse:
        token = response.json()["access_token"]
        changed = {**claims_of(token), **changes}
        kept = {name: value for name, value in changed.items() if value is not None}
        signed = SERVER_KEY.sign(kept, typ="at+jwt")
        return says(access_token=signed)(asked, response)

    return change


def signed_otherwise(asked: Asked, response: HttpResponse) -> HttpResponse:
    token = response.json()["access_token"]
    return says(access_token=KEY.sign(claims_of(token), typ="at+jwt"))(asked, response)


def jose_header(**changes: Any) -> Change:
    def change(asked: Asked, response: HttpResponse) -> HttpResponse:
        token = response.json()["access_token"]
        octets = json.dumps({**header_of(token), **changes}).encode()
        first = urlsafe_b64encode(octets).decode().rstrip("=")
        return says(access_token=f"{first}.{token.partition('.')[2]}")(asked, response)

    return change


def reflects(asked: Asked, response: HttpResponse) -> HttpResponse:
    return says(error_description=f"bad {asked.grant}")(asked, response)


class Rotates:
    """Takes each refresh token once, and does not mind what happened to the one before."""

    def __init__(self) -> None:
        self._spent: set[str] = set()

    def __call__(self, asked: Asked, response: HttpResponse) -> HttpResponse:
        token = asked.form["refresh_token"]
        if token in self._spent:
            return refuses("invalid_grant")(asked, response)
        self._spent.add(token)
        return issues(asked, response)


class RevokesForAnybody:
    """Ends a token, whoever says so."""

    def __init__(self) -> None:
        self._revoked: set[str] = set()

    def __call__(self, asked: Asked, response: HttpResponse) -> HttpResponse:
        token = asked.form["token"]
        if asked.path == REVOKE:
            self._revoked.add(token)
        return to_response({"active": False}) if token in self._revoked else response


# To which requests


def at(path: str) -> When:
    return lambda asked: asked.path == path


def token_where(condition: When) -> When:
    return lambda asked: asked.path == "/token" and condition(asked)


def good(asked: Asked) -> bool:
    """Whether a token request is one that any server answers well."""
    return asked.path == "/token" and asked.grant in ("client_credentials", "password")


def refreshes(condition: When = lambda _: True) -> When:
    return token_where(lambda asked: asked.grant == "refresh_token" and condition(asked))


def has_password(condition: When = lambda _: True) -> When:
    return token_where(lambda asked: asked.grant == "password" and condition(asked))


def wrong_secret(asked: Asked) -> bool:
    return "wrong-on-purpose" in asked.basic or asked.form.get("client_secret") == NO_SECRET


def unknown_client(asked: Asked) -> bool:
    return asked.basic.startswith("no-such-client")


def made_up(asked: Asked) -> bool:
    return asked.form.get("token", "").startswith("no-such-token")


def unauthenticated(asked: Asked) -> bool:
    return asked.is_anonymous


def repeats(name: str) -> When:
    return lambda asked: asked.names.count(name) > 1


NO_SECRET = "wrong-on-purpose"
TOKEN, INTROSPECT, REVOKE, API, JWKS = "/token", "/introspect", "/revoke", "/api", "/jwks.json"
JWT, PUBLIC = "client_secret_jwt", "none"
ALWAYS_ACTIVE = Fault(at(INTROSPECT), answers({"active": True}))


def published(**changes: Any) -> Fault:
    return Fault(at(METADATA), says(**changes))


def first(change: Change) -> Fault:
    return Fault(good, change)


def no_grant(change: Change) -> Fault:
    return Fault(token_where(lambda asked: not asked.grant), change)


def any_refusal(change: Change) -> Fault:
    return Fault(token_where(lambda asked: not good(asked) or asked.is_anonymous), change)


def issued_anyway(when: When) -> Case:
    return Case(Fault(token_where(when), issues))


def refused_wrongly(when: When) -> Case:
    return Case(Fault(token_where(when), refuses()))


def misplaced(asked: Asked, _: HttpResponse) -> HttpResponse:
    origin = asked.request.url.removesuffix(urlsplit(asked.request.url).path)
    return to_response({"issuer": f"{origin}/auth", "token_endpoint": f"{origin}/token"})


def _claim(asked: Asked, name: str) -> Any:
    return claims_of(asked.form.get("client_assertion", "")).get(name)


_METADATA = {
    "metadata_are_in_place": Case(
        Fault(at(f"/auth{METADATA}"), misplaced),
        settings={"path": "/auth"},
        well=[Fault(at(f"{METADATA}/auth"), misplaced)],
    ),
    "metadata_are_json": Case(Fault(at(METADATA), header("Content-Type", "text/html"))),
    "metadata_name_the_issuer": Case(
        published(issuer="https://elsewhere.example"), settings={"token_endpoint": TOKEN}
    ),
    "issuer_is_an_https_url": Case(
        published(issuer="http://auth.example.com"), settings={"token_endpoint": TOKEN}
    ),
    "metadata_have_the_token_endpoint": Case(
        published(token_endpoint=None), settings={"token_endpoint": TOKEN}
    ),
    "published_endpoints_are_https": Case(published(authorization_endpoint="http://a.example/")),
    "metadata_have_response_types": Case(published(response_types_supported=None)),
    "metadata_lists_are_arrays": Case(published(scopes_supported=[])),
    "metadata_name_the_grant": Case(published(grant_types_supported=None)),
    "metadata_name_the_auth_method": Case(
        published(token_endpoint_auth_methods_supported=["client_secret_post"])
    ),
    "metadata_list_signing_algorithms": Case(
        published(token_endpoint_auth_signing_alg_values_supported=None)
    ),
    "metadata_do_not_offer_unsigned": Case(
        published(token_endpoint_auth_signing_alg_values_supported=["none"])
    ),
    "metadata_name_what_works": Case(
        published(revocation_endpoint=None), settings={"revocation_endpoint": REVOKE}
    ),
    "metadata_do_not_offer_password": Case(
        published(),
        settings={"username": None, "password": None},
        well=[published(grant_types_supported=["client_credentials"])],
    ),
    "metadata_offer_asymmetric_authentication": Case(
        published(token_endpoint_auth_methods_supported=["client_secret_basic"])
    ),
    "published_keys_are_public": Case(
        Fault(at(JWKS), answers({"keys": [{"kty": "oct", "k": "AA"}]}))
    ),
    "published_keys_have_names": Case(
        Fault(at(JWKS), answers({"keys": [{"kid": "1"}, {"kid": "1"}]}))
    ),
}

_SUCCESS = {
    "success_has_token_and_type": Case(first(says(token_type=None))),
    "success_is_one_object": Case(
        first(
            body(
                b'{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"Bearer",'
                b'"token_type":"Bearer"}'
            )
        )
    ),
    "success_is_json": Case(first(header("Content-Type", "text/plain"))),
    "token_type_is_a_name": Case(first(says(token_type="Bearer token"))),
    "token_type_is_known": Case(first(says(token_type="example"))),
    "lifetime_is_said": Case(first(says(expires_in=None))),
    "lifetime_is_a_number": Case(first(says(expires_in="3600"))),
    "lifetime_is_short": Case(first(says(expires_in=86_400))),
    "members_have_their_kinds": Case(
        first(
            lambda _, response: attrs.evolve(
                response, body=response.body.rstrip(b"}") + b',"refresh_token":null}'
            )
        )
    ),
    "scope_is_well_formed": Case(first(says(scope="reports:read,  reports:write"))),
    "success_is_not_stored": Case(first(header("Cache-Control", "private"))),
    "success_is_not_cached": Case(first(header("Pragma", None))),
    "token_is_printable": Case(first(says(access_token="caf\u00e9-" * 10))),
    "token_fits_the_header": Case(first(says(access_token="two words and more " * 3))),
    "token_is_long": Case(first(says(access_token="1234567"))),
    "tokens_differ": Case(first(says(access_token="2YotnFZFEjr1zCsicMWpAA"))),
}

_JWT = {
    "jwt_is_of_its_type": Case(first(jose_header(typ="JWT"))),
    "jwt_is_signed": Case(first(jose_header(alg="none"))),
    "jwt_has_the_claims": Case(first(claims(jti=None))),
    "jwt_names_the_issuer": Case(first(claims(iss="https://elsewhere.example"))),
    "jwt_has_an_audience": Case(first(claims(aud=[]))),
    "jwt_is_good_now": Case(first(claims(exp=1))),
    "jwt_names_the_client": Case(first(claims(client_id="somebody else"))),
    "jwt_has_a_name_of_its_own": Case(first(claims(jti="always"))),
    "jwt_has_the_scope": Case(first(claims(scope="admin"))),
    "jwt_verifies": Case(first(signed_otherwise)),
}

_ENDPOINT = {
    "get_yields_no_token": issued_anyway(lambda asked: asked.request.method == "GET"),
    "get_is_not_allowed": Case(
        Fault(
            lambda asked: asked.request.method == "GET" and asked.path == TOKEN,
            header("Allow", None),
        )
    ),
    "empty_parameter_is_left_out": refused_wrongly(lambda asked: asked.form.get("scope") == ""),
    "empty_grant_type_is_refused": issued_anyway(lambda asked: asked.form["grant_type"] == ""),
    "unknown_parameter_is_ignored": refused_wrongly(
        lambda asked: "no_such_parameter" in asked.form
    ),
    "repeated_grant_type_is_refused": issued_anyway(repeats("grant_type")),
    "repeated_scope_is_refused": issued_anyway(repeats("scope")),
    "json_body_is_refused": issued_anyway(
        lambda asked: asked.headers["content-type"] == "application/json"
    ),
    "media_type_ignores_case": refused_wrongly(
        lambda asked: asked.headers["content-type"].startswith("Application")
    ),
    "missing_grant_type_is_refused": Case(no_grant(refuses("unsupported_grant_type"))),
    "unknown_grant_type_is_refused": Case(
        Fault(token_where(lambda asked: asked.grant.startswith("urn")), refuses())
    ),
    "grant_type_has_case": issued_anyway(lambda asked: asked.grant.isupper()),
    "malformed_grant_type_is_refused": Case(
        Fault(token_where(lambda asked: "<script>" in asked.grant), status(500))
    ),
    "broken_utf8_is_refused": issued_anyway(lambda asked: b"%ff" in asked.request.body),
    "broken_escape_is_refused": issued_anyway(lambda asked: b"%zz" in asked.request.body),
}

_SCOPE_CASES = {
    "no_scope_is_default_or_refused": refused_wrongly(lambda asked: "scope" not in asked.form),
    "unknown_scope_is_not_granted": issued_anyway(
        lambda asked: "no-such-scope" in asked.form["scope"]
    ),
    "malformed_scope_is_not_granted": issued_anyway(lambda asked: '"' in asked.form["scope"]),
    "scope_has_case": issued_anyway(lambda asked: asked.form["scope"].isupper()),
    "scope_has_no_order": Case(
        Fault(
            token_where(lambda asked: asked.form["scope"].endswith("read")),
            says(scope="reports:read"),
        )
    ),
    "doubled_space_is_refused": issued_anyway(lambda asked: "  " in asked.form["scope"]),
    "narrow_scope_is_kept_to": Case(first(says(scope=SCOPE))),
    "scope_is_said_if_it_differs": Case(first(says(scope="reports:read"))),
}

_GRANTS = {
    "client_credentials_bring_no_refresh_token": Case(first(says(refresh_token="a" * 43))),
    "public_client_has_no_credentials": Case(
        Fault(token_where(lambda asked: asked.grant == "client_credentials"), issues), method=PUBLIC
    ),
    "foreign_grant_is_unauthorized": Case(
        Fault(token_where(lambda asked: asked.grant == "client_credentials"), status(403)),
        settings={"client_id": "password-only"},
    ),
    "password_brings_a_token": Case(Fault(has_password(), refuses("invalid_grant"))),
    "missing_username_is_refused": Case(
        Fault(has_password(lambda asked: "username" not in asked.form), refuses("invalid_grant"))
    ),
    "missing_password_is_refused": Case(
        Fault(has_password(lambda asked: "password" not in asked.form), refuses("invalid_grant"))
    ),
    "empty_username_is_refused": Case(
        Fault(has_password(lambda asked: asked.form["username"] == ""), refuses("invalid_grant"))
    ),
    "repeated_username_is_refused": issued_anyway(repeats("username")),
    "wrong_password_is_refused": Case(
        Fault(has_password(lambda asked: asked.form["password"] == NO_SECRET), issues)
    ),
    "wrong_password_is_400": Case(
        Fault(has_password(lambda asked: asked.form["password"] == NO_SECRET), status(401))
    ),
    "users_cannot_be_enumerated": Case(
        Fault(
            has_password(lambda asked: "no-such" in asked.form["username"]),
            says(error_description="there is no such user"),
        )
    ),
    "password_without_client_is_refused": Case(Fault(has_password(unauthenticated), issues)),
}

_REFRESH = {
    "refresh_brings_a_token": Case(Fault(refreshes(), refuses("invalid_grant"))),
    "missing_refresh_token_is_refused": Case(
        Fault(refreshes(lambda asked: "refresh_token" not in asked.form), refuses("invalid_grant"))
    ),
    "unknown_refresh_token_is_refused": Case(Fault(refreshes(), refuses())),
    "malformed_refresh_token_is_refused": Case(Fault(refreshes(), status(500))),
    "refresh_without_authentication_is_refused": Case(Fault(refreshes(), issues)),
    "refresh_by_nobody_is_refused": Case(Fault(refreshes(unauthenticated), issues)),
    "foreign_refresh_token_is_refused": Case(Fault(refreshes(), issues)),
    "wider_scope_is_refused": Case(Fault(refreshes(), issues)),
    "refusal_leaves_the_token": Case(
        Fault(refreshes(lambda asked: "scope" not in asked.form), refuses("invalid_grant"))
    ),
    "narrower_scope_is_granted": Case(Fault(refreshes(), says(scope=SCOPE))),
    "scope_comes_back": Case(
        Fault(refreshes(lambda asked: "scope" not in asked.form), says(scope="reports:read"))
    ),
    "spent_token_is_refused": Case(Fault(refreshes(), issues)),
    "public_tokens_are_rotated": Case(Fault(refreshes(), says(refresh_token=None)), method=PUBLIC),
    "reuse_ends_the_family": Case(Fault(refreshes(), Rotates())),
    "refresh_rotates": Case(Fault(refreshes(), says(refresh_token=None))),
}

_INTROSPECTION = {
    "introspection_says_active": Case(Fault(at(INTROSPECT), says(active="true"))),
    "introspection_is_json": Case(Fault(at(INTROSPECT), header("Content-Type", "text/html"))),
    "unknown_token_is_inactive": Case(Fault(at(INTROSPECT), status(404))),
    "inactive_says_nothing_else": Case(Fault(at(INTROSPECT), says(scope="read"))),
    "introspecting_nothing_is_refused": Case(Fault(at(INTROSPECT), answers({"active": False}))),
    "nobody_introspects": Case(ALWAYS_ACTIVE),
    "unauthenticated_introspection_is_refused": Case(
        Fault(at(INTROSPECT), answers({"active": False}))
    ),
    "introspection_is_not_by_get": Case(Fault(at(INTROSPECT), answers({"active": False}))),
    "wrong_hint_does_not_matter": Case(
        Fault(lambda asked: "token_type_hint" in asked.form, answers({"active": False}))
    ),
    "introspection_has_its_kinds": Case(Fault(at(INTROSPECT), says(exp="soon"))),
    "introspection_names_the_client": Case(Fault(at(INTROSPECT), says(client_id="else"))),
    "introspection_knows_the_end": Case(Fault(at(INTROSPECT), says(exp=1))),
    "introspection_is_not_stored": Case(Fault(at(INTROSPECT), header("Cache-Control", None))),
}

_REVOCATION = {
    "access_token_is_revoked": Case(Fault(at(REVOKE), status(202))),
    "revoked_token_is_inactive": Case(ALWAYS_ACTIVE),
    "wrong_revocation_hint_does_not_matter": Case(ALWAYS_ACTIVE),
    "unknown_revocation_hint_is_ignored": Case(
        Fault(lambda asked: asked.form.get("token_type_hint") == "of_no_kind", refuses())
    ),
    "revoked_refresh_token_is_dead": Case(Fault(refreshes(), issues)),
    "access_tokens_go_too": Case(ALWAYS_ACTIVE),
    "unknown_token_is_no_error": Case(
        Fault(lambda asked: asked.path == REVOKE and made_up(asked), refuses("invalid_grant"))
    ),
    "revoking_twice_is_no_error": Case(Fault(at(REVOKE), refuses("invalid_grant"))),
    "revoking_nothing_is_refused": Case(Fault(at(REVOKE), answers({}))),
    "nobody_revokes": Case(Fault(at(REVOKE), answers({}))),
    "another_client_does_not_revoke": Case(
        Fault(lambda asked: asked.path in (INTROSPECT, REVOKE), RevokesForAnybody())
    ),
    "revocation_is_not_by_get": Case(Fault(at(REVOKE), answers({}))),
}

_BEARER = {
    "bearer_token_is_let_in": Case(Fault(at(API), refuses("invalid_token", 401))),
    "bearer_ignores_case": Case(
        Fault(lambda asked: asked.authorization.startswith("bEaReR"), refuses(status=401))
    ),
    "resource_is_closed": Case(Fault(at(API), answers({}))),
    "closed_resource_names_no_error": Case(
        Fault(at(API), header("WWW-Authenticate", 'Bearer error="invalid_token"'))
    ),
    "unknown_token_is_kept_out": Case(Fault(at(API), header("WWW-Authenticate", "Bearer"))),
    "malformed_header_is_kept_out": Case(Fault(at(API), answers({}))),
}

_RESOURCES = {
    "resource_brings_a_token": refused_wrongly(lambda asked: "resource" in asked.form),
    "token_is_for_the_resource": Case(first(claims(aud="https://elsewhere.example"))),
    "resource_with_fragment_is_refused": issued_anyway(lambda asked: "resource" in asked.form),
    "relative_resource_is_refused": issued_anyway(lambda asked: "resource" in asked.form),
    "unknown_resource_is_refused": issued_anyway(lambda asked: "resource" in asked.form),
    "several_resources_are_no_repeat": refused_wrongly(repeats("resource")),
    "refresh_is_for_no_other_resource": Case(Fault(refreshes(), issues)),
}

_ASSERTIONS = {
    "assertion_authenticates": Case(first(says(access_token="")), method=JWT),
    "assertion_without_type_is_refused": Case(
        Fault(token_where(lambda asked: "client_assertion_type" not in asked.form), issues),
        method=JWT,
    ),
    "type_without_assertion_is_refused": Case(
        Fault(token_where(lambda asked: "client_assertion" not in asked.form), issues), method=JWT
    ),
    "unknown_assertion_type_is_refused": Case(
        Fault(
            token_where(lambda asked: asked.form["client_assertion_type"].endswith("kind")), issues
        ),
        method=JWT,
    ),
    "foreign_audience_is_refused": Case(
        Fault(token_where(lambda asked: "else" in str(_claim(asked, "aud"))), issues), method=JWT
    ),
    "missing_audience_is_refused": Case(
        Fault(token_where(lambda asked: _claim(asked, "aud") is None), issues), method=JWT
    ),
    "expired_assertion_is_refused": Case(
        Fault(token_where(lambda asked: True), issues), method=JWT
    ),
    "assertion_without_end_is_refused": Case(
        Fault(token_where(lambda asked: _claim(asked, "exp") is None), issues), method=JWT
    ),
    "unsigned_assertion_is_refused": Case(
        Fault(token_where(lambda asked: asked.form["client_assertion"].endswith(".")), issues),
        method=JWT,
    ),
    "replayed_assertion_is_refused": Case(Fault(at(TOKEN), issues), method=JWT),
    "several_audiences_are_refused": Case(
        Fault(token_where(lambda asked: isinstance(_claim(asked, "aud"), list)), issues), method=JWT
    ),
}

_CLIENTS = {
    "token_endpoint_is_https": Case(
        published(), settings={"host": "0.0.0.0", "allow_insecure": True}
    ),
    "client_authenticates": Case(first(says(access_token=None))),
    "basic_is_form_decoded": refused_wrongly(lambda asked: asked.basic.startswith("%")),
    "basic_ignores_case": refused_wrongly(lambda asked: asked.authorization.startswith("bAsIc")),
    "two_methods_are_refused": issued_anyway(
        lambda asked: asked.basic and "client_secret" in asked.form
    ),
    "two_authorization_headers_are_refused": issued_anyway(
        lambda asked: len(asked.request.get_headers("authorization")) > 1
    ),
    "broken_base64_is_refused": issued_anyway(lambda asked: "!!!" in asked.authorization),
    "basic_without_colon_is_refused": issued_anyway(lambda asked: asked.basic == "nocolon"),
    "foreign_scheme_is_refused": issued_anyway(
        lambda asked: asked.authorization.startswith("Digest")
    ),
    "id_alone_is_refused": issued_anyway(lambda asked: "client_id" in asked.form),
    "nobody_is_refused": issued_anyway(unauthenticated),
    "empty_secret_is_refused": issued_anyway(lambda asked: "client_secret" in asked.form),
    "wrong_secret_is_refused": issued_anyway(wrong_secret),
    "wrong_basic_secret_is_challenged": Case(Fault(wrong_secret, status(400))),
    "unknown_client_is_refused": Case(Fault(unknown_client, refuses("unauthorized_client"))),
    "clients_cannot_be_enumerated": Case(
        Fault(unknown_client, says(error_description="there is no such client"))
    ),
    "same_id_in_the_body_is_accepted": refused_wrongly(lambda asked: "client_id" in asked.form),
    "another_id_in_the_body_is_refused": issued_anyway(lambda asked: "client_id" in asked.form),
    "url_parameters_are_not_read": issued_anyway(lambda asked: "grant_type" in asked.query),
    "each_401_has_a_challenge": Case(Fault(unauthenticated, header("WWW-Authenticate", None))),
    "challenges_are_well_formed": Case(Fault(unauthenticated, header("WWW-Authenticate", "Basic"))),
}

_ERRORS = {
    "refusal_has_a_code": Case(no_grant(says(error=None))),
    "refusal_is_json": Case(no_grant(header("Content-Type", "text/html"))),
    "refusal_is_400": Case(no_grant(status(422))),
    "refusal_is_plain_ascii": Case(no_grant(says(error_description='no "grant_type"'))),
    "request_is_not_reflected": Case(any_refusal(reflects)),
    "error_uri_is_a_uri": Case(
        no_grant(says(error_uri="see the docs")),
        well=[no_grant(says(error_uri="https://docs.example.com/errors"))],
    ),
    "refusal_is_not_stored": Case(no_grant(header("Cache-Control", None))),
    "nothing_is_a_server_fault": Case(no_grant(status(500))),
    "secrets_are_not_repeated": Case(no_grant(says(error_description=f"not {SECRET}"))),
}

CASES: Mapping[str, Case] = {
    **_METADATA, **_SUCCESS, **_JWT, **_ENDPOINT, **_SCOPE_CASES, **_GRANTS, **_REFRESH,
    **_INTROSPECTION, **_REVOCATION, **_BEARER, **_RESOURCES, **_ASSERTIONS, **_CLIENTS, **_ERRORS,
}  # fmt: skip
"""By the name of the check that has to find it."""
