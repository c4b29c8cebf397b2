"""
What every adapter has to do, as tests to inherit.

A test module subclasses `AdapterContract`, or `AsyncAdapterContract` for an adapter of
`AsyncAuthorizationServer`, and says how its adapter is reached::

    class TestFlask(AdapterContract):
        @contextmanager
        def mount(self, server, *, prefix, trusted_proxies):
            app = Flask(__name__)
            FlaskOAuth(server, trusted_proxies=trusted_proxies).init_app(app)
            yield partial(send_by_test_client, app.test_client())

What guards routes has a contract of its own, `guard_contract`.

The tests are plain asserts and run under pytest, which shows more of a failure after
``pytest.register_assert_rewrite("oauthgrants.testing.adapter_contract")``.
"""
# ruff: noqa: S101  # asserts are what a contract is of

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from unittest import SkipTest

from oauthgrants.server import AsyncAuthorizationServer, AuthorizationServer
from oauthgrants.testing.certificate_contract import CertificateContract
from oauthgrants.testing.contract_servers import (
    BODY_LIMIT,
    HOST,
    HostFault,
    make_async_server,
    make_server,
    read_echo,
)
from oauthgrants.wire import HttpRequest, HttpResponse

PREFIX = "/oauth"
"""Where the adapter is mounted in the tests that mount it below a prefix."""

Header = tuple[str, str]

# The client of RFC 6749, Section 2.3.1
_BASIC: Header = ("Authorization", "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3")
_WRONG: Header = ("Authorization", "Basic czZCaGRSa3F0Mzp3cm9uZw==")
_FORM: Header = ("Content-Type", "application/x-www-form-urlencoded")
_HOST: Header = ("Host", HOST)
_ECHO: Header = ("X-Contract", "echo")
_FAULT: Header = ("X-Contract", "fault")
_METADATA = "/.well-known/oauth-authorization-server"
_TOKEN_REQUEST = b"grant_type=client_credentials"
# Everything that a form parser in between would lose or change
_ANY_OCTETS = b"a=%zz&a=1&a=&=+%00&" + bytes(range(256)) + b"\r\n\r\n"

_FORWARDED: Sequence[Header] = (
    ("X-Forwarded-For", "198.51.100.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "public.example.com"),
)


class Send(Protocol):
    """Sends requests to the mounted adapter, by plain HTTP."""

    def __call__(
        self,
        method: str,
        target: str,
        headers: Sequence[Header],
        body: bytes | Iterator[bytes],
    ) -> HttpResponse:
        """
        Send a request and return the response.

        Args:
            method: As it has to arrive.
            target: Path and query, the prefix included.
            headers: As they have to arrive, ``Host`` among them, repeats included. What
                frames the body is missing.
            body: Octets, sent with ``Content-Length``, or the chunks of a chunked body.
        """
        ...


_Server_contra = TypeVar("_Server_contra", contravariant=True)


class Contract(CertificateContract, Generic[_Server_contra]):
    """
    The tests. Subclass `AdapterContract` or `AsyncAdapterContract`.

    Attributes:
        chunked: Whether the web server understands chunked bodies; where it does not, the
            tests of them are skipped.
    """

    chunked: ClassVar[bool] = True

    @abstractmethod
    def mount(
        self, server: _Server_contra, *, prefix: str, trusted_proxies: Any
    ) -> AbstractContextManager[Send]:
        """
        Return the adapter for *server*, ready for requests.

        Args:
            server: What it has to serve. An adapter that runs in another process makes its
                own there, with `contract_servers.make_server` or ``make_async_server``.
            prefix: The path that it is mounted below, empty for none.
            trusted_proxies: The adapter's setting of this name, strings or `TrustedProxies`.
        """
        ...

    @abstractmethod
    def _mount(
        self, *, prefix: str = "", trusted_proxies: Any = ()
    ) -> AbstractContextManager[Send]: ...

    def _echo(
        self,
        *,
        target: str = "/token",
        headers: Iterable[Header] = (),
        body: bytes | Iterator[bytes] = b"",
        prefix: str = "",
        trusted_proxies: Any = (),
    ) -> HttpRequest:
        """Return what the adapter makes of a request."""
        with self._mount(prefix=prefix, trusted_proxies=trusted_proxies) as send:
            return read_echo(send("POST", target, [_HOST, _FORM, _ECHO, *headers], body))

    def _post(
        self,
        body: bytes | Iterator[bytes],
        *,
        target: str = "/token",
        headers: Iterable[Header] = (_BASIC,),
        prefix: str = "",
    ) -> HttpResponse:
        """Return the answer to a form."""
        with self._mount(prefix=prefix) as send:
            return send("POST", target, [_HOST, _FORM, *headers], body)

    def _require_chunked(self) -> None:
        if not self.chunked:
            raise SkipTest("the web server does not understand chunked bodies")

    def test_a_token_is_issued(self) -> None:
        """A whole exchange: form and credentials come in, token and header fields go out."""
        response = self._post(_TOKEN_REQUEST)

        assert response.status == HTTPStatus.OK
        assert {"access_token", "token_type", "expires_in"} <= response.json().keys()
        assert find_all(response, "content-type") == ["application/json"]
        assert find_all(response, "cache-control") == ["no-store"]
        assert find_all(response, "pragma") == ["no-cache"]

    def test_a_refusal_arrives_with_its_challenge(self) -> None:
        """The status is the server's, and the web stack asks for no password of its own."""
        response = self._post(_TOKEN_REQUEST, headers=[_WRONG])

        assert response.status == HTTPStatus.UNAUTHORIZED
        assert response.json()["error"] == "invalid_client"
        [challenge] = find_all(response, "www-authenticate")
        assert challenge.startswith("Basic realm=")

    def test_the_length_of_the_response_is_sent(self) -> None:
        """``Content-Length`` is the adapter's to add, once."""
        response = self._post(_TOKEN_REQUEST)

        assert find_all(response, "content-length") == [str(len(response.body))]

    def test_any_method_reaches_the_server(self) -> None:
        """The server says what is allowed, not the web stack (RFC 6749, 3.2; C-05)."""
        with self._mount() as send:
            for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
                response = send(method, "/token", [_HOST, _BASIC], b"")

                assert (method, response.status) == (method, HTTPStatus.METHOD_NOT_ALLOWED)
                assert find_all(response, "allow") == ["POST"]
                assert method == "HEAD" or response.json()["error"] == "invalid_request"

    def test_methods_arrive_as_sent(self) -> None:
        """No method stands in for another one."""
        with self._mount() as send:
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
                echo = read_echo(send(method, "/token", [_HOST, _ECHO], b""))

                assert echo.method == method

    def test_head_has_the_length_of_get_and_no_body(self) -> None:
        """The fields are those that GET would bring (RFC 9110, 9.3.2)."""
        with self._mount() as send:
            get = send("GET", "/token", [_HOST], b"")
            head = send("HEAD", "/token", [_HOST], b"")

        assert head.body == b""
        assert head.status == get.status
        assert find_all(head, "content-length") == [str(len(get.body))]
        assert find_all(head, "content-type") == find_all(get, "content-type")

    def test_a_document_that_is_known_is_not_sent_again(self) -> None:
        """The response to ``If-None-Match`` has no body (RFC 9110, 15.4.5)."""
        with self._mount() as send:
            document = send("GET", _METADATA, [_HOST], b"")
            [etag] = find_all(document, "etag")
            again = send("GET", _METADATA, [_HOST, ("If-None-Match", etag)], b"")

        assert document.status == HTTPStatus.OK
        assert (again.status, again.body) == (HTTPStatus.NOT_MODIFIED, b"")
        assert find_all(again, "etag") == [etag]

    def test_the_body_comes_untouched(self) -> None:
        """Nothing in between parses, decodes or repairs it."""
        assert self._echo(body=_ANY_OCTETS).body == _ANY_OCTETS

    def test_an_empty_body_stays_empty(self) -> None:
        """It is neither an error of the adapter nor waited for."""
        assert self._echo(body=b"").body == b""
        assert self._post(b"").json()["error"] == "invalid_request"

    def test_a_chunked_body_comes_whole(self) -> None:
        """Nobody says beforehand how long it is, and its end is not missed."""
        self._require_chunked()
        chunks = [_ANY_OCTETS[:1], _ANY_OCTETS[1:100], _ANY_OCTETS[100:]]

        assert self._echo(body=iter(chunks)).body == _ANY_OCTETS
        assert self._post(iter([_TOKEN_REQUEST])).status == HTTPStatus.OK

    def test_an_empty_chunked_body_stays_empty(self) -> None:
        """There is no chunk but the last one."""
        self._require_chunked()

        assert self._echo(body=iter(())).body == b""

    def test_a_body_at_the_limit_comes_whole(self) -> None:
        """The limit is the longest body that is taken."""
        body = _TOKEN_REQUEST.ljust(BODY_LIMIT, b"&")

        assert self._echo(body=body).body == body

    def test_no_more_is_read_than_the_limit_needs(self) -> None:
        """One octet too many is enough to refuse the rest."""
        assert len(self._echo(body=b"a" * BODY_LIMIT * 4).body) == BODY_LIMIT + 1

    def test_no_more_chunks_are_read_than_the_limit_needs(self) -> None:
        """It makes no difference that nobody says how long the body is."""
        self._require_chunked()
        chunks = (b"a" * 1000 for _ in range(40))

        assert len(self._echo(body=chunks).body) == BODY_LIMIT + 1

    def test_a_body_beyond_the_limit_is_refused(self) -> None:
        """Not cut off and then read as a shorter form."""
        response = self._post(_TOKEN_REQUEST + b"&a=" + b"b" * BODY_LIMIT)

        assert response.status == HTTPStatus.BAD_REQUEST
        assert response.json()["error"] == "invalid_request"

    def test_a_repeated_parameter_is_refused(self) -> None:
        """No dict in between keeps one of the two (RFC 6749, 3.2)."""
        response = self._post(_TOKEN_REQUEST + b"&" + _TOKEN_REQUEST)

        assert response.status == HTTPStatus.BAD_REQUEST
        assert response.json()["error"] == "invalid_request"

    def test_repeated_headers_are_seen(self) -> None:
        """Each field comes by itself, or all in one, joined with commas."""
        echo = self._echo(headers=[("X-Repeated", "a"), ("X-Repeated", "b")])

        assert [
            item.strip() for value in echo.get_headers("x-repeated") for item in value.split(",")
        ] == ["a", "b"]

    def test_two_authorization_fields_are_refused(self) -> None:
        """Neither the first nor the last one wins (RFC 6749, 2.3)."""
        response = self._post(_TOKEN_REQUEST, headers=[_BASIC, _BASIC])

        assert response.status == HTTPStatus.BAD_REQUEST
        assert response.json()["error"] == "invalid_request"

    def test_the_url_is_what_the_client_asked_for(self) -> None:
        """Absolute, with the query as it was sent."""
        echo = self._echo(target="/token?a=1&a=%26&b")

        assert echo.url == f"http://{HOST}/token?a=1&a=%26&b"

    def test_credentials_in_the_query_are_refused(self) -> None:
        """The query reaches the server, and not among the parameters (RFC 6749, 2.3.1)."""
        response = self._post(_TOKEN_REQUEST, target="/token?client_secret=7Fjfp0ZBr1KtDRbnfVdmIw")

        assert response.status == HTTPStatus.BAD_REQUEST
        assert response.json()["error"] == "invalid_request"

    def test_an_unknown_path_is_not_found(self) -> None:
        """Whether server or web stack says so."""
        assert self._post(_TOKEN_REQUEST, target="/unknown").status == HTTPStatus.NOT_FOUND

    def test_the_adapter_can_be_mounted_below_a_prefix(self) -> None:
        """The prefix is part of the URL, as it is part of the issuer."""
        target = f"{PREFIX}/token"

        assert self._post(_TOKEN_REQUEST, target=target, prefix=PREFIX).status == HTTPStatus.OK
        assert self._echo(target=target, prefix=PREFIX).url == f"http://{HOST}{target}"

    def test_the_source_is_the_peer(self) -> None:
        """It is the address that the web server saw."""
        assert self._echo().source == self.peer

    def test_proxy_headers_are_ignored_by_default(self) -> None:
        """Anybody can send them (RFC 9700, 4.13)."""
        echo = self._echo(headers=_FORWARDED)

        assert (echo.source, echo.url) == (self.peer, f"http://{HOST}/token")

    def test_proxy_headers_of_others_than_the_trusted_proxy_are_ignored(self) -> None:
        """That some proxy is trusted does not make everybody a proxy."""
        echo = self._echo(headers=_FORWARDED, trusted_proxies=["192.0.2.0/24"])

        assert (echo.source, echo.url) == (self.peer, f"http://{HOST}/token")

    def test_a_trusted_proxy_is_believed(self) -> None:
        """Source, scheme and host are those at the proxy."""
        echo = self._echo(headers=_FORWARDED, trusted_proxies=[self.peer])

        assert (echo.source, echo.url) == ("198.51.100.7", "https://public.example.com/token")

    def test_a_client_cannot_make_up_hops(self) -> None:
        """What stands before the hop that the trusted proxy added is the client's word."""
        echo = self._echo(
            headers=[("X-Forwarded-For", "203.0.113.9, 198.51.100.7")],
            trusted_proxies=[self.peer],
        )

        assert echo.source == "198.51.100.7"

    def test_what_the_host_raises_is_left_to_the_host(self) -> None:
        """It comes out of the adapter, or becomes the web stack's own 500."""
        with self._mount() as send:
            try:
                status = send("POST", "/token", [_HOST, _FAULT], b"").status
            except HostFault:
                status = HTTPStatus.INTERNAL_SERVER_ERROR

        assert status == HTTPStatus.INTERNAL_SERVER_ERROR


class AdapterContract(Contract[AuthorizationServer]):
    """What an adapter of `AuthorizationServer` has to do."""

    def _mount(
        self, *, prefix: str = "", trusted_proxies: Any = ()
    ) -> AbstractContextManager[Send]:
        return self.mount(make_server(prefix), prefix=prefix, trusted_proxies=trusted_proxies)


class AsyncAdapterContract(Contract[AsyncAuthorizationServer]):
    """What an adapter of `AsyncAuthorizationServer` has to do."""

    def _mount(
        self, *, prefix: str = "", trusted_proxies: Any = ()
    ) -> AbstractContextManager[Send]:
        return self.mount(make_async_server(prefix), prefix=prefix, trusted_proxies=trusted_proxies)


def find_all(response: HttpResponse, name: str) -> list[str]:
    """Return the value of each field of *response* called *name*, which is in lower case."""
    return [value for field, value in response.headers if field.lower() == name]
