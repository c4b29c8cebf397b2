"""
What every adapter has to do that guards the host's own routes, as tests to inherit.

A test module subclasses `GuardContract`, or `AsyncGuardContract` for an adapter of
`AsyncResourceServer`, and serves four routes that its adapter guards::

    class TestFlask(GuardContract):
        @contextmanager
        def mount(self, resource_server, *, trusted_proxies):
            app = Flask(__name__)
            oauth = FlaskOAuth(resource_server=resource_server, trusted_proxies=trusted_proxies)
            oauth.init_app(app)

            @app.route("/read", methods=METHODS)
            @oauth.require_token(scope="read")
            def read():
                return show_token(g.oauth_token, request.get_data())

            ...
            yield partial(send_by_test_client, app.test_client())
"""
# ruff: noqa: S101  # asserts are what a contract is of

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Any, ClassVar, Generic, TypeVar
from unittest import SkipTest

from oauthgrants.events import RequestRefused
from oauthgrants.resource import AsyncResourceServer, ResourceServer
from oauthgrants.testing.adapter_contract import Header, Send, find_all
from oauthgrants.testing.contract_servers import (
    BODY_LIMIT,
    HOST,
    EventList,
    HostFault,
    make_async_resource_server,
    make_resource_server,
)
from oauthgrants.testing.inherited_tests import InheritedTests
from oauthgrants.wire import HttpResponse

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""What ``/read`` takes."""

_HOST: Header = ("Host", HOST)
_FORM: Header = ("Content-Type", "application/x-www-form-urlencoded")
_READER: Header = ("Authorization", "Bearer reader")
_WRITER: Header = ("Authorization", "Bearer writer")
_METADATA = "/.well-known/oauth-protected-resource"
_ANY_OCTETS = b"a=%zz&a=1&=+%00&" + bytes(range(256)) + b"\r\n\r\n"

_Server = TypeVar("_Server")


class _Contract(InheritedTests, ABC, Generic[_Server]):
    """
    The tests. Subclass `GuardContract` or `AsyncGuardContract`.

    Attributes:
        peer: The address that requests come from.
        serves_metadata: Whether the adapter serves those of the resource server.
        takes_body: Whether the token may come in a form where the resource server allows it.
        takes_query: Whether it may come in the URL there.
    """

    peer: ClassVar[str] = "127.0.0.1"
    serves_metadata: ClassVar[bool] = True
    takes_body: ClassVar[bool] = True
    takes_query: ClassVar[bool] = True

    @abstractmethod
    def mount(
        self, resource_server: _Server, *, trusted_proxies: Collection[str]
    ) -> AbstractContextManager[Send]:
        """
        Return an application, ready for requests, with four routes that the adapter guards.

        ``/read``
            takes `METHODS`, wants the scope ``read``, and answers with
            `contract_servers.show_token` of its token and the body, read as the web stack does.
        ``/either``
            wants ``read`` or ``write``, and answers likewise.
        ``/any``
            wants a token and no scope, and answers likewise.
        ``/fault``
            wants a token, and raises `contract_servers.HostFault`.

        Args:
            resource_server: Checks the tokens.
            trusted_proxies: The adapter's setting of this name.
        """
        ...

    @abstractmethod
    def _make(self, **settings: Any) -> _Server: ...

    def _send(
        self,
        target: str,
        *headers: Header,
        method: str = "GET",
        body: bytes | Iterator[bytes] = b"",
        trusted_proxies: Collection[str] = (),
        **settings: Any,
    ) -> HttpResponse:
        with self.mount(self._make(**settings), trusted_proxies=trusted_proxies) as send:
            return send(method, target, [_HOST, *headers], body)

    def test_a_token_lets_through(self) -> None:
        """The route finds it where the web stack keeps what belongs to a request."""
        response = self._send("/read", _READER)

        assert response.status == HTTPStatus.OK
        assert json.loads(response.body) == {
            "client_id": "s6BhdRkqt3",
            "scope": "read",
            "body": "",
        }

    def test_no_token_is_refused(self) -> None:
        """The challenge names no error: there was no mistake (RFC 6750, 3.1)."""
        response = self._send("/read")

        assert response.status == HTTPStatus.UNAUTHORIZED
        [challenge] = find_all(response, "www-authenticate")
        assert challenge.startswith('Bearer realm="resource"')
        assert "error" not in challenge
        assert find_all(response, "content-type") == ["application/json"]
        assert response.json() == {}

    def test_a_bad_token_is_refused(self) -> None:
        """Status, challenge and body are those of the resource server (RFC 6750, 3.1)."""
        response = self._send("/read", ("Authorization", "Bearer guess"))

        assert response.status == HTTPStatus.UNAUTHORIZED
        assert response.json()["error"] == "invalid_token"
        [challenge] = find_all(response, "www-authenticate")
        assert 'error="invalid_token"' in challenge
        assert find_all(response, "cache-control") == ["no-store"]
        assert find_all(response, "content-length") == [str(len(response.body))]

    def test_too_little_scope_is_refused(self) -> None:
        """The challenge says what would do (RFC 6750, 3.1)."""
        response = self._send("/read", _WRITER)

        assert response.status == HTTPStatus.FORBIDDEN
        assert response.json()["error"] == "insufficient_scope"
        [challenge] = find_all(response, "www-authenticate")
        assert 'scope="read"' in challenge

    def test_one_scope_of_several_is_enough(self) -> None:
        """Where the route says so."""
        for token in (_READER, _WRITER):
            assert self._send("/either", token).status == HTTPStatus.OK

    def test_no_scope_is_wanted_by_default(self) -> None:
        """A valid token is enough."""
        assert self._send("/any", _WRITER).status == HTTPStatus.OK
        assert self._send("/any").status == HTTPStatus.UNAUTHORIZED

    def test_two_authorization_fields_are_refused(self) -> None:
        """Neither the first nor the last one wins (RFC 6750, 2)."""
        response = self._send("/read", _READER, _READER)

        assert response.status == HTTPStatus.BAD_REQUEST
        assert response.json()["error"] == "invalid_request"

    def test_a_store_that_fails_is_no_bad_token(self) -> None:
        """The client is told to come again."""
        response = self._send("/read", ("Authorization", "Bearer fault"), event_sink=EventList())

        assert response.status == HTTPStatus.SERVICE_UNAVAILABLE
        assert find_all(response, "retry-after")
        assert not find_all(response, "www-authenticate")

    def test_any_method_is_guarded(self) -> None:
        """HEAD no less than GET."""
        with self.mount(self._make(), trusted_proxies=()) as send:
            for method in METHODS:
                refused = send(method, "/read", [_HOST], b"")
                allowed = send(method, "/read", [_HOST, _READER], b"")

                assert (method, refused.status) == (method, HTTPStatus.UNAUTHORIZED)
                assert (method, allowed.status) == (method, HTTPStatus.OK)

    def test_the_body_is_left_to_the_route(self) -> None:
        """Whole, untouched, and however long."""
        body = _ANY_OCTETS * 40
        response = self._send("/read", _READER, _FORM, method="POST", body=body)

        assert _body_of(response) == body

    def test_a_form_is_not_searched_by_default(self) -> None:
        """A token there is none (RFC 6750, 2.2)."""
        response = self._send("/any", _FORM, method="POST", body=b"access_token=reader")

        assert response.status == HTTPStatus.UNAUTHORIZED

    def test_a_token_in_a_form_lets_through_where_it_may(self) -> None:
        """The route still has the whole form (RFC 6750, 2.2)."""
        self._require(self.takes_body, "forms are not searched for tokens")
        form = b"a=1&access_token=reader&b=2"
        response = self._send("/read", _FORM, method="POST", body=form, allow_body=True)

        assert response.status == HTTPStatus.OK
        assert _body_of(response) == form

    def test_a_body_that_is_no_form_is_left_to_the_route_there_too(self) -> None:
        """However long it is."""
        self._require(self.takes_body, "forms are not searched for tokens")
        body = b"b" * BODY_LIMIT * 3
        media_type = ("Content-Type", "application/octet-stream")
        response = self._send(
            "/read", _READER, media_type, method="POST", body=body, allow_body=True
        )

        assert _body_of(response) == body

    def test_a_form_beyond_the_limit_is_refused_where_it_is_searched(self) -> None:
        """Not cut off and then read as a shorter one."""
        self._require(self.takes_body, "forms are not searched for tokens")
        response = self._send(
            "/read", _READER, _FORM, method="POST", body=b"a" * BODY_LIMIT * 2, allow_body=True
        )

        assert response.status == HTTPStatus.BAD_REQUEST
        assert response.json()["error"] == "invalid_request"

    def test_a_form_that_is_none_does_not_reach_the_route_in_part(self) -> None:
        """Forms are of ASCII; what is not may be refused, or left to the route as a whole."""
        self._require(self.takes_body, "forms are not searched for tokens")
        body = b"\xff" * BODY_LIMIT * 2
        response = self._send("/read", _READER, _FORM, method="POST", body=body, allow_body=True)

        assert response.status == HTTPStatus.BAD_REQUEST or _body_of(response) == body

    def test_a_token_in_the_url_is_none_by_default(self) -> None:
        """Histories and logs keep URLs (RFC 9700, 4.3.2)."""
        assert self._send("/any?access_token=reader").status == HTTPStatus.UNAUTHORIZED

    def test_a_token_in_the_url_lets_through_where_it_may(self) -> None:
        """No cache may keep the answer for others (RFC 6750, 2.3)."""
        self._require(self.takes_query, "URLs are not searched for tokens")
        response = self._send("/read?access_token=reader", allow_query=True)

        assert response.status == HTTPStatus.OK
        assert find_all(response, "cache-control") == ["private"]

    def test_the_source_is_that_behind_a_trusted_proxy_only(self) -> None:
        """Events name the address that a refused request came from (RFC 9700, 4.13)."""
        forwarded = ("X-Forwarded-For", "198.51.100.7")
        seen: list[str | None] = []
        for proxies in ([], [self.peer]):
            sink = EventList()
            self._send("/read", forwarded, trusted_proxies=proxies, event_sink=sink)
            [event] = (event for event in sink.events if isinstance(event, RequestRefused))
            seen.append(event.source)

        assert seen == [self.peer, "198.51.100.7"]

    def test_what_the_route_raises_is_left_to_the_host(self) -> None:
        """It comes out of the guard, or becomes the web stack's own 500."""
        try:
            status = self._send("/fault", _READER).status
        except HostFault:
            status = HTTPStatus.INTERNAL_SERVER_ERROR

        assert status == HTTPStatus.INTERNAL_SERVER_ERROR
        assert self._send("/fault").status == HTTPStatus.UNAUTHORIZED

    def test_the_metadata_are_where_challenges_say(self) -> None:
        """The adapter serves them beside the routes (RFC 9728, 3.1 and 5.1)."""
        self._require(self.serves_metadata, "the adapter serves no metadata")
        [challenge] = find_all(self._send("/read"), "www-authenticate")
        response = self._send(_METADATA)

        assert f'resource_metadata="https://{HOST}{_METADATA}"' in challenge
        assert response.status == HTTPStatus.OK
        assert response.json()["resource"] == f"https://{HOST}"

    def _require(self, ability: bool, otherwise: str) -> None:
        if not ability:
            raise SkipTest(otherwise)


class GuardContract(_Contract[ResourceServer]):
    """What a guard with `ResourceServer` has to do."""

    def _make(self, **settings: Any) -> ResourceServer:
        return make_resource_server(**settings)


class AsyncGuardContract(_Contract[AsyncResourceServer]):
    """What a guard with `AsyncResourceServer` has to do."""

    def _make(self, **settings: Any) -> AsyncResourceServer:
        return make_async_resource_server(**settings)


def _body_of(response: HttpResponse) -> bytes:
    return b64decode(json.loads(response.body)["body"])
