"""The values: frozen, checked once, and silent about secrets."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauthgrants import (
    AccessToken,
    Argon2idHasher,
    Client,
    HttpRequest,
    HttpResponse,
    InvalidClientMetadata,
    InvalidScope,
    Lifetimes,
    PasswordGrant,
    RefreshTokenGrant,
    Scope,
    Secret,
    User,
)
from oauthgrants.brief import evolve
from oauthgrants.client_secrets import ClientSecret, hash_client_secret
from oauthgrants.forms import decode_form_text
from oauthgrants.hashing import fast_digest, matches_fast_digest, token_digest
from oauthgrants.secret import SecretFormat, random_id
from oauthgrants.tokens import RefreshToken, TokenResponse
from oauthgrants.wire import render, render_tokens

req = pytest.mark.req


# Secrets


@req("R6749-10.3-a", "R6819-4.4.3.1-a")
def test_a_secret_does_not_show() -> None:
    secret = Secret("hunter2")

    for text in (repr(secret), str(secret), f"{secret}", f"{[secret]}", f"{secret!r:>20}"):
        assert "hunter2" not in text
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(secret, protocol)


def test_a_secret_has_no_equality_that_leaks_by_time() -> None:
    assert Secret("a") != Secret("a")


@req("R6749-10.10-a", "R6749-A.12-a", "R6749-2.2-c")
@pytest.mark.parametrize("prefix", ["ogat_", "ogrt_", "ogcs_"])
def test_what_we_make_has_256_random_bits_and_one_form(prefix: str) -> None:
    asked: list[int] = []

    def random(octets: int) -> bytes:
        asked.append(octets)
        return bytes(range(octets))

    value = SecretFormat(prefix, random).generate().reveal()

    assert asked == [32]
    assert SecretFormat(prefix).random is os.urandom
    assert (value[:5], len(value)) == (prefix, 53)
    assert set(value) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert decode_form_text(value) == value


@given(st.binary(min_size=32, max_size=32), st.integers(0, 47), st.characters(codec="utf-8"))
def test_a_changed_character_is_noticed(octets: bytes, at: int, character: str) -> None:
    form = SecretFormat("ogat_", lambda _: octets)
    value = form.generate().reveal()
    changed = value[: 5 + at] + character + value[6 + at :]

    assert form.recognises(Secret(changed)) == (changed == value)
    assert form.is_garbled(Secret(changed)) == (changed != value)
    assert not SecretFormat("ogrt_").recognises(Secret("ogrt_" + value[5:]))


@given(st.text())
def test_anything_may_be_asked_about(text: str) -> None:
    form = SecretFormat("ogat_")

    assert not form.recognises(Secret(text))
    assert not form.recognises(Secret("ogat_" + text))
    assert not form.is_garbled(Secret(text))


def test_made_up_names_do_not_repeat() -> None:
    assert len({random_id() for _ in range(1000)}) == 1000


# Hashing


@req("R6749-10.10-b")
def test_a_digest_matches_its_secret_alone() -> None:
    digest = fast_digest(Secret("right"))

    assert "right" not in digest
    assert matches_fast_digest(digest, Secret("right"))
    assert not matches_fast_digest(digest, Secret("wrong"))


def test_a_password_hash_is_a_phc_string_of_rfc_9106() -> None:
    encoded = Argon2idHasher().hash(Secret("wonderland"))

    assert encoded.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert Argon2idHasher().verify(encoded, Secret("wonderland"))
    assert not Argon2idHasher().verify(encoded, Secret("Wonderland"))
    assert encoded != Argon2idHasher().hash(Secret("wonderland"))


@pytest.mark.parametrize(
    ("cost", "weaker"),
    [
        ({"memory_cost": 32}, False),
        ({"memory_cost": 64}, True),
        ({"time_cost": 2}, False),
        ({"time_cost": 3}, True),
        ({"lanes": 2}, False),
    ],
)
def test_a_hash_at_less_cost_is_made_anew(cost: dict[str, int], weaker: bool) -> None:
    kept = Argon2idHasher(memory_cost=32, time_cost=2, lanes=1).hash(Secret("x"))
    wanted = Argon2idHasher(**{"memory_cost": 32, "time_cost": 2, "lanes": 1, **cost})

    assert weaker == wanted.needs_rehash(kept)


@pytest.mark.parametrize(
    "encoded",
    ["", "plain", "$2b$12$abc", "$argon2i$v=19$m=64,t=1,p=1$YWFhYWFhYWE$YWFhYWFhYWFhYWFhYWFhYQ",
     "$argon2id$v=19$m=64,t=1,p=1$bad"],
)  # fmt: skip
def test_a_hash_of_another_kind_is_the_hosts_mistake(encoded: str) -> None:
    with pytest.raises(ValueError, match="not a PHC string of Argon2id"):
        Argon2idHasher().verify(encoded, Secret("x"))


@pytest.mark.parametrize("cost", [{"time_cost": 0}, {"lanes": 0}, {"memory_cost": 31}])
def test_costs_have_their_least(cost: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="8 KiB"):
        Argon2idHasher(**cost)


# Scope


@req("R6749-3.3-a", "R6749-3.3-b")
@given(st.text(max_size=20))
def test_a_scope_parses_as_the_grammar_says(text: str) -> None:
    nqchar = {chr(c) for c in (0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F))}
    well_formed = all(token and set(token) <= nqchar for token in text.split(" "))

    if well_formed:
        assert Scope.parse(text).tokens == frozenset(text.split(" "))
        assert Scope.parse(str(Scope.parse(text))) == Scope.parse(text)
    else:
        with pytest.raises(InvalidScope):
            Scope.parse(text)


def test_a_scope_is_a_set() -> None:
    scope = Scope.of("b a")

    assert list(scope) == ["a", "b"]
    assert (repr(scope), bool(scope), bool(Scope())) == ("Scope('a b')", True, False)
    assert scope & Scope.of("b c") == Scope.of(["b"])
    assert scope - Scope.of("b") == Scope.of("a")
    assert scope == Scope.of(scope)
    assert hash(scope) == hash(Scope.of("a b"))


def test_a_host_hears_of_a_malformed_scope() -> None:
    with pytest.raises(ValueError, match=r"'re\"ad' is malformed"):
        Scope.of('re"ad write')


# Clients


def build(**metadata: Any) -> Client:
    return Client.confidential("c", **metadata)[0]


@req("R6749-10.1-a", "R6749-A.1-a", "R7591-2.1-a", "R7591-2-a", "R6749-4.4-a")
@pytest.mark.parametrize(
    ("make", "field"),
    [
        pytest.param(lambda: Client.public(""), "client_id", id="empty-id"),
        pytest.param(lambda: Client.public("caf\xe9"), "client_id", id="id-not-vschar"),
        pytest.param(lambda: Client.public("a\n"), "client_id", id="id-control"),
        pytest.param(
            lambda: build(token_endpoint_auth_method="magic"),
            "token_endpoint_auth_method",
            id="unknown-method",
        ),
        pytest.param(
            lambda: build(token_endpoint_auth_method="none"), "client_secret", id="public-secret"
        ),
        pytest.param(lambda: Client(client_id="c"), "client_secret", id="no-secret"),
        pytest.param(
            lambda: Client.public("c", grant_types=["client_credentials"]),
            "grant_types",
            id="public-client-credentials",
        ),
        pytest.param(lambda: build(grant_types="password"), "list of strings", id="string"),
        pytest.param(
            lambda: build(scope="a", default_scope="b"), "default_scope", id="default-beyond"
        ),
        pytest.param(lambda: build(default_scope="b"), "default_scope", id="default-without"),
        pytest.param(
            lambda: build(scope="a", default_scope=[]), "default_scope", id="default-empty"
        ),
        pytest.param(
            lambda: build(access_token_lifetime=timedelta(0)),
            "access_token_lifetime",
            id="no-lifetime",
        ),
        pytest.param(
            lambda: build(refresh_token_lifetime=timedelta(seconds=1.5)),
            "refresh_token_lifetime",
            id="part-of-a-second",
        ),
        pytest.param(lambda: build(resources=["api"]), "resources", id="relative-resource"),
        pytest.param(lambda: build(resources=["https://a.example/#x"]), "resources", id="fragment"),
        pytest.param(lambda: build(resources=["https://["]), "resources", id="broken-resource"),
        pytest.param(lambda: build(resources=["https://a b"]), "resources", id="space"),
        pytest.param(lambda: build(resources=["https:"]), "resources", id="only-a-scheme"),
        pytest.param(
            lambda: build(access_token_lifetime=600), "access_token_lifetime .*timedelta", id="int"
        ),
        pytest.param(
            lambda: build(secret_expires_at=datetime(2026, 1, 1)),
            "expires_at .*aware",
            id="naive-expiry",
        ),
        pytest.param(
            lambda: ClientSecret(hash="h", expires_at=cast("Any", 0)), "expires_at", id="0"
        ),
        pytest.param(
            lambda: build(secret_expires_at=datetime(2026, 1, 1, tzinfo=UTC)).with_secret(
                ClientSecret(hash="h"), others_expire_at=datetime(2026, 1, 1)
            ),
            "expires_at .*aware",
            id="naive-expiry-of-others",
        ),
    ],
)
def test_contradictory_metadata_name_the_field(make: Callable[[], Client], field: str) -> None:
    with pytest.raises(InvalidClientMetadata, match=field) as caught:
        make()

    assert caught.value.code == "invalid_client_metadata"


@req("R6749-2.3.1-f", "R6749-A.1-a")
@pytest.mark.parametrize("secret", ["", "caf\xe9", "a\tb", "a\x00"])
def test_a_secret_is_never_empty_and_always_vschar(secret: str) -> None:
    with pytest.raises(InvalidClientMetadata, match="client_secret"):
        build(secret=secret)


@req("R6819-5.1.4.1.3-a", "R6749-10.3-a")
def test_how_a_secret_is_kept_depends_on_who_made_it() -> None:
    ours, shown = Client.confidential()
    machines, _ = Client.confidential(secret="7Fjfp0ZBr1KtDRbnfVdmIw", machine_made=True)
    persons, _ = Client.confidential(secret=Secret("correct horse battery"), token_endpoint_auth_method="client_secret_post")  # fmt: skip  # noqa: E501
    again = hash_client_secret(shown)

    kinds = [client.secrets[0].hash.partition("$")[0][:7] for client in (ours, machines)]
    assert kinds == ["sha256:", "sha256:"]
    assert persons.secrets[0].hash.startswith("$argon2id$")
    assert again.hash == ours.secrets[0].hash
    for client, text in ((ours, shown.reveal()), (persons, "correct horse battery")):
        assert text not in repr(client)
        assert client.secrets[0].hash not in repr(client)
    assert ours.client_id != machines.client_id


def test_a_public_client_has_a_name_made_up_if_need_be() -> None:
    assert len({Client.public().client_id, Client.public().client_id}) == 2
    assert Client.public("app").is_public


@req("R6749-2.2-c")
def test_names_that_are_made_up_have_one_form() -> None:
    for client in (Client.public(), Client.confidential()[0]):
        assert re.fullmatch("[A-Za-z0-9_-]{22}", client.client_id)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Client.public(cast("Any", 5)), "client_id"),
        (lambda: User(sub=cast("Any", 5), username="u"), "sub"),
        (lambda: User(sub="s", username=cast("Any", None)), "username"),
    ],
)
def test_names_are_text(make: Callable[[], object], field: str) -> None:
    """Keys of a database are often numbers."""
    with pytest.raises(TypeError, match=f"'{field}' must be <class 'str'>"):
        make()


@pytest.mark.parametrize(("secret", "warns"), [("a+b", True), ("a%b", True), ("a b", True)])
def test_a_secret_that_reads_differently_once_decoded_warns(secret: str, warns: bool) -> None:
    """For Basic (C-22); in the body it does no harm."""
    with pytest.warns(UserWarning, match="form-decoding"):
        build(secret=secret, machine_made=True)
    build(secret=secret, machine_made=True, token_endpoint_auth_method="client_secret_post")


def test_the_values_are_frozen_and_slotted() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    access = AccessToken(
        digest=b"d", client_id="c", sub="c", scope=Scope(), issued_at=now,
        lifetime=timedelta(seconds=1),
    )  # fmt: skip
    values: list[Any] = [
        Scope(), build(), ClientSecret(hash="h"), User(sub="s", username="u"), access,
    ]  # fmt: skip
    for value in values:
        field = next(iter(attrs.fields_dict(value.__class__)))
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(value, field, "other")
        assert not hasattr(value, "__dict__"), type(value)
    for value in (Secret("x"), HttpRequest(method="GET", url="/"), HttpResponse(status=200)):
        # They live as long as a request; type checkers alone refuse to change them.
        assert not hasattr(value, "__dict__"), type(value)
    assert access.expires_at == now + timedelta(seconds=1)


@req("R6819-4.4.3.1-a", "R6749-10.3-a")
def test_no_value_shows_what_it_holds() -> None:
    request = HttpRequest(
        method="POST",
        url="https://a.example/token?password=hunter2",
        headers=[("Authorization", "hunter2")],
        body=b"hunter2",
    )
    response = HttpResponse(status=200, body=b"hunter2")

    for value in (request, response, User(sub="s", username="u", password_hash="hunter2")):
        assert "hunter2" not in repr(value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Lifetimes(access_token=timedelta(0)),
        lambda: Lifetimes(refresh_token=timedelta(seconds=-1)),
        lambda: Lifetimes(family=timedelta(milliseconds=1)),
        lambda: Lifetimes(access_token=cast("Any", 3600)),
        lambda: RefreshTokenGrant(access_token_lifetime=timedelta(0)),
        lambda: PasswordGrant(access_token_lifetime=timedelta(0)),
    ],
)
def test_lifetimes_are_whole_seconds(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="a timedelta of one or more whole seconds"):
        make()


# Requests and responses


def test_headers_are_found_without_case_and_repeats_are_seen() -> None:
    request = HttpRequest(
        method="GET", url="/", headers=[("X-One", "1"), ("x-ONE", "2"), ("X-Empty", "")]
    )

    assert request.get_headers("x-one") == ["1", "2"]
    assert request.get_headers("x-empty") == []


def test_a_response_says_how_long_it_is() -> None:
    """But 304, whose length would be that of what is not there (RFC 9110, 8.6)."""
    kept = HttpResponse(status=304, headers=(("ETag", '"x"'),))
    whole = HttpResponse(status=200, headers=(("ETag", '"x"'),), body=b"abc")

    assert kept.framed_headers == (("ETag", '"x"'),)
    assert whole.framed_headers == (("ETag", '"x"'), ("Content-Length", "3"))


def test_a_response_knows_its_phrase() -> None:
    assert HttpResponse(status=405).reason == "Method Not Allowed"


@req("R6749-B-a")
def test_the_example_of_appendix_b() -> None:
    """TV-6749-form."""
    assert decode_form_text("+%25%26%2B%C2%A3%E2%82%AC") == "\u0020\u0025\u0026\u002b\u00a3\u20ac"


def test_a_token_is_known_by_its_sha_256() -> None:
    assert token_digest(Secret("abc")).hex() == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


@req("R6749-5.2-a")
def test_an_error_may_go_without_description() -> None:
    assert InvalidScope().parameters() == {"error": "invalid_scope"}
    assert InvalidScope("a\r\n\x00\x7fb").description == "a????b"
    assert InvalidScope("why").parameters() == {
        "error": "invalid_scope",
        "error_description": "why",
    }


@req("R6749-5.1-a")
@pytest.mark.parametrize("scope", ["", "read", "read write"])
@pytest.mark.parametrize("refresh", [None, "ogrt_x", 'quote " and back\\slash'])
@pytest.mark.parametrize("extra", [{}, {"issued_token_type": "a", "scope": "mine"}])
def test_tokens_are_written_as_their_parameters_are(
    scope: str, refresh: str | None, extra: dict[str, Any]
) -> None:
    """Whichever way is taken: the short one writes no member that the long one does not."""
    tokens = TokenResponse(
        access_token=Secret('a "token"'),
        token_type="DPoP",
        expires_in=3600,
        scope=Scope.of(scope),
        refresh_token=None if refresh is None else Secret(refresh),
        extra=extra,
    )

    short = render_tokens(tokens, headers=(("DPoP-Nonce", "n"),))

    assert short == render(tokens.parameters(), headers=(("DPoP-Nonce", "n"),))
    assert short.json() == tokens.parameters()
    assert render_tokens(tokens) == render(tokens.parameters())


def test_a_value_evolves_and_the_old_one_stays() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    token = RefreshToken(
        digest=b"d", client_id="c", sub="s", username="u", scope=Scope.of("read"), family="f",
        grant_type="password", issued_at=now, lifetime=timedelta(days=1), cnf={"jkt": "k"},
    )  # fmt: skip

    spent = evolve(token, spent_at=now)

    assert spent == attrs.evolve(token, spent_at=now)
    assert (token.spent_at, spent.spent_at) == (None, now)
