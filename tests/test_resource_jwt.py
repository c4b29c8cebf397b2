"""JWT access tokens at a resource server (RFC 9068, 4; RFC 8725): each fault is a refusal."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwk as joserfc_jwk
from joserfc import jws as joserfc_jws

from oauthgrants import Scope
from oauthgrants.forms import Limits
from oauthgrants.jose import PublicKey, encode
from oauthgrants.token_checks.jwt import JwtChecker
from oauthgrants.token_checks.key_sets import StaticKeys
from resource_support import (
    API,
    INVALID,
    Api,
    bearer,
    challenge_of,
    jwks,
    jws,
    key,
    outcome,
)
from support import ISSUER, World

req = pytest.mark.req


def checker(*keys: Any, **settings: Any) -> JwtChecker:
    given_keys = StaticKeys.from_jwks(jwks(*(keys or [key()])))
    usual: dict[str, Any] = {"issuer": ISSUER, "keys": given_keys}
    return JwtChecker(**usual | settings)


@pytest.fixture
def api(world: World) -> Api:
    return Api(world).configure(tokens=checker())


def now(api: Api) -> int:
    return int(api.world.clock.now.timestamp())


# What is accepted


@req("R9068-4-b")
def test_a_user_acts(api: Api) -> None:
    token = api.check(bearer(api.mint(tenant="acme")), scope="read", any_scope="write admin")

    assert (token.client_id, token.sub, token.jti) == ("app", "user-1", "j1")
    assert token.acts_for_user
    assert token.scope == Scope.of("read write")
    assert token.audience == (API,)
    assert token.claims == {"tenant": "acme"}
    assert token.expires_at == api.world.clock.now + timedelta(minutes=10)


def test_a_client_acts_for_itself(api: Api) -> None:
    assert not api.check(bearer(api.mint(sub="app"))).acts_for_user


@req("R9068-2.1-a", "R9068-4-b", "R8725-3.1-a")
@pytest.mark.parametrize(
    "algorithm",
    ["RS256", "PS256", "ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "Ed448"],
)
def test_algorithms(api: Api, algorithm: str) -> None:
    api.configure(tokens=checker(key(algorithm)))

    assert api.call(bearer(api.mint(key(algorithm)))).status == 200


@req("R9068-4-a", "R8725-3.11-a")
@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_the_media_type_knows_no_case_and_may_be_whole(api: Api, typ: str) -> None:
    assert api.call(bearer(api.mint(typ=typ))).status == 200


@req("R9068-4-a", "R9068-4-b")
def test_tv_9068(api: Api) -> None:
    """The token that RFC 9068, Section 3 prints, signed with a key of ours."""
    api.world.clock.now = api.world.clock.now.fromtimestamp(1638000000, api.world.clock.now.tzinfo)
    issuer, resource = "https://authorization-server.example.com/", "https://rs.example.com/"
    signer = key("RS256", "RjEwOwOA")
    api.configure(resource=resource, tokens=checker(signer, issuer=issuer))
    claims = {
        "iss": issuer,
        "sub": "5ba552d67",
        "aud": resource,
        "exp": 1639528912,
        "iat": 1618354090,
        "jti": "dbe39bf3a3ba4238a513f51d6e1691c4",
        "client_id": "s6BhdRkqt3",
        "scope": "openid profile reademail",
    }
    header = b'{"typ":"at+JWT","alg":"RS256","kid":"RjEwOwOA"}'
    token = api.check(bearer(jws(header, claims, signer)), scope="profile")

    assert (token.client_id, token.sub) == ("s6BhdRkqt3", "5ba552d67")
    api.world.clock.move(days=30)
    assert outcome(api.call(bearer(jws(header, claims, signer)))) == INVALID


def test_one_of_several_audiences_will_do(api: Api) -> None:
    token = api.check(bearer(api.mint(aud=["https://other.example.com", API])))

    assert token.audience == ("https://other.example.com", API)


def test_a_jwt_of_our_own_server(api: Api) -> None:
    api.world.configure(access_token_format="jwt", signing_keys=key(), audience=API)
    ours = api.check(bearer(api.issue()))
    theirs = api.check(bearer(api.world.sign_in()["access_token"]))

    assert (ours.client_id, ours.acts_for_user) == ("service", False)
    assert (theirs.client_id, theirs.sub, theirs.acts_for_user) == ("app", "user-1", True)


# Claims


WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "iss missing": {"iss": None},
    "iss other": {"iss": "https://evil.example.com"},
    "iss with slash": {"iss": ISSUER + "/"},
    "iss no text": {"iss": [ISSUER]},
    "aud missing": {"aud": None},
    "aud empty": {"aud": []},
    "aud other": {"aud": "https://other.example.com"},
    "aud with slash": {"aud": API + "/"},
    "aud no text": {"aud": 1},
    "aud mixed": {"aud": [API, 1]},
    "aud object": {"aud": {"a": API}},
    "sub missing": {"sub": None},
    "sub empty": {"sub": ""},
    "sub no text": {"sub": 1},
    "client_id missing": {"client_id": None},
    "client_id no text": {"client_id": ["app"]},
    "jti missing": {"jti": None},
    "jti no text": {"jti": 7},
    "iat missing": {"iat": None},
    "iat text": {"iat": "1767225600"},
    "iat boolean": {"iat": True},
    "exp missing": {"exp": None},
    "exp text": {"exp": "2067225600"},
    "exp date": {"exp": "2067-01-01"},
    "exp boolean": {"exp": True},
    "exp array": {"exp": [2067225600]},
    "exp past": {"exp": 1767225600 - 31},
    "exp now, less leeway": {"exp": 1767225600 - 30},
    "exp zero": {"exp": 0},
    "exp negative": {"exp": -1},
    "exp beyond the calendar": {"exp": 10**18, "iat": 0},
    "exp huge": {"exp": 10**400},
    "exp huge float": {"exp": 1e300},
    "iat huge": {"iat": -(10**400)},
    "iat future": {"iat": 1767225600 + 31},
    "nbf future": {"nbf": 1767225600 + 31},
    "nbf text": {"nbf": "0"},
    "nbf boolean": {"nbf": False},
    "scope array": {"scope": ["read"]},
    "scope malformed": {"scope": 're"ad'},
    "scope not ascii": {"scope": "caf\u00e9"},
    "bound to a key": {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}},
}


@req("R9068-4-b", "R7519-4.1-a", "R8725-3.8-a", "R6749-7-a", "R6750-3.1-b")
@pytest.mark.parametrize("claims", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
def test_a_claim_that_is_not_right_refuses_the_token(api: Api, claims: dict[str, Any]) -> None:
    assert outcome(api.call(bearer(api.mint(**claims)))) == INVALID
    assert api.faults == []


@req("R7519-4.1-a")
@pytest.mark.parametrize(
    "payload",
    [
        '{"exp":4102444800,…}',
        '{…,"aud":"https://api.example.com"}',
        '{…,"a":{"b":1,"b":2}}',
        '{…,"a":NaN}',
        '{…,"nbf":-Infinity}',
        '{…,"nbf":1e400}',
        '{…,"a":"\\ud800"}',
        '{…,"a":"\\udfff\\ud800"}',
        '{…,"a":' + "9" * 5000 + "}",
        "{…",
        "{…}x",
        "{…,}",
        "\ufeff{…}",
        "[{…}]",
        '"text"',
        "",
        "null",
    ],
)
def test_a_payload_is_one_json_object(api: Api, payload: str) -> None:
    members = json.dumps(api.claims())[1:-1]
    header = {"typ": "at+jwt", "alg": "ES256", "kid": "k1"}

    for good in ("{…}", '{…,"a":"\\ud83d\\ude00"}', '  {…,"a":null}\n'):
        token = jws(header, good.replace("…", members).encode(), key())
        assert api.call(bearer(token)).status == 200
    token = jws(header, payload.replace("…", members).encode(), key())
    assert outcome(api.call(bearer(token))) == INVALID
    assert api.faults == []


def test_a_payload_may_be_nested_without_end(api: Api) -> None:
    """Where the host lets it be so long."""
    api.configure(limits=Limits(header_value=1_000_000))
    header = {"typ": "at+jwt", "alg": "ES256", "kid": "k1"}
    for deep in ("[" * 150_000 + "]" * 150_000, "[" * 300_000):
        payload = json.dumps(api.claims())[:-1] + f',"a":{deep}}}'
        assert outcome(api.call(bearer(jws(header, payload.encode(), key())))) == INVALID


@req("R7519-4.1-a")
@pytest.mark.parametrize("octets", [b"\xff\xfe", b'{"a":"\xff"}', '{"a":1}'.encode("utf-16")])
def test_a_payload_is_utf_8(api: Api, octets: bytes) -> None:
    header = {"typ": "at+jwt", "alg": "ES256", "kid": "k1"}

    assert outcome(api.call(bearer(jws(header, octets, key())))) == INVALID


@req("R6749-7-a", "R6750-3-a", "R6750-3.1-b")
def test_tv_6750_challenge(api: Api) -> None:
    """An expired token is refused in the words that RFC 6750, Section 3 prints."""
    token = bearer(api.mint())
    api.world.clock.move(seconds=629)
    assert api.call(token).status == 200

    api.world.clock.move(seconds=1)
    assert challenge_of(api.call(token)) == (
        'Bearer realm="example", error="invalid_token", '
        'error_description="The access token expired"'
    )
    assert api.reasons == ["the JWT has expired"]


@req("R9068-4-b")
def test_leeway_is_for_the_host_to_say(api: Api) -> None:
    api.configure(tokens=checker(leeway=timedelta()))

    assert outcome(api.call(bearer(api.mint(nbf=now(api) + 1)))) == INVALID
    assert outcome(api.call(bearer(api.mint(iat=now(api) + 1)))) == INVALID
    assert outcome(api.call(bearer(api.mint(exp=now(api), iat=now(api) - 9)))) == INVALID
    api.configure(tokens=checker(leeway=timedelta(minutes=5)))
    assert api.call(bearer(api.mint(nbf=now(api) + 300, iat=now(api) + 300))).status == 200


# Header


@req("R8725-3.11-a", "R8725-3.12-a", "R9068-4-a")
@pytest.mark.parametrize(
    "typ",
    ["JWT", "dpop+jwt", "token-introspection+jwt", "client-authentication+jwt", "logout+jwt",
     "id+jwt", "", "at+jwt ", "application/application/at+jwt", "text/at+jwt", 7, ["at+jwt"]],
)  # fmt: skip
def test_no_other_kind_of_jwt_is_an_access_token(api: Api, typ: Any) -> None:
    header = {"alg": "ES256", "kid": "k1", "typ": typ}

    assert outcome(api.call(bearer(jws(header, api.claims(), key())))) == INVALID
    del header["typ"]
    assert outcome(api.call(bearer(jws(header, api.claims(), key())))) == INVALID


@req("R8725-3.12-a")
def test_an_introspection_response_is_no_access_token(api: Api) -> None:
    api.world.configure(introspection_jwt=True, signing_keys=key(), audience=API)
    response = api.world.post(
        "token=x",
        ("Accept", "application/token-introspection+jwt"),
        client="service",
        path="/introspect",
    )

    assert response.body.count(b".") == 2
    assert outcome(api.call(bearer(response.body.decode()))) == INVALID


@req("R8725-3.1-a", "R8725-3.2-a", "R9068-4-b")
@pytest.mark.parametrize(
    "alg",
    ["none", "None", "NONE", "", "HS256", "HS512", "RS256", "PS256", "RS1", "ES384", "EdDSA",
     "RSA1_5", "dir", "A128KW", "es256", None, 7, True, ["ES256"], {"a": "ES256"}],
)  # fmt: skip
def test_a_foreign_algorithm_is_refused(api: Api, alg: Any) -> None:
    header = {"typ": "at+jwt", "alg": alg, "kid": "k1"}
    token = jws(header, api.claims(), key())

    assert outcome(api.call(bearer(token))) == INVALID
    assert outcome(api.call(bearer(token.rpartition(".")[0] + "."))) == INVALID
    del header["alg"]
    assert outcome(api.call(bearer(jws(header, api.claims(), key())))) == INVALID


@req("R8725-3.1-a")
def test_a_public_key_is_no_secret_of_hmac(api: Api) -> None:
    """The oldest trick: HS256 with the RSA key that everybody knows."""
    signer = key("RS256", "k1")
    api.configure(tokens=checker(signer))
    public = joserfc_jwk.RSAKey.import_key(signer.public.as_dict())
    header = {"typ": "at+jwt", "alg": "HS256", "kid": "k1"}
    for secret in (public.as_pem(private=False), public.as_der(private=False)):
        registry = joserfc_jws.JWSRegistry.algorithms["HS256"]
        signed = (
            f"{encode(json.dumps(header).encode())}.{encode(json.dumps(api.claims()).encode())}"
        )
        signature = registry.sign(signed.encode(), joserfc_jwk.OctKey(secret, secret))
        assert outcome(api.call(bearer(f"{signed}.{encode(signature)}"))) == INVALID


@req("R8725-3.1-a")
def test_an_algorithm_has_to_be_allowed_and_to_be_the_keys(api: Api) -> None:
    signer = key("RS256", "k1")
    api.configure(tokens=checker(signer, algorithms=["PS256"]))
    assert outcome(api.call(bearer(api.mint(signer)))) == INVALID

    api.configure(tokens=checker(signer))
    other = PublicKey.from_jwk(signer.public.as_dict() | {"alg": "PS256"})
    assert api.call(bearer(api.mint(signer))).status == 200
    api.configure(tokens=JwtChecker(issuer=ISSUER, keys=StaticKeys([other])))
    assert outcome(api.call(bearer(api.mint(signer)))) == INVALID


@req("R8725-3.10-a")
@pytest.mark.parametrize("member", ["jku", "x5u", "jwk", "x5c", "x5t"])
def test_keys_come_from_nowhere_else(api: Api, member: str) -> None:
    """What a header points at is not fetched, what it brings is not believed."""
    evil = key("ES256", "evil")
    value: Any = {
        "jku": "https://evil.example.com/jwks.json",
        "x5u": "https://evil.example.com/cert.pem",
        "jwk": evil.public.as_dict(),
        "x5c": ["MIIB"],
        "x5t": "abc",
    }[member]
    for kid in ({"kid": "evil"}, {"kid": "k1"}, {}):
        header = {"typ": "at+jwt", "alg": "ES256", member: value, **kid}
        assert outcome(api.call(bearer(jws(header, api.claims(), evil)))) == INVALID

    assert api.fetcher.requests == []
    header = {"typ": "at+jwt", "alg": "ES256", member: value, "kid": "k1"}
    assert api.call(bearer(jws(header, api.claims(), key()))).status == 200


@req("R8725-3.10-a", "R8725-3.8-a")
@pytest.mark.parametrize("kid", ["k2", "", "K1", "../k1", "k1' OR 1=1", 1, ["k1"], {"a": 1}])
def test_a_foreign_kid_is_refused(api: Api, kid: Any) -> None:
    header = {"typ": "at+jwt", "alg": "ES256", "kid": kid}

    assert outcome(api.call(bearer(jws(header, api.claims(), key())))) == INVALID


def test_without_a_kid_all_keys_are_tried(api: Api) -> None:
    api.configure(tokens=checker(key("RS256", "a"), key("ES256", "b"), key()))
    header = {"typ": "at+jwt", "alg": "ES256"}

    assert api.call(bearer(jws(header, api.claims(), key()))).status == 200
    assert outcome(api.call(bearer(jws(header, api.claims(), key("ES256", "c"))))) == INVALID


@req("R7515-4.1.11-a")
@pytest.mark.parametrize("crit", [["exp"], [], ["b64"], None, "exp", ["unknown"]])
def test_a_critical_header_is_refused(api: Api, crit: Any) -> None:
    header = {"typ": "at+jwt", "alg": "ES256", "kid": "k1", "crit": crit, "exp": 1, "b64": True}

    assert outcome(api.call(bearer(jws(header, api.claims(), key())))) == INVALID


@req("R7515-4.1.11-a")
@pytest.mark.parametrize(
    "header",
    [
        b'{"typ":"at+jwt","alg":"none","alg":"ES256","kid":"k1"}',
        b'{"typ":"JWT","typ":"at+jwt","alg":"ES256","kid":"k1"}',
        b'{"typ":"at+jwt","alg":"ES256","kid":"k1","a":{"b":1,"b":1}}',
        b'{"typ":"at+jwt","alg":"ES256","kid":"k1"',
        b'["at+jwt","ES256"]',
        b'"ES256"',
        b"\xff",
        b"",
    ],
)
def test_a_header_is_one_json_object(api: Api, header: bytes) -> None:
    assert outcome(api.call(bearer(jws(header, api.claims(), key())))) == INVALID


# Tampering


@req("R8725-3.3-a", "R9068-4-b", "R6750-3.1-b")
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_change_of_any_character_refuses_the_token(api: Api, part: int) -> None:
    """The last character too, whose bits are not all used."""
    parts = api.mint().split(".")
    for index in range(len(parts[part])):
        was = parts[part][index]
        changed = parts[part][:index] + ("B" if was == "A" else "A") + parts[part][index + 1 :]
        token = ".".join([*parts[:part], changed, *parts[part + 1 :]])
        assert outcome(api.call(bearer(token))) == INVALID, index


@req("R7515-4.1.11-a", "R8725-3.3-a")
@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("change", ["{}=", "{}==", "{}A", "{}+", "{}/", "={}", "", "A", "{}~"])
def test_a_part_is_base64url_and_nothing_else(api: Api, part: int, change: str) -> None:
    parts = api.mint().split(".")
    parts[part] = change.format(parts[part])

    assert outcome(api.call(bearer(".".join(parts)))) in {INVALID, (400, "invalid_request")}


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5])
def test_a_token_has_three_parts(api: Api, count: int) -> None:
    header, payload, signature = api.mint().split(".")
    parts = [header, payload, signature, signature, signature, signature][: count + 1]

    expected = 200 if count == 2 else 401
    assert api.call(bearer(".".join(parts))).status == expected


@req("R8725-3.3-a")
@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 255, 256, 257, 1024])
def test_a_signature_of_zeros_is_none(api: Api, algorithm: str, length: int) -> None:
    """Of any length; for ECDSA that is r = s = 0, which broken libraries take."""
    api.configure(tokens=checker(key(algorithm)))
    signed = api.mint(key(algorithm)).rpartition(".")[0]

    assert outcome(api.call(bearer(f"{signed}.{encode(bytes(length))}"))) == INVALID


@req("R8725-3.8-a", "R8725-3.1-a")
def test_the_key_of_another_issuer_is_no_key(api: Api) -> None:
    assert outcome(api.call(bearer(api.mint(key("ES256", "other"))))) == INVALID
    impostor = jws({"typ": "at+jwt", "alg": "ES256", "kid": "k1"}, api.claims(), key("ES256", "x"))
    assert outcome(api.call(bearer(impostor))) == INVALID


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.from_regex(r"\A[A-Za-z0-9_.=-]{1,200}\Z"))
@pytest.mark.parametrize("colour", ["sync"])
def test_whatever_comes_is_an_invalid_token(api: Api, token: str) -> None:
    assert api.call(bearer(token)).status in {400, 401}


# Configuration


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"issuer": "http://auth.example.com"}, "issuer .* has to be https"),
        ({"issuer": "auth.example.com"}, "has to be a URL"),
        ({"algorithms": ["none"]}, "algorithms has none"),
        ({"algorithms": ["HS256", "ES256"]}, "algorithms has HS256"),
        ({"algorithms": []}, "algorithms has nothing"),
        ({"leeway": timedelta(minutes=6)}, r"RFC 9068, Section 4"),
        ({"leeway": timedelta(seconds=-1)}, r"RFC 9068, Section 4"),
    ],
)
@req("R8725-3.1-a", "R8725-3.2-a")
def test_settings_that_are_not_safe_are_refused(
    api: Api, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        api.configure(tokens=checker(**settings)).call()


def test_plain_http_is_for_loopback_hosts(api: Api) -> None:
    loopback = checker(issuer="http://127.0.0.1:8000")
    with pytest.raises(ValueError, match="allow_insecure_transport"):
        api.configure(tokens=loopback).call()

    assert api.configure(allow_insecure_transport=True).call().status == 401


@req("R8725-3.4-a", "R7517-4-a")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": encode(bytes([255] * 255))}, "2048 bits"),
        ({"n": 7}, "malformed"),
        ({"n": "=="}, "base64url"),
        ({"n": None}, "malformed"),
        ({"e": "!"}, "malformed"),
        ({"kty": "oct", "k": encode(bytes(32))}, "not asymmetric"),
        ({"kty": "none"}, "not asymmetric"),
        ({"kty": ["RSA"]}, "malformed"),
        ({"kty": None}, "not asymmetric"),
        ({"use": "enc"}, "not for signatures"),
        ({"key_ops": ["encrypt"]}, "not for signatures"),
        ({"key_ops": 7}, "malformed"),
        ({"key_ops": None}, "malformed"),
        ({"alg": "HS256"}, "fits no signature algorithm"),
        ({"alg": "ES256"}, "fits no signature algorithm"),
        ({"alg": "RSA-OAEP"}, "fits no signature algorithm"),
        ({"alg": 7}, "malformed|fits no"),
    ],
)
def test_a_key_that_is_no_good_is_refused_when_it_is_configured(
    change: dict[str, Any], message: str
) -> None:
    good = key("RS256").public.as_dict() | {"kid": "k1"}

    with pytest.raises(ValueError, match=message):
        StaticKeys.from_jwks({"keys": [good, good | change]})


@req("R8725-3.4-a")
@pytest.mark.parametrize(
    "jwk",
    [
        {**key().public.as_dict(), "y": encode(bytes(32))},
        {**key().public.as_dict(), "crv": "P-384"},
        {**key().public.as_dict(), "crv": "P-1"},
        {**key().public.as_dict(), "x": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": encode(bytes(32))},
        {"kty": "OKP", "crv": "Ed25519", "x": encode(bytes(31))},
        {"kty": "OKP", "crv": "Ed25519"},
    ],
)
def test_a_point_off_its_curve_is_no_key(jwk: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"malformed|fits no"):
        StaticKeys.from_jwks({"keys": [jwk]})


@pytest.mark.parametrize("jwks_", [{}, {"keys": []}, {"keys": "k1"}, {"keys": {}}])
def test_a_key_set_is_not_empty(jwks_: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="empty"):
        StaticKeys.from_jwks(jwks_)


@pytest.mark.parametrize("member", ["k1", 7, None, []])
def test_a_key_is_an_object(member: Any) -> None:
    with pytest.raises(ValueError, match="malformed"):
        StaticKeys.from_jwks({"keys": [member]})


def test_given_keys_are_never_fetched(api: Api) -> None:
    assert outcome(api.call(bearer(api.mint(key("ES256", "new"))))) == INVALID
    assert api.fetcher.requests == []
