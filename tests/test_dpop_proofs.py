"""DPoP proofs by themselves: what one has to say, and who has to have signed it (RFC 9449, 4)."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc.jwk import import_key

from dpop_support import (
    PRINTED_ATH,
    PRINTED_JKT,
    PRINTED_PROOFS,
    PRINTED_TOKEN,
    Prover,
    other_key,
    public_jwk,
    rules,
    unsigned,
)
from oauthgrants import Secret
from oauthgrants.errors import InvalidDpopProof
from oauthgrants.jose import SigningKey, encode
from oauthgrants.sender_constraints.dpop_rules import DpopRules
from oauthgrants.sender_constraints.nonces import Nonces
from oauthgrants.sender_constraints.proof_checks import hash_of
from oauthgrants.sender_constraints.proofs import parse_proof
from oauthgrants.sender_constraints.seen_proofs import SeenProofs
from oauthgrants.sender_constraints.target_uris import normalise, origin_of
from oauthgrants.testing.clock import MovableClock
from resource_support import jws, key

req = pytest.mark.req
PRINTED_API = "https://resource.example.org/protectedresource"
CLOCK = MovableClock()
PROVER = Prover(CLOCK)


def parse(**changes: Any) -> Any:
    """Parse a proof whose header or claims differ from a good one's."""
    _, text = PROVER.prove(**changes)
    return parse_proof(text)


def refusal_of(text: str) -> str:
    with pytest.raises(InvalidDpopProof) as refused:
        parse_proof(text)
    return refused.value.description


# What the RFC prints


@req("R9449-4.2-a", "R9449-4.2-b", "R9449-4.3-a", "R9449-6.1-a")
@pytest.mark.parametrize(
    ("number", "claims"),
    [
        (1, ("-BwC3ESc6acc2lTc", "POST", "https://server.example.com/token", 1562262616, None)),
        (2, ("-BwC3ESc6acc2lTc", "POST", "https://server.example.com/token", 1562265296, None)),
        (3, ("e1j3V_bKic8-LAEB", "GET", PRINTED_API, 1562262618, PRINTED_ATH)),
    ],
    ids=["TV-9449-proof-1", "TV-9449-proof-2", "TV-9449-proof-3"],
)
def test_the_printed_proofs(number: int, claims: tuple[Any, ...]) -> None:
    proof = parse_proof(PRINTED_PROOFS[number])

    assert proof.jkt == PRINTED_JKT  # TV-9449-key
    assert (proof.jti, proof.htm, proof.htu, proof.iat, proof.ath) == claims
    assert proof.nonce is None


@req("R9449-7.1-a")
def test_the_printed_hash_of_a_token() -> None:
    """TV-9449-ath."""
    assert hash_of(Secret(PRINTED_TOKEN)) == PRINTED_ATH


# The header


@req("R9449-4.2-a", "R8725-3.11-a", "R8725-3.12-a")
@pytest.mark.parametrize("typ", [None, "", "JWT", "at+jwt", "dpop", "client-authentication+jwt", 7])
def test_another_kind_of_jwt_is_no_proof(typ: Any) -> None:
    with pytest.raises(InvalidDpopProof):
        parse(header={"typ": typ})


@req("R9449-4.2-a")
@pytest.mark.parametrize("typ", ["dpop+jwt", "DPoP+JWT", "application/dpop+jwt"])
def test_the_kind_is_a_media_type(typ: str) -> None:
    assert parse(header={"typ": typ}).jkt == PROVER.jkt


@req("R9449-4.2-a", "R9449-4.3-a")
@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS512", "ES999", None, 7, ["ES256"]])
def test_an_algorithm_that_is_not_asymmetric_is_refused(algorithm: Any) -> None:
    with pytest.raises(InvalidDpopProof):
        parse(header={"alg": algorithm})


@req("R9449-4.2-a")
def test_without_a_signature_it_is_no_proof() -> None:
    header = {"typ": "dpop+jwt", "alg": "none", "jwk": public_jwk(PROVER.signer)}

    assert "algorithm" in refusal_of(unsigned(header, {"jti": "j", "htm": "POST"}))


@req("R9449-4.2-a")
def test_hs256_with_the_public_key_as_secret_is_refused() -> None:
    """Whoever saw one proof would know the secret."""
    import hmac

    public = public_jwk(PROVER.signer)
    header = {"typ": "dpop+jwt", "alg": "HS256", "jwk": public}
    claims = {"jti": "j", "htm": "POST", "htu": "https://a.example", "iat": 1}
    signed = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    for secret in (json.dumps(public), PROVER.signer.to_pem().decode()):
        mac = hmac.digest(secret.encode(), signed.encode(), "sha256")
        assert "algorithm" in refusal_of(f"{signed}.{encode(mac)}")


@req("R9449-4.2-a")
@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "Ed25519"])
def test_a_private_key_in_the_header_is_refused(algorithm: str) -> None:
    signer = key(algorithm)
    kind: Any = {"E": "EC", "R": "RSA"}[algorithm[0]] if algorithm[1] != "d" else "OKP"
    private: dict[str, Any] = cast("Any", import_key)(signer.to_pem(), kind).as_dict(private=True)
    secret_members = private.keys() - public_jwk(signer).keys() - {"kid"}
    assert secret_members
    for member in secret_members:
        header = {"jwk": {**public_jwk(signer), member: private[member]}}
        _, text = Prover(CLOCK, signer).prove(header=header)

        assert "private" in refusal_of(text), member


@req("R9449-4.2-a")
@pytest.mark.parametrize(
    "jwk",
    [
        None,
        "key",
        [],
        {},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "oct"},
        {"kty": ["EC"]},
        {"kty": "EC"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": 1, "y": 2},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "n": encode(b"\xff" * 256), "e": ""},
        {"kty": "OKP", "crv": "X25519", "x": encode(bytes(32))},
        {"kty": "EC", "use": "enc"},
    ],
)
def test_what_is_no_public_signature_key_is_refused(jwk: Any) -> None:
    with pytest.raises(InvalidDpopProof):
        parse(header={"jwk": jwk})


@pytest.mark.parametrize(
    ("modulus", "exponent", "message"),
    [(1024, 3, "signature"), (1025, 3, "8192 bits"), (384, 8, "signature"), (384, 9, "64 bits")],
)
def test_a_key_that_takes_long_is_refused(modulus: int, exponent: int, message: str) -> None:
    """Sizes in octets."""
    jwk = {"kty": "RSA", "n": encode(b"\xff" * modulus), "e": encode(b"\x7f" * exponent)}
    _, text = Prover(CLOCK, key("RS256")).prove(header={"jwk": jwk})

    assert message in refusal_of(text)


@req("R9449-4.3-a")
def test_another_key_than_the_one_that_signed_is_refused() -> None:
    assert "signature" in refusal_of(PROVER.prove(header={"jwk": public_jwk(other_key())})[1])


@req("R9449-4.3-a")
def test_an_algorithm_that_does_not_fit_the_key_is_refused() -> None:
    _, text = Prover(CLOCK, key("RS256")).prove(header={"jwk": public_jwk(PROVER.signer)})

    assert "signature" in refusal_of(text)


@req("R9449-4.3-a")
def test_only_what_is_on_the_list_may_sign() -> None:
    _, text = PROVER.prove()

    assert parse_proof(text, algorithms=["ES256", "PS256"]).jkt == PROVER.jkt
    with pytest.raises(InvalidDpopProof):
        parse_proof(text, algorithms=["PS256"])


@req("R9449-4.3-a")
@pytest.mark.parametrize("signed_as", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("of_key", ["EdDSA", "Ed25519", None])
def test_eddsa_goes_by_either_name(signed_as: str, of_key: str | None) -> None:
    """Also when the key says the other."""
    signer = key("Ed25519")
    jwk = {**public_jwk(signer), **({} if of_key is None else {"alg": of_key})}
    _, text = Prover(CLOCK, signer).prove(header={"alg": signed_as, "jwk": jwk})
    accepted = rules(algorithms=["EdDSA"]).algorithms

    assert parse_proof(text, algorithms=accepted).jkt == signer.public.thumbprint()


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "ES384", "ES512", "Ed25519"])
@req("R9449-4.3-a")
def test_keys_of_each_kind(algorithm: str) -> None:
    prover = Prover(CLOCK, key(algorithm))
    _, text = prover.prove()

    assert parse_proof(text).jkt == prover.jkt


@req("R8725-3.10-a")
def test_what_a_key_is_called_chooses_none() -> None:
    """The key in the proof is the one, whatever ``kid``, ``jku`` and ``x5u`` say."""
    header = {"kid": "../keys", "jku": "https://evil.example/jwks", "x5u": "https://evil.example"}

    assert parse(header=header).jkt == PROVER.jkt


def test_critical_members_that_are_not_understood_are_refused() -> None:
    with pytest.raises(InvalidDpopProof):
        parse(header={"crit": ["b64"], "b64": False})


# The claims


@req("R9449-4.2-b")
@pytest.mark.parametrize("claim", ["jti", "htm", "htu", "iat"])
@pytest.mark.parametrize("value", [None, "", True, [], {}])
def test_each_claim_has_to_be_there(claim: str, value: Any) -> None:
    with pytest.raises(InvalidDpopProof):
        parse(**{claim: value})


@req("R9449-4.2-b")
@pytest.mark.parametrize("claim", ["nonce", "ath"])
@pytest.mark.parametrize("value", ["", 7, []])
def test_what_may_be_missing_may_not_be_malformed(claim: str, value: Any) -> None:
    with pytest.raises(InvalidDpopProof):
        parse(**{claim: value})


@req("R9449-4.1-a")
@pytest.mark.parametrize(
    "text",
    ["", "a", "a.b", "..", "a.b.c.d", "é.b.c", "\ud800.b.c", "=.=.=", "e30.e30.", "bnVsbA.e30.e30"],
)
def test_what_is_no_compact_jws_is_refused(text: str) -> None:
    refusal_of(text)


def test_two_proofs_in_one_field_are_none() -> None:
    """As some servers join fields of one name."""
    _, text = PROVER.prove()

    refusal_of(f"{text}, {text}")
    refusal_of(f"{text},{text}")


def test_an_object_nested_deeply_is_refused() -> None:
    header = b'{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":' + b"[" * 3000 + b"]" * 3000 + b"}}"

    refusal_of(f"{encode(header)}.e30.AAAA")


@given(st.text(max_size=200) | st.from_regex(r"\A[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*){2}\Z"))
@example("eyJ9.eyJ9.AAAA")
def test_whatever_comes_is_refused_by_the_one_error(text: str) -> None:
    refusal_of(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
MEMBERS = ["kty", "crv", "x", "y", "n", "e", "use", "alg", "key_ops", "x5c", "kid"]


@given(
    header=st.dictionaries(st.sampled_from(["typ", "alg", "jwk", "kid", "crit", "jku"]), JSON),
    jwk=st.dictionaries(st.sampled_from(MEMBERS), JSON),
    claims=st.dictionaries(st.sampled_from(["jti", "htm", "htu", "iat", "nonce", "ath"]), JSON),
)
def test_whatever_a_proof_says_is_read_or_refused(
    header: dict[str, Any], jwk: dict[str, Any], claims: dict[str, Any]
) -> None:
    """Nothing but the OAuth error comes out, not even of what is duly signed."""
    public = public_jwk(PROVER.signer)
    good: dict[str, Any] = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public}
    for members in (good | header, good | {"jwk": jwk}, good | {"jwk": public | jwk}, good):
        text = jws(members, {"jti": "j", "htm": "GET", "htu": "u", "iat": 1} | claims, key())
        with suppress(InvalidDpopProof):
            assert parse_proof(text).jkt == PROVER.jkt


# URLs


@req("R9449-4.3-c")
@pytest.mark.parametrize(
    ("spelling", "normal"),
    [
        ("https://server.example.com/token", "https://server.example.com/token"),
        ("HTTPS://Server.EXAMPLE.com/token", "https://server.example.com/token"),
        ("https://server.example.com:443/token", "https://server.example.com/token"),
        ("https://server.example.com:/token", "https://server.example.com/token"),
        ("http://server.example.com:80/token", "http://server.example.com/token"),
        ("https://server.example.com:80/token", "https://server.example.com:80/token"),
        ("https://server.example.com:8443/token", "https://server.example.com:8443/token"),
        ("https://server.example.com", "https://server.example.com/"),
        ("https://server.example.com/token?a=1#b", "https://server.example.com/token"),
        ("https://server.example.com/token#b?a", "https://server.example.com/token"),
        ("https://server.example.com?a=/b", "https://server.example.com/"),
        ("https://a.example/%74oken", "https://a.example/token"),
        ("https://a.example/%c3%a9", "https://a.example/%C3%A9"),
        ("https://a.example/a%2fb", "https://a.example/a%2Fb"),
        ("https://a.example/%7Euser", "https://a.example/~user"),
        ("https://a.example/./a/../token", "https://a.example/token"),
        ("https://a.example/a/b/..", "https://a.example/a/"),
        ("https://a.example/a/b/.", "https://a.example/a/b/"),
        ("https://a.example/..", "https://a.example/"),
        ("https://a.example/../../b", "https://a.example/b"),
        ("https://a.example/a/%2e%2E/b", "https://a.example/b"),
        ("https://a.example/a//b/", "https://a.example/a//b/"),
        ("https://a.example/100%", "https://a.example/100%"),
        ("http://[::1]:8000/token", "http://[::1]:8000/token"),
        ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]/"),
    ],
)
def test_spellings_of_one_url(spelling: str, normal: str) -> None:
    assert normalise(spelling) == normal
    assert normalise(normal) == normal


@req("R9449-4.3-b")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "/token",
        "//server.example.com/token",
        "server.example.com/token",
        "ftp://server.example.com/token",
        "https:///token",
        "https://:443/token",
        "https://user@server.example.com/token",
        "https://server.example.com:port/token",
        "https://server.example.com:99999/token",
        "https://[::1/token",
        "https://é.example/token",
        "https://a.example/to ken",
        "https://a.example/\ttoken",
        "javascript:alert(1)",
        "\ud800",
    ],
)
def test_what_is_no_url_of_http(text: str) -> None:
    with pytest.raises(ValueError, match=r"URL|[Pp]ort|IPv6|netloc"):
        normalise(text)


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin_of("https://API.example.com:443/v1?x=1") == "https://api.example.com"
    assert origin_of("http://127.0.0.1:8000") == "http://127.0.0.1:8000"


@given(st.text(max_size=60) | st.from_regex(r"\Ahttps?://[a-z%.:\[\]0-9]*/[./%0-9a-fA-F?#]*\Z"))
def test_a_url_has_one_normal_form_or_none(text: str) -> None:
    try:
        normal = normalise(text)
    except ValueError:
        return
    assert normalise(normal) == normal


# Nonces


NOW = datetime(2026, 1, 1, 12, 30, 15, 123_000, tzinfo=UTC)
NONCES = Nonces(server="https://auth.example.com", keys=(bytes(32),))


@req("R9449-8-a")
def test_a_nonce_tells_when_it_was_made() -> None:
    nonce = NONCES.make(NOW)

    assert NONCES.find_time(nonce) == NOW
    # 1*(%x21 / %x23-5B / %x5D-7E)
    assert all(0x21 <= ord(each) <= 0x7E and each not in '"\\' for each in nonce)


@req("R9449-8-a")
def test_who_has_not_the_key_can_neither_make_nor_foresee_one() -> None:
    other = Nonces(server=NONCES.server, keys=(b"k" * 32,))

    assert NONCES.find_time(other.make(NOW)) is None
    nonce = NONCES.make(NOW)
    for index, character in enumerate(nonce):
        changed = nonce[:index] + ("A" if character != "A" else "B") + nonce[index + 1 :]
        assert NONCES.find_time(changed) is None


@req("R9449-9-a")
def test_a_nonce_of_one_server_is_none_of_another() -> None:
    """Even where both have the same key."""
    api = Nonces(server="https://api.example.com", keys=NONCES.keys)

    assert api.find_time(NONCES.make(NOW)) is None


def test_nonces_by_a_former_key_are_still_good() -> None:
    newer = Nonces(server=NONCES.server, keys=(b"k" * 32, *NONCES.keys))

    assert newer.find_time(NONCES.make(NOW)) == NOW
    assert NONCES.find_time(newer.make(NOW)) is None


@given(st.text(max_size=50) | st.text("ABCDEFabc-_=+/ é", min_size=40, max_size=40))
@example("A" * 39 + "=")
@example("A" * 38 + "!!")
def test_what_is_no_nonce(text: str) -> None:
    assert NONCES.find_time(text) is None


# What a host sets


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("algorithms", [], "algorithms has nothing"),
        ("algorithms", ["HS256"], "algorithms has HS256"),
        ("algorithms", ["none", "ES256"], "algorithms has none"),
        ("longest_age", timedelta(), "longest_age"),
        ("longest_age", timedelta(days=1), "longest_age"),
        ("leeway", timedelta(seconds=-1), "leeway"),
        ("leeway", timedelta(hours=1), "leeway"),
        ("nonces", "sometimes", "off, on and required"),
        ("nonce_lifetime", timedelta(), "nonce_lifetime"),
        ("nonce_key", b"short", "32 random octets"),
        ("former_nonce_keys", [b"short"], "32 random octets"),
        ("origins", ["api.example.com"], "the URL"),
    ],
)
def test_settings_that_cannot_be_are_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rules(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("longest_age", timedelta(seconds=1)),
        ("longest_age", timedelta(hours=1)),
        ("leeway", timedelta()),
        ("leeway", timedelta(minutes=5)),
        ("nonce_lifetime", timedelta(seconds=1)),
    ],
)
def test_settings_may_be_at_their_bounds(name: str, value: timedelta) -> None:
    assert getattr(rules(**{name: value}), name) == value


def test_each_server_has_a_nonce_key_of_its_own_by_default() -> None:
    assert DpopRules().nonce_key != DpopRules().nonce_key
    assert len(DpopRules().nonce_key) == 32


def test_keys_are_not_shown() -> None:
    shown = repr(rules(former_nonce_keys=[b"former" * 8])) + repr(NONCES)

    assert "former_nonce_keys" not in shown
    assert "nonce_key" not in shown
    assert "keys=" not in shown


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(_: str) -> None:
        return None

    monkeypatch.setattr("oauthgrants.sender_constraints.dpop_rules.find_spec", find_nothing)

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'oauthgrants\[jwt\]'"):
        rules().require_library()


# What a resource server keeps in mind


@req("R9449-11.1-a")
def test_what_was_seen_is_known_until_it_has_expired() -> None:
    clock = MovableClock()
    seen = SeenProofs(clock)
    until = clock.now + timedelta(seconds=60)

    assert seen.add_if_absent(b"a" * 32, until)
    assert not seen.add_if_absent(b"a" * 32, until)
    assert seen.add_if_absent(b"b" * 32, until)
    clock.move(seconds=60)
    assert seen.add_if_absent(b"a" * 32, until + timedelta(seconds=60))
    assert not seen.add_if_absent(b"a" * 32, until)


def test_what_has_expired_takes_no_room() -> None:
    clock = MovableClock()
    seen = SeenProofs(clock)
    for number in range(1000):
        seen.add_if_absent(number.to_bytes(32), clock.now + timedelta(seconds=10))
        clock.move(seconds=1)

    # Nobody else can see it.
    assert len(seen._expiries) <= 11  # pyright: ignore[reportPrivateUsage]


@req("R9449-11.1-a")
def test_of_fifty_threads_one_is_the_first() -> None:
    seen, clock = SeenProofs(CLOCK), CLOCK
    barrier = threading.Barrier(50)
    first: list[bool] = []

    def run() -> None:
        barrier.wait(30)
        first.append(seen.add_if_absent(b"a" * 32, clock.now + timedelta(seconds=60)))

    threads = [threading.Thread(target=run) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(first) == [False] * 49 + [True]


def test_signing_keys_differ() -> None:
    """The other tests rest on it."""
    assert isinstance(other_key(), SigningKey)
    assert other_key().public.thumbprint() != PROVER.jkt
