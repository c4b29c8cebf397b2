"""Whatever comes: no exception, no 5xx, always a well-formed answer."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oauthgrants import HttpRequest
from support import ISSUER, Colour, World, basic

req = pytest.mark.req

NAMES = st.sampled_from(
    ["grant_type", "scope", "client_id", "client_secret", "username", "password", "refresh_token",
     "client_assertion", "client_assertion_type", "resource", "token", "x", ""]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ["client_credentials", "password", "refresh_token", "service", "app", "browser", "alice",
         "wonderland", "read", "read write", "", "a\x00b", "ogrt_x"]
    ),
    st.text(max_size=20),
)  # fmt: skip
FORMS = st.lists(st.tuples(NAMES, VALUES), max_size=8).map(lambda pairs: urlencode(pairs).encode())
HEADERS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["Content-Type", "content-type"]),
            st.sampled_from(["application/x-www-form-urlencoded", "application/json", ";"]),
        ),
        st.tuples(
            st.sampled_from(["Authorization", "AUTHORIZATION"]),
            st.one_of(
                st.binary(max_size=30).map(lambda b: "Basic " + base64.b64encode(b).decode()),
                st.text(max_size=20),
                st.sampled_from(["Basic", "Basic ", "Bearer x", "basic Og=="]),
            ),
        ),
        st.tuples(st.text(max_size=10), st.text(max_size=20)),
    ),
    max_size=4,
)
REQUESTS = st.builds(
    HttpRequest,
    method=st.one_of(st.just("POST"), st.sampled_from(["GET", "PUT", ""]), st.text(max_size=5)),
    url=st.one_of(
        st.just(f"{ISSUER}/token"),
        st.text(max_size=20).map(lambda text: f"{ISSUER}/token?{text}"),
        st.text(max_size=30),
    ),
    headers=HEADERS,
    body=st.one_of(FORMS, st.binary(max_size=60)),
)


PATHS = ["/token", "/introspect", "/revoke"]


@pytest.fixture(scope="module", params=["sync", "async"])
def shared(request: pytest.FixtureRequest) -> Iterator[World]:
    """A server for all examples; what they leave behind is part of the test."""
    chosen: Colour = request.param
    with asyncio.Runner() as runner:
        yield World(chosen, runner)


@req("R6749-5.2-a", "R6749-5.2-j", "R6749-5.2-k", "R6749-10.14-a")
@given(request=REQUESTS, authenticated=st.sampled_from([None, "service", "app"]))
def test_there_is_always_an_answer(
    shared: World, request: HttpRequest, authenticated: str | None
) -> None:
    if authenticated is not None:
        extra = (
            ("Content-Type", "application/x-www-form-urlencoded"),
            basic(authenticated, shared.secrets[authenticated]),
        )
        request = HttpRequest(
            method=request.method, url=request.url, headers=extra, body=request.body
        )
    for url in (request.url, *(ISSUER + path for path in PATHS)):
        response = shared.send(
            HttpRequest(method=request.method, url=url, headers=request.headers, body=request.body)
        )
        members = response.json()
        assert response.status in {200, 400, 401, 403, 404, 405}
        assert ("Cache-Control", "no-store") in response.headers
        assert all(value.isprintable() and value.isascii() for _, value in response.headers)
        if response.status == 200:
            assert members.get("token_type") == "Bearer" or members in ({"active": False}, {})
        else:
            assert set(members) <= {"error", "error_description"}
            for text in members.values():
                assert text
                assert all(0x20 <= ord(c) <= 0x7E and c not in '"\\' for c in text)
        challenged = "WWW-Authenticate" in dict(response.headers)
        assert challenged == (response.status == 401)
