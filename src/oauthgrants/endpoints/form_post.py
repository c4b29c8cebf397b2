"""
What the endpoints share: a form, sent by POST, from an authenticated client.

The order of checks (C-21) begins here: method and media type, parsing, client authentication.
This is the only place that turns an `OAuthError` into a response.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol
from urllib.parse import unquote_plus

from oauthgrants.brief import service
from oauthgrants.client_auth import ClientAuthenticator
from oauthgrants.clients import VerifiedClient
from oauthgrants.errors import (
    InvalidRequest,
    MethodNotAllowed,
    OAuthError,
    TemporarilyUnavailable,
)
from oauthgrants.events import Event, Fault, RequestRefused
from oauthgrants.forms import Form, FormParser
from oauthgrants.ports import Clock
from oauthgrants.wire import HttpRequest, HttpResponse, render_error

_FORM = "application/x-www-form-urlencoded"
_NEVER_IN_URI = frozenset(
    {
        "client_id",
        "client_secret",
        "client_assertion",
        "username",
        "password",
        "token",
        "access_token",
        "refresh_token",
    }
)


class FormHandler(Protocol):
    """Answers a request whose client is authenticated, or raises an `OAuthError`."""

    def __call__(
        self, request: HttpRequest, form: Form, client: VerifiedClient
    ) -> Awaitable[HttpResponse]:
        """Return the response."""
        ...


@service(kw_only=True)
class FormEndpoint:
    """
    An endpoint that takes forms from clients (RFC 6749, 3.2; RFC 7009, 2.1; RFC 7662, 2.1).

    Attributes:
        name: What events call it.
        parser: Reads the body.
        authenticator: Authenticates the client.
        handler: What the endpoint is for.
        clock: Tells the time.
        record: Reports events.
    """

    name: str
    parser: FormParser
    authenticator: ClientAuthenticator
    handler: FormHandler
    clock: Clock
    record: Callable[[Event], None]

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Return the response to *request*; raises nothing, whatever came."""
        form: Form | None = None
        client_id: str | None = None
        client: VerifiedClient | None = None
        try:
            form = self._require_form(request)
            credentials = self.authenticator.read(request, form)
            client_id = credentials.client_id
            client = await self.authenticator.authenticate(credentials, request.source)
            return await self.handler(request, form, client)
        except OAuthError as error:
            self.record(
                RequestRefused(
                    at=self.clock(),
                    source=request.source,
                    error=error.code,
                    reason=error.reason,
                    endpoint=self.name,
                    client_id=client_id,
                    grant_type=None if form is None else form.get("grant_type"),
                    sub=error.sub,
                    secret_id=None if client is None else client.secret_id,
                    key_id=None if client is None else client.key_id,
                )
            )
            return render_error(error)
        except Exception as error:
            self.record(
                Fault(
                    at=self.clock(),
                    source=request.source,
                    error=error,
                    endpoint=self.name,
                    client_id=client_id,
                )
            )
            return render_error(TemporarilyUnavailable("try again later"))

    def _require_form(self, request: HttpRequest) -> Form:
        if request.method != "POST":
            raise MethodNotAllowed("the method has to be POST")
        content_type = request.find_header("content-type", self.parser.limits) or ""
        if content_type.partition(";")[0].strip().lower() != _FORM:
            raise InvalidRequest(f"the media type has to be {_FORM}")
        form = self.parser.parse(request.body)
        self._refuse_credentials_in_uri(request.url)
        return form

    def _refuse_credentials_in_uri(self, url: str) -> None:
        """Refuse credentials where logs and histories keep them (RFC 6749, 2.3.1; C-03)."""
        if "?" not in url:
            return
        names = (pair.partition("=")[0] for pair in url.partition("?")[2].split("&"))
        if any(unquote_plus(name) in _NEVER_IN_URI for name in names):
            raise InvalidRequest("credentials and tokens do not belong in the request URI")
