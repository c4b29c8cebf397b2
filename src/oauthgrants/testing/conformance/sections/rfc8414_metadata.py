"""What the server publishes about itself (RFC 8414)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from oauthgrants.addresses import is_loopback
from oauthgrants.testing.conformance.expecting import expect, strings_of
from oauthgrants.testing.conformance.levels import (
    MAY,
    MUST,
    SHOULD,
    CheckFailed,
    CheckSkipped,
    Section,
)
from oauthgrants.testing.conformance.messages import Answer
from oauthgrants.testing.conformance.probe import Probe
from oauthgrants.testing.conformance.target import Unusable

SECTION = Section("RFC 8414 Server metadata")

_ASSERTIONS = {"private_key_jwt", "client_secret_jwt"}
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
_METHODS = "token_endpoint_auth_methods_supported"


def document(probe: Probe) -> Mapping[str, Any]:
    """Return the metadata."""
    return document_answer(probe).members


def document_answer(probe: Probe) -> Answer:
    """Return what brought the metadata."""
    found = probe.found.answer
    if found is None:
        raise CheckSkipped("no metadata were found")
    return probe.once("metadata", lambda: found)


@SECTION.check(MUST, "The document lies at a well-known place for the issuer", "R8414-3-a")
def metadata_are_in_place(probe: Probe) -> None:
    """Host, well-known part, path of the issuer; OpenID Connect appends to the path instead."""
    document(probe)
    expect(probe.found.is_in_place, "the well-known part is appended to the issuer's path")


@SECTION.check(MUST, "The document is application/json", "R8414-3.2-a")
def metadata_are_json(probe: Probe) -> None:
    answer = document_answer(probe)
    expect(answer.media_type == "application/json", f"it is {answer.media_type or 'untyped'}")


@SECTION.check(MUST, "issuer is the one that the document was asked for with", "R8414-3.3-a")
def metadata_name_the_issuer(probe: Probe) -> None:
    issuer = document(probe).get("issuer")
    expect(issuer == probe.target.issuer, f"it is {issuer!r}")


@SECTION.check(MUST, "issuer is an https URL without query and fragment", "R8414-2-a")
def issuer_is_an_https_url(probe: Probe) -> None:
    expect_https(document(probe).get("issuer"), "the issuer")
    expect(not set("?#") & set(str(document(probe)["issuer"])), "it has a query or a fragment")


@SECTION.check(MUST, "token_endpoint is published", "R8414-2-b")
def metadata_have_the_token_endpoint(probe: Probe) -> None:
    expect(isinstance(document(probe).get("token_endpoint"), str), "there is no such URL")


@SECTION.check(
    MUST, "Published endpoints are https URLs without fragment", "R6749-1.6-a", "R6749-3.2-b"
)
def published_endpoints_are_https(probe: Probe) -> None:
    for name, url in document(probe).items():
        if name.endswith(("_endpoint", "jwks_uri")):
            expect_https(url, name)
            expect("#" not in str(url), f"{name} has a fragment")


@SECTION.check(MUST, "response_types_supported is published", "R8414-2-c")
def metadata_have_response_types(probe: Probe) -> None:
    """Also where nothing responds; an empty list conforms."""
    expect(isinstance(document(probe).get("response_types_supported"), list), "it is not a list")


@SECTION.check(MUST, "Lists are arrays of strings, and none is empty", "R8414-3.2-a")
def metadata_lists_are_arrays(probe: Probe) -> None:
    """``response_types_supported`` is required, and so may be empty where there are none."""
    for name, value in document(probe).items():
        if not name.endswith("_supported") or isinstance(value, bool):
            continue
        expect(isinstance(value, list), f"{name} is not an array")
        expect(all(isinstance(each, str) for each in value), f"{name} has other than strings")
        expect(value or name == "response_types_supported", f"{name} is empty, not left out")


@SECTION.check(SHOULD, "grant_types_supported names the grant that works", "R8414-2-d")
def metadata_name_the_grant(probe: Probe) -> None:
    """Left out, it would say authorization_code and implicit."""
    listed = document(probe).get("grant_types_supported", ["authorization_code", "implicit"])
    grant = probe.form()["grant_type"]
    expect(grant in strings_of(listed), f"{grant} works, and is not in the list")


@SECTION.check(SHOULD, f"{_METHODS} names the method that works", "R8414-2-e")
def metadata_name_the_auth_method(probe: Probe) -> None:
    """Left out, it says client_secret_basic."""
    listed = document(probe).get(_METHODS, ["client_secret_basic"])
    method = probe.target.auth_method
    expect(method in strings_of(listed), f"{method} works, and is not in the list")


@SECTION.check(MUST, "Where assertions are taken, the algorithms for them are listed", "R8414-2-f")
def metadata_list_signing_algorithms(probe: Probe) -> None:
    for endpoint in ("token", "revocation", "introspection"):
        methods = document(probe).get(f"{endpoint}_endpoint_auth_methods_supported", [])
        if _ASSERTIONS & set(strings_of(methods)):
            name = f"{endpoint}_endpoint_auth_signing_alg_values_supported"
            expect(document(probe).get(name), f"{name} is missing")


@SECTION.check(MUST, "No list of signing algorithms for clients has none in it", "R8414-2-f")
def metadata_do_not_offer_unsigned(probe: Probe) -> None:
    for name, value in document(probe).items():
        if name.endswith("_endpoint_auth_signing_alg_values_supported"):
            expect("none" not in strings_of(value), f"{name} has none in it")


@SECTION.check(MAY, "The endpoints that work are published", "R8414-2-g")
def metadata_name_what_works(probe: Probe) -> None:
    for name, url in (
        ("introspection_endpoint", probe.found.introspection),
        ("revocation_endpoint", probe.found.revocation),
    ):
        expect(url is None or name in document(probe), f"{name} is not published")


@SECTION.check(SHOULD, "No grant of the resource owner's password is offered", "R9700-2.4-a")
def metadata_do_not_offer_password(probe: Probe) -> None:
    """RFC 9700, 2.4, forbids it; whoever gives the kit a user has decided otherwise."""
    if probe.target.username is not None:
        raise CheckSkipped("the password grant is what the kit was asked to check")
    offered = document(probe).get("grant_types_supported", [])
    expect("password" not in offered, "password is in grant_types_supported")


@SECTION.check(MAY, "Clients may authenticate by keys of their own", "R9700-2.5-a")
def metadata_offer_asymmetric_authentication(probe: Probe) -> None:
    methods = set(strings_of(document(probe).get(_METHODS, [])))
    asymmetric = {"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"}
    expect(methods & asymmetric, "none of the methods does without a shared secret")


@SECTION.check(MUST, "Published keys are public", "R7517-4-a")
def published_keys_are_public(probe: Probe) -> None:
    for key in published_keys(probe):
        expect(not _PRIVATE & key.keys(), "a key has private members, or is a shared secret")


@SECTION.check(SHOULD, "Published keys can be told apart by kid", "R7517-4-a")
def published_keys_have_names(probe: Probe) -> None:
    names = [str(key.get("kid")) for key in published_keys(probe)]
    expect(len(set(names)) == len(names), "two keys have the same kid, or none")


def jwks_answer(probe: Probe) -> Answer:
    """Return what brought the JWK Set."""
    url = document(probe).get("jwks_uri")
    if not isinstance(url, str):
        raise CheckSkipped("no jwks_uri is published")
    try:
        probe.target.require_safe(url)
    except Unusable as why:
        raise CheckSkipped(f"the jwks_uri is not asked: {why}") from None
    return probe.once("jwks", lambda: probe.get(url))


def published_keys(probe: Probe) -> list[dict[str, Any]]:
    """Return the keys of the JWK Set."""
    answer = jwks_answer(probe)
    keys: Any = answer.members.get("keys")
    expect(isinstance(keys, list), f"there is no JWK Set: {answer.outcome}")
    return [key for key in keys if isinstance(key, dict)]


def expect_https(url: object, what: str) -> None:
    """Expect *url* to be https, or http on a loopback host."""
    expect(isinstance(url, str), f"{what} is not a URL")
    try:
        parts = urlsplit(str(url))
    except ValueError:
        raise CheckFailed(f"{what} is malformed") from None
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    expect(safe, f"{what} is not https: {url}")
